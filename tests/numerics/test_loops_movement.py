"""Movement folded into loops: transposes by tiles, slices, joins, reversals, rotary embedding, gathers."""

from __future__ import annotations

import numpy as np
import pytest
from loop_kernels import TARGETS, check

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


MATRICES = [(64, 64), (77, 101), (5, 40), (40, 5), (1, 33), (0, 20)]


@pytest.mark.parametrize(("target", "shape"), [*((t, s) for t in TARGETS for s in MATRICES), ("cpu:neoverse-n1", (77, 101))])
def test_transpose_of_matrices(target: str, shape: tuple[int, int]) -> None:
    x = normal(*shape)
    for sizes in (("d0", "d1"), shape):
        check([(sizes, "f32")], lambda x: tw.build("transpose", x, permutation=[1, 0]), [x], x.T, target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("permutation", [(0, 2, 1), (2, 0, 1), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_transpose_of_three_dimensions(permutation: tuple[int, ...], target: str) -> None:
    x = normal(4, 50, 60)
    body = lambda x: tw.build("transpose", x, permutation=permutation)  # noqa: E731
    check([(("d0", 50, "d1"), "f32")], body, [x], x.transpose(permutation), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["i64", "f16", "i8", "i1"])
def test_transpose_of_other_types(dtype: str, target: str) -> None:
    x = (normal(70, 90) * 20).astype(tw.numpy_dtype(dtype))
    check([(("d0", "d1"), dtype)], lambda x: tw.build("transpose", x, permutation=[1, 0]), [x], x.T, target)


@pytest.mark.parametrize("target", TARGETS)
def test_transpose_with_a_pointwise_consumer(target: str) -> None:
    x, y = normal(3, 50, 60), normal(60, 50)

    def body(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.pointwise([tw.build("transpose", x, permutation=[0, 2, 1]), y], lambda a, b: arith.mulf(a, b))

    check([(("d0", 50, 60), "f32"), ((60, 50), "f32")], body, [x, y], x.transpose(0, 2, 1) * y, target)


@pytest.mark.parametrize("target", TARGETS)
def test_heads_are_split_and_merged(target: str) -> None:
    x, merged = normal(3, 12, 37, 32), normal(3, 37, 384)

    def merge(x: ir.Value) -> ir.Value:
        batch, _, length, _ = tw.tensor_info(x).shape
        return tw.build("reshape", tw.build("transpose", x, permutation=[0, 2, 1, 3]), shape=[batch, length, 384])

    def split(x: ir.Value) -> ir.Value:
        batch, length, _ = tw.tensor_info(x).shape
        return tw.build("transpose", tw.build("reshape", x, shape=[batch, length, 12, 32]), permutation=[0, 2, 1, 3])

    check([(("d0", 12, "d1", 32), "f32")], merge, [x], x.transpose(0, 2, 1, 3).reshape(3, 37, 384), target)
    check([(("d0", "d1", 384), "f32")], split, [merged], merged.reshape(3, 37, 12, 32).transpose(0, 2, 1, 3), target)


@pytest.mark.parametrize("target", TARGETS)
def test_reshape_that_cannot_be_split_by_dimensions(target: str) -> None:
    x = normal(6, 10)
    check([((6, 10), "f32")], lambda x: tw.pointwise([tw.build("reshape", x, shape=[4, 15])], arith.negf), [x], -x.reshape(4, 15), target)


@pytest.mark.parametrize("target", TARGETS)
def test_concat(target: str) -> None:
    x, y, z = normal(6, 40), normal(6, 23), normal(3, 40)
    wide, tall = [(("d0", "d1"), "f32"), (("d0", "d2"), "f32")], [(("d0", "d1"), "f32"), (("d2", "d1"), "f32")]
    check(wide, lambda x, y: tw.build("concat", [x, y], dim=1), [x, y], np.concatenate([x, y], 1), target)
    check(tall, lambda x, y: tw.build("concat", [x, y], dim=0), [x, z], np.concatenate([x, z], 0), target)
    joined = np.concatenate([x, y, x], 1)
    static = [((6, 40), "f32"), ((6, 23), "f32"), ((6, 40), "f32")]
    check(static, lambda x, y, z: tw.build("concat", [x, y, z], dim=1), [x, y, x], joined, target)
    empty = normal(6, 0)
    check(wide, lambda x, y: tw.build("concat", [x, y], dim=1), [empty, y], y, target)


@pytest.mark.parametrize("target", TARGETS)
def test_concat_of_a_broadcast_row(target: str) -> None:
    """The uniform operand must not be loaded where the other side is meant."""
    x, y = normal(5, 1), normal(5, 90)

    def body(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.build("concat", [tw.build("broadcast", x, shape=[tw.tensor_info(x).shape[0], 37]), y], dim=1)

    check([(("d0", 1), "f32"), (("d0", 90), "f32")], body, [x, y], np.concatenate([np.broadcast_to(x, (5, 37)), y], 1), target)


@pytest.mark.parametrize("target", TARGETS)
def test_pad_slice_reverse_broadcast(target: str) -> None:
    x = normal(6, 40)
    matrix = [(("d0", "d1"), "f32")]
    padded = np.pad(x, ((1, 0), (3, 20)), constant_values=7)
    check(matrix, lambda x: tw.build("pad", x, low=[1, 3], high=[0, 20], value=7.0), [x], padded, target)
    check(matrix, lambda x: tw.build("slice", x, starts=[1, 2], sizes=[3, 15], steps=[2, 1]), [x], x[1:6:2, 2:17], target)
    check(matrix, lambda x: tw.build("slice", x, starts=[1, 2], sizes=[3, 15], steps=[2, 2]), [x], x[1:6:2, 2:32:2], target)
    check(matrix, lambda x: tw.build("reverse", x, dims=[0, 1]), [x], x[::-1, ::-1], target)
    row = x[:1, :, None].copy()
    wide = lambda x: tw.build("broadcast", x, shape=[4, tw.tensor_info(x).shape[1], 33])  # noqa: E731
    check([((1, "d0", 1), "f32")], wide, [row], np.broadcast_to(row, (4, 40, 33)), target)


@pytest.mark.parametrize("target", TARGETS)
def test_symbolic_slice_start(target: str) -> None:
    x = normal(4, 60)

    def last_half(x: ir.Value) -> ir.Value:
        rows, columns = (to_expr(d) for d in tw.tensor_info(x).shape)
        return tw.build("slice", x, starts=[0, columns // 2], sizes=[rows, columns - columns // 2], steps=[1, 1])

    check([(("d0", "d1"), "f32")], last_half, [x], x[:, 30:], target)


@pytest.mark.parametrize("target", [*TARGETS, "cpu:neoverse-n1"])
@pytest.mark.parametrize("width", [64, 128])
def test_rope(width: int, target: str) -> None:
    x, cos, sin = normal(2, 3, 7, width), normal(7, width), normal(7, width)
    half = width // 2
    tables = [(("d1", width), "f32"), (("d1", width), "f32")]
    rotated = np.concatenate([-x[..., half:], x[..., :half]], -1)
    expected = x.astype(np.float64) * cos + rotated.astype(np.float64) * sin
    check([(("d0", 3, "d1", width), "f32"), *tables], lambda x, c, s: tw.build("rope", x, c, s), [x, cos, sin], expected, target)
    moved = np.ascontiguousarray(x.transpose(0, 2, 1, 3))
    transposed = lambda x, c, s: tw.build("rope", tw.build("transpose", x, permutation=[0, 2, 1, 3]), c, s)  # noqa: E731
    check([(("d0", "d1", 3, width), "f32"), *tables], transposed, [moved, cos, sin], expected, target)


@pytest.mark.parametrize("target", TARGETS)
def test_interleaved_rope(target: str) -> None:
    x, cos, sin = normal(2, 3, 7, 64), normal(7, 64), normal(7, 64)
    rotated = np.empty_like(x)
    rotated[..., 0::2], rotated[..., 1::2] = -x[..., 1::2], x[..., 0::2]
    expected = x.astype(np.float64) * cos + rotated.astype(np.float64) * sin
    check(
        [(("d0", 3, "d1", 64), "f32"), (("d1", 64), "f32"), (("d1", 64), "f32")],
        lambda x, c, s: tw.build("rope", x, c, s, interleaved=True), [x, cos, sin], expected, target,
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_gather_along_each_axis(target: str) -> None:
    x = normal(9, 70)
    rows, columns = RNG.integers(0, 9, (4, 5)), RNG.integers(0, 70, (4, 5))
    pair = (("d0", "d1"), "i64")
    check([((9, 70), "f32"), pair], lambda x, i: tw.build("gather", x, [i], axes=[0]), [x, rows], x[rows], target)
    narrow = columns.astype(np.int32)
    check([((9, 70), "f32"), (("d0", "d1"), "i32")], lambda x, i: tw.build("gather", x, [i], axes=[1]), [x, narrow], x[:, columns], target)
    both = lambda x, i, j: tw.build("gather", x, [i, j], axes=[0, 1])  # noqa: E731
    check([((9, 70), "f32"), pair, pair], both, [x, rows, columns], x[rows, columns], target)
