"""Recovery: the ops that a frontend, or the model's author, spelled out.

* `layer_norm`, `rms_norm`, `softmax`, `rope`: decomposed normalizations and rotary embedding become one op.
* `attention`: matmul, softmax, matmul. `grouped_heads`: repeated key/value heads. `masks`: masks become attributes.
* `merge_pointwise`, `activations`: chains of pointwise ops become one region, in which activations take their cheapest form. There is no
  op for an activation: GELU or SiLU is a region like any other.
* `recover`: all of it, in the order in which one enables the next.
"""
