"""Masks: what provably is causal, windowed or nothing becomes an attribute; padding stays small."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tw_programs import binary, broadcast, check, compare, iota, reshape, scalar_constant, typed, with_number

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

Q = typed("s0, 2, s1, 4")
K_LONG = typed("s0, 2, s1 + 5, 4")
PADDING = typed("s0, s1", "i1")


def _query(shift: int = 0) -> ir.Value:
    index = iota("1, 1, s1, 1", 2)
    return with_number("addi", index, shift) if shift else index


def _key(length: str = "s1") -> ir.Value:
    return iota(f"1, 1, 1, {length}", 3)


def _and(*masks: ir.Value) -> ir.Value:
    total = masks[0]
    for mask in masks[1:]:
        total = binary("andi", total, mask)
    return total


def _attributes(masks: object, pipeline: str = "tw-simplify,tw-recover-masks") -> tuple[bool, int, tuple[object, ...] | None]:
    """causal, window and the shape of the mask that is left, for a mask of the query and key positions and the padding."""

    def body(x: ir.Value, padding: ir.Value) -> ir.Value:
        mask = masks(reshape(padding, "s0, 1, 1, s1"))  # type: ignore[operator]
        return tw.build("attention", x, x, x, broadcast(mask, "s0, 1, s1, s1"), scale=0.5)

    rng = np.random.default_rng(0)
    padding = np.ones((3, 7), bool)
    padding[1, 5:] = False
    result = check([Q, PADDING], body, pipeline, arrays=[rng.standard_normal((3, 2, 7, 4)).astype(np.float32), padding])
    op = result.find("attention")
    left = tw.operand_groups(op)["mask"]
    return tw.get(op, "causal"), tw.get(op, "window"), None if left is None else result.shape(left)


PADDED = tw.parse_shape("s0, 1, 1, s1")


def test_causal() -> None:
    assert _attributes(lambda p: compare("le", _key(), _query())) == (True, 0, None)
    assert _attributes(lambda p: compare("ge", _query(), _key())) == (True, 0, None)
    assert _attributes(lambda p: compare("lt", _key(), _query(1))) == (True, 0, None)
    assert _attributes(lambda p: compare("le", binary("subi", _key(), _query()), tw.constant(0, "i64"))) == (True, 0, None)


def test_window() -> None:
    window = lambda p: _and(compare("gt", _key(), _query(-3)), compare("le", _key(), _query()))  # noqa: E731
    assert _attributes(window) == (True, 3, None)
    assert _attributes(lambda p: compare("ge", _key(), _query(-3))) == (False, 4, None)
    assert _attributes(lambda p: _and(compare("gt", _key(), _query(-3)), compare("gt", _key(), _query(-5)))) == (False, 3, None)


def test_padding_stays_in_its_shape() -> None:
    assert _attributes(lambda p: p) == (False, 0, PADDED)
    assert _attributes(lambda p: _and(compare("le", _key(), _query()), p)) == (True, 0, PADDED)
    assert _attributes(lambda p: _and(p, compare("gt", _key(), _query(-3)), compare("le", _key(), _query()), p)) == (True, 3, PADDED)


def test_a_mask_that_hides_nothing_goes() -> None:
    assert _attributes(lambda p: compare("ge", _query(), tw.constant(0, "i64"))) == (False, 0, None)
    assert _attributes(lambda p: _and(compare("lt", _key(), _query(64)), compare("ge", _key(), tw.constant(0, "i64")))) == (False, 0, None)


def test_other_comparisons_stay() -> None:
    shape = tw.parse_shape("1, 1, s1, s1")
    # Every second token; all tokens but one.
    assert _attributes(lambda p: compare("le", with_number("muli", _key(), 2), _query())) == (False, 0, shape)
    assert _attributes(lambda p: compare("ne", _key(), _query())) == (False, 0, shape)


def _not(mask: ir.Value) -> ir.Value:
    return tw.pointwise([mask], lambda m: arith.xori(m, scalar_constant(1, "i1")))


def test_conditions_that_hide() -> None:
    """What is hidden, rather than what is visible: negated, as a number where it holds, as arithmetic on a truth value."""
    assert _attributes(lambda p: _not(binary("ori", compare("gt", _key(), _query()), _not(p)))) == (True, 0, PADDED)
    number, zero = (lambda: scalar_constant(-3e38, "f32")), (lambda: scalar_constant(0.0, "f32"))
    assert _attributes(lambda p: tw.pointwise([compare("gt", _key(), _query())], lambda m: arith.select(m, number(), zero()))) == (
        True,
        0,
        None,
    )

    def product(m: ir.Value) -> ir.Value:
        visible = arith.uitofp(ir.F32Type.get(), m)
        return arith.mulf(arith.subf(scalar_constant(1.0, "f32"), visible), number())

    assert _attributes(lambda p: tw.pointwise([compare("le", _key(), _query())], product)) == (True, 0, None)

    def filled(m: ir.Value) -> ir.Value:
        """`masked_fill` where a mask of numbers says so."""
        hidden = arith.cmpf(arith.CmpFPredicate.OLT, arith.select(m, zero(), number()), scalar_constant(-1.0, "f32"))
        return arith.select(hidden, number(), zero())

    assert _attributes(lambda p: tw.pointwise([compare("le", _key(), _query())], filled)) == (True, 0, None)


def test_movement_of_a_mask_is_looked_through() -> None:
    mask = lambda p: reshape(broadcast(compare("le", _key(), _query()), "1, 1, s1, s1"), "s1, s1")  # noqa: E731
    assert _attributes(mask) == (True, 0, None)


def test_bounds_beside_the_diagonal() -> None:
    """The next token may be seen too; both sides of a window: positions are counted so that the last visible key is at the query's own."""
    assert _attributes(lambda p: compare("le", _key(), _query(1))) == (True, 0, None)
    assert _attributes(lambda p: _and(compare("ge", _key(), _query(-2)), compare("le", _key(), _query(2)))) == (True, 5, None)
    assert _attributes(lambda p: _and(p, compare("le", _key(), _query(2)))) == (True, 0, PADDED)


