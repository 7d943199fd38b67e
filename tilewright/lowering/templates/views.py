"""Strided views: how movement ops (transpose, reshape, broadcast) read a row-major buffer without copying it.

Plain data over symbolic sizes; nothing here touches MLIR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.symbolic import Dim, simplify_dim, to_expr


@dataclass(frozen=True)
class Piece:
    """`size` steps of `stride` elements."""

    size: Dim
    stride: Dim


@dataclass(frozen=True)
class StridedView:
    """A logical shape over a buffer. A dimension is a list of pieces, outermost first, because a reshape that merges dimensions
    after a transpose has no single stride: `[B, H, S, D]` read as `[B, S, H*D]` has the pieces `(H, S*D), (D, 1)` in its last one.
    """

    dims: tuple[tuple[Piece, ...], ...]

    @staticmethod
    def contiguous(shape: Sequence[Dim]) -> StridedView:
        """The row-major view of a buffer of that shape."""
        stride: Dim = 1
        dims: list[tuple[Piece, ...]] = []
        for size in reversed(shape):
            dims.append(normalize((Piece(size, stride),)))
            stride = times(stride, size)
        return StridedView(tuple(reversed(dims)))

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(total_size(pieces) for pieces in self.dims)

    def transpose(self, permutation: Sequence[int]) -> StridedView:
        """Dimension `i` of the result is dimension `permutation[i]` of this view."""
        return StridedView(tuple(self.dims[axis] for axis in permutation))

    def broadcast_to(self, shape: Sequence[Dim]) -> StridedView:
        """NumPy broadcasting: new leading dimensions and dimensions of size 1 repeat with stride 0."""
        missing = len(shape) - len(self.dims)
        dims: list[tuple[Piece, ...]] = []
        for axis, size in enumerate(shape):
            own = self.dims[axis - missing] if axis >= missing else ()
            repeats = total_size(own) == 1 and size != 1
            dims.append((Piece(size, 0),) if repeats else own)
        return StridedView(tuple(dims))

    def reshape(self, shape: Sequence[Dim]) -> StridedView | None:
        """The same elements in the same order under another shape; None where the sizes do not provably line up."""
        if any(size == 0 for size in shape):
            return StridedView.contiguous(shape)
        rest = [piece for pieces in self.dims for piece in pieces]
        dims: list[tuple[Piece, ...]] = []
        for size in shape:
            taken = _take(rest, size)
            if taken is None:
                return None
            dims.append(normalize(taken))
        return StridedView(tuple(dims)) if not rest else None


def times(lhs: Dim, rhs: Dim) -> Dim:
    """The product as an `int` where it is a number."""
    return simplify_dim(to_expr(lhs) * rhs)


def total_size(pieces: Sequence[Piece]) -> Dim:
    """Elements of one logical dimension."""
    size: Dim = 1
    for piece in pieces:
        size = times(size, piece.size)
    return size


def normalize(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Without pieces of size 1, and with neighbours merged that walk memory evenly."""
    merged: list[Piece] = []
    for piece in pieces:
        if piece.size == 1:
            continue
        if merged and merged[-1].stride == times(piece.size, piece.stride):
            merged[-1] = Piece(times(merged[-1].size, piece.size), piece.stride)
        else:
            merged.append(piece)
    return tuple(merged)


def split(piece: Piece, inner: Dim) -> tuple[Piece, Piece] | None:
    """`piece` as an outer and an inner piece of `inner` steps; None where `inner` does not provably divide its size."""
    outer = to_expr(piece.size).divide_exactly(inner)
    if outer is None:
        return None
    return Piece(simplify_dim(outer), times(piece.stride, inner)), Piece(inner, piece.stride)


def _divides(divisor: Dim, size: Dim) -> bool:
    return divisor != 0 and to_expr(size).divide_exactly(divisor) is not None


def _take(rest: list[Piece], size: Dim) -> list[Piece] | None:
    """Remove pieces of `size` elements in all from the front of `rest`, splitting the last one if need be."""
    taken: list[Piece] = []
    while size != 1:
        if not rest:
            return None
        piece = rest.pop(0)
        if _divides(piece.size, size):
            taken.append(piece)
            size = simplify_dim(to_expr(size) // piece.size)
            continue
        inner = to_expr(piece.size).divide_exactly(size) if size != 0 else None
        halves = split(piece, simplify_dim(inner)) if inner is not None else None
        if halves is None:
            return None
        taken.append(halves[0])
        rest.insert(0, halves[1])
        size = 1
    return taken


def refine(dimensions: Sequence[tuple[Piece, ...]]) -> list[tuple[Piece, ...]] | None:
    """Split one logical dimension, seen by several views, into steps for which every view has one stride.

    Returns a list of steps, outermost first; a step holds one piece per view. None where the sizes do not provably line up.
    """
    queues = [list(pieces) for pieces in dimensions]
    steps: list[tuple[Piece, ...]] = []
    while any(queues):
        if not all(queues):
            return None
        # The innermost pieces are compared, because sizes that divide each other are usually the static inner ones.
        sizes = [queue[-1].size for queue in queues]
        inner = next((s for s in sizes if all(o == s or _divides(s, o) for o in sizes)), None)
        if inner is None:
            return None
        step: list[Piece] = []
        for queue in queues:
            piece = queue.pop()
            if piece.size != inner:
                halves = split(piece, inner)
                if halves is None:
                    return None
                queue.append(halves[0])
                piece = halves[1]
            step.append(piece)
        steps.insert(0, tuple(step))
    return steps


def coalesce(steps: Sequence[tuple[Piece, ...]]) -> list[tuple[Piece, ...]]:
    """Merge neighbouring steps that every view walks evenly."""
    merged: list[tuple[Piece, ...]] = []
    for step in steps:
        if merged and all(a.stride == times(b.size, b.stride) for a, b in zip(merged[-1], step, strict=True)):
            merged[-1] = tuple(Piece(times(a.size, b.size), b.stride) for a, b in zip(merged[-1], step, strict=True))
        else:
            merged.append(tuple(step))
    return merged
