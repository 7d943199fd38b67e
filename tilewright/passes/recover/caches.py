"""`tw-recover-caches`: keys and values as a cache holds them, in pages, narrow types or integers with scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, product
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import term

patterns = PatternSet()

_NARROW = ("bf16", "f16")


@register_pass
@dataclass(frozen=True)
class RecoverCaches(Pass):
    """Let `tw.attention` read caches as they are: nothing is converted, scaled or gathered into memory before.

    Keys and values that were cast to the f32 of the queries become the bf16 or f16 operands they were; i8 ones times a factor per row
    become i8 operands with `k_scale` and `v_scale`; those gathered by page numbers become pages with a `block_table`. That is done for
    what a cache holds (inputs, and what is gathered from them): values that the program computes are written in f32 by whoever computes
    them.

    Before: `k = reshape(transpose(gather(cast(pages[P, T, Hkv, D]), table[B, N])))`, likewise v, `attention(q, k, v)`
    After: `attention(q, pages, pages, kv_len, table)`, where pages are transposed to `[P, Hkv, T, D]`
    """

    name: ClassVar[str] = "tw-recover-caches"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@dataclass(frozen=True)
class _Moved:
    """`source` after reshapes and transposes, `moves`, the first one first."""

    source: ir.Value
    moves: tuple[ir.Operation, ...]

    def replay(self, rw: Rewriter, value: ir.Value) -> ir.Value:
        """The same moves of a tensor of the source's shape."""
        for move in self.moves:
            if tw.is_op(move, "reshape"):
                value = rw.reshape(value, rw.shape(move.results[0]))
            else:
                value = rw.build("transpose", value, permutation=rw.attribute(move, "permutation"))
        return value

    def replay_rows(self, rw: Rewriter, value: ir.Value) -> ir.Value | None:
        """The same moves of a tensor that has size 1 where the source has its last dimension; None where one does not keep rows whole."""
        size = rw.shape(self.source)[-1]
        for move in self.moves:
            if tw.is_op(move, "reshape"):
                *leading, last = rw.shape(move.results[0])
                if last != size:
                    return None
                value = rw.reshape(value, (*leading, 1))
            else:
                permutation = rw.attribute(move, "permutation")
                if permutation[-1] != len(permutation) - 1:
                    return None
                value = rw.build("transpose", value, permutation=permutation)
        return value


def _moved(rw: Rewriter, value: ir.Value) -> _Moved:
    moves: list[ir.Operation] = []
    while (op := rw.producer(value, "reshape", "transpose")) is not None:
        moves.append(op)
        value = op.operands[0]
    return _Moved(value, tuple(reversed(moves)))


@patterns.on("attention")
def narrow(rw: Rewriter, op: ir.Operation) -> bool:
    """Casts from bf16 or f16."""
    groups = rw.groups(op)
    if rw.info(groups["q"]).dtype != "f32" or rw.info(groups["k"]).dtype != "f32":
        return False
    narrowed: dict[str, Any] = {}
    for name in ("k", "v"):
        moved = _moved(rw, groups[name])
        cast = rw.producer(moved.source, "pointwise")
        if cast is None or not tw.is_cast(cast) or not _is_cached(rw, cast.operands[0]) or rw.info(cast.operands[0]).dtype not in _NARROW:
            return False
        narrowed[name] = (moved, cast.operands[0])
    if len({rw.info(value).dtype for _, value in narrowed.values()}) != 1:
        return False
    rw.rebuild(op, {name: moved.replay(rw, value) for name, (moved, value) in narrowed.items()})
    return True


@patterns.on("attention")
def scaled(rw: Rewriter, op: ir.Operation) -> bool:
    """Integers times a factor per row."""
    groups = rw.groups(op)
    if rw.info(groups["q"]).dtype != "f32" or groups["k_scale"] is not None or groups["block_table"] is not None:
        return False
    found: dict[str, Any] = {}
    for name in ("k", "v"):
        moved = _moved(rw, groups[name])
        parts = _integers_and_scale(rw, moved.source)
        if parts is None or not _is_cached(rw, parts[0]):
            return False
        integers, scale = parts
        rows = moved.replay_rows(rw, rw.broadcast(scale, (*rw.shape(moved.source)[:-1], 1)))
        if rows is None:
            return False
        found[name] = moved.replay(rw, integers)
        found[f"{name}_scale"] = rw.reshape(rows, rw.shape(rows)[:-1])
    rw.rebuild(op, found)
    return True


