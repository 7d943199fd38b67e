"""Strided views against NumPy's own: every element where the view says it is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from tilewright.core.symbolic import symbol
from tilewright.lowering.templates.views import Piece, StridedView, coalesce, normalize, refine


def offsets(view: StridedView) -> np.ndarray:
    """The offset of every element of a static view."""

    def along(pieces: Sequence[Piece]) -> list[int]:
        steps = [range(int(p.size)) for p in pieces]  # pyright: ignore[reportArgumentType]
        return [sum(i * int(p.stride) for i, p in zip(index, pieces)) for index in itertools.product(*steps)]  # pyright: ignore[reportArgumentType]

    total = np.zeros((), int)
    for pieces in view.dims:
        total = np.add.outer(total, np.array(along(pieces), int))
    return total


def test_movement_matches_numpy() -> None:
    reference = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    view = StridedView.contiguous((2, 3, 4, 5))
    np.testing.assert_array_equal(offsets(view), reference)
    view, reference = view.transpose((0, 2, 1, 3)), reference.transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(offsets(view), reference)
    for shape in ((2, 4, 15), (8, 15), (2, 2, 2, 3, 5), (120,), (1, 8, 1, 15)):
        reshaped = view.reshape(shape)
        assert reshaped is not None and reshaped.shape == shape
        np.testing.assert_array_equal(offsets(reshaped), reference.reshape(shape))
    np.testing.assert_array_equal(offsets(view.broadcast_to((7, 2, 4, 3, 5)))[3], reference)


def test_reshape_across_a_stride_change_is_refused() -> None:
    assert StridedView.contiguous((4, 6)).transpose((1, 0)).reshape((8, 3)) is None


def test_symbolic_sizes_split_and_merge() -> None:
    batch, length = symbol("d0"), symbol("d1")
    heads = StridedView.contiguous((batch, length, 384)).reshape((batch, length, 12, 32))
    assert heads is not None
    by_head = heads.transpose((0, 2, 1, 3))
    assert [p[0].stride for p in by_head.dims] == [384 * length, 32, 384, 1]
    merged = by_head.transpose((0, 2, 1, 3)).reshape((batch * length, 384))
    assert merged == StridedView.contiguous((batch * length, 384))


def test_broadcast_repeats_with_stride_zero() -> None:
    view = StridedView.contiguous((1, 3)).broadcast_to((4, 2, 3))
    assert view.dims == ((Piece(4, 0),), (Piece(2, 0),), (Piece(3, 1),))


def test_refine_finds_the_common_steps() -> None:
    steps = refine([(Piece(12, 1),), (Piece(3, 20), Piece(4, 1))])
    assert steps == [(Piece(3, 4), Piece(3, 20)), (Piece(4, 1), Piece(4, 1))]
    assert refine([(Piece(12, 1),), (Piece(3, 1),)]) is None
    assert refine([(Piece(6, 1),), (Piece(2, 9), Piece(3, 2))]) == [(Piece(2, 3), Piece(2, 9)), (Piece(3, 1), Piece(3, 2))]
    assert refine([(Piece(0, 1),), (Piece(0, 5),)]) == [(Piece(0, 1), Piece(0, 5))]


def test_coalesce_merges_what_every_view_walks_evenly() -> None:
    assert coalesce([(Piece(3, 4), Piece(3, 8)), (Piece(4, 1), Piece(4, 2))]) == [(Piece(12, 1), Piece(12, 2))]
    apart = [(Piece(3, 4), Piece(3, 9)), (Piece(4, 1), Piece(4, 2))]
    assert coalesce(apart) == apart


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((Piece(1, 7), Piece(3, 2)), (Piece(3, 2),)),
        ((Piece(2, 6), Piece(3, 2)), (Piece(6, 2),)),
        ((Piece(2, 0), Piece(3, 0)), (Piece(6, 0),)),
    ],
)
def test_normalize(pieces: tuple[Piece, ...], expected: tuple[Piece, ...]) -> None:
    assert normalize(pieces) == expected
