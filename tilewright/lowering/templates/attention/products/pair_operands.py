"""bf16 operands in the forms that instructions on pairs of neighbours read: pairs are one word of 32 bits, the first in its lower half."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.mlir import arith, ir, vector
from tilewright.core.symbolic import Dim, ceildiv
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.softmax import INVISIBLE
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.views import times

LANES = 16
"""Words of a vector."""
GROUP = 32
"""Keys, or head dimensions, of one step of a product: a vector of pairs."""


def up_to(size: int, multiple: int) -> int:
    """`size` rounded up."""
    return -(-size // multiple) * multiple


def first_lanes(count: Index, lanes: int, context: KernelContext) -> ir.Value:
    """A mask of the lanes below `count`, which may be negative or large."""
    i32 = ir.IntegerType.get_signless(32)
    kind = ir.VectorType.get([lanes], i32)
    numbers = arith.constant(kind, ir.DenseElementsAttr.get([ir.IntegerAttr.get(i32, lane) for lane in range(lanes)], kind))
    limit = vector.broadcast(kind, arith.index_cast(i32, context.index.value(count)))
    return arith.cmpi(arith.CmpIPredicate.slt, numbers, limit)


def head_start(context: KernelContext, tensor: Strided, place: TilePlace) -> Index:
    """The offset of the first row of a key and value head in its input."""
    index = context.index
    return index.add(index.mul(place.batch, index.dim(tensor.batch)), index.mul(place.kv_head, index.dim(tensor.head)))


class RowSource:
    """Rows of `size` elements, each without gaps: of the input itself, or of copies where its columns do not follow each other."""

    def __init__(self, context: KernelContext, tensor: Strided, size: int, copied_rows: int | None = None) -> None:
        """`copied_rows` is how many rows are copied at most, None for all keys."""
        self.context, self.tensor, self.size = context, tensor, size
        self.source = self.flat = context.inputs[tensor.buffer]
        self.copies = tensor.column != 1 and size != 1
        if self.copies:
            rows = context.problem.keys if copied_rows is None else copied_rows
            self.flat = context.region(times(rows, size), tensor.dtype)

    def prepare(self, count: Index, row_in_input: Callable[[Index], Index]) -> None:
        """Copy the rows `0 <= row < count`, found at `row_in_input(row)`, if they are copied."""
        if not self.copies:
            return
        index = self.context.index

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            start, to = row_in_input(number), index.mul(number, self.size)

            def element(column: ir.Value, _: list[ir.Value]) -> None:
                at = index.add(start, index.mul(column, index.dim(self.tensor.column)))
                self.flat.store(self.source.load(at), index.add(to, column))

            for_loop(index, 0, self.size, 1, element)

        for_loop(index, 0, count, 1, row)

    def start(self, row: Index, in_input: Index) -> Index:
        """The offset in `flat` of a row that the input holds at `in_input`."""
        return self.context.index.mul(row, self.size) if self.copies else in_input


class QueryPairs:
    """The queries of a tile as pairs of dimensions, `[pairs][tile]`, zeros behind the last dimension up to a multiple of `GROUP`."""

    def __init__(self, context: KernelContext) -> None:
        self.context = context
        self.source = RowSource(context, context.problem.q, context.problem.head_size, copied_rows=context.rows.tile)
        self.pairs = up_to(context.problem.head_size, GROUP) // 2
        self.words = context.region(self.pairs * context.rows.tile, "i32")

    def pack(self, place: TilePlace) -> None:
        """Pack the queries of a tile as they are, not scaled."""
        context, index, source, size = self.context, self.context.index, self.source, self.context.problem.head_size
        rows = context.rows
        source.prepare(rows.tile, lambda lane: rows.offset(context.problem.q, place, lane))

        def part_of_tile(part: ir.Value, _: list[ir.Value]) -> None:
            first = index.mul(part, LANES)
            lanes = [index.add(first, lane) for lane in range(LANES)]
            starts = [source.start(lane, rows.offset(context.problem.q, place, lane)) for lane in lanes]

            def block(column: Index, mask: ir.Value | None) -> None:
                loaded = [source.flat.load_vector(index.add(start, column), GROUP, mask) for start in starts]
                words = ir.VectorType.get([LANES], ir.IntegerType.get_signless(32))
                for step, values in enumerate(transpose_block([vector.bitcast(words, row) for row in loaded])):
                    pair = index.add(index.div(column, 2), step)
                    self.words.store_vector(values, index.add(index.mul(pair, rows.tile), first))

            whole = size // GROUP * GROUP
            if whole:
                for_loop(index, 0, whole, GROUP, lambda column, _: block(column, None))
            if whole != size:
                block(whole, first_lanes(size - whole, GROUP, context))

        for_loop(index, 0, rows.vectors, 1, part_of_tile)


class KeyRows:
    """The rows of K of one head, `[keys][padded]` in `flat`: in place, or copied and padded with zeros."""

    def __init__(self, context: KernelContext, multiple: int, spare_rows: int = 0) -> None:
        """Rows are read up to a multiple of `multiple` dimensions. Where they are in place, there are `spare_rows` copied ones."""
        self.context, self.tensor, self.size = context, context.problem.k, context.problem.head_size
        self.source = RowSource(context, self.tensor, self.size)
        self.in_place = not self.source.copies and self.tensor.row == self.size == up_to(self.size, multiple)
        self.padded = self.size if self.in_place else up_to(self.size, GROUP)
        rows = spare_rows if self.in_place else times(key_groups(context.problem.keys), GROUP)
        self.copied = context.region(times(rows, self.padded), "bf16")
        self.flat = self.source.flat if self.in_place else self.copied

    def begin_head(self, place: TilePlace) -> None:
        """Copy the rows of a head, unless they are read in place."""
        if not self.in_place:
            self.copy(place, 0)

    def copy(self, place: TilePlace, first: Index) -> None:
        """Copy the rows from `first` to the beginning of `copied`."""
        index, keys = self.context.index, self.context.all_keys
        base, stride = head_start(self.context, self.tensor, place), index.dim(self.tensor.row)
        self.source.prepare(keys, lambda key: index.add(base, index.mul(key, stride)))

        def row(key: ir.Value, _: list[ir.Value]) -> None:
            start = self.source.start(key, index.add(base, index.mul(key, stride)))
            to = index.mul(index.sub(key, first), self.padded)
            copy_rows(self.context, self.source.flat, start, self.copied, to, self.size, self.padded)

        for_loop(index, first, keys, 1, row)

    def start(self, place: TilePlace, key: Index) -> Index:
        """The offset in `flat` of a row."""
        index = self.context.index
        base = head_start(self.context, self.tensor, place) if self.in_place else 0
        return index.add(base, index.mul(key, self.padded))


class ValueRows:
    """Rows of values of one head, whose keys are taken in groups of `GROUP`; keys behind the last one that can be seen count as zeros."""

    def __init__(self, context: KernelContext) -> None:
        self.context = context
        self.source = RowSource(context, context.problem.v, context.problem.value_size)

    def each_group(self, place: TilePlace, pack: Callable[[Index, Callable[[Index, Index, bool], list[ir.Value]]], None]) -> None:
        """`pack(first, words)` for each group of keys; `words(first, column, ragged)` are its 16 pairs of rows from a column: a vector
        of `LANES` pairs of keys each, one per dimension. `ragged`: fewer than `LANES` dimensions are left.
        """
        context, index, tensor = self.context, self.context.index, self.context.problem.v
        base, stride = head_start(context, tensor, place), index.dim(tensor.row)
        end = context.all_keys
        lengths = context.input(context.problem.kv_len)
        if lengths is not None:
            end = index.max(index.min(end, arith.index_cast(index.type, lengths.load(place.batch))), 0)
        self.source.prepare(end, lambda key: index.add(base, index.mul(key, stride)))

        def words(first: Index, column: Index, ragged: bool, clipped: bool) -> list[ir.Value]:
            columns = first_lanes(index.sub(context.problem.value_size, column), LANES, context) if ragged else None
            found: list[ir.Value] = []
            for pair in range(GROUP // 2):
                rows: list[ir.Value] = []
                for key in (index.add(first, 2 * pair), index.add(first, 2 * pair + 1)):
                    mask = columns
                    if clipped:
                        inside = vector.broadcast(ir.VectorType.get([LANES], ir.IntegerType.get_signless(1)), index.compare("lt", key, end))
                        mask = inside if mask is None else arith.andi(mask, inside)
                    start = self.source.start(key, index.add(base, index.mul(key, stride)))
                    rows.append(self.source.flat.load_vector(index.add(start, column), LANES, mask))
                found.append(_paired(*rows))
            return found

        whole = index.mul(index.div(end, GROUP), GROUP)
        for_loop(index, 0, whole, GROUP, lambda first, _: pack(first, lambda f, c, r: words(f, c, r, False)))
        ragged_group = index.compare("lt", whole, end)
        if_else(ragged_group, lambda: pack(whole, lambda f, c, r: words(f, c, r, True)))


def _paired(first: ir.Value, second: ir.Value) -> ir.Value:
    """Words of the bf16 of two vectors."""
    lanes = ir.VectorType(first.type).shape
    halves, words = (ir.VectorType.get(lanes, ir.IntegerType.get_signless(bits)) for bits in (16, 32))
    low, high = (arith.extui(words, arith.bitcast(halves, value)) for value in (first, second))
    sixteen = arith.constant(words, ir.DenseElementsAttr.get_splat(words, ir.IntegerAttr.get(words.element_type, 16)))
    return arith.ori(low, arith.shli(high, sixteen))


def copy_rows(context: KernelContext, source: Flat, start: Index, target: Flat, to: Index, size: int, padded: int) -> None:
    """Copy `size` neighbours and append zeros up to `padded`, a multiple of `GROUP`."""
    index = context.index
    whole = size // GROUP * GROUP
    for column in range(0, whole, GROUP):
        target.store_vector(source.load_vector(index.add(start, column), GROUP), index.add(to, column))
    if whole != padded:
        mask = first_lanes(size - whole, GROUP, context)
        target.store_vector(source.load_vector(index.add(start, whole), GROUP, mask), index.add(to, whole))


def key_groups(keys: Dim) -> Dim:
    """Groups of `GROUP` keys."""
    return ceildiv(keys, GROUP)


def hide_rows(context: KernelContext, scores: Flat, first: Index, end: Index) -> None:
    """Make the scores of the rows `first <= row < end` of a block invisible."""
    hidden = context.lanes.constant(INVISIBLE)

    def hide(row: ir.Value, _: list[ir.Value]) -> None:
        for part in range(context.vectors):
            scores.store_vector(hidden, context.at(row, part))

    for_loop(context.index, first, end, 1, hide)
