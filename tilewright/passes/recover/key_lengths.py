"""`tw-recover-key-lengths`: masks that hide the keys past a length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, Expr, simplify_dim, to_expr
from tilewright.passes.affine import scalar_affine
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term

patterns = PatternSet()

_LESS, _AT_MOST, _GREATER, _AT_LEAST = 2, 3, 4, 5
"""Signed predicates of arith.cmpi."""
_SWAPPED = {_LESS: _GREATER, _AT_MOST: _AT_LEAST, _GREATER: _LESS, _AT_LEAST: _AT_MOST}


@register_pass
@dataclass(frozen=True)
class RecoverKeyLengths(Pass):
    """Turn the part of a boolean attention mask that compares key positions with a number per batch element into the operand `kv_len`.

    So keys past the length are not read, where a mask would be applied to each. What else the mask says stays.

    Before: `mask = iota[K] < reshape(lengths[B] to [B, 1, 1, 1])`, `attention(q, k, v, mask)`
    After: `attention(q, k, v, kv_len = lengths)`
    """

    name: ClassVar[str] = "tw-recover-key-lengths"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("attention")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    groups = rw.groups(op)
    mask = groups["mask"]
    if mask is None or rw.info(mask).dtype != "i1" or groups["kv_len"] is not None:
        return False
    conjuncts = _conjuncts(term(rw, mask))
    lengths = [_length(rw, conjunct, rw.shape(groups["q"])[0]) for conjunct in conjuncts]
    found = next((i for i, length in enumerate(lengths) if length is not None), None)
    if found is None:
        return False
    rw.rebuild(op, {"kv_len": lengths[found], "mask": _conjunction(rw, conjuncts[:found] + conjuncts[found + 1 :])})
    return True


def _conjuncts(t: Term) -> list[Term]:
    return [c for a in t.args for c in _conjuncts(a)] if t.name == "arith.andi" else [t]


def _conjunction(rw: Rewriter, parts: Sequence[Term]) -> ir.Value | None:
    total: ir.Value | None = None
    for part in parts:
        value = part.tensor()
        total = value if total is None else rw.map(lambda a, b: rw.scalars.arith("andi", a, b), total, value)
    return total


def _length(rw: Rewriter, conjunct: Term, batch: Dim) -> ir.Value | None:
    """The length `[B]` below which a conjunct says that keys are visible; None where it says something else."""
    if conjunct.name != "arith.cmpi" or conjunct.op is None or conjunct.scalar is None:
        return None
    operands, own = list(conjunct.op.operands), conjunct.shape
    if len(own) > 4:
        return None
    shape = (1,) * (4 - len(own)) + own
    for position, limit in enumerate(conjunct.args[::-1]):
        key = scalar_affine(rw, conjunct.scalar.args[position], operands, shape)
        predicate = conjunct.scalar.predicate if position == 0 else _SWAPPED.get(conjunct.scalar.predicate)
        if key is None or key.coefficients != (0, 0, 0, 1) or predicate not in (_LESS, _AT_MOST):
            continue
        sizes = (1,) * (4 - len(limit.shape)) + limit.shape
        if sizes[1:] != (1, 1, 1) or limit.dtype not in ("i32", "i64"):
            continue
        return _below(rw, limit.tensor(), int(predicate == _AT_MOST) - to_expr(key.offset), batch)
    return None


def _below(rw: Rewriter, limit: ir.Value, more: Expr, batch: Dim) -> ir.Value:
    """`limit + more` as i64 `[B]`."""
    table = rw.scalars
    wide = rw.broadcast(rw.reshape(limit, (rw.shape(limit)[:-3] or (1,))), (batch,))
    if more == to_expr(0):
        return rw.cast(wide, "i64")
    addend = rw.build("dim", expr=simplify_dim(more))
    return rw.map(lambda x, y: table.arith("addi", table.cast(x, "i64"), y), wide, addend)
