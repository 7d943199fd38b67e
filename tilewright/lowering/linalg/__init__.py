"""`tw` kernels to `linalg.generic` on tensors: one module per op family, registered by op name."""
