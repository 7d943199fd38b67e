"""`tw-simplify-pointwise`: regions, their operands and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.affine import decided, scalar_affine, splat
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.scalars import Scalar, arguments_in, walk
from tilewright.passes.simplify.scalar_rules import simplified

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class SimplifyPointwise(Pass):
    """Simplify pointwise regions, and drop operands and results that are not needed.

    * Operands that are one number become constants of the region; broadcasts in front of the op disappear, because its operands broadcast.
    * Scalar algebra; comparisons of index sequences and sizes that come out the same everywhere are decided by the ranges of the symbols.
    * A result that is an operand, a number or another result is replaced by it; what is left is computed at the shape of its operands
      and broadcast after.
    * Reshapes and transposes of all operands move behind the op.

    Before: `%1 = "tw.broadcast"(%mask)`, `%2 = "tw.pointwise"(%1, %iota) ({ and (cmpi sge iota, 0), mask })`
    After: `%2 = "tw.broadcast"(%mask)`
    """

    name: ClassVar[str] = "tw-simplify-pointwise"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("pointwise")
def simplify_region(rw: Rewriter, op: ir.Operation) -> bool:
    shape = rw.shape(op.results[0])
    before = list(op.operands)
    operands, functions = _with_direct_operands(rw, before, rw.yields(op))
    functions = [_with_decided_comparisons(rw, simplified(rw.scalars, f), operands, len(shape)) for f in functions]
    used = [next(iter(r.uses), None) is not None for r in op.results]
    kept = [i for i, f in enumerate(functions) if used[i] and _must_compute(op, f, [g for g, u in zip(functions[:i], used) if u])]
    needed = sorted(arguments_in(functions[i] for i in kept))
    natural = tw.broadcast_shapes([rw.shape(operands[i]) for i in needed]) or ()
    is_fill = not needed and len(kept) == len(functions) == 1 and functions[0].is_constant
    computed_shape = shape if is_fill else natural
    same = [operands[i] for i in needed] == before and computed_shape == shape and len(kept) == len(functions)
    if same and all(a is b for a, b in zip(functions, rw.yields(op))):
        return False
    results = _emit(rw, operands, [functions[i] for i in kept], needed, computed_shape)
    computed = {functions[i]: rw.broadcast(r, shape) for i, r in zip(kept, results)}
    values: list[ir.Value] = []
    for i, (function, old) in enumerate(zip(functions, op.results)):
        if not used[i]:
            values.append(old)
        elif function in computed:
            values.append(computed[function])
        elif function.is_constant:
            values.append(rw.constant(function.value, rw.info(old)))
        else:
            values.append(rw.broadcast(operands[function.index], shape))
    rw.replace(op, values)
    return True


@patterns.on("pointwise")
def sink_reshape(rw: Rewriter, op: ir.Operation) -> bool:
    """`f(reshape(x)) -> reshape(f(x))`, so that reshapes meet and cancel. Operands may broadcast along dimensions that are kept.

    A reshape that others use too stays: they and this op would otherwise see different tensors.
    """
    target = rw.shape(op.results[0])
    source: tuple[Dim, ...] | None = None
    full: dict[int, ir.Operation] = {}
    operands = list(op.operands)
    for i, value in enumerate(operands):
        if rw.shape(value) != target:
            continue
        reshape = rw.producer(value, "reshape")
        if reshape is None or source not in (None, rw.shape(reshape.operands[0])) or not rw.has_one_use(value):
            return False
        source = rw.shape(reshape.operands[0])
        full[i] = reshape
    if source is None:
        return False
    common = 0
    while common < min(len(source), len(target)) and source[-1 - common] == target[-1 - common]:
        common += 1
    tails = {i: _without_leading_units(rw.shape(v)) for i, v in enumerate(operands) if i not in full}
    if any(len(tail) > common for tail in tails.values()):
        return False
    moved = [full[i].operands[0] if i in full else rw.reshape(v, tails[i]) for i, v in enumerate(operands)]
    results = rw.pointwise(moved, rw.yields(op), source)
    rw.replace(op, [rw.reshape(r, target) for r in results])
    return True


@patterns.on("pointwise")
def sink_transpose(rw: Rewriter, op: ir.Operation) -> bool:
    """`f(transpose(x)) -> transpose(f(x))` when all operands with dimensions are transposed alike, each for this op only."""
    permutation: tuple[int, ...] | None = None
    operands = list(op.operands)
    for value in operands:
        if not rw.shape(value):
            continue
        transpose = rw.producer(value, "transpose")
        if transpose is None or permutation not in (None, rw.attribute(transpose, "permutation")) or not rw.has_one_use(value):
            return False
        permutation = rw.attribute(transpose, "permutation")
        if rw.shape(value) != rw.shape(op.results[0]):
            return False
    if permutation is None:
        return False
    moved: list[ir.Value] = []
    for value in operands:
        transpose = rw.producer(value, "transpose") if rw.shape(value) else None
        moved.append(value if transpose is None else transpose.operands[0])
    source = next(rw.shape(v) for v in moved if rw.shape(v))
    results = rw.pointwise(moved, rw.yields(op), source)
    rw.replace(op, [rw.build("transpose", r, permutation=permutation) for r in results])
    return True


def _with_direct_operands(rw: Rewriter, operands: Sequence[ir.Value], yields: Sequence[Scalar]) -> tuple[list[ir.Value], list[Scalar]]:
    """Operands without numbers, broadcasts and repetitions, and the expressions over them."""
    table = rw.scalars
    direct: dict[ir.Value, int] = {}
    renamed: dict[Scalar, Scalar] = {}
    for i, value in enumerate(operands):
        dtype = rw.info(value).dtype
        number = splat(rw, value)
        if number is not None:
            renamed[table.argument(i, dtype)] = table.constant(number, dtype)
            continue
        index = direct.setdefault(_behind_broadcast(rw, value), len(direct))
        if index != i:
            renamed[table.argument(i, dtype)] = table.argument(index, dtype)
    if not renamed:
        return list(direct), list(yields)
    memo: dict[Scalar, Scalar] = {}
    return list(direct), [table.substitute(y, renamed, memo) for y in yields]


def _behind_broadcast(rw: Rewriter, value: ir.Value) -> ir.Value:
    """The value behind `tw.broadcast` and reshapes that add leading dimensions of size 1: it broadcasts to the same tensor."""
    while True:
        op = rw.producer(value, "broadcast", "reshape")
        if op is None:
            return value
        source = op.operands[0]
        if tw.short_name(op) == "reshape":
            before, after = rw.shape(source), rw.shape(value)
            if len(before) > len(after) or _without_leading_units(before) != _without_leading_units(after):
                return value
        value = source


def _with_decided_comparisons(rw: Rewriter, function: Scalar, operands: Sequence[ir.Value], rank: int) -> Scalar:
    """Comparisons whose outcome the ranges of the symbols decide become constants."""
    outcomes: dict[Scalar, Scalar] = {}
    comparisons = [s for s in walk([function]) if s.name == "arith.cmpi" and s.args[0].dtype != "i1"]
    if not comparisons:
        return function
    narrow = tw.broadcast_shapes([rw.shape(v) for v in operands]) or ()
    shape: tuple[Dim, ...] = (1,) * (rank - len(narrow)) + narrow
    for scalar in comparisons:
        lhs, rhs = (scalar_affine(rw, a, operands, shape) for a in scalar.args)
        if lhs is None or rhs is None:
            continue
        outcome = decided(rw, scalar.predicate, lhs, rhs, shape)
        if outcome is not None:
            outcomes[scalar] = rw.scalars.constant(outcome, "i1")
    return simplified(rw.scalars, rw.scalars.substitute(function, outcomes)) if outcomes else function


def _must_compute(op: ir.Operation, function: Scalar, earlier: Sequence[Scalar]) -> bool:
    """True for a result that is neither an operand, nor a number, nor an earlier result. A fill is computed by its own op."""
    if function.is_argument or function in earlier:
        return False
    return not function.is_constant or (len(op.operands) == 0 and len(op.results) == 1)


def _emit(
    rw: Rewriter, operands: Sequence[ir.Value], functions: Sequence[Scalar], needed: Sequence[int], shape: tuple[Dim, ...]
) -> list[ir.Value]:
    """A pointwise of the operands that are needed, renumbered."""
    if not functions:
        return []
    table = rw.scalars
    renumbered = {
        table.argument(old, rw.info(operands[old]).dtype): table.argument(new, rw.info(operands[old]).dtype)
        for new, old in enumerate(needed)
        if new != old
    }
    memo: dict[Scalar, Scalar] = {}
    renamed = [table.substitute(f, renumbered, memo) for f in functions]
    return rw.pointwise([operands[i] for i in needed], renamed, shape)


def _without_leading_units(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    start = 0
    while start < len(shape) and shape[start] == 1:
        start += 1
    return tuple(shape[start:])
