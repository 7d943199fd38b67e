"""What is measured: sizes, dtypes, epilogues, threads and targets, each with the bars that Tilewright is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.suite import cases
from benchmarks.suite.cases import DTYPE_BYTES, Bar, best_of

RESULT_BYTES = {"f32": 4, "bf16": 2, "s8": 4}
EPILOGUES = ("none", "bias_gelu", "swiglu", "residual")
TOLERANCE = {"f32": 5e-6, "bf16": 2.0**-8, "s8": 0.0}
"""Largest error relative to the largest result. bf16 results are rounded to 8 bits."""


@dataclass(frozen=True)
class Case(cases.Case):
    """`[m, k] @ [k, n]` of `dtype` (bf16 gives bf16; s8 gives s32) with a constant right operand, and an epilogue.

    bias_gelu: `gelu(x @ w + b)`, exact GELU. swiglu: `silu(x @ gate) * (x @ w)`. residual: `x @ w + b + r`.
    `rotate` changes the weights.
    """

    m: int
    n: int
    k: int
    epilogue: str = "none"

    bare: ClassVar[str] = "our matmul alone"

    @property
    def title(self) -> str:
        """`bf16 16x4096x4096` (m, n, k) and the epilogue."""
        shape = f"{self.dtype} {self.m}x{self.n}x{self.k}"
        return shape if self.epilogue == "none" else f"{shape} {self.epilogue}"

    @property
    def matmuls(self) -> int:
        """How many weights of `[k, n]` there are."""
        return 2 if self.epilogue == "swiglu" else 1

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matmuls."""
        return 2 * self.m * self.n * self.k * self.matmuls

    @property
    def rotated_bytes(self) -> int:
        """Bytes of all weights, which are what is rotated."""
        return self.n * self.k * self.matmuls * DTYPE_BYTES[self.dtype]

    @property
    def moved_bytes(self) -> int:
        """Bytes of weights, input and result, each once."""
        return self.rotated_bytes + self.m * self.k * DTYPE_BYTES[self.dtype] + self.m * self.n * RESULT_BYTES[self.dtype]

    @property
    def is_square(self) -> bool:
        return self.m == self.n == self.k

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.dtype]


def squares(group: str, dtype: str, sizes: tuple[int, ...], ratio: Bar, peak: float | None) -> Iterator[Case]:
    """Squares; from 512 on the part of the peak counts as well."""
    for size in sizes:
        bars = (ratio, Bar("peak", peak)) if peak is not None and size >= 512 else (ratio,)
        yield Case(group, dtype, size, size, size, bars=bars)


def skinny(group: str, dtype: str, bars: dict[int, Bar]) -> Iterator[Case]:
    """Few rows on weights of 4096 x 4096 that come from DRAM."""
    for m, bar in bars.items():
        yield Case(group, dtype, m, 4096, 4096, rotate=True, bars=(bar,))


def two_threads(sizes: tuple[int, ...]) -> Iterator[Case]:
    bars = (best_of(), Bar("speedup", 1.85))
    for size in sizes:
        yield Case("f32, two threads", "f32", size, size, size, threads=2, bars=bars)
    yield Case("f32, two threads", "f32", 128, 4096, 4096, threads=2, rotate=True, bars=bars)


def epilogues(shapes: tuple[tuple[int, int, int], ...]) -> Iterator[Case]:
    bars = (Bar("bare", 1 / 1.05), best_of())
    for epilogue in EPILOGUES[1:]:
        for m, n, k in shapes:
            yield Case("epilogues", "f32", m, n, k, epilogue, bars=bars)


SIZES = (256, 512, 1024, 2048)
ODD = ((7, 1000, 333), (77, 384, 1536), (128, 384, 384), (1, 30522, 384), (64, 2047, 2049))
ONEDNN, INT_MM = best_of("onednn"), best_of("torch")


def full() -> list[Case]:
    """Every case with a bar. MiniLM from end to end is measured by benchmarks/minilm.py."""
    return [
        *squares("f32 squares", "f32", SIZES, best_of("onednn", "xla", "iree"), 0.90),
        *skinny("f32, few rows", "f32", {m: best_of("onednn", at_least=r) for m, r in ((1, 1.4), (16, 1.15), (128, 1.0))}),
        *two_threads((512, 1024, 2048)),
        *squares("bf16 squares", "bf16", SIZES, ONEDNN, 0.92),
        *skinny("bf16, few rows", "bf16", {1: ONEDNN, 16: ONEDNN, 128: ONEDNN}),
        *squares("s8 squares", "s8", SIZES, INT_MM, None),
        *skinny("s8, few rows", "s8", {1: Bar("dram", 0.85), 16: INT_MM, 128: INT_MM}),
        *(Case("odd shapes", "f32", m, n, k, rotate=m == 1, bars=(best_of(),)) for m, n, k in ODD),
        *epilogues(((128, 1536, 384), (512, 2048, 1024))),
        *(Case("AVX2 code", "f32", s, s, s, target="cpu:x86-64-v3", bars=(best_of("torch"),)) for s in SIZES),
    ]


def short() -> list[Case]:
    """Some cases of each group."""
    wanted = {
        "f32 squares": (256, 512, 1024), "f32, few rows": (1,), "f32, two threads": (1024,), "bf16 squares": (512,),
        "bf16, few rows": (16,), "s8 squares": (512,), "odd shapes": (7, 77), "AVX2 code": (512,),
    }  # fmt: skip
    return [c for c in full() if c.m in wanted.get(c.group, ()) or (c.epilogue == "bias_gelu" and c.m == 128)]
