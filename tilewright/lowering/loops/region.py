"""Cloning the scalar region of a stage on scalars or lanes.

Index arithmetic stays symbolic as long as it can, so that `tensor.extract` at a shifted index is an ordinary load, and a condition on
an index that holds throughout a loop disappears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir, math, scf
from tilewright.core.symbolic import Expr, symbol, to_expr
from tilewright.dialects.tw.access import location_text
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.graph import Mapped, Stage, affine_to_index, combine_indices
from tilewright.lowering.loops.types import broadcast, constant, element_of, is_vector, shaped_like, widen
from tilewright.lowering.math import expand_math_op, expand_nonpositive_exp, expand_one_plus_erf, is_expanded
from tilewright.lowering.math.power import integer_power
from tilewright.lowering.math.remainder import float_remainder

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter

_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


@dataclass(frozen=True)
class Condition:
    """A comparison of two index expressions, not yet emitted."""

    predicate: str
    lhs: Expr
    rhs: Expr


Known = ir.Value | Expr | Condition


@dataclass
class Region:
    """One evaluation of a stage's region at an iteration point."""

    emitter: Emitter
    stage: Stage
    iteration: Sequence[Expr]
    element: Element
    known: dict[ir.Value, Known] = field(default_factory=dict)

    def data(self, value: ir.Value) -> ir.Value:
        """The value as data."""
        known = self._known(value)
        if isinstance(known, Expr):
            return self.emitter.lanes_of(known, self.element)
        if isinstance(known, Condition):
            lhs, rhs = self._shaped([self.emitter.lanes_of(e, self.element) for e in (known.lhs, known.rhs)])
            predicate = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _PREDICATES.index(known.predicate))
            return arith.CmpIOp(predicate, lhs, rhs).result
        return known

    def _known(self, value: ir.Value) -> Known:
        if value not in self.known:
            self.known[value] = self._compute(value)
        return self.known[value]

    def _compute(self, value: ir.Value) -> Known:
        owner = value.owner
        if isinstance(owner, ir.Block):
            if owner == self.stage.block:
                return self._input(ir.BlockArgument(value).arg_number)
            return self.emitter.outer_scalar(value)
        op = owner.operation
        if op.block != self.stage.block and not _inside(op, self.stage.op):
            size = self.emitter.graph.sizes.get(value)
            return size if size is not None else self.emitter.outer_scalar(value)
        match op.name:
            case "linalg.index":
                return self.iteration[ir.IntegerAttr(op.attributes["dim"]).value]
            case "arith.constant" if isinstance(value.type, ir.IndexType):
                return to_expr(ir.IntegerAttr(op.attributes["value"]).value)
            case "tensor.extract":
                index = [self._index(v) for v in list(op.operands)[1:]]
                return self.emitter.value(self.emitter.graph.by_value[op.operands[0]], index, self.element)
            case "scf.if":
                return self._conditional(op, value)
            case "arith.select":
                return self._select(op)
            case "arith.addf" if op in self.emitter.sums_with_erf(op.block):
                erf = self.emitter.sums_with_erf(op.block)[op]
                with op.location:
                    return expand_one_plus_erf(self.data(erf.operands[0]), self.emitter.target)
            case "arith.cmpi" if isinstance(op.operands[0].type, ir.IndexType):
                return self._compare(op)
            case _:
                pass
        if isinstance(value.type, ir.IndexType):
            combined = self._combined(op)
            if combined is not None:
                return combined
        return clone(self.emitter, op, [self.data(v) for v in op.operands], self.element)

    def _input(self, position: int) -> ir.Value:
        if position >= len(self.stage.inputs):
            raise UnsupportedError("a region reads the element it replaces", where=location_text(self.stage.op.location))
        node, indexing = self.stage.inputs[position]
        index = [affine_to_index(r, self.iteration) for r in indexing.results]
        return self.emitter.value(node, index, self.element)

    def stage_of_input(self, position: int) -> tuple[Region, ir.Value] | None:
        """The region that computes an input, at the point that is read, and the value it yields; None for inputs that are in memory."""
        node, indexing = self.stage.inputs[position]
        if not isinstance(node, Mapped) or node.number in self.emitter.row_buffers:
            return None
        index = [affine_to_index(r, self.iteration) for r in indexing.results]
        value = list(node.stage.block.operations)[-1].operation.operands[node.result]
        return Region(self.emitter, node.stage, node.iteration(index), self.element), value

    def _combined(self, op: ir.Operation) -> Expr | None:
        known = [self._known(v) for v in op.operands]
        combined = combine_indices(op.name, [k if isinstance(k, Expr) else None for k in known])
        # Clamps of data are data: as expressions they would only hide what they are.
        return None if combined is None else self.emitter.space.simplify(combined)

    def _index(self, value: ir.Value) -> Expr:
        known = self._known(value)
        return known if isinstance(known, Expr) else self.emitter.data_index(self.data(value))

    def _compare(self, op: ir.Operation) -> Known:
        lhs, rhs = (self._known(v) for v in op.operands)
        predicate = _PREDICATES[ir.IntegerAttr(op.attributes["predicate"]).value]
        if isinstance(lhs, Expr) and isinstance(rhs, Expr):
            return Condition(predicate, lhs, rhs)
        return clone(self.emitter, op, [self.data(v) for v in op.operands], self.element)

    def _decided(self, known: Known) -> bool | None:
        """The truth of a condition that has the same provable truth in all lanes."""
        if not isinstance(known, Condition):
            return None
        lhs, rhs = (self._per_lane(e) for e in (known.lhs, known.rhs))
        space = self.emitter.space
        match known.predicate:
            case "slt" | "ult":
                return True if space.less(lhs, rhs) else False if space.nonnegative(lhs - rhs) else None
            case "sge" | "uge":
                return True if space.nonnegative(lhs - rhs) else False if space.less(lhs, rhs) else None
            case "sgt" | "ugt":
                return True if space.less(rhs, lhs) else False if space.nonnegative(rhs - lhs) else None
            case "sle" | "ule":
                return True if space.nonnegative(rhs - lhs) else False if space.less(rhs, lhs) else None
            case "eq" | "ne":
                apart = space.less(lhs, rhs) or space.less(rhs, lhs)
                return None if not apart else known.predicate == "ne"
            case _:
                return None

    def _per_lane(self, expression: Expr) -> Expr:
        """The expression over the index of each lane, whose range is that of the loop: `lane + offset + t` is one index."""
        lane = self.element.lane
        if lane is None or lane.name not in expression.symbols():
            return expression
        low, high = to_expr(lane.low), to_expr(lane.high) - 1
        name = f"{lane.name}t"
        if lane.fixed:
            name = f"{name}{self.element.offset}"
            low = low + self.element.offset
            high = high if self.element.mask is not None and not self.element.guard else low + self.emitter.width - 1
        if name not in self.emitter.space.extents:
            self.emitter.space.redefine(name, low, high)
        return expression.substitute({lane.name: symbol(name) - self.element.offset})

    def _select(self, op: ir.Operation) -> Known:
        condition = self._known(op.operands[0])
        decided = self._decided(condition)
        if decided is not None:
            return self._known(op.operands[1 if decided else 2])
        return clone(self.emitter, op, [self.data(v) for v in op.operands], self.element)

    def _conditional(self, op: ir.Operation, value: ir.Value) -> Known:
        condition = self._known(op.operands[0])
        position = list(op.results).index(value)
        branches = [r.blocks[0] for r in op.regions]
        decided = self._decided(condition)
        if decided is not None:
            return self._known(_yielded(branches[0 if decided else 1], position))
        flag = self.data(op.operands[0])
        if is_vector(flag):
            return self._by_lanes(flag, [_yielded(b, position) for b in branches])
        return self._by_branch(flag, [_yielded(b, position) for b in branches])

    def _by_lanes(self, flag: ir.Value, results: Sequence[ir.Value]) -> ir.Value:
        """Both branches, each under its mask, and a select."""
        element = self.element
        inverse = arith.XOrIOp(flag, constant(flag.type, True)).result
        values = []
        for result, own in zip(results, (flag, inverse)):
            mask = own if element.mask is None else arith.AndIOp(own, element.mask).result
            inner = Region(self.emitter, self.stage, self.iteration, element.masked(mask, self.emitter.fresh_guard()))
            values.append(broadcast(inner.data(result), self.emitter.width))
        return arith.SelectOp(flag, *values).result

    def _by_branch(self, flag: ir.Value, results: Sequence[ir.Value]) -> ir.Value:
        scalar = widen(results[0].type)
        vectorized = self.element.lane is not None
        result_type = ir.VectorType.get([self.emitter.width], scalar) if vectorized else scalar
        branch = scf.IfOp(flag, [result_type], has_else=True)
        scopes = self.emitter.scopes
        for result, part in zip(results, branch.operation.regions):
            with scopes.enter(part.blocks[0], {}, guarded=True):
                inner = Region(self.emitter, self.stage, self.iteration, self.element)
                chosen = inner.data(result)
                scf.YieldOp([broadcast(chosen, self.emitter.width) if vectorized else chosen])
        return branch.results_[0]

    def _shaped(self, values: Sequence[ir.Value]) -> list[ir.Value]:
        return same_shape(values, self.emitter.width)


