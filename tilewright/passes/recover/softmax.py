"""`tw-recover-softmax`: decomposed softmax and log-softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, row_reduction, term, without_casts

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverSoftmax(Pass):
    """Recover `tw.softmax` from exponentials over their sum, and its logarithm.

    Before: `e = exp(x - max(x))`, `y = e / sum(e)` (or `y = x - max(x) - log(sum(e))`) along one dimension
    After: `%y = "tw.softmax"(%x) {dim}` (or `{dim, log = true}`)
    """

    name: ClassVar[str] = "tw-recover-softmax"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@patterns.on("pointwise")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    if len(op.results) != 1:
        return False
    root = term(rw, op.results[0])
    found = _softmax(root)
    log = found is None
    if found is None:
        found = _log_softmax(root)
    if found is None:
        return False
    x, dim = found
    if x.value is None or x.value.type != op.results[0].type:
        return False
    rw.replace(op, [rw.build("softmax", x.value, dim=dim, log=log)])
    return True


def _softmax(root: Term) -> tuple[Term, int] | None:
    pairs: list[tuple[Term, Term]] = [(root.args[0], root.args[1])] if root.name == "arith.divf" else []
    for exponential, inverse in root.commuted("arith.mulf"):
        if inverse.name == "arith.divf" and inverse.args[0].number == 1:
            pairs.append((exponential, inverse.args[1]))
    for exponential, total in pairs:
        total_of = row_reduction(total, "add") if exponential.name == "math.exp" else None
        shifted = None if total_of is None or not total_of[0].same(exponential) else _shifted(exponential.args[0])
        if shifted is not None and total_of is not None and total_of[1] == (shifted[1],):
            return shifted
    return None


def _log_softmax(root: Term) -> tuple[Term, int] | None:
    if root.name != "arith.subf" or root.args[1].name != "math.log":
        return None
    shifted = _shifted(root.args[0])
    total_of = row_reduction(root.args[1].args[0], "add")
    if shifted is None or total_of is None or total_of[1] != (shifted[1],):
        return None
    exponential = total_of[0]
    return shifted if exponential.name == "math.exp" and exponential.args[0].same(root.args[0]) else None


def _shifted(t: Term) -> tuple[Term, int] | None:
    """x and the dimension, from `x - max(x)`."""
    if t.name != "arith.subf":
        return None
    top = row_reduction(t.args[1], "max")
    x = t.args[0]
    if top is None or len(top[1]) != 1 or not top[0].same(without_casts(x)):
        return None
    return x, top[1][0]
