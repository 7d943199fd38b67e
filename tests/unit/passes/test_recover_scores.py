"""Score regions: masks that are computed from smaller things move in, what attributes can say moves out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tw_programs import Rewritten, binary, broadcast, check, compare, iota, reshape, scalar_constant, typed

from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

Q = typed("s0, 2, s1, 4")
K = typed("s0, 2, 9, 4")
DOCUMENT = typed("s1", "i64")
PIPELINE = "tw-simplify,tw-recover-scores,tw-dce"


def _key(length: str = "s1") -> ir.Value:
    return iota(f"1, 1, 1, {length}", 3)


def _query() -> ir.Value:
    return iota("1, 1, s1, 1", 2)


def _masked(mask: Callable[[ir.Value], ir.Value], pipeline: str = PIPELINE) -> tuple[Rewritten, dict[str, Any]]:
    """Operands by name after the recovery, for a mask made of document numbers `[S]`."""

    def body(x: ir.Value, document: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, mask(document), scale=0.5)

    result = check([Q, DOCUMENT], body, pipeline)
    return result, tw.operand_groups(result.find("attention"))


def _documents(document: ir.Value) -> ir.Value:
    return compare("eq", reshape(document, "1, 1, s1, 1"), reshape(document, "1, 1, 1, s1"))


def test_a_comparison_of_small_tensors_moves_in() -> None:
    result, groups = _masked(_documents)
    assert groups["mask"] is None
    assert [result.shape(v) for v in groups["score_inputs"]] == [tw.parse_shape("s1, 1"), tw.parse_shape("s1")]
    assert "pointwise" not in result.ops


def test_positions_become_attributes_on_the_way() -> None:
    result, groups = _masked(lambda d: binary("andi", _documents(d), compare("le", _key(), _query())))
    assert tw.get(result.find("attention"), "causal") and len(groups["score_inputs"]) == 2
    assert str(result.module).count("arith.cmpi") == 1


def test_movement_between_is_followed() -> None:
    _, groups = _masked(lambda d: broadcast(reshape(_documents(reshape(d, "s1")), "s1, s1"), "s0, 1, s1, s1"))
    assert groups["mask"] is None and len(groups["score_inputs"]) == 2


def test_numbers_are_added() -> None:
    def mask(document: ir.Value) -> ir.Value:
        far = binary("subi", _key(), _query())
        return tw.pointwise([far, reshape(document, "s1, 1")], lambda x, d: arith.sitofp(ir.F32Type.get(), arith.muli(x, d)))

    result, groups = _masked(mask)
    assert groups["mask"] is None and [result.shape(v) for v in groups["score_inputs"]] == [tw.parse_shape("s1, 1")]


def test_masks_that_are_small_or_have_to_be_read_stay() -> None:
    result, groups = _masked(lambda d: compare("lt", reshape(d, "1, 1, 1, s1"), tw.constant(2, "i64")))
    assert groups["mask"] is not None and not groups["score_inputs"]

    def body(x: ir.Value, mask: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, tw.pointwise([mask], lambda m: arith.mulf(m, scalar_constant(2.0, "f32"))), scale=0.5)

    result = check([Q, typed("s0, 1, s1, s1")], body, PIPELINE)
    assert tw.operand_groups(result.find("attention"))["mask"] is not None


def test_f64_is_not_rounded() -> None:
    def body(x: ir.Value, document: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, _documents(document), scale=0.5)

    result = check([typed("s0, 2, s1, 4", "f64"), DOCUMENT], body, PIPELINE)
    assert tw.operand_groups(result.find("attention"))["mask"] is not None


def test_a_small_table_joined_with_padding_moves_in() -> None:
    """Their sum is larger than either."""

    def body(x: ir.Value, bias: ir.Value, padding: ir.Value) -> ir.Value:
        return tw.build("attention", x, x, x, binary("addf", bias, padding), scale=0.5)

    result = check([Q, typed("1, 2, s1, s1"), typed("s0, 1, 1, s1")], body, PIPELINE)
    assert len(tw.operand_groups(result.find("attention"))["score_inputs"]) == 2


def _changed(score: Callable[..., Any], inputs: tuple[tw.TensorInfo, ...] = (), k: tw.TensorInfo = Q) -> Rewritten:
    """After recovery, an attention with a score region."""

    def body(q: ir.Value, k: ir.Value, *inputs: ir.Value) -> ir.Value:
        region = tw.score_region(inputs, score)
        return tw.build("attention", q, k, k, *(None,) * 7, inputs, scale=0.5, region=region)

    return check([Q, k, *inputs], body, PIPELINE)


def _less_equal(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return arith.cmpi(arith.CmpIPredicate.sle, lhs, rhs)


def test_a_region_that_changes_nothing_goes() -> None:
    op = _changed(lambda s, b, h, q, k, x: [s, arith.constant(ir.IntegerType.get_signless(1), 1)], (typed("s1"),))
    assert len(op.find("attention").regions) == 0 and not tw.operand_groups(op.find("attention"))["score_inputs"]


@pytest.mark.parametrize("keys", [Q, K])
def test_causal_by_index_is_aligned_with_the_first_key(keys: tw.TensorInfo) -> None:
    for score in (
        lambda s, b, h, q, k: [s, _less_equal(k, q)],
        lambda s, b, h, q, k: arith.select(_less_equal(k, q), s, scalar_constant(-math.inf, "f32")),
        lambda s, b, h, q, k: arith.addf(
            s, arith.select(_less_equal(k, q), scalar_constant(0.0, "f32"), scalar_constant(-math.inf, "f32"))
        ),
    ):
        result = _changed(score, k=keys)
        op = result.find("attention")
        assert tw.get(op, "causal") and len(op.regions) == 0
        assert (tw.operand_groups(op)["q_offset"] is None) == (keys is Q)


def test_scale_and_soft_cap() -> None:
    cap, half = 4.0, 0.5

    def score(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value) -> ir.Value:
        halved = arith.mulf(s, scalar_constant(half, "f32"))
        return arith.mulf(mlir_math.tanh(arith.divf(halved, scalar_constant(cap, "f32"))), scalar_constant(cap, "f32"))

    result = _changed(score)
    op = result.find("attention")
    assert (tw.get(op, "scale"), tw.get(op, "softcap"), len(op.regions)) == (0.25, cap, 0)


def test_a_score_that_is_used_twice_keeps_its_factor() -> None:
    result = _changed(lambda s, b, h, q, k: arith.addf(arith.mulf(s, scalar_constant(3.0, "f32")), mlir_math.absf(s)))
    op = result.find("attention")
    assert tw.get(op, "scale") == 0.5 and len(op.regions) == 1


def test_what_is_only_added_and_the_only_condition_are_masks() -> None:
    result = _changed(lambda s, b, h, q, k, x: arith.addf(x, s), (typed("2, 1, s1"),))
    assert tw.operand_groups(result.find("attention"))["mask"] is not None and len(result.find("attention").regions) == 0
    result = _changed(lambda s, b, h, q, k, x: [s, x], (typed("s1, 1", "i1"),))
    assert tw.operand_groups(result.find("attention"))["mask"] is not None and len(result.find("attention").regions) == 0


def test_inputs_that_are_one_number_are_constants() -> None:
    def body(x: ir.Value) -> ir.Value:
        one = tw.constant(np.full((2, 1, 1), 3.0, np.float32))
        region = tw.score_region([one], lambda s, b, h, q, k, n: arith.addf(mlir_math.absf(s), n))
        return tw.build("attention", x, x, x, *(None,) * 7, (one,), scale=0.5, region=region)

    result = check([Q], body, PIPELINE)
    assert not tw.operand_groups(result.find("attention"))["score_inputs"]


def test_it_comes_to_an_end() -> None:
    """Running it again changes nothing."""
    result, _ = _masked(lambda d: binary("andi", _documents(d), compare("le", _key(), _query())), "tw-simplify,tw-recover")
    before = str(result.module)
    run_pipeline(result.module, "tw-recover-scores")
    assert str(result.module) == before