def _inside(op: ir.Operation, ancestor: ir.Operation) -> bool:
    parent = op.parent
    while parent is not None:
        if parent.operation == ancestor:
            return True
        parent = parent.operation.parent
    return False


def _yielded(block: ir.Block, position: int) -> ir.Value:
    return list(block.operations)[-1].operation.operands[position]


def same_shape(values: Sequence[ir.Value], width: int) -> list[ir.Value]:
    """Scalars broadcast where any value has lanes."""
    return [broadcast(v, width) for v in values] if any(is_vector(v) for v in values) else list(values)


def clone(emitter: Emitter, op: ir.Operation, operands: Sequence[ir.Value], element: Element | None) -> ir.Value:
    """The scalar op `op` on these operands (scalars, or lanes where any has lanes), 16-bit floats held as f32."""
    name = op.name
    result = op.results[0]
    if name == "arith.constant":
        return _constant(op)
    operands = same_shape(operands, emitter.width)
    element_type = widen(result.type)
    with op.location:
        if name in ("arith.extf", "arith.truncf") and element_of(operands[0].type) == element_type:
            return operands[0]
        if name == "math.powf":
            special = _constant_power(op, operands)
            if special is not None:
                return special
        if name == "math.exp" and "tw.nonpositive" in op.attributes and isinstance(element_of(operands[0].type), ir.F32Type):
            return expand_nonpositive_exp(operands[0], emitter.target)
        if is_expanded(name):
            try:
                return expand_math_op(name, operands, emitter.target, emitter.fast_math)
            except UnsupportedError as error:
                error.where = error.where or location_text(op.location)
                raise
        if name in _REWRITTEN:
            return _REWRITTEN[name](op, _safe_divisor(name, operands, element))
        if name in _DIVISIONS:
            operands = _safe_divisor(name, operands, element)
        result_type = shaped_like(operands[0], element_type) if operands else element_type
        attributes = {a: op.attributes[a] for a in _attribute_names(op) if a not in ("fastmath",)}
        return ir.Operation.create(name, results=[result_type], operands=operands, attributes=attributes).results[0]