def _integers_and_scale(rw: Rewriter, value: ir.Value) -> tuple[ir.Value, ir.Value] | None:
    """x and s of `float(x) * s`, where x is i8 and s has one element per row."""
    for x, s in term(rw, value).commuted("arith.mulf"):
        if x.name != "arith.sitofp" or x.args[0].dtype != "i8" or s.dtype != "f32" or s.number is not None:
            continue
        integers, by_row = x.args[0], not s.shape or s.shape[-1] == 1
        if integers.shape == rw.shape(value) and by_row:
            return integers.tensor(), s.tensor()
    return None


def _is_cached(rw: Rewriter, value: ir.Value) -> bool:
    """True for an input or a part of one: what a cache holds, unlike what the program computes."""
    while (op := rw.producer(value)) is not None:
        if not tw.is_op(op, "gather", "reshape", "transpose", "slice", "state_read"):
            return False
        if tw.is_op(op, "state_read"):
            return True
        value = op.operands[0]
    return True


@patterns.on("attention")
def paged(rw: Rewriter, op: ir.Operation) -> bool:
    """Rows gathered by page numbers."""
    groups = rw.groups(op)
    if groups["block_table"] is not None:
        return False
    scales = ["k_scale", "v_scale"] if groups["k_scale"] is not None else []
    pages: dict[str, ir.Value] = {}
    tables: list[ir.Value] = []
    for name in ("k", "v", *scales):
        found = _pages(rw, groups[name])
        if found is None:
            return False
        pages[name] = found[0]
        tables.append(found[1])
    if any(table != tables[0] for table in tables):
        return False
    kv_len = groups["kv_len"]
    if kv_len is None:
        batch, _, keys, _ = rw.shape(groups["k"])
        kv_len = rw.broadcast(rw.build("dim", expr=keys), (batch,))
    rw.rebuild(op, {**pages, "block_table": rw.cast(tables[0], "i32"), "kv_len": kv_len})
    return True


def _pages(rw: Rewriter, value: ir.Value) -> tuple[ir.Value, ir.Value] | None:
    """Pages `[P, Hkv, T, ..]` and page numbers `[B, N]`, of which `value` `[B, Hkv, N*T, ..]` is the rows in order."""
    moved = _moved(rw, value)
    gather = rw.producer(moved.source, "gather")
    if gather is None or rw.attribute(gather, "axes") != (0,) or len(gather.operands) != 2:
        return None
    source, table = gather.operands
    sizes = rw.shape(moved.source)
    rank = len(rw.shape(value))
    if len(rw.shape(table)) != 2 or len(sizes) < rank + 1:
        return None
    groups: list[tuple[int, ...]] | None = [(axis,) for axis in range(len(sizes))]
    for move in moved.moves:
        if tw.is_op(move, "transpose"):
            groups = [groups[axis] for axis in rw.attribute(move, "permutation")]
        else:
            groups = _regrouped(groups, sizes, rw.shape(move.results[0]))
        if groups is None:
            return None
    # Dimensions of the gathered tensor: 0 batch element, 1 place in the table, then those of a page.
    batch, heads, keys, *rest = (tuple(axis for axis in group if sizes[axis] != 1) for group in groups)
    within = [axis for axis in range(2, len(sizes)) if sizes[axis] != 1]
    if batch != tuple(axis for axis in (0,) if sizes[axis] != 1) or keys[:1] != (1,) or len(keys) != 2 or len(heads) > 1:
        return None
    order = (*heads, keys[1], *(axis for group in rest for axis in group))
    if sorted(order) != within:
        return None
    units = [axis for axis in range(2, len(sizes)) if sizes[axis] == 1]
    by_head = rw.build("transpose", source, permutation=(0, *(axis - 1 for axis in (*units, *order))))
    return rw.reshape(by_head, (rw.shape(source)[0], rw.shape(value)[1], sizes[keys[1]], *rw.shape(value)[3:])), table


def _regrouped(groups: Sequence[tuple[int, ...]], sizes: Sequence[Dim], shape: Sequence[Dim]) -> list[tuple[int, ...]] | None:
    """The dimensions that make up each dimension of a reshape to `shape`; None where one is taken apart."""
    left = [axis for group in groups for axis in group if sizes[axis] != 1]
    regrouped: list[tuple[int, ...]] = []
    for size in shape:
        taken: list[int] = []
        while product(sizes[axis] for axis in taken) != size:
            if not left:
                return None
            taken.append(left.pop(0))
        regrouped.append(tuple(taken))
    return None if left else regrouped