@pytest.mark.parametrize("shift", [0, 4, 5])
def test_positions_are_counted_from_the_last_key(shift: int) -> None:
    """With more keys than queries, query i stands at i + K - Q, unless an offset says otherwise."""

    def body(q: ir.Value, k: ir.Value) -> ir.Value:
        return tw.build("attention", q, k, k, compare("le", _key("s1 + 5"), _query(shift)), scale=0.5)

    result = check([Q, K_LONG], body, "tw-simplify,tw-recover-masks")
    op = result.find("attention")
    groups = tw.operand_groups(op)
    assert tw.get(op, "causal") and groups["mask"] is None
    assert (groups["q_offset"] is None) == (shift == 5)


def test_a_window_alone_is_aligned_with_the_first_key_where_it_has_to_be() -> None:
    def body(q: ir.Value, k: ir.Value) -> ir.Value:
        return tw.build("attention", q, k, k, compare("gt", _key("s0 + s1"), _query(-3)), scale=0.5)

    result = check([Q, typed("s0, 2, s0 + s1, 4")], body, "tw-simplify,tw-recover-masks")
    op = result.find("attention")
    assert tw.get(op, "window") == 3 and tw.operand_groups(op)["q_offset"] is not None


def test_numbers_beside_a_large_negative_number_stay() -> None:
    """A causal mask added to a bias: the bias stays, of its own shape."""

    def added(number: float) -> tuple[bool, tuple[object, ...]]:
        def body(x: ir.Value, bias: ir.Value) -> ir.Value:
            visible = compare("le", _key(), _query())
            mask = tw.pointwise(
                [visible, bias],
                lambda v, b: arith.addf(arith.select(v, scalar_constant(0.0, "f32"), scalar_constant(number, "f32")), b),
            )
            return tw.build("attention", x, x, x, mask, scale=0.5)

        result = check([Q, typed("1, 2, 1, s1")], body, "tw-simplify,tw-recover-masks")
        op = result.find("attention")
        return tw.get(op, "causal"), result.shape(tw.operand_groups(op)["mask"])

    assert added(-3e38) == (True, tw.parse_shape("1, 2, 1, s1"))
    assert added(-math.inf) == (True, tw.parse_shape("1, 2, 1, s1"))
    # A bias could be as large as this one.
    assert added(-1e10)[0] is False


