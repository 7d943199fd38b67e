"""Right sides packed when the kernel runs: one panel at a time, into scratch, in the order and the type that the instruction reads.

A group of neighbours along k is moved as one word. Where k is contiguous in memory, square blocks of words are transposed in registers;
where columns are, the rows of a group are interleaved. What does not fill a block or a vector is moved word by word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.core.symbolic import ceildiv, simplify_dim, to_expr
from tilewright.dialects.tw.types import BYTES, element_type
from tilewright.lowering.templates.control import Values, for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.copies import interleave
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.matmul.problem import Columns, Rhs
from tilewright.lowering.templates.matmul.rhs_loaders import RhsInPlace, RhsLoader, RhsPanels
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.vector_region import as_type, is_bf16
from tilewright.lowering.templates.views import times
from tilewright.passes.schedules.matmul_instructions import OperandLayout

StoreSums = Callable[[Flat, Index, int], None]
"""Writes the sums of the columns of a panel in `flat` behind its groups: `store_sums(flat, groups, nr)`."""


class RhsCopied(RhsLoader):
    """One panel in scratch, `[ceildiv(k, group)][nr][group]`, zeros behind the end of k, then the sums of its columns where the layout
    has them. Columns past the end repeat the last one; they are never stored.
    """

    def __init__(
        self,
        context: LoaderContext,
        rhs: Rhs,
        columns: Columns,
        nr: int,
        layout: OperandLayout,
        scratch: Scratch,
        store_sums: StoreSums | None,
    ) -> None:
        super().__init__(context, rhs, columns, nr, layout)
        groups = ceildiv(context.problem.k, layout.group)
        if layout.lhs_offset:
            groups = simplify_dim(to_expr(groups) + 1)
        self._region = scratch.reserve(times(groups, nr * layout.group), layout.copied)
        self._store_sums = store_sums
        self._words = context.lanes * 4 // (layout.group * BYTES[layout.copied])
        """Groups in a vector."""

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        context, index = self.context, self.context.index
        self.flat = scratch_view(context.scratch, self._region, self.layout.copied, index)
        self._start = context.batch_offset(self.rhs.access.batch, batch)
        self._first = index.mul(panel, self.nr)
        if self.rhs.access.k == (1,):
            self._pack_transposed()
        else:
            self._pack_rows()
        if self._store_sums is not None:
            self._store_sums(self.flat, self.groups(), self.nr)

    @property
    def base(self) -> Index:
        return 0

    def group_stride(self) -> Index:
        return self.nr * self.layout.group

    def _whole_groups(self) -> Index:
        return self.context.index.div(self.context.index.dim(self.context.problem.k), self.layout.group)

    def _column(self, column: Index) -> Index:
        """The offset of a column of the panel, clamped to the last one."""
        context, index, columns = self.context, self.context.index, self.columns
        at = index.add(self._first, column)
        if not (isinstance(columns.n, int) and columns.n % self.nr == 0):
            at = index.min(at, index.sub(index.dim(columns.n), 1))
        return index.add(self._start, context.step_offset(self.rhs.access.n, columns.n_steps, at))

    def _row(self, k: Index) -> Index:
        """The offset of a row of k from the first one."""
        return self.context.step_offset(self.rhs.access.k, self.context.problem.k_steps, k)

    def _place(self, group: Index, column: Index) -> Index:
        """Where a group goes."""
        index = self.context.index
        return index.mul(index.add(index.mul(group, self.nr), column), self.layout.group)

    def _pack_transposed(self) -> None:
        """k is contiguous: blocks of as many columns as groups. The last block starts earlier and moves some groups again."""
        context, index, words, size = self.context, self.context.index, self._words, self.layout.group
        whole = self._whole_groups()
        for part in range(0, self.nr, words):
            columns = [self._column(part + lane) for lane in range(words)]

            def block(number: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                even = isinstance(whole, int) and whole % words == 0
                group = number if even else index.min(number, index.sub(whole, words))
                k = index.mul(group, size)
                loaded = [self._to_words(context.load_vector(index.add(column, k), words * size)) for column in columns]
                for step, row in enumerate(transpose_block(loaded)):
                    self.flat.store_vector(self._from_words(row), self._place(index.add(group, step), part))

            def edge(group: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                k = index.mul(group, size)
                scalars = [self._word(index.add(column, k)) for column in columns]
                row = vector.from_elements(ir.VectorType.get([words], scalars[0].type), scalars)
                self.flat.store_vector(self._from_words(row), self._place(group, part))

            def blocks(block: Callable[[ir.Value, list[ir.Value]], None] = block) -> None:
                for_loop(index, 0, whole, words, block)

            def edges(edge: Callable[[ir.Value, list[ir.Value]], None] = edge) -> None:
                for_loop(index, 0, whole, 1, edge)

            if isinstance(whole, int):
                (blocks if whole >= words else edges)()
            else:
                if_else(index.compare("ge", whole, words), blocks, edges)
        self._last_group()

    def _pack_rows(self) -> None:
        """Rows of k one group after the other. Full vectors where columns are neighbours, else element by element."""
        context, index, n = self.context, self.context.index, self.columns.n

        def by_vector(group: Index, rows: Index) -> None:
            """A group with `rows` rows; those behind them are zeros."""
            for part in range(0, self.nr, context.lanes):
                loaded = [
                    self._or_zero(_as_bits(context.load_vector(index.add(self._column_of_vectors(part), row))), step, rows)
                    for step, row in enumerate(self._rows_of(group, rows))
                ]
                self.flat.store_vector(self._of_bits(interleave(loaded)), self._place(group, part))

        def vectors() -> None:
            for_loop(index, 0, self._whole_groups(), 1, lambda group, _: by_vector(group, self.layout.group))
            self._last(by_vector)

        def elements() -> Values:
            for_loop(index, 0, self._whole_groups(), 1, lambda group, _: self._by_element(group, self.layout.group))
            self._last(self._by_element)

        if self.rhs.access.n != (1,):
            elements()
        elif isinstance(n, int) and n % self.nr == 0:
            vectors()
        else:
            whole = index.compare("le", index.add(self._first, self.nr), index.dim(n))
            if_else(whole, vectors, elements)

    def _column_of_vectors(self, part: int) -> Index:
        """The offset of a column where columns are neighbours and none is past the end."""
        return self.context.index.add(self.context.index.add(self._start, self._first), part)

    def _last_group(self) -> None:
        self._last(self._by_element)

    def _last(self, emit: Callable[[Index, Index], None]) -> None:
        """The group that k does not fill, if there is one: `emit(group, rows)`."""
        index, k = self.context.index, self.context.problem.k
        if isinstance(k, int):
            if k % self.layout.group:
                emit(k // self.layout.group, k % self.layout.group)
        elif self.layout.group > 1:
            rows = index.rem(index.dim(k), self.layout.group)
            if_else(index.compare("ne", rows, 0), lambda: emit(self._whole_groups(), rows))

    def _rows_of(self, group: Index, rows: Index) -> list[Index]:
        """Offsets of the rows of a group; those past its `rows` are the last one again."""
        index = self.context.index
        first = index.mul(group, self.layout.group)
        last = index.sub(rows, 1)
        return [
            self._row(index.add(first, index.min(step, last) if rows != self.layout.group else step)) for step in range(self.layout.group)
        ]

    def _or_zero(self, value: ir.Value, step: int, rows: Index) -> ir.Value:
        """`value` of row `step` of a group, or zeros if the group has only `rows`."""
        if isinstance(rows, int) and step < rows:
            return value
        zero = arith.constant(value.type, _zero(value.type))
        return zero if isinstance(rows, int) else arith.select(self.context.index.compare("gt", rows, step), value, zero)

    def _by_element(self, group: Index, rows: Index) -> None:
        """A group of every column with `rows` rows, element by element; those behind them are zeros."""
        context, index = self.context, self.context.index
        offsets = self._rows_of(group, rows)

        def column(number: ir.Value, _: list[ir.Value]) -> None:
            base, place = self._column(number), self._place(group, number)
            for step, row in enumerate(offsets):
                value = self._or_zero(_as_bits(context.load(index.add(base, row))), step, rows)
                self.flat.store(self._of_bits(value), index.add(place, step))

        for_loop(index, 0, self.nr, 1, column)

    def _word(self, offset: Index) -> ir.Value:
        """The group at `offset`, contiguous in memory, as a scalar."""
        if self.layout.group == 1:
            return self.context.load(offset)
        return vector.extract(self._to_words(self.context.load_vector(offset, self.layout.group)), [], [0])

    def _to_words(self, value: ir.Value) -> ir.Value:
        """A vector of elements as one of groups."""
        if self.layout.group == 1:
            return value
        bits = 8 * self.layout.group * BYTES[self.layout.copied]
        count = ir.VectorType(value.type).shape[0] // self.layout.group
        return vector.bitcast(ir.VectorType.get([count], ir.IntegerType.get_signless(bits)), value)

    def _from_words(self, words: ir.Value) -> ir.Value:
        if self.layout.group == 1:
            return words
        count = ir.VectorType(words.type).shape[0] * self.layout.group
        return vector.bitcast(ir.VectorType.get([count], element_type(self.layout.copied)), words)

    def _of_bits(self, value: ir.Value) -> ir.Value:
        """What `_as_bits` took as integers."""
        kind = as_type(value, element_type(self.layout.copied))
        return value if value.type == kind else arith.bitcast(kind, value)


def _as_bits(value: ir.Value) -> ir.Value:
    """bf16 as i16: processors without bf16 have no vectors of it, and LLVM would move them element by element through f32."""
    return arith.bitcast(as_type(value, ir.IntegerType.get_signless(16)), value) if is_bf16(value.type) else value


def _zero(kind: ir.Type) -> ir.Attribute:
    scalar = ir.VectorType(kind).element_type if isinstance(kind, ir.VectorType) else kind
    zero = ir.IntegerAttr.get(scalar, 0) if isinstance(scalar, ir.IntegerType) else ir.FloatAttr.get(scalar, 0.0)
    return ir.DenseElementsAttr.get_splat(kind, zero) if isinstance(kind, ir.VectorType) else zero


def select_rhs_loader(
    context: LoaderContext, rhs: Rhs, columns: Columns, scratch: Scratch, nr: int, layout: OperandLayout, store_sums: StoreSums | None
) -> RhsLoader:
    """Panels of the compiler; else in place where columns are neighbours and whole panels divide them; else packed at run time."""
    if rhs.packed is not None:
        return RhsPanels(context, rhs, columns, nr, layout)
    whole_panels = isinstance(columns.n, int) and columns.n % nr == 0
    readable = context.conversion.memory == context.conversion.operand in (layout.panels, layout.copied)
    if layout.group == 1 and readable and whole_panels and rhs.access.n == (1,) and len(rhs.access.k) <= 1:
        return RhsInPlace(context, rhs, columns, nr, layout)
    return RhsCopied(context, rhs, columns, nr, layout, scratch, store_sums)
