"""NVIDIA GPUs. Shapes of the matrix instructions are those of the PTX ISA; limits those of the CUDA programming guide."""

from __future__ import annotations

from tilewright.targets.target import Caches, GpuLimits, MatrixInstruction, Target

KIB, MIB = 1024, 1024 * 1024
TRIPLE = "nvptx64-nvidia-cuda"


def _mma(name: str, m: int, n: int, k: int, lhs: str, acc: str, registers: tuple[int, int, int]) -> MatrixInstruction:
    return MatrixInstruction(name, m, n, k, lhs, lhs, acc, 32, registers, threads=32)


MMA_SYNC = (
    _mma("mma.sync.m16n8k16.f16", 16, 8, 16, "f16", "f32", (4, 2, 4)),
    _mma("mma.sync.m16n8k16.bf16", 16, 8, 16, "bf16", "f32", (4, 2, 4)),
    _mma("mma.sync.m16n8k8.tf32", 16, 8, 8, "tf32", "f32", (4, 2, 4)),
    _mma("mma.sync.m16n8k32.s8", 16, 8, 32, "si8", "si32", (4, 2, 4)),
)
WGMMA = tuple(
    MatrixInstruction(f"wgmma.m64n256k{k}.{dtype}", 64, 256, k, dtype, dtype, "f32", 32, (0, 0, 128), threads=128, feature="wgmma")
    for dtype, k in (("f16", 16), ("bf16", 16), ("f8E4M3FN", 32))
)

SM_80 = Target(
    name="cuda:sm_80",
    kind="cuda",
    arch="nvptx64",
    triple=TRIPLE,
    llvm_cpu="sm_80",
    features=("ptx70",),
    capabilities=("bf16", "exp2"),
    vector_bits=128,
    vector_registers=255,
    fma_units=64,
    caches=Caches(192 * KIB, 40 * MIB, 0, line=128),
    vendor="nvidia",
    matrix_instructions=MMA_SYNC,
    requires=("sm_80",),
    gpu=GpuLimits(32, 1024, 163 * KIB, 255, 65536, 108),
    summary="NVIDIA A100",
)
SM_90 = Target(
    name="cuda:sm_90",
    kind="cuda",
    arch="nvptx64",
    triple=TRIPLE,
    llvm_cpu="sm_90a",
    features=("ptx80",),
    capabilities=("bf16", "exp2", "wgmma", "tma"),
    vector_bits=128,
    vector_registers=255,
    fma_units=128,
    caches=Caches(256 * KIB, 50 * MIB, 0, line=128),
    vendor="nvidia",
    matrix_instructions=(*MMA_SYNC, *WGMMA),
    requires=("sm_90",),
    gpu=GpuLimits(32, 1024, 227 * KIB, 255, 65536, 132),
    summary="NVIDIA H100, H200",
)

RECORDS: tuple[Target, ...] = (SM_80, SM_90)