def _attribute_names(op: ir.Operation) -> list[str]:
    return [a if isinstance(a, str) else a.name for a in op.attributes]


def _constant(op: ir.Operation) -> ir.Value:
    attribute = op.attributes["value"]
    scalar = widen(op.results[0].type)
    if isinstance(attribute, ir.BoolAttr):
        return constant(scalar, bool(attribute.value))
    return constant(scalar, ir.IntegerAttr(attribute).value if isinstance(attribute, ir.IntegerAttr) else ir.FloatAttr(attribute).value)


_DIVISIONS = ("arith.divsi", "arith.divui", "arith.remsi", "arith.remui")


def _safe_divisor(name: str, operands: Sequence[ir.Value], element: Element | None) -> list[ir.Value]:
    """Lanes that do not exist must not divide by zero: the division may be done one lane at a time."""
    values = list(operands)
    integer = isinstance(element_of(values[-1].type), ir.IntegerType | ir.IndexType)
    if element is not None and element.mask is not None and is_vector(values[-1]) and integer and len(values) == 2:
        values[1] = arith.SelectOp(element.mask, values[1], constant(values[1].type, 1)).result
    return values


def _floor_division(op: ir.Operation, operands: Sequence[ir.Value]) -> ir.Value:
    lhs, rhs = operands
    quotient = arith.DivSIOp(lhs, rhs).result
    remainder = arith.SubIOp(lhs, arith.MulIOp(quotient, rhs).result).result
    zero = constant(lhs.type, 0)
    inexact = arith.CmpIOp(arith.CmpIPredicate.ne, remainder, zero).result
    opposite = arith.CmpIOp(arith.CmpIPredicate.slt, arith.XOrIOp(lhs, rhs).result, zero).result
    lower = arith.SubIOp(quotient, constant(lhs.type, 1)).result
    return arith.SelectOp(arith.AndIOp(inexact, opposite).result, lower, quotient).result


