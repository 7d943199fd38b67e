"""Movement ops cancel, merge, and go where consumers absorb them."""

from __future__ import annotations

import numpy as np
import pytest
from tw_programs import binary, broadcast, check, iota, make_program, reshape, slice_, transpose, typed, unary, with_number

from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1, 6")


def test_reshapes_merge_and_cancel() -> None:
    assert check([X], lambda x: reshape(reshape(x, "s0*s1, 6"), "s0, s1, 6")).ops == {}
    assert check([X], lambda x: reshape(reshape(x, "s0*s1, 6"), "s0*s1, 2, 3")).ops == {"reshape": 1}


def test_transposes_merge_and_cancel() -> None:
    assert check([X], lambda x: transpose(transpose(x, 1, 2, 0), 2, 0, 1)).ops == {}
    merged = check([X], lambda x: transpose(transpose(x, 1, 0, 2), 0, 2, 1))
    assert tw.get(merged.find("transpose"), "permutation") == (1, 2, 0)


def test_what_moves_units_only_is_a_reshape() -> None:
    assert check([typed("s0, 1, 6")], lambda x: transpose(x, 0, 2, 1)).ops == {"reshape": 1}
    assert check([X], lambda x: broadcast(x, "1, s0, s1, 6")).ops == {"reshape": 1}
    assert check([typed("s0, 1, 6")], lambda x: tw.build("reduce", x, dims=(1,), kind="max")).ops == {"reshape": 1}
    assert check([typed("s0, 1, 6")], lambda x: tw.build("reverse", x, dims=(1,))).ops == {}


def test_reverse() -> None:
    assert check([X], lambda x: tw.build("reverse", tw.build("reverse", x, dims=(0, 2)), dims=(2, 0))).ops == {}
    once = check([X], lambda x: tw.build("reverse", tw.build("reverse", x, dims=(0, 2)), dims=(1, 2)))
    assert tw.get(once.find("reverse"), "dims") == (0, 1)


@pytest.mark.parametrize(
    "move",
    [
        lambda x: reshape(broadcast(x, "s0, s1"), "s0, 1, 1, s1"),
        lambda x: transpose(broadcast(x, "s0, s1"), 1, 0),
        lambda x: slice_(broadcast(x, "s0, s1"), "0, 1", "s0, s1 - 1"),
        lambda x: broadcast(broadcast(x, "s0, s1"), "2, s0, s1"),
    ],
)
def test_broadcasts_move_behind_movement(move: object) -> None:
    result = check([typed("s1")], lambda x: move(x))  # type: ignore[operator]
    last = result.returned[0].owner
    assert tw.is_op(last, "broadcast")
    assert result.ops["broadcast"] == 1


def test_pointwise_operands_broadcast_by_themselves() -> None:
    result = check([X, typed("6")], lambda x, b: binary("addf", x, broadcast(reshape(b, "1, 6"), "s0, s1, 6")))
    assert result.ops == {"pointwise": 1}
    assert [result.shape(v) for v in result.find("pointwise").operands] == [X.shape, (6,)]


def test_slices_of_slices_and_concatenations() -> None:
    nested = check([X], lambda x: slice_(slice_(x, "0, 1, 0", "s0, s1 - 1, 6"), "0, 0, 1", "s0, s1 - 1, 2", (1, 1, 2)))
    assert nested.ops == {"slice": 1}
    both = [typed("s0, 4"), typed("s0, 3")]
    part = check(both, lambda x, y: slice_(tw.build("concat", [x, y], dim=1), "0, 4", "s0, 3"))
    assert part.ops == {}
    across = check(both, lambda x, y: slice_(tw.build("concat", [x, y], dim=1), "0, 3", "s0, 2"))
    assert across.ops == {"concat": 1, "slice": 1}
    rejoined = check([X], lambda x: tw.build("concat", [slice_(x, "0, 0, 0", "s0, s1, 2"), slice_(x, "0, 0, 2", "s0, s1, 4")], dim=2))
    assert rejoined.ops == {}
    assert check([X], lambda x: slice_(x, "0, 0, 0", "s0, s1, 6")).ops == {}
    assert check([X], lambda x: tw.build("pad", x, low=(0, 0, 0), high=(0, 0, 0))).ops == {}


def test_a_slice_of_a_unit_reshape() -> None:
    result = check([typed("s0, 6")], lambda x: slice_(reshape(x, "s0, 1, 6"), "0, 0, 2", "s0, 1, 3"))
    assert tw.is_op(result.returned[0].owner, "reshape")
    assert result.shape(result.find("slice").operands[0]) == typed("s0, 6").shape


def test_gather_at_the_index_is_the_table() -> None:
    def masked(mask: ir.Value) -> ir.Value:
        return tw.build("gather", mask, [iota("s0, 1, 1, 1", 0), iota("1, 1, 1, s1", 3)], axes=(0, 1))

    result = check([typed("s0, s1", "i1")], masked)
    assert result.ops == {"reshape": 1}
    assert result.shape(result.returned[0]) == tw.parse_shape("s0, 1, 1, s1")


def test_gather_with_swapped_dimensions_is_a_transpose() -> None:
    result = check([typed("s0, s1, 3")], lambda x: tw.build("gather", x, [iota("1, s0", 1), iota("s1, 1", 0)], axes=(0, 1)))
    assert result.ops == {"transpose": 1}


