"""Kernels for GPUs: `linalg.generic` on tensors to one `gpu.func` per kernel, and that to NVVM.

The linalg form, its graph, plan and scalar code are those of the CPU's loop emitter (`lowering/loops`); only how loops and
reductions become code differs here.

Kernel ABI. Arguments: a pointer (`!llvm.ptr<1>`, global memory) per input, one per output, then the kernel's symbols in name order
(d0, d1, ...) as i64. All pointers are aligned to 16 bytes; outputs alias nothing; tensors are row-major and contiguous; an i1 is a
byte holding 0 or 1. `tw.grid` on the function holds the numbers of blocks in x, y and z as expressions over the symbols, `tw.block`
the numbers of threads of a block. A grid of 0 blocks must not be launched: there is nothing to compute. Shared memory is static.
"""
