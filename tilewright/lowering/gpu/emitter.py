"""The evaluator of the loop emitter with one thread's point of view: all values are scalars, some are equal in all threads of a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Expr
from tilewright.lowering.gpu import group_reduction, memory
from tilewright.lowering.gpu.shared_memory import SharedMemory
from tilewright.lowering.gpu.thread_loop import Chunk
from tilewright.lowering.loops import argmax, reductions
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.graph import Argmax, Argument, Constant, Mapped, Reduced
from tilewright.lowering.loops.index_algebra import linearize
from tilewright.lowering.loops.scopes import Scope


@dataclass(eq=False)
class Row:
    """The threads that compute one row together: `group` of them, each with its number (the symbol `thread`) among them.

    `scope` is where the code of a row stands: there, all threads of the group take the same way, so they may exchange values.
    `uniform` are the symbols whose values are the same in all of them.
    """

    scope: Scope
    group: int
    thread: str = ""
    uniform: frozenset[str] = frozenset()
    chunks: dict[object, list[Chunk]] = field(default_factory=dict)


@dataclass(eq=False)
class DeviceEmitter(Emitter):
    """State of one GPU kernel under emission.

    `vector` is the largest number of neighbouring elements that a thread takes at once; `multiples` are index symbols whose value is
    always a multiple of such a number.
    """

    vector: int = 1
    warp: int = 32
    shared: SharedMemory = field(default_factory=SharedMemory)
    multiples: dict[str, int] = field(default_factory=dict)
    row: Row | None = None

    def home(self, names: Iterable[str]) -> Scope:
        """The outermost scope of the current row in which all these symbols are known: nothing is loaded for rows that do not exist."""
        home = self.scopes.home(frozenset(names))
        return self.row.scope if self.row is not None and home.depth < self.row.scope.depth else home

    def known(self, home: Scope, key: object) -> ir.Value | None:
        """What was emitted under `key` where code of `home` can see it."""
        for scope in reversed(self.scopes.stack[: home.depth + 1]):
            if key in scope.memo:
                return scope.memo[key]  # type: ignore[return-value]
        return None

    def is_uniform(self, index: Iterable[Expr], home: Scope) -> bool:
        """Whether code at `home` for `index` is run by all threads of the row with the same values."""
        row = self.row
        return row is not None and row.group > 1 and home is row.scope and all(e.symbols() <= row.uniform for e in index)

    def _load_leaf(self, node: Argument | Constant, index: tuple[Expr, ...], element: Element) -> ir.Value:
        if isinstance(node, Constant) and node.elements.is_splat:
            return self.splat(node.elements)
        address = self.space.simplify(linearize(index, node.shape))
        return memory.load(self, self.buffers[node.number], address, element)

    def _computed(self, node: Mapped | Reduced | Argmax, index: tuple[Expr, ...], element: Element) -> ir.Value:
        home = self.home(n for e in index for n in e.symbols())
        key = (node.number, tuple(map(str, index)))
        known = self.known(home, key)
        if known is not None:
            return known
        with self.scopes.at(home):
            if isinstance(node, Mapped):
                value = self._mapped(node, index, element)
            elif isinstance(node, Argmax):
                cooperative = self.is_uniform(index, home)
                value = (group_reduction.argmax if cooperative else argmax.argmax)(self, node, index, element, home)
            elif self.is_uniform(index, home):
                value = group_reduction.reduce(self, node, index, home)
            else:
                value = reductions.to_scalar(self, node, index, home)
        home.memo[key] = value
        return value
