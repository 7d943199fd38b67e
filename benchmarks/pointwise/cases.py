"""What is measured: kinds of computation with their shapes, sizes, and the bars that Tilewright is held to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.suite import cases
from benchmarks.suite.cases import DTYPE_BYTES, Bar, best_of

Shape = tuple["str | int", ...]
WORDS, POSITIONS = 30522, 512
"""Rows of the tables of word and position embeddings."""
INTEGERS = ("ids",)
"""Inputs that are i64. All others have the dtype of the case."""
TOLERANCE = {"f32": 4e-6, "bf16": 2.0**-6}
"""Largest error relative to the largest result. PyTorch's bf16 rounds after every op."""


@dataclass(frozen=True)
class Kind:
    """Shapes by the names of inputs, in the order of arguments; the shape of the result; the names of sizes, which are dynamic."""

    title: str
    sizes: tuple[str, ...]
    inputs: Mapping[str, Shape]
    output: Shape


_ROWS, _COLUMN = ("r", "c"), ("c",)
KINDS: dict[str, Kind] = {
    "softmax": Kind("softmax", _ROWS, {"x": _ROWS}, _ROWS),
    "layer_norm": Kind("layer norm", _ROWS, {"x": _ROWS, "weight": _COLUMN, "bias": _COLUMN}, _ROWS),
    "add_rms_silu": Kind("add+RMSNorm+SiLU gate", _ROWS, {"x": _ROWS, "residual": _ROWS, "gate": _ROWS, "weight": _COLUMN}, _ROWS),
    "gelu": Kind("gelu(x+b)*r", _ROWS, {"x": _ROWS, "bias": _COLUMN, "residual": _ROWS}, _ROWS),
    "gather_layer_norm": Kind(
        "gather+position+layer norm", ("b", "s"),
        {"table": (WORDS, 384), "ids": ("b", "s"), "positions": (POSITIONS, 384), "weight": (384,), "bias": (384,)}, ("b", "s", 384),
    ),
    "transpose_rope": Kind(
        "transpose+RoPE", ("b", "s"), {"x": ("b", "s", 32, 64), "cosine": ("s", 64), "sine": ("s", 64)}, ("b", 32, "s", 64)
    ),
    "heads": Kind("[B,S,H,D]->[B,H,S,D]", ("b", "s"), {"x": ("b", "s", 12, 32)}, ("b", 12, "s", 32)),
    "column_sum": Kind("column sum", _ROWS, {"x": _ROWS}, _COLUMN),
    "mean_pool": Kind("mean pooling with mask", ("b", "s"), {"x": ("b", "s", 384), "mask": ("b", "s")}, ("b", 384)),
    "transpose": Kind("transpose", _ROWS, {"x": _ROWS}, ("c", "r")),
}  # fmt: skip


@dataclass(frozen=True)
class Case(cases.Case):
    """A kind (of `KINDS`) with the values of its sizes."""

    kind: str
    sizes: tuple[int, ...]

    @property
    def title(self) -> str:
        return f"{self.dtype} {KINDS[self.kind].title} {'x'.join(map(str, self.sizes))}"

    def shape(self, shape: Shape) -> tuple[int, ...]:
        """A shape with the values of its sizes."""
        values = dict(zip(KINDS[self.kind].sizes, self.sizes, strict=True))
        return tuple(values[d] if isinstance(d, str) else d for d in shape)

    @property
    def moved_bytes(self) -> int:
        """Bytes of inputs and the result, each once; of tables the rows that are looked up."""
        kind = KINDS[self.kind]
        shapes = [kind.output if name == "table" else shape for name, shape in kind.inputs.items() if name not in INTEGERS]
        return sum(math.prod(self.shape(shape)) for shape in (*shapes, kind.output)) * DTYPE_BYTES[self.dtype]

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.dtype]

    @property
    def peak_dtype(self) -> str | None:
        return None


def full() -> list[Case]:
    """Every case. GELU, pooling and the move of heads have no bar."""

    def case(group: str, kind: str, *sizes: int, bar: Bar | None = None) -> Case:
        return Case(group, "f32", kind, sizes, bars=(bar,) if bar else ())

    odd = best_of(at_least=2.0)
    return [
        case("rows", "add_rms_silu", 512, 4096, bar=best_of(at_least=1.6)),
        replace(case("rows", "add_rms_silu", 512, 4096, bar=best_of(at_least=2.0)), dtype="bf16"),
        *(case("rows", "softmax", *sizes, bar=best_of(at_least=1.9)) for sizes in ((512, 4096), (1024, 128))),
        *(case("rows", "layer_norm", *sizes, bar=best_of(at_least=2.5)) for sizes in ((128, 384), (1024, 384))),
        case("rows", "gelu", 512, 4096),
        case("gather and rope", "gather_layer_norm", 8, 128, bar=best_of(at_least=2.5)),
        case("gather and rope", "transpose_rope", 1, 512, bar=best_of(at_least=2.5)),
        case("reductions", "column_sum", 4096, 512, bar=best_of(at_least=1.4)),
        case("reductions", "mean_pool", 8, 128),
        *(
            case("transposes", "transpose", *sizes, bar=best_of("torch", at_least=2.0))
            for sizes in ((1024, 1024), (1008, 1040), (512, 384))
        ),
        case("transposes", "heads", 8, 128),
        *(case("odd sizes", kind, 77, 1001, bar=odd) for kind in ("softmax", "layer_norm", "gelu", "add_rms_silu")),
    ]


def short() -> list[Case]:
    """Some cases of each group."""
    return [c for c in full() if c.sizes not in ((512, 4096), (1008, 1040), (8, 128)) or c.kind in ("gather_layer_norm", "add_rms_silu")]
