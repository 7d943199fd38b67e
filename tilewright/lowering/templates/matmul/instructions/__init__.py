"""Seam 3, the matrix instruction: what multiplies and accumulates, as the target's description declares it.

`vector_instruction` is what instructions on vectors have in common; `multiply_add` and `dot_product` hold them; `select` finds the one
that a schedule names. How their operands lie in memory says `passes/schedules/matmul_instructions`. A new one is a row there and a class
with its emission here. Instructions on tiles or blocks have micro-kernels of their own.
"""
