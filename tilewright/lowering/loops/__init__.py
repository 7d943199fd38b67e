"""The loop emitter: kernels of `linalg.generic` on tensors to one function of scf, vector and memref (level 3)."""