def test_a_mask_next_to_an_explicit_offset_stays() -> None:
    def body(q: ir.Value, offset: ir.Value) -> ir.Value:
        return tw.build("attention", q, q, q, compare("le", _key(), _query()), None, offset, scale=0.5)

    result = check([Q, typed("s0", "i64")], body, "tw-simplify,tw-recover-masks")
    assert not tw.get(result.find("attention"), "causal")


def _added(condition: ir.Value, hidden: float) -> ir.Value:
    return tw.pointwise([condition], lambda c: arith.select(c, scalar_constant(0, "f32"), scalar_constant(hidden, "f32")))


def test_added_masks_are_boolean_where_no_row_is_hidden() -> None:
    causal = lambda: compare("le", _key(), _query())  # noqa: E731
    lowest = float(np.finfo(np.float32).min)
    assert _attributes(lambda p: _added(causal(), -math.inf)) == (True, 0, None)
    assert _attributes(lambda p: _added(causal(), lowest)) == (True, 0, None)
    assert _attributes(lambda p: _added(_and(causal(), p), -math.inf)) == (True, 0, PADDED)
    # A row may be padding only: hidden keys then share the probability, which a boolean mask doesn't give them.
    assert _attributes(lambda p: _added(_and(causal(), p), lowest)) == (False, 0, tw.parse_shape("s0, 1, s1, s1"))
    assert _attributes(lambda p: _added(causal(), -10.0)) == (False, 0, tw.parse_shape("1, 1, s1, s1"))
    assert _attributes(lambda p: _added(p, 0.0)) == (False, 0, None)


def test_added_masks_are_boolean_on_request() -> None:
    masks = lambda p: _added(_and(compare("le", _key(), _query()), p), -3e38)  # noqa: E731
    assert _attributes(masks, "tw-simplify,tw-recover-masks{assume-visible=true}") == (True, 0, PADDED)
    assert _attributes(masks, "tw-simplify,tw-recover-masks{assume-visible=true}") == (True, 0, PADDED)


def _lengths(masks: object, dtype: str = "i64") -> tuple[tuple[object, ...] | None, bool]:
    """The shape of `kv_len`, and whether a mask is left, for a mask of the lengths `[s0, 1, 1, 1]`."""

    def body(x: ir.Value, lengths: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, masks(reshape(lengths, "s0, 1, 1, 1")), scale=0.5)  # type: ignore[operator]

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((3, 2, 7, 4)).astype(np.float32), np.array([5, 0, 7], np.int32 if dtype == "i32" else np.int64)]
    result = check([Q, typed("s0", dtype)], body, "tw-simplify,tw-recover", arrays=arrays)
    groups = tw.operand_groups(result.find("attention"))
    return None if groups["kv_len"] is None else result.shape(groups["kv_len"]), groups["mask"] is not None


def test_keys_below_a_length() -> None:
    assert _lengths(lambda n: compare("lt", _key(), n)) == (tw.parse_shape("s0"), False)
    assert _lengths(lambda n: compare("lt", _key(), tw.pointwise([n], lambda x: arith.extsi(tw.element_type("i64"), x))), "i32")[1] is False
    assert _lengths(lambda n: compare("gt", n, with_number("addi", _key(), 2))) == (tw.parse_shape("s0"), False)
    assert _lengths(lambda n: compare("le", _key(), n)) == (tw.parse_shape("s0"), False)
    assert _lengths(lambda n: compare("ge", n, _key())) == (tw.parse_shape("s0"), False)


def test_a_length_beside_other_conditions() -> None:
    assert _lengths(lambda n: _and(compare("lt", _key(), n), compare("le", _key(), _query()))) == (tw.parse_shape("s0"), False)
    assert _lengths(lambda n: _and(compare("lt", _key(), n), compare("ne", _key(), n))) == (tw.parse_shape("s0"), True)


def test_keys_above_a_number_stay_a_mask() -> None:
    assert _lengths(lambda n: compare("ge", _key(), n)) == (None, True)
    assert _lengths(lambda n: compare("lt", _query(), n)) == (None, True)