def test_gather_at_consecutive_indices_is_a_slice() -> None:
    table = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    weight = {"table": table}

    def rows(offset: int) -> object:
        return lambda: tw.build("gather", tw.weight("table", typed("64, 5")), [with_number("addi", iota("s1", 0), offset)], axes=(0,))

    assert check([typed("s0, s1")], lambda x: [rows(0)(), x], weights=weight).ops == {"slice": 1}  # type: ignore[operator]
    # With an offset the last row may be past the end for the largest s1: the gather stays.
    assert check([typed("s0, s1")], lambda x: [rows(2)(), x], weights=weight).ops.get("gather") == 1  # type: ignore[operator]


def test_gather_at_one_number_is_a_slice_and_a_broadcast() -> None:
    zeros = np.zeros((3, 7), np.int64)
    result = check(
        [typed("s0, s1", "i64")],
        lambda i: tw.build("gather", tw.weight("t", typed("2, 4")), [with_number("muli", i, 0)], axes=(0,)),
        weights={"t": np.arange(8, dtype=np.float32).reshape(2, 4)},
        arrays=[zeros],
    )
    assert result.ops == {"slice": 1, "broadcast": 1}


def test_gather_looks_repeated_indices_up_once() -> None:
    result = check(
        [typed("s1", "i64")],
        lambda i: tw.build("gather", tw.weight("t", typed("4, 3")), [broadcast(i, "s0, s1")], axes=(0,)),
        weights={"t": np.ones((4, 3), np.float32)},
    )
    assert result.shape(result.find("gather").results[0]) == tw.parse_shape("s1, 3")


def test_matmul_takes_transposes_as_flags() -> None:
    a, b = typed("s0, 4, 5"), typed("6, 5")
    result = check([a, b], lambda x, y: tw.build("matmul", transpose(transpose(x, 0, 2, 1), 0, 2, 1), transpose(y, 1, 0)))
    assert result.ops == {"matmul": 1}
    assert tw.get(result.find("matmul"), "transpose_rhs")
    flipped = check([typed("s0, 5, 4"), b], lambda x, y: tw.build("matmul", transpose(x, 0, 2, 1), y, transpose_rhs=True))
    assert tw.get(flipped.find("matmul"), "transpose_lhs")
    batch = check([typed("4, s0, 5"), typed("5, 6")], lambda x, y: tw.build("matmul", transpose(x, 1, 0, 2), y))
    assert batch.ops == {"matmul": 1, "transpose": 1}


def test_matmul_operands_broadcast_by_themselves() -> None:
    result = check([typed("4, 5"), typed("5, 6")], lambda x, y: tw.build("matmul", broadcast(x, "s0, 4, 5"), broadcast(y, "s0, 5, 6")))
    assert result.ops == {"matmul": 1, "broadcast": 1}
    assert result.shape(result.find("matmul").results[0]) == (4, 6)


def test_joined_rows_of_a_matmul_keep_their_dimensions() -> None:
    def layer(x: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
        joined = reshape(x, "s0*s1, 6")
        return reshape(unary("exp", binary("addf", tw.build("matmul", joined, w), b)), "s0, s1, 4")

    result = check([X, typed("6, 4"), typed("4")], layer)
    assert "reshape" not in result.ops
    heads = check([typed("s0, s1, 2, 3"), typed("6, 4")], lambda x, w: tw.build("matmul", reshape(x, "s0*s1, 6"), w))
    assert result.shape(heads.find("matmul").operands[0]) == X.shape


def test_reshapes_and_transposes_sink_below_pointwise() -> None:
    def body(x: ir.Value, b: ir.Value) -> ir.Value:
        return reshape(binary("mulf", reshape(x, "s0*s1, 2, 3"), b), "s0, s1, 6")

    # b has the last dimension of the reshaped x only, which the reshape splits: it can't follow.
    assert check([X, typed("3")], body).ops == {"reshape": 2, "pointwise": 1}
    rows = check([X, typed("6")], lambda x, b: reshape(binary("mulf", reshape(x, "s0*s1, 6"), b), "s0, s1, 6"))
    assert rows.ops == {"pointwise": 1}
    scaled = check([X], lambda x: transpose(with_number("mulf", transpose(x, 1, 0, 2), 0.5), 1, 0, 2))
    assert scaled.ops == {"pointwise": 1}


def test_a_movement_with_other_users_stays() -> None:
    def body(x: ir.Value) -> ir.Value:
        moved = transpose(x, 1, 0, 2)
        return binary("addf", with_number("mulf", moved, 0.5), moved)

    result = check([X], body)
    assert result.ops == {"transpose": 1, "pointwise": 2}


def test_attention_masks_broadcast_by_themselves() -> None:
    q = typed("s0, 2, s1, 4")

    def body(x: ir.Value, mask: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, broadcast(mask, "s0, 1, s1, s1"), scale=0.5)

    result = check([q, typed("s0, 1, 1, s1", "i1")], body)
    assert result.ops == {"attention": 1}


def test_the_result_types_stay() -> None:
    module = make_program([X], lambda x: [transpose(transpose(x, 1, 0, 2), 1, 0, 2), reshape(x, "s0*s1*6")])
    (function,) = tw.functions(module)
    before = [str(t) for t in ir.FunctionType(ir.TypeAttr(function.operation.attributes["function_type"]).value).results]
    run_pipeline(module, "tw-simplify")
    (function,) = tw.functions(module)
    terminator = list(function.operation.regions[0].blocks[0].operations)[-1]
    assert [str(v.type) for v in terminator.operation.operands] == before
