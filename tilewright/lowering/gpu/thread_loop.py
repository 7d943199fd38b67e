"""Loops whose steps are dealt out to the threads of a row: in registers where a row is short and its length known, else a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Dim, Expr, call, product, simplify_dim, symbol, to_expr
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.index_algebra import delinearize
from tilewright.lowering.loops.vector_loop import State, plain_loop

if TYPE_CHECKING:
    from tilewright.lowering.gpu.emitter import DeviceEmitter, Row

REGISTER_ITEMS = 32
"""Elements of a row that a thread keeps from one stage to the next."""

Values = dict[str, Dim]


@dataclass(frozen=True)
class Chunk:
    """A step of a thread: the index of each dealt-out loop at the first of `width` elements, which are neighbours along the last loop.

    `valid` (None: always) tells whether the step exists for this thread. Where it does not, the indices are those of the last step.
    """

    index: tuple[Expr, ...]
    width: int
    valid: ir.Value | None = None

    def values(self, axes: Sequence[Axis]) -> Values:
        """The indices by the names of loops of the same sizes."""
        return {axis.name: index for axis, index in zip(axes, self.index)}


Step = Callable[[Values, Chunk, State], State]


def for_each_chunk(emitter: DeviceEmitter, row: Row, axes: Sequence[Axis], state: State, step: Step) -> State:
    """Emit `step` for every chunk of this thread over the loops `axes` (not empty), in the row's scope, carrying `state`.

    Loops of equal sizes share their chunks, so that what one stage of a row loads the next finds in registers.
    """
    width = chunk_width(emitter, axes)
    last = to_expr(axes[-1].size).divide_exactly(width)
    if last is None:
        raise ValueError(f"{width} does not divide {axes[-1].size}")
    sizes = (*(a.size for a in axes[:-1]), simplify_dim(last))
    count = product(sizes)
    steps = -(-count // row.group) if isinstance(count, int) else 0
    if steps > 0 and steps * width <= REGISTER_ITEMS:
        key = (tuple(map(str, sizes)), width)
        if key not in row.chunks:
            row.chunks[key] = _registers(emitter, row, axes, sizes, width, steps)
        for chunk in row.chunks[key]:
            state = step(chunk.values(axes), chunk, state)
        return state

    def body(at: Expr, inner: State) -> State:
        chunk = Chunk(_indices(emitter, at, axes, sizes, width), width)
        return step(chunk.values(axes), chunk, inner)

    return plain_loop(emitter, row.scope, symbol(row.thread), count, row.group, state, body, emitter.fresh("q"), size=count)


def chunk_width(emitter: DeviceEmitter, axes: Sequence[Axis]) -> int:
    """The most neighbouring elements that divide the last loop."""
    width = emitter.vector
    while to_expr(axes[-1].size).divide_exactly(width) is None:
        width //= 2
    return width


def _registers(emitter: DeviceEmitter, row: Row, axes: Sequence[Axis], sizes: Sequence[Dim], width: int, steps: int) -> list[Chunk]:
    scopes = emitter.scopes
    count = product(sizes)
    assert isinstance(count, int)
    chunks = []
    with scopes.at(row.scope):
        for number in range(steps):
            at: Expr = symbol(row.thread) + number * row.group
            valid = None
            if (number + 1) * row.group > count:
                valid = arith.CmpIOp(arith.CmpIPredicate.ult, scopes.index(at), scopes.index(count)).result
                at = to_expr(call("min", at, count - 1))
            name = emitter.fresh("q")
            row.scope.values[name] = scopes.index(at)
            index = _indices(emitter, emitter.space.define(name, count), axes, sizes, width)
            chunks.append(Chunk(index, width, valid))
    return chunks


def _indices(emitter: DeviceEmitter, at: Expr, axes: Sequence[Axis], sizes: Sequence[Dim], width: int) -> tuple[Expr, ...]:
    """The loop indices of step `at`, emitted in the current scope; the last one is a multiple of `width`."""
    *outer, last = [emitter.space.simplify(e) for e in delinearize(at, sizes)]
    return (*outer, first_of_chunk(emitter, last, axes[-1].size, width))


def first_of_chunk(emitter: DeviceEmitter, chunk: Expr, size: Dim, width: int) -> Expr:
    """The index of the first element of chunk number `chunk` of a loop over `size` elements."""
    if width == 1:
        return chunk
    name = emitter.fresh("x")
    emitter.scopes.active.values[name] = emitter.scopes.index(chunk * width)
    emitter.space.redefine(name, 0, to_expr(size) - width)
    emitter.multiples[name] = width
    return symbol(name)
