"""Seam 1 continued: the tiles of rows that run over one chunk, a panel of columns over a part of k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.column_range import ColumnRange
from tilewright.lowering.templates.matmul.micro_kernel import LINE, MicroKernel, Panel, Request, TileMemory
from tilewright.passes.schedules.matmul import MatmulSchedule


@dataclass(frozen=True)
class Chunk:
    """A panel over a part of k. Where k is split, `is_first` and `is_last` say which part it is, and sums wait from `slot` of the
    range's scratch. `following` is where the chunk lies that comes next, in each right side; empty where that is not to be fetched.
    """

    panel: Panel
    is_first: ir.Value | None
    is_last: ir.Value | None
    slot: Index
    following: Sequence[Index]


@dataclass(frozen=True)
class _Fetch:
    """How the tiles of a chunk fetch the next one: a tile asks for `share` elements of each right side (`lines` cache lines at a time),
    until `size` elements have been asked for.
    """

    lines: int
    share: list[Index]
    size: list[Index]


class RowTiles:
    """Emits the tiles of chunks of panels which have `count` columns."""

    def __init__(self, schedule: MatmulSchedule, index: IndexMath, kernel: MicroKernel, columns: ColumnRange, count: int) -> None:
        self.columns = columns
        self._schedule, self._index = schedule, index
        self._kernel = kernel.for_columns(count)
        self._width = schedule.nr if self._kernel is kernel else -(-count // kernel.lanes) * kernel.lanes

    def emit(self, chunk: Chunk, first: Index, rows: Index) -> None:
        """The tiles of `rows` rows from `first`: full ones, then what is left by the next smaller micro-kernel that covers it.

        A tile that would reach past the end starts earlier instead and computes some rows again, to equal values: rows keep constant
        distances, which take one address register instead of one per row. Where k is split, sums wait in memory by tile, not by row,
        so that rows which two tiles share are not added up twice.
        """
        index, heights = self._index, self._kernel.heights
        mr, smaller = heights[0], heights[1:] or [heights[0]]
        end = index.add(first, rows)
        full = index.div(rows, mr)
        left = index.sub(rows, index.mul(full, mr))
        # More rows left than the next micro-kernel takes: one more full tile, if there are rows enough to start it earlier.
        extra: Index = 0
        if isinstance(rows, int):
            extra = int(isinstance(left, int) and isinstance(full, int) and left > smaller[0] and full > 0)
        elif mr > 1:
            some = index.compare("gt", index.mul(index.min(full, 1), left), smaller[0])
            extra = index.select(some, 1, 0)
        tall = index.add(full, extra)
        left = index.max(index.sub(rows, index.mul(tall, mr)), 0)
        covering = index.min(smaller[-1], rows) if self._kernel.takes_fewer_rows else self._height(left, smaller, rows)
        short = index.ceildiv(left, index.max(covering, 1))
        tail_first = index.add(first, index.mul(tall, mr))
        fetch = self._fetch(chunk, tall)

        def place(number: Index) -> list[ir.Value]:
            """First row and height of a tile, then what it asks for."""
            is_tall = index.compare("lt", number, tall)
            height = index.select(is_tall, mr, covering)
            start = index.select(is_tall, first, tail_first)
            steps = index.select(is_tall, number, index.sub(number, tall))
            row = index.min(index.add(start, index.mul(steps, height)), index.sub(end, height))
            return index.values([row, height, *self._requests(chunk, fetch, number)])

        def tile(number: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            usable = [h for h in heights if not isinstance(rows, int) or h <= max(rows, heights[-1])]
            if isinstance(rows, int) and left == 0:
                usable = usable[:1]
            panel = chunk.panel
            if fetch is not None:
                flats = [loader.flat for loader in panel.rhs]
                requests = [Request(flat, held[2 + 2 * i], held[3 + 2 * i], fetch.lines) for i, flat in enumerate(flats)]
                enough = None if isinstance(tall, int) else index.compare("ge", tall, self._kernel.fewest_requesting)
                panel = replace(panel, requests=requests, fetches=enough)
            self._one_tile(replace(chunk, panel=panel), held[0], held[1], usable, number)
            return place(index.add(number, 1))

        # The place is carried from tile to tile, which hides its minimum and selects from LLVM's loop strength reduction: that would
        # compute them again for every row in the loop over k.
        for_loop(index, 0, index.add(tall, short), 1, tile, place(0))

    def _height(self, left: Index, heights: Sequence[int], rows: Index) -> Index:
        """The smallest of `heights` that covers `left` rows and that the block has rows for; else the largest it has rows for."""
        index = self._index
        chosen: Index = heights[0]
        for height in heights[1:]:
            if isinstance(left, int) and isinstance(rows, int) and isinstance(chosen, int):
                chosen = height if left <= height or rows < chosen else chosen
                continue
            enough = index.compare("le", left, height)
            too_tall = index.compare("lt", rows, chosen)
            chosen = index.select(arith.ori(enough, too_tall), height, chosen)
        return chosen

    def _fetch(self, chunk: Chunk, tiles: Index) -> _Fetch | None:
        """How `tiles` tiles fetch the next chunk; None where they do not."""
        index, interval, fewest = self._index, self._kernel.request_interval, self._kernel.fewest_requesting
        if not chunk.following or not interval or (isinstance(tiles, int) and tiles < fewest):
            return None
        group = self._kernel.layout.group
        groups = index.sub(index.ceildiv(chunk.panel.end, group), index.div(chunk.panel.first, group))
        rounds = index.div(groups, interval)
        lines, share, size = 0, [], []
        for loader in chunk.panel.rhs:
            stride = loader.group_stride()
            assert isinstance(stride, int)
            each = LINE // loader.flat.element_bytes
            needed = -(-interval * stride // each)
            lines = max(lines, -(-needed // (tiles if isinstance(tiles, int) else fewest)))
            share.append(index.mul(rounds, lines * each))
            size.append(index.mul(groups, stride))
        return _Fetch(lines, share, size)

    def _requests(self, chunk: Chunk, fetch: _Fetch | None, number: Index) -> list[Index]:
        """Of each right side the first element that tile `number` asks for, and the distance to the next: a cache line, or 0 where all
        of the chunk has been asked for (the tile then asks for what it reads).
        """
        index, values = self._index, []
        if fetch is None:
            return []
        for loader, base, share, size in zip(chunk.panel.rhs, chunk.following, fetch.share, fetch.size, strict=True):
            asked = index.mul(number, share)
            some = index.compare("lt", asked, size)
            here = index.add(loader.base, index.mul(index.div(chunk.panel.first, self._kernel.layout.group), loader.group_stride()))
            values.append(index.select(some, index.add(base, asked), here))
            values.append(index.select(some, LINE // loader.flat.element_bytes, 0))
        return values

    def _one_tile(self, chunk: Chunk, row: Index, height: Index, heights: Sequence[int], number: Index) -> None:
        """The tile of `height` rows from `row`, the `number`-th of its block."""
        index, kernel, store = self._index, self._kernel, self.columns.store
        sides = len(self.columns.rhs)
        direct = kernel.in_registers and store.in_registers
        split = chunk.is_first is not None
        memory = None
        if self.columns.tile is not None:
            slot = index.add(chunk.slot, index.mul(number, self._schedule.mr * sides * self._schedule.nr)) if split else 0
            memory = TileMemory(self.columns.tile, slot, self._width)

        def compute(rows: int) -> Callable[[], None]:
            def run() -> None:
                places = [index.add(row, i) for i in range(rows)]
                if self._schedule.prefetch_results:
                    store.prefetch_rows(places)
                kept = memory if split else None
                accumulators = kernel.accumulate(chunk.panel, places, kernel.start(chunk.panel, rows, kept, chunk.is_first))
                if memory is None:
                    store.store_registers(accumulators, places)
                elif direct and chunk.is_last is not None:
                    waiting = memory
                    if_else(chunk.is_last, lambda: store.store_registers(accumulators, places), lambda: kernel.store(accumulators, waiting))
                else:
                    kernel.store(accumulators, memory)

            return run

        def choose(candidates: Sequence[int]) -> None:
            tallest, *others = candidates
            if others:
                if_else(index.compare("ge", height, tallest), compute(tallest), lambda: choose(others))
            else:
                compute(tallest)()

        choose(heights)
        if memory is None or direct:
            return
        finished = memory
        if chunk.is_last is None:
            store.store_tile(finished, row, height)
        else:
            if_else(chunk.is_last, lambda: store.store_tile(finished, row, height))
