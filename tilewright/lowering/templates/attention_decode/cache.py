"""Where the rows of keys and values of one head are: in a row of memory, or in pages that a block table lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.dialects.tw.types import element_type
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention_decode.problem import Pages
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class KeyRange:
    """The keys of one unit of work: of `batch` and `kv_head`, `first <= key <= last`. Nothing outside the range is read."""

    batch: Index
    kv_head: Index
    first: Index
    last: Index


@dataclass(frozen=True)
class Rows:
    """Neighbouring keys: the page of each (or the batch element), and its row there."""

    pages: list[Index]
    rows: list[Index]


@dataclass(frozen=True)
class Cache:
    """Finds keys. `table` is the block table where there are `pages`."""

    index: IndexMath
    pages: Pages | None
    table: Flat | None

    def together(self, count: int) -> bool:
        """Whether `count` keys from a multiple of `count` on are always rows of one page."""
        return self.pages is None or (isinstance(self.pages.length, int) and self.pages.length % count == 0)

    def find(self, keys: KeyRange, first: Index, count: int, clamp: bool = True) -> Rows:
        """`count` keys from `first` on (a multiple of `count`), each moved into the range unless not to `clamp`."""
        index = self.index
        numbers = [index.add(first, i) for i in range(count)]
        if clamp:
            numbers = [index.max(index.min(number, keys.last), keys.first) for number in numbers]
        if self.pages is None or self.table is None:
            return Rows([keys.batch] * count, numbers)
        length = index.dim(self.pages.length)
        if not self.together(count):
            return Rows([self._page(keys, number, length) for number in numbers], [index.rem(number, length) for number in numbers])
        before = index.mul(index.div(numbers[0], length), length)
        return Rows([self._page(keys, numbers[0], length)] * count, [index.sub(number, before) for number in numbers])

    def _page(self, keys: KeyRange, key: Index, length: Index) -> Index:
        assert self.pages is not None and self.table is not None
        at = self.index.add(self.index.mul(keys.batch, self.index.dim(self.pages.columns)), self.index.div(key, length))
        return arith.index_cast(self.index.type, self.table.load(at))

    def offsets(self, tensor: Strided, keys: KeyRange, found: Rows) -> list[Index]:
        """Where the rows of the keys begin in k, v or their scales."""
        index = self.index
        head = index.mul(keys.kv_head, index.dim(tensor.head))
        starts = [index.add(index.mul(page, index.dim(tensor.batch)), head) for page in found.pages[:1]]
        if any(page is not found.pages[0] for page in found.pages):
            starts = [index.add(index.mul(page, index.dim(tensor.batch)), head) for page in found.pages]
        starts *= len(found.rows) // len(starts)
        return [index.add(start, index.mul(row, index.dim(tensor.row))) for start, row in zip(starts, found.rows, strict=True)]


def load_by_key(
    source: Flat,
    keys: KeyRange,
    first: Index,
    lanes: int,
    staging: Flat,
    at: Callable[[Index], Index],
    neighbours: bool,
    convert: Callable[[ir.Value], ir.Value],
) -> ir.Value:
    """One converted element for each of `lanes` keys from `first` on; `at(key)` is its offset.

    Where elements of neighbouring keys are `neighbours` and all keys are before the end of the range, that is one load. Else elements are
    staged one by one, those of keys past the end repeat the last.
    """
    index = source.index
    kind = ir.VectorType.get([lanes], element_type(staging.dtype))

    def one_by_one() -> list[ir.Value]:
        def element(lane: ir.Value, _: list[ir.Value]) -> None:
            key = index.max(index.min(index.add(first, lane), keys.last), keys.first)
            staging.store(convert(source.load(at(key))), lane)

        for_loop(index, 0, lanes, 1, element)
        return [staging.load_vector(0, lanes)]

    if not neighbours:
        return one_by_one()[0]
    inside = arith.andi(index.compare("le", keys.first, first), index.compare("le", index.add(first, lanes - 1), keys.last))
    return if_else(inside, lambda: [convert(source.load_vector(at(first), lanes))], one_by_one, [kind])[0]
