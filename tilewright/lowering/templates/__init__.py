"""Kernel templates: matmul and attention kernels emitted directly as scf, vector and memref (level 2 to level 3).

`views` and `iteration` are plain data about strides; `index_math` and `memory` emit index arithmetic and accesses;
`matmul` and `attention` hold one template each, split at the four seams of the design: loops, operand loaders, matrix
instruction, epilogue.
"""