def _float_remainder(op: ir.Operation, operands: Sequence[ir.Value]) -> ir.Value:
    """The library call that LLVM would make is not available."""
    return float_remainder(*operands)


def has_constant_power(op: ir.Operation) -> bool:
    """Whether a `math.powf` is computed by products and square roots, which all float types have."""
    return _simple_exponent(op) is not None


def _simple_exponent(op: ir.Operation) -> float | None:
    """The exponent of a `math.powf` if it is a constant of the kind that models use: +-0.5 or an integer in [-8, 8]."""
    owner = op.operands[1].owner
    if isinstance(owner, ir.Block) or owner.operation.name != "arith.constant":
        return None
    exponent = float(ir.FloatAttr(owner.operation.attributes["value"]).value)
    simple = abs(exponent) == 0.5 or (exponent.is_integer() and abs(exponent) <= 8)
    return exponent if simple else None


def _constant_power(op: ir.Operation, operands: Sequence[ir.Value]) -> ir.Value | None:
    """x^y for the exponents of `_simple_exponent`, else None."""
    exponent = _simple_exponent(op)
    if exponent is None:
        return None
    x = operands[0]
    one = constant(x.type, 1.0)
    if exponent == 0.5:
        return math.SqrtOp(x).result
    if exponent == -0.5:
        return arith.DivFOp(one, math.SqrtOp(x).result).result
    if exponent == 0:
        return one
    power = integer_power(lambda a, b: arith.MulFOp(a, b).result, x, abs(int(exponent)))
    return power if exponent > 0 else arith.DivFOp(one, power).result


def _integer_powers(op: ir.Operation, operands: Sequence[ir.Value]) -> ir.Value:
    """`math.fpowi` and `math.ipowi` with a constant exponent."""
    owner = op.operands[1].owner
    if isinstance(owner, ir.Block) or owner.operation.name != "arith.constant":
        raise UnsupportedError(f"{op.name} needs a constant exponent", where=location_text(op.location), remedy="use math.powf")
    exponent = ir.IntegerAttr(owner.operation.attributes["value"]).value
    x = operands[0]
    floating = isinstance(element_of(x.type), ir.FloatType | ir.F32Type | ir.F64Type)
    one = constant(x.type, 1)
    if exponent == 0:
        return one
    if exponent < 0 and not floating:
        raise UnsupportedError("a negative power of an integer", where=location_text(op.location))

    def multiply(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        return (arith.MulFOp if floating else arith.MulIOp)(lhs, rhs).result

    power = integer_power(multiply, x, abs(exponent))
    return power if exponent > 0 else arith.DivFOp(one, power).result


_REWRITTEN = {
    "arith.floordivsi": _floor_division,
    "arith.remf": _float_remainder,
    "math.fpowi": _integer_powers,
    "math.ipowi": _integer_powers,
}
