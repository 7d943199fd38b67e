"""`tw-simplify-accumulation`: casts around matmuls, as `accumulate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class SimplifyAccumulation(Pass):
    """Say by `accumulate` what matmuls of narrow operands sum in. Results are the same to the bit.

    * A matmul in half precision, which rounds its f32 sums once at the end, becomes a matmul that returns the sums and a rounding. What
      follows can join the rounding in one region, so that a kernel's epilogue starts from the sums.
    * A matmul of i32 tensors that were i8 is a matmul of those with sums in i32.

    Before: `%y = "tw.matmul"(%x, %w) : (tensor<4x8xbf16>, tensor<8x6xbf16>) -> tensor<4x6xbf16>`
    After: `%s = "tw.matmul"(%x, %w) {accumulate = f32} : ... -> tensor<4x6xf32>`, `%y = "tw.pointwise"(%s) ({ truncf })`
    """

    name: ClassVar[str] = "tw-simplify-accumulation"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("matmul")
def unrounded_sums(rw: Rewriter, op: ir.Operation) -> bool:
    """A half precision matmul is one that returns its f32 sums, and a rounding, which can join what follows."""
    dtype = rw.info(op.results[0]).dtype
    if dtype not in ("f16", "bf16"):
        return False
    rw.replace(op, [rw.cast(_matmul(rw, op, list(op.operands), "f32"), dtype)])
    return True


@patterns.on("matmul")
def widened_bytes(rw: Rewriter, op: ir.Operation) -> bool:
    """An i32 matmul of sign-extended i8 tensors is an i8 matmul with sums in i32: the same numbers."""
    if rw.info(op.results[0]).dtype != "i32":
        return False
    operands: list[ir.Value] = []
    for value in op.operands:
        producer = rw.producer(value, "pointwise")
        (function, *others) = rw.yields(producer) if producer is not None else (None,)
        if producer is None or function is None or others or function.name != "arith.extsi" or not function.args[0].is_argument:
            return False
        source = producer.operands[function.args[0].index]
        if rw.info(source).dtype != "i8" or rw.shape(source) != rw.shape(value):
            return False
        operands.append(source)
    rw.replace(op, [_matmul(rw, op, operands, "i32")])
    return True


def _matmul(rw: Rewriter, op: ir.Operation, operands: Sequence[ir.Value], accumulate: str) -> ir.Value:
    attributes: dict[str, Any] = {**rw.attributes(op), "accumulate": accumulate}
    return rw.build("matmul", *operands, **attributes)
