"""`tw-split-attention`: few queries over a long cache become attention over slices of the keys, where threads would have nothing to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects.tw.ops.attention import key_count
from tilewright.dialects.tw.types import BYTES
from tilewright.passes.rewrite import PatternSet, Rewriter, defined_functions
from tilewright.passes.scalars import Scalar
from tilewright.passes.schedules.attention_decode import is_decode, rows_of_queries
from tilewright.targets import Target, find

SMALLEST = 1 << 18
"""Bytes of keys and values of a slice: what starts and ends a unit of work is small beside what these take."""
MOST_SLICES = 16
"""The results of all slices are operands of one pointwise op."""
LARGEST_SHARE = 0.05
"""Of the bytes of keys and values: what the results of the slices may have, written once and read once."""

_EQUAL = 1
_LOWEST = float("-inf")


@register_pass
@dataclass(frozen=True)
class SplitAttention(Pass):
    """Split the keys of an attention with few queries where it has fewer units of work for threads than `below`.

    A unit is a key and value head of a batch element; the smallest batch counts. The attention becomes one over `splits` slices of the
    keys, each with a result of its own and the logarithm of its normalizer, and a pointwise sum that weights them by these, which is fused
    with what follows. Slices are part of the program: results are the same for any number of threads. They are as few as give `units`
    units, at most 16, and have at least 256 KiB of keys and values where the cache is as long as it may be.

    Four units are enough for two threads; more threads gain where `below` is larger.

    Before: `%o = "tw.attention"(%q, %k, %v) : (tensor<1x8x1x128xf32>, tensor<1x1x8192x128xf32>, ...) -> tensor<1x8x1x128xf32>`
    After: `%p, %l = "tw.attention"(%q, %k, %v) {splits = 8, ...} : ... -> (tensor<8x1x8x1x128xf32>, tensor<8x1x8x1xf32>)`, and
    `"tw.pointwise"`s of the 8 slices of both: `sum(exp(l - max(l)) * p) / sum(exp(l - max(l)))`
    """

    name: ClassVar[str] = "tw-split-attention"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")
    below: int = option(4, help="split attention of fewer units of work than this")
    units: int = option(8, help="units of work to split it into; 1 splits nothing")

    def run(self, module: ir.Module) -> None:
        if self.units < 1:
            raise InputError(
                f"an attention cannot be split into {self.units} units of work", remedy="give tw-split-attention units of at least 1"
            )
        target = find(self.target)
        if target.is_gpu:
            return
        patterns = PatternSet()

        @patterns.on("attention")
        def split(rw: Rewriter, op: ir.Operation) -> bool:
            slices = _choose_slices(rw, op, target, min(self.below, self.units), self.units)
            if slices > 1:
                rw.replace(op, _split(rw, op, slices))
            return slices > 1

        for function in defined_functions(module):
            if "tw.kernel" not in function.operation.attributes:
                Rewriter(function, patterns).run()


def _choose_slices(rw: Rewriter, op: ir.Operation, target: Target, enough: int, wanted: int) -> int:
    """Into how many slices to split the keys, so that there are `wanted` units of work; 1 for not at all, as where there are `enough`."""
    if rw.attribute(op, "splits") or not is_decode(op, target):
        return 1
    groups = rw.groups(op)
    (batch, kv_heads, _, size), (value_size, dtype) = rw.shape(groups["k"]), (rw.shape(groups["v"])[3], rw.info(groups["k"]).dtype)
    if groups["block_table"] is not None:
        batch = rw.shape(groups["q"])[0]
    units = max(_least(rw, batch), 1) * max(_least(rw, kv_heads), 1)
    if units >= enough or not isinstance(size, int) or not isinstance(value_size, int):
        return 1
    keys = key_count(rw.info(groups["k"]), None if groups["block_table"] is None else rw.info(groups["block_table"]))
    cache = _most(rw, keys) * (size + value_size) * BYTES[dtype]
    results = 2 * _most(rw, rows_of_queries(op)) * value_size * BYTES["f32"]
    most = min(MOST_SLICES, cache // SMALLEST, int(LARGEST_SHARE * cache / max(results, 1)))
    return max(1, min(-(-wanted // units), most))


def _least(rw: Rewriter, size: Dim) -> int:
    return to_expr(size).bounds(rw.ranges)[0]


def _most(rw: Rewriter, size: Dim) -> int:
    return to_expr(size).bounds(rw.ranges)[1]


def _split(rw: Rewriter, op: ir.Operation, slices: int) -> list[ir.Value]:
    """What stands for the results of the op: the results of slices, merged."""
    groups, attributes = rw.groups(op), rw.attributes(op)
    wants_logsumexp = attributes["logsumexp"]
    region = _copied_region(op)
    operands = [None if name == "sinks" else value for name, value in groups.items()]
    changed: dict[str, Any] = {**attributes, "splits": slices, "logsumexp": True}
    parts, logarithms = rw.build_many("attention", *operands, region=region, **changed)
    result = rw.info(op.results[0])
    batch, heads, queries, _ = result.shape
    outs = [_slice(rw, parts, i, result.shape) for i in range(slices)]
    columns = [_slice(rw, logarithms, i, (batch, heads, queries, 1)) for i in range(slices)]
    sinks = groups["sinks"]
    if sinks is not None:
        columns.append(rw.reshape(rw.cast(sinks, "f32"), (1, heads, 1, 1)))
    merge = _Merge(rw, slices)
    weights = rw.pointwise(columns, merge.weights([merge.argument(i) for i in range(len(columns))]), (batch, heads, queries, 1))
    total = rw.map(lambda *terms: merge.dot(terms[:slices], terms[slices:]), *weights, *outs)
    merged = [rw.cast(total, result.dtype)]
    if wants_logsumexp:
        logsumexp = rw.map(lambda *terms: merge.logsumexp(terms), *columns)
        merged.append(rw.reshape(logsumexp, (batch, heads, queries)))
    return merged


def _slice(rw: Rewriter, values: ir.Value, number: int, shape: tuple[Dim, ...]) -> ir.Value:
    """The result of one slice under `shape`."""
    sizes = (1, *rw.shape(values)[1:])
    starts = (number, *(0 for _ in sizes[1:]))
    return rw.reshape(rw.build("slice", values, starts=starts, sizes=sizes, steps=tuple(1 for _ in sizes)), shape)


def _copied_region(op: ir.Operation) -> ir.Block | None:
    """The block of a copy of the op, to be moved into another one."""
    if not len(op.regions):
        return None
    return op.clone(ip=False).operation.regions[0].blocks[0]


class _Merge:
    """Scalar expressions over the logarithms of the normalizers of all slices, and of a sink behind them."""

    def __init__(self, rw: Rewriter, slices: int) -> None:
        self.table, self.slices = rw.scalars, slices
        self.zero, self.one, self.lowest = (self.table.constant(value, "f32") for value in (0.0, 1.0, _LOWEST))

    def argument(self, number: int) -> Scalar:
        return self.table.argument(number, "f32")

    def weights(self, logarithms: list[Scalar]) -> list[Scalar]:
        """The share of each slice in the result; all are 0 where no slice has a visible key."""
        t = self.table
        exponentials, total = self._normalized(logarithms)
        divisor = t.arith("select", t.compare(_EQUAL, total, self.zero), self.one, total)
        return [t.arith("divf", value, divisor) for value in exponentials[: self.slices]]

    def logsumexp(self, logarithms: tuple[Scalar, ...]) -> Scalar:
        t = self.table
        _, total = self._normalized(list(logarithms))
        return t.arith("addf", self._top(list(logarithms)), t.math("log", total))

    def dot(self, weights: tuple[Scalar, ...], values: tuple[Scalar, ...]) -> Scalar:
        return self._pairwise("addf", [self.table.arith("mulf", w, v) for w, v in zip(weights, values, strict=True)])

    def _normalized(self, logarithms: list[Scalar]) -> tuple[list[Scalar], Scalar]:
        t, top = self.table, self._top(logarithms)
        exponentials = [t.math("exp", t.arith("subf", value, top)) for value in logarithms]
        return exponentials, self._pairwise("addf", exponentials)

    def _top(self, logarithms: list[Scalar]) -> Scalar:
        """The largest; 0 where there is none, because minus infinity less itself would be NaN."""
        t, top = self.table, self._pairwise("maximumf", logarithms)
        return t.arith("select", t.compare(_EQUAL, top, self.lowest), self.zero, top)

    def _pairwise(self, name: str, terms: list[Scalar]) -> Scalar:
        """Pairs of pairs, which are independent of each other."""
        half = len(terms) // 2
        return terms[0] if half == 0 else self.table.arith(name, self._pairwise(name, terms[:half]), self._pairwise(name, terms[half:]))
