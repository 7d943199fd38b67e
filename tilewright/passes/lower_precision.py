"""`tw-lower-precision`: f32 matmuls on bf16 operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import arith, ir
from tilewright.core.options import PRECISIONS
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass, suggest
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, defined_functions, rewrite

ATTRIBUTE = "tw.lowered_precision"
"""On a function: one dictionary {op, dtype, source} for each op that was changed."""

_MOVEMENT = ("broadcast", "concat", "reshape", "reverse", "slice", "transpose")
_SAME_ELEMENTS = ("reshape", "transpose")
_ROWS = ("layer_norm", "reduce", "rms_norm", "softmax")


@register_pass
@dataclass(frozen=True)
class LowerPrecision(Pass):
    """Let every f32 matmul multiply operands of a narrower type and sum in f32: its result stays f32, with the operands' rounding error.

    Weights are cast when the artifact is written, other operands by a `tw.pointwise` that fusion puts where it costs least: into the
    kernel that computes the operand, else into the one that multiplies it. A product over k = 1, such as that of positions and
    frequencies in rotary embeddings, stays exact: it has no sum to be gained from. Ops other than `tw.matmul` stay as they are. What was
    changed is listed in the function's `tw.lowered_precision`, which the compile report shows.

    Before: `%y = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>`, where %w is a weight
    After: `%n = "tw.pointwise"(%x) ({ truncf })`, `%v = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, ..}`,
    `%y = "tw.matmul"(%n, %v) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x6xbf16>) -> tensor<4x6xf32>`
    """

    name: ClassVar[str] = "tw-lower-precision"
    matmul: str = option("bf16", help="element type of matmul operands: bf16, or f32 for no change")

    def run(self, module: ir.Module) -> None:
        if self.matmul not in PRECISIONS:
            raise InputError(
                f"matmuls have no precision {self.matmul!r}", why=f"known: {', '.join(PRECISIONS)}", remedy=suggest(self.matmul, PRECISIONS)
            )
        if self.matmul == "f32":
            return
        for function in defined_functions(module):
            _lower(function, self.matmul)
        rewrite(module, PatternSet())  # what the casts left without users


def _lower(function: ir.OpView, dtype: str) -> None:
    operands = _Operands(dtype)
    changed: list[ir.Attribute] = []
    for op in [op.operation for op in function.operation.regions[0].blocks[0].operations]:
        if not _is_lowered(op):
            continue
        with ir.InsertionPoint(op), op.location:
            lhs, rhs = (operands.narrowed(v) for v in op.operands)
            attributes: dict[str, Any] = {**tw.attributes_of(op), "accumulate": "f32"}
            result = tw.build("matmul", lhs, rhs, **attributes)
        op.results[0].replace_all_uses_with(result)
        entry = {"op": "tw.matmul", "dtype": dtype, "source": tw.location_text(op.location)}
        changed.append(ir.DictAttr.get({key: ir.StringAttr.get(text) for key, text in entry.items()}, context=function.context))
        op.erase()
    if changed:
        function.operation.attributes[ATTRIBUTE] = ir.ArrayAttr.get(changed, context=function.context)


def _is_lowered(op: ir.Operation) -> bool:
    if not tw.is_op(op, "matmul"):
        return False
    lhs = tw.tensor_info(op.operands[0])
    return lhs.dtype == "f32" and lhs.shape[-2 if tw.get(op, "transpose_lhs") else -1] != 1


@dataclass
class _Operands:
    """Narrow forms of values, each made once, before the first op that needs it."""

    dtype: str
    _known: dict[ir.Value, ir.Value] = field(default_factory=dict)

    def narrowed(self, value: ir.Value) -> ir.Value:
        """`value` in the narrow type, at the current insertion point."""
        if value not in self._known:
            self._known[value] = self._make(value)
        return self._known[value]

    def _make(self, value: ir.Value) -> ir.Value:
        op = None if isinstance(value.owner, ir.Block) else value.owner.operation
        if op is not None and tw.is_op(op, "weight"):
            return self._weight(op)
        if op is not None and self._is_exact(op):
            return op.operands[0]
        if op is not None and tw.is_op(op, *_MOVEMENT) and (_is_moved_weight(value) or _producer_takes_cast(value)):
            return self._moved(op)
        element = tw.element_type(self.dtype)
        return tw.pointwise([value], lambda x: arith.truncf(element, x))

    def _weight(self, op: ir.Operation) -> ir.Value:
        info = tw.tensor_info(op.results[0]).with_dtype(self.dtype)
        layout = {"kind": "plain", **(tw.get(op, "layout") or {}), "dtype": self.dtype}
        return tw.build("weight", results=[info], name=tw.get(op, "name"), layout=layout, loc=op.location)

    def _is_exact(self, op: ir.Operation) -> bool:
        """True for a `tw.pointwise` that does nothing but widen the narrow type."""
        if not tw.is_op(op, "pointwise") or len(op.operands) != 1 or len(op.results) != 1:
            return False
        body = [o.operation.name for o in tw.body(op).operations]
        source, result = tw.tensor_info(op.operands[0]), tw.tensor_info(op.results[0])
        return body == ["arith.extf", "tw.yield"] and source.dtype == self.dtype and source.shape == result.shape

    def _moved(self, op: ir.Operation) -> ir.Value:
        sources: Any = [self.narrowed(v) for v in op.operands]
        operands = [sources] if tw.is_op(op, "concat") else sources
        return tw.build(tw.short_name(op) or "", *operands, loc=op.location, **tw.attributes_of(op))


def _is_moved_weight(value: ir.Value) -> bool:
    """True for a weight under movement: it is the weight that is cast."""
    if isinstance(value.owner, ir.Block):
        return False
    op = value.owner.operation
    return tw.is_op(op, "weight") or (tw.is_op(op, *_MOVEMENT) and all(_is_moved_weight(v) for v in op.operands))


def _producer_takes_cast(value: ir.Value) -> bool:
    """True when what computes `value`, behind movement that nothing else uses, is an op whose kernel can store the narrow form."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if tw.is_op(op, *_ROWS):
            return True
        if len(list(value.uses)) != 1:
            return False
        if not tw.is_op(op, *_SAME_ELEMENTS):
            return tw.is_op(op, "pointwise", "matmul") and len(op.results) == 1
        value = op.operands[0]
    return False
