"""What the compiler knows about a machine it compiles for. Plain frozen data: no live device, no LLVM, no MLIR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class MatrixInstruction:
    """One instruction (or one fused multiply-add used as an outer product) that computes `acc[m,n] += lhs[m,k] * rhs[k,n]`.

    `threads` execute it together (1 on a CPU, 32 for a warp, 128 for a warpgroup). The register counts are per thread and
    of `register_bits` each; 0 means that the operand is read from (shared) memory. A `broadcast` left operand is one row of
    `k` elements repeated over the whole register. `per_cycle` is how many a core starts in a cycle; 0 means as many as it has
    multiply-add units. The record checks its own arithmetic, so a mistyped shape does not pass.
    """

    name: str
    m: int
    n: int
    k: int
    lhs: str
    rhs: str
    acc: str
    register_bits: int
    registers: tuple[int, int, int]
    threads: int = 1
    broadcast: bool = False
    feature: str = ""
    per_cycle: float = 0.0

    bits: ClassVar[dict[str, int]] = {
        "f64": 64,
        "f32": 32,
        "tf32": 32,
        "f16": 16,
        "bf16": 16,
        "f8E4M3FN": 8,
        "f8E5M2": 8,
        "si32": 32,
        "si16": 16,
        "si8": 8,
        "ui8": 8,
    }

    def __post_init__(self) -> None:
        shapes = (("lhs", self.m * self.k, self.lhs), ("rhs", self.k * self.n, self.rhs), ("acc", self.m * self.n, self.acc))
        for (operand, elements, dtype), count in zip(shapes, self.registers, strict=True):
            if dtype not in self.bits:
                raise ValueError(f"{self.name}: unknown element type {dtype!r} of {operand}")
            held = count * self.register_bits * self.threads
            needed = elements * self.bits[dtype]
            if operand == "lhs" and self.broadcast:
                fits = needed > 0 and held % needed == 0
            else:
                fits = count == 0 or held == needed
            if not fits:
                raise ValueError(f"{self.name}: {operand} has {needed} bits, its registers hold {held}")
        if self.registers[2] == 0 and self.threads == 1:
            raise ValueError(f"{self.name}: the accumulator must be in registers")

    @property
    def tile(self) -> bool:
        """Whether operands are two-dimensional tile registers of one thread."""
        return self.threads == 1 and self.m >= 16 and not self.broadcast

    @property
    def flops(self) -> int:
        """Multiplications and additions of one execution."""
        return 2 * self.m * self.n * self.k


@dataclass(frozen=True)
class Caches:
    """Data cache sizes in bytes: L1 and L2 of one core, and one core's fair share of the last level (0 = there is none)."""

    l1: int
    l2: int
    l3: int
    line: int = 64


@dataclass(frozen=True)
class GpuLimits:
    """What bounds a kernel on a GPU. Sizes in bytes; registers are 32 bits wide."""

    warp_size: int
    max_threads_per_block: int
    shared_memory_per_block: int
    registers_per_thread: int
    registers_per_multiprocessor: int
    multiprocessors: int


@dataclass(frozen=True)
class Target:
    """A machine to compile for.

    `name` is what a user writes (`cpu:znver5`, `cuda:sm_90`). `llvm_cpu` and `features` decide which instructions LLVM may use,
    `tune_cpu` which pipeline it schedules for; `capabilities` are abilities that LLVM has no feature for. `requires` are the
    flags in /proc/cpuinfo that a host must show to run the code: exactly the instructions that LLVM may use, so that a program
    is refused at load instead of dying of an illegal instruction.
    """

    name: str
    kind: str
    arch: str
    triple: str
    llvm_cpu: str
    features: tuple[str, ...]
    vector_bits: int
    vector_registers: int
    fma_units: int
    caches: Caches
    tune_cpu: str = ""
    vendor: str = ""
    matrix_instructions: tuple[MatrixInstruction, ...] = ()
    requires: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    gpu: GpuLimits | None = None
    summary: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.name != f"{self.kind}:{self.name.partition(':')[2]}":
            raise ValueError(f"target name {self.name!r} does not start with its kind {self.kind!r}")
        if (self.kind == "cpu") == (self.gpu is not None):
            raise ValueError(f"{self.name}: only a GPU has GPU limits")
        for instruction in self.matrix_instructions:
            if instruction.feature and not self.has(instruction.feature):
                raise ValueError(f"{self.name}: {instruction.name} needs the feature {instruction.feature!r}")

    @property
    def feature_string(self) -> str:
        """The features as LLVM reads them: `+avx2,+fma`."""
        return ",".join(f"+{f}" for f in self.features)

    @property
    def is_gpu(self) -> bool:
        """Whether kernels are launched on a device instead of called."""
        return self.gpu is not None

    def has(self, feature: str) -> bool:
        """Whether code for this target may use the LLVM feature (such as `avx512f`, `bf16`) or capability (`wgmma`) `feature`."""
        return feature in self.features or feature in self.capabilities

    def vector_lanes(self, element_bits: int) -> int:
        """How many elements of `element_bits` one vector register holds."""
        return max(1, self.vector_bits // element_bits)

    @property
    def tile_registers(self) -> int:
        """How many tile registers of 16 rows of 64 bytes there are besides the vector registers (AMX: 8, else none)."""
        return 8 if self.has("amx-tile") else 0

    @property
    def has_masked_memory(self) -> bool:
        """Whether loads and stores under a mask are single instructions (AVX2: 32 and 64 bit elements; AVX-512: all)."""
        return self.has("avx512vl") or self.has("avx2")

    @property
    def has_mask_registers(self) -> bool:
        """Whether comparisons write predicate registers, which makes masks free."""
        return self.has("avx512f")

    def matrix_instruction(self, lhs: str, rhs: str, acc: str) -> MatrixInstruction | None:
        """The widest instruction for these element types, or None."""
        fitting = [i for i in self.matrix_instructions if (i.lhs, i.rhs, i.acc) == (lhs, rhs, acc)]
        return max(fitting, key=lambda i: i.flops, default=None)
