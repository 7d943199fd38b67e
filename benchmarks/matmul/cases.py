"""What is measured: sizes, dtypes, epilogues, threads and targets, each with the bars that Tilewright is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

DTYPE_BYTES = {"f32": 4, "bf16": 2, "s8": 1}
RESULT_BYTES = {"f32": 4, "bf16": 2, "s8": 4}
EPILOGUES = ("none", "bias_gelu", "swiglu", "residual")
PEERS = ("torch", "onednn", "xla", "iree", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Bar:
    """`quantity` must be `at_least` this much. All are of medians.

    `ratio`: speed over that of the fastest of `peers`. `peak`: part of the arithmetic peak. `dram`: part of the DRAM bandwidth.
    `speedup`: speed over our own with one thread. `bare`: speed over our own matmul without the epilogue.
    """

    quantity: str
    at_least: float
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """`[m, k] @ [k, n]` of `dtype` (bf16 gives bf16; s8 gives s32) with a constant right operand, and an epilogue.

    bias_gelu: `gelu(x @ w + b)`, exact GELU. swiglu: `silu(x @ gate) * (x @ w)`. residual: `x @ w + b + r`.
    `rotate`: the weights of successive calls differ, and all of them together exceed the last-level cache.
    """

    group: str
    dtype: str
    m: int
    n: int
    k: int
    epilogue: str = "none"
    threads: int = 1
    target: str = "native"
    rotate: bool = False
    bars: tuple[Bar, ...] = ()

    @property
    def label(self) -> str:
        """For people: `bf16 16x4096x4096 (m, n, k)` and what is special."""
        parts = [self.dtype, f"{self.m}x{self.n}x{self.k}"]
        if self.epilogue != "none":
            parts.append(self.epilogue)
        if self.threads > 1:
            parts.append(f"{self.threads} threads")
        if self.target != "native":
            parts.append(self.target.removeprefix("cpu:"))
        return " ".join(parts)

    @property
    def matmuls(self) -> int:
        """How many weights of `[k, n]` there are."""
        return 2 if self.epilogue == "swiglu" else 1

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matmuls."""
        return 2 * self.m * self.n * self.k * self.matmuls

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return self.n * self.k * self.matmuls * DTYPE_BYTES[self.dtype]

    @property
    def moved_bytes(self) -> int:
        """Bytes of weights, input and result, each once."""
        return self.weight_bytes + self.m * self.k * DTYPE_BYTES[self.dtype] + self.m * self.n * RESULT_BYTES[self.dtype]

    @property
    def is_square(self) -> bool:
        return self.m == self.n == self.k

    def copies(self, rotation_bytes: int) -> int:
        """How many copies of the weights a system holds, so that together they have `rotation_bytes`."""
        return max(2, -(-rotation_bytes // self.weight_bytes)) if self.rotate else 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(data: dict[str, Any]) -> Case:
    """The case that `Case.to_json` gave."""
    bars = tuple(Bar(b["quantity"], b["at_least"], tuple(b["peers"])) for b in data["bars"])
    fields: dict[str, Any] = {**data, "bars": bars}
    return Case(**fields)


def best_of(*peers: str, at_least: float = 1.0) -> Bar:
    """At least as fast as the fastest of these peers (of all, when none are named)."""
    return Bar("ratio", at_least, peers or PEERS)


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
