"""Recovery of normalizations, rotary embedding, attention and activations from what they are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tw_programs import binary, broadcast, check, reshape, scalar_constant, slice_, transpose, typed, unary, with_number

from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1, 8")
BOTH = "tw-simplify,tw-recover"


def _mean(x: ir.Value, size: int = 8, keep: bool = True) -> ir.Value:
    rank = tw.tensor_info(x).rank
    total = tw.build("reduce", x, dims=(rank - 1,), kind="add", keep_dims=keep)
    if not keep:
        total = tw.build("reshape", total, shape=(*tw.tensor_info(x).shape[:-1], 1))
    return with_number("divf", total, size)


def _square(x: ir.Value) -> ir.Value:
    return tw.pointwise([x], lambda a: mlir_math.powf(a, scalar_constant(2, tw.tensor_info(x).dtype)))


def _inverse_root(x: ir.Value, eps: float = 1e-5) -> ir.Value:
    return unary("rsqrt", with_number("addf", x, eps))


def _cast(x: ir.Value, dtype: str) -> ir.Value:
    own = tw.tensor_info(x).dtype
    cast = arith.extf if tw.BYTES[dtype] > tw.BYTES[own] else arith.truncf
    return tw.pointwise([x], lambda a: cast(tw.element_type(dtype), a))


# Normalizations


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("order", ["llama", "weight last", "root"])
def test_rms_norm(order: str, keep: bool) -> None:
    def body(x: ir.Value, w: ir.Value) -> ir.Value:
        mean = _mean(_square(x), keep=keep)
        if order == "root":
            normal = binary("divf", x, unary("sqrt", with_number("addf", mean, 1e-5)))
        else:
            normal = binary("mulf", x, _inverse_root(mean))
        return binary("mulf", w, normal) if order == "llama" else binary("mulf", normal, w)

    result = check([X, typed("8")], body, BOTH)
    assert result.ops == {"rms_norm": 1}
    assert tw.get(result.find("rms_norm"), "eps") == pytest.approx(1e-5)


def test_rms_norm_without_weight_of_a_product() -> None:
    def body(x: ir.Value) -> ir.Value:
        scaled = with_number("mulf", x, 8.0)
        return binary("mulf", scaled, _inverse_root(_mean(_square(scaled))))

    assert check([X], body, BOTH).ops == {"pointwise": 1, "rms_norm": 1}


def test_rms_norm_with_a_computed_weight() -> None:
    """Gemma: `(1 + w) * x`."""

    def body(x: ir.Value, w: ir.Value) -> ir.Value:
        return binary("mulf", binary("mulf", x, _inverse_root(_mean(_square(x)))), with_number("addf", w, 1.0))

    result = check([X, typed("8")], body, BOTH)
    assert result.ops == {"pointwise": 1, "rms_norm": 1}
    assert result.shape(result.find("pointwise").results[0]) == (8,)


@pytest.mark.parametrize("weight_inside", [True, False])
def test_rms_norm_in_half_precision(weight_inside: bool) -> None:
    def body(x: ir.Value, w: ir.Value) -> ir.Value:
        wide = _cast(x, "f32")
        normal = binary("mulf", wide, _inverse_root(_mean(_square(wide))))
        if weight_inside:
            return _cast(binary("mulf", normal, _cast(w, "f32")), "bf16")
        return tw.pointwise([w, _cast(normal, "bf16")], arith.mulf)

    result = check([X.with_dtype("bf16"), typed("8", "bf16")], body, BOTH, rtol=1e-2, atol=1e-2)
    assert result.ops == {"rms_norm": 1}


def test_a_mean_of_something_else_is_no_norm() -> None:
    wrong_count = check([X], lambda x: binary("mulf", x, _inverse_root(_mean(_square(x), size=7))), BOTH)
    assert "rms_norm" not in wrong_count.ops
    other = check([X, X], lambda x, y: binary("mulf", y, _inverse_root(_mean(_square(x)))), BOTH)
    assert "rms_norm" not in other.ops


def _layer_norm(x: ir.Value, keep: bool = True, eps: float = 1e-5) -> ir.Value:
    centered = binary("subf", x, _mean(x, keep=keep))
    return binary("mulf", centered, _inverse_root(_mean(_square(centered), keep=keep), eps))


@pytest.mark.parametrize("parameters", [0, 1, 2])
@pytest.mark.parametrize("keep", [True, False])
def test_layer_norm(parameters: int, keep: bool) -> None:
    def body(x: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
        normal = _layer_norm(x, keep)
        normal = binary("mulf", normal, w) if parameters else normal
        return binary("addf", b, normal) if parameters == 2 else normal

    result = check([X, typed("8"), typed("8")], body, BOTH, atol=1e-5)
    assert result.ops == {"layer_norm": 1}
    assert len(result.find("layer_norm").operands) == 1 + parameters


def test_layer_norm_spelled_with_division() -> None:
    def body(x: ir.Value, w: ir.Value) -> ir.Value:
        centered = binary("subf", x, _mean(x))
        deviation = unary("sqrt", with_number("addf", _mean(_square(binary("subf", x, _mean(x)))), 1e-12))
        return binary("mulf", w, binary("divf", centered, deviation))

    assert check([X, typed("1, 8")], body, BOTH, atol=1e-5).ops["layer_norm"] == 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("keep", [True, False])
def test_softmax(log: bool, keep: bool) -> None:
    def reduce(x: ir.Value, kind: str) -> ir.Value:
        value = tw.build("reduce", x, dims=(1,), kind=kind, keep_dims=keep)
        return value if keep else reshape(value, "s0, 1, 8")

    def body(x: ir.Value) -> ir.Value:
        shifted = binary("subf", x, reduce(x, "max"))
        exponential = unary("exp", shifted)
        total = reduce(exponential, "add")
        return binary("subf", shifted, unary("log", total)) if log else binary("divf", exponential, total)

    result = check([X], body, BOTH)
    assert result.ops == {"softmax": 1}
    assert (tw.get(result.find("softmax"), "log"), tw.get(result.find("softmax"), "dim")) == (log, 1)


def test_softmax_of_unlike_parts_is_none() -> None:
    def body(x: ir.Value) -> ir.Value:
        exponential = unary("exp", binary("subf", x, tw.build("reduce", x, dims=(1,), kind="max", keep_dims=True)))
        return binary("divf", exponential, tw.build("reduce", exponential, dims=(2,), kind="add", keep_dims=True))

    assert "softmax" not in check([X], body, BOTH).ops


# Rotary embedding


def _rotate_half(x: ir.Value, shape: str, half: int) -> ir.Value:
    rank = tw.tensor_info(x).rank
    zeros = ", ".join(["0"] * (rank - 1))
    first, second = slice_(x, f"{zeros}, 0", f"{shape}, {half}"), slice_(x, f"{zeros}, {half}", f"{shape}, {half}")
    return tw.build("concat", [unary("negf", second), first], dim=rank - 1)


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_rope(dtype: str) -> None:
    def body(x: ir.Value, cos: ir.Value, sin: ir.Value) -> ir.Value:
        head = transpose(x, 0, 2, 1, 3)
        cos, sin = reshape(cos, "1, 1, s1, 8"), reshape(sin, "1, 1, s1, 8")
        return binary("addf", binary("mulf", head, cos), binary("mulf", _rotate_half(head, "s0, 4, s1", 4), sin))

    inputs = [typed("s0, s1, 4, 8", dtype), typed("1, s1, 8", dtype), typed("1, s1, 8", dtype)]
    tolerance = 2e-2 if dtype == "bf16" else 1e-5
    result = check(inputs, body, BOTH, rtol=tolerance, atol=tolerance)
    assert result.ops["rope"] == 1
    assert "concat" not in result.ops


def test_rope_of_a_part_of_the_head() -> None:
    """GPT-NeoX rotates the first half of a head only."""

    def body(x: ir.Value, cos: ir.Value, sin: ir.Value) -> ir.Value:
        rotary, rest = slice_(x, "0, 0, 0", "s0, s1, 4"), slice_(x, "0, 0, 4", "s0, s1, 4")
        turned = binary("addf", binary("mulf", rotary, cos), binary("mulf", _rotate_half(rotary, "s0, s1", 2), sin))
        return tw.build("concat", [turned, rest], dim=2)

    result = check([X, typed("s1, 4"), typed("s1, 4")], body, BOTH)
    assert result.ops == {"slice": 2, "rope": 1, "concat": 1}


def test_rope_of_neighbours() -> None:
    """GPT-J rotates pairs of neighbours."""

    def body(x: ir.Value, cos: ir.Value, sin: ir.Value) -> ir.Value:
        even, odd = (slice_(x, f"0, 0, {i}", "s0, s1, 4", (1, 1, 2)) for i in range(2))
        pairs = [reshape(v, "s0, s1, 4, 1") for v in (unary("negf", odd), even)]
        turned = reshape(tw.build("concat", pairs, dim=3), "s0, s1, 8")
        return binary("addf", binary("mulf", x, cos), binary("mulf", turned, sin))

    result = check([X, typed("s1, 8"), typed("s1, 8")], body, BOTH)
    assert result.ops == {"rope": 1}
    assert tw.get(result.find("rope"), "interleaved")


def test_another_rotation_is_no_rope() -> None:
    def body(x: ir.Value, cos: ir.Value, sin: ir.Value) -> ir.Value:
        first, second = slice_(x, "0, 0, 0", "s0, s1, 4"), slice_(x, "0, 0, 4", "s0, s1, 4")
        turned = tw.build("concat", [unary("negf", first), second], dim=2)
        return binary("addf", binary("mulf", x, cos), binary("mulf", turned, sin))

    assert "rope" not in check([X, typed("s1, 8"), typed("s1, 8")], body, BOTH).ops


# Attention

QKV = [typed("s0, 4, s1, 8")] * 3


def _attention(q: ir.Value, k: ir.Value, v: ir.Value, scores: object = lambda s: s) -> ir.Value:
    product = tw.build("matmul", q, transpose(k, 0, 1, 3, 2))
    return tw.build("matmul", tw.build("softmax", scores(product), dim=3), v)  # type: ignore[operator]


def test_attention_with_scale() -> None:
    result = check(QKV, lambda q, k, v: _attention(q, k, v, lambda s: with_number("mulf", s, 0.25)), BOTH)
    assert result.ops == {"attention": 1}
    assert tw.get(result.find("attention"), "scale") == 0.25
    divided = check(QKV, lambda q, k, v: _attention(q, k, v, lambda s: with_number("divf", s, math.sqrt(8))), BOTH)
    assert tw.get(divided.find("attention"), "scale") == pytest.approx(1 / math.sqrt(8))


def test_attention_with_soft_cap() -> None:
    def capped(s: ir.Value) -> ir.Value:
        return with_number("mulf", unary("tanh", with_number("divf", with_number("mulf", s, 0.5), 20.0)), 20.0)

    result = check(QKV, lambda q, k, v: _attention(q, k, v, capped), BOTH)
    assert result.ops == {"attention": 1}
    assert (tw.get(result.find("attention"), "softcap"), tw.get(result.find("attention"), "scale")) == (20.0, 0.5)


def test_attention_with_an_added_mask() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, mask: ir.Value) -> ir.Value:
        return _attention(q, k, v, lambda s: binary("addf", with_number("mulf", s, 0.5), mask))

    result = check([*QKV, typed("s0, 1, s1, s1")], body, BOTH)
    assert result.ops == {"attention": 1}
    assert len(result.find("attention").operands) == 4


def _with_sinks(product: ir.Value, sinks: ir.Value, v: ir.Value, *, shifted: bool) -> ir.Value:
    """A column per head joined to the scores for the softmax, and cut off after it."""
    column = broadcast(reshape(sinks, "1, 4, 1, 1"), "s0, 4, s1, 1")
    joined = tw.build("concat", [product, column], dim=3)
    if shifted:
        joined = binary("subf", joined, tw.build("reduce", joined, dims=(3,), kind="max", keep_dims=True))
    return tw.build("matmul", slice_(tw.build("softmax", joined, dim=3), "0, 0, 0, 0", "s0, 4, s1, s1"), v)


@pytest.mark.parametrize("shifted", [True, False])
def test_attention_with_sinks(shifted: bool) -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, sinks: ir.Value) -> ir.Value:
        return _with_sinks(with_number("mulf", tw.build("matmul", q, k, transpose_rhs=True), 0.5), sinks, v, shifted=shifted)

    result = check([*QKV, typed("4")], body, BOTH)
    assert result.ops == {"attention": 1}
    assert tw.operand_groups(result.find("attention"))["sinks"] is not None


def test_a_row_of_keys_cut_off_is_no_sink() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        scores = tw.build("softmax", tw.build("matmul", q, k, transpose_rhs=True), dim=3)
        return tw.build("matmul", slice_(scores, "0, 0, 0, 0", "s0, 4, s1, s1 - 1"), slice_(v, "0, 0, 0, 0", "s0, 4, s1 - 1, 8"))

    assert "attention" not in check(QKV, body, BOTH).ops


def test_one_key_head_for_all() -> None:
    one = typed("s0, 1, s1, 8")
    result = check([QKV[0], one, one], _attention, BOTH)
    assert result.ops == {"attention": 1}


def test_scale_around_a_mask() -> None:
    """`(s + m) / 2 + n`: the first mask is scaled too."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value, inner: ir.Value, outer: ir.Value) -> ir.Value:
        return _attention(q, k, v, lambda s: binary("addf", with_number("mulf", binary("addf", s, inner), 0.5), outer))

    result = check([*QKV, typed("4, 1, s1"), typed("s1, 1")], body, BOTH)
    assert result.ops["attention"] == 1 and tw.get(result.find("attention"), "scale") == 0.5


def test_four_dimensions_for_the_mask_alone() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, mask: ir.Value) -> ir.Value:
        q, k, v = (reshape(x, "4*s0, s1, 8") for x in (q, k, v))
        scores = reshape(tw.build("matmul", q, k, transpose_rhs=True), "s0, 4, s1, s1")
        scores = reshape(binary("addf", scores, mask), "4*s0, s1, s1")
        return tw.build("matmul", tw.build("softmax", scores, dim=2), v)

    result = check([*QKV, typed("s0, 1, 1, s1")], body, BOTH)
    assert result.ops["attention"] == 1 and "softmax" not in result.ops


def test_a_guard_against_overflow_is_left_out() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, mask: ir.Value) -> ir.Value:
        lowest = float(np.finfo(np.float32).min)
        return _attention(q, k, v, lambda s: with_number("maximumf", binary("addf", s, mask), lowest))

    assert check([*QKV, typed("s0, 1, 1, s1")], body, BOTH).ops["attention"] == 1


def test_batch_and_heads_in_one_dimension_for_the_products() -> None:
    """As models write it that use a batched product: masks of scores before and after the change of shape."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value, slopes: ir.Value, mask: ir.Value) -> ir.Value:
        q, k, v, slopes = (reshape(x, f"4*s0, {tail}") for x, tail in ((q, "s1, 8"), (k, "s1, 8"), (v, "s1, 8"), (slopes, "1, s1")))
        scores = binary("addf", tw.build("matmul", q, k, transpose_rhs=True), slopes)
        scores = binary("addf", reshape(scores, "s0, 4, s1, s1"), mask)
        probabilities = reshape(tw.build("softmax", scores, dim=3), "4*s0, s1, s1")
        return reshape(tw.build("matmul", probabilities, v), "s0, 4, s1, 8")

    result = check([*QKV, typed("s0, 4, s1"), typed("s0, 1, 1, s1")], body, BOTH)
    assert result.ops["attention"] == 1 and "softmax" not in result.ops
    assert result.shape(result.find("attention").operands[0]) == tw.parse_shape("s0, 4, s1, 8")


@pytest.mark.parametrize("hidden", [-math.inf, -3.0e38])
@pytest.mark.parametrize("keeps", [True, False])
def test_attention_with_a_selecting_mask(hidden: float, keeps: bool) -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, mask: ir.Value) -> ir.Value:
        def select(c: ir.Value, s: ir.Value) -> ir.Value:
            number = scalar_constant(hidden, "f32")
            return arith.select(c, s, number) if keeps else arith.select(c, number, s)

        return _attention(q, k, v, lambda s: tw.pointwise([mask, s], select))

    visible = np.tril(np.ones((3, 1, 7, 7), bool), 2)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((3, 4, 7, 8)).astype(np.float32) for _ in range(3)] + [visible if keeps else ~visible]
    result = check([*QKV, typed("s0, 1, s1, s1", "i1")], body, BOTH, arrays=arrays)
    mask = list(result.find("attention").operands)[3]
    assert tw.tensor_info(mask).dtype == ("i1" if math.isinf(hidden) else "f32")


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_attention_in_half_precision(dtype: str) -> None:
    half = [typed("s0, 4, s1, 8", dtype)] * 3

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        scores = with_number("mulf", _cast(tw.build("matmul", q, k, transpose_rhs=True), "f32"), 0.25)
        return tw.build("matmul", _cast(tw.build("softmax", scores, dim=3), dtype), v)

    result = check(half, body, BOTH, rtol=2e-2, atol=2e-2)
    assert result.ops == {"attention": 1}

    def unrounded(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        probabilities = _cast(tw.build("softmax", tw.build("matmul", q, k, transpose_rhs=True, accumulate="f32"), dim=3), dtype)
        return tw.build("matmul", probabilities, v, accumulate="f32")

    assert "attention" not in check(half, unrounded, BOTH, rtol=2e-2, atol=2e-2).ops, "attention would round what is asked for in f32"


def test_attention_of_three_dimensions() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        product = tw.build("matmul", q, k, transpose_rhs=True)
        return tw.build("matmul", tw.build("softmax", product, dim=2), v)

    result = check([typed("s0, s1, 8")] * 3, body, BOTH)
    assert result.ops == {"reshape": 4, "attention": 1}


def test_attention_whose_probabilities_are_returned_stays() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        probabilities = tw.build("softmax", tw.build("matmul", q, k, transpose_rhs=True), dim=3)
        return [probabilities, tw.build("matmul", probabilities, v)]

    assert "attention" not in check(QKV, body, BOTH).ops


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_repeated_heads(kv_heads: int) -> None:
    def repeated(x: ir.Value) -> ir.Value:
        wide = broadcast(reshape(x, f"s0, {kv_heads}, 1, s1, 8"), f"s0, {kv_heads}, {4 // kv_heads}, s1, 8")
        return reshape(wide, "s0, 4, s1, 8")

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        return tw.build("attention", q, repeated(k), repeated(v), scale=0.5)

    shared = typed(f"s0, {kv_heads}, s1, 8")
    result = check([QKV[0], shared, shared], body, BOTH)
    assert result.ops == {"attention": 1}


def test_heads_repeated_in_another_order_stay() -> None:
    def tiled(x: ir.Value) -> ir.Value:
        return reshape(broadcast(reshape(x, "s0, 1, 2, s1, 8"), "s0, 2, 2, s1, 8"), "s0, 4, s1, 8")

    shared = typed("s0, 2, s1, 8")
    result = check([QKV[0], shared, shared], lambda q, k, v: tw.build("attention", q, tiled(k), tiled(v), scale=0.5), BOTH)
    assert result.ops["broadcast"] == 2


# Regions


def test_chains_merge_into_one_region() -> None:
    def body(x: ir.Value, y: ir.Value) -> ir.Value:
        return binary("addf", with_number("mulf", unary("exp", x), 2.0), unary("sin", y))

    result = check([X, X], body, "tw-merge-pointwise")
    assert result.regions() == ["addf(mulf(exp(%0), 2.0:f32), sin(%1))"]


def test_shared_and_broadcast_values_are_not_computed_twice() -> None:
    def shared(x: ir.Value) -> list[ir.Value]:
        e = unary("exp", x)
        return [unary("sin", e), unary("cos", e)]

    assert check([X], shared, "tw-merge-pointwise").ops == {"pointwise": 3}
    wide = check([X, typed("8")], lambda x, b: binary("addf", x, unary("exp", b)), "tw-merge-pointwise")
    assert wide.ops == {"pointwise": 2}
    diamond = check([X], lambda x: (lambda e: binary("mulf", unary("sin", e), unary("cos", e)))(unary("exp", x)), "tw-merge-pointwise")
    assert diamond.ops == {"pointwise": 1}


def test_silu() -> None:
    def body(x: ir.Value) -> ir.Value:
        one = with_number("addf", unary("exp", unary("negf", x)), 1.0)
        return binary("mulf", x, tw.pointwise([one], lambda a: arith.divf(scalar_constant(1, "f32"), a)))

    assert check([X], body, BOTH).regions() == ["divf(%0, addf(exp(negf(%0)), 1.0:f32))"]


@pytest.mark.parametrize("variant", range(3))
def test_tanh_gelu_costs_an_exponential(variant: int) -> None:
    def body(x: ir.Value) -> ir.Value:
        cube = tw.pointwise([x], lambda a: mlir_math.powf(a, scalar_constant(3, "f32")))
        inner = with_number("mulf", binary("addf", x, with_number("mulf", cube, 0.044715)), math.sqrt(2 / math.pi))
        curve = with_number("addf", unary("tanh", inner), 1.0)
        half = with_number("mulf", x, 0.5)
        if variant == 0:
            return binary("mulf", half, curve)
        if variant == 1:
            return binary("mulf", x, with_number("mulf", curve, 0.5))
        return with_number("mulf", binary("mulf", x, curve), 0.5)

    (region,) = check([X], body, BOTH).regions()
    assert "tanh" not in region
    assert region.startswith("divf(%0, addf(exp(mulf(")


@pytest.mark.parametrize("variant", range(3))
def test_erf_gelu_has_one_form(variant: int) -> None:
    def body(x: ir.Value) -> ir.Value:
        inner = with_number("divf", x, math.sqrt(2)) if variant else with_number("mulf", x, math.sqrt(0.5))
        curve = with_number("addf", unary("erf", inner), 1.0)
        if variant == 2:
            return with_number("mulf", binary("mulf", curve, x), 0.5)
        return binary("mulf", with_number("mulf", x, 0.5), curve)

    (region,) = check([X], body, BOTH).regions()
    assert region == "mulf(mulf(%0, 0.5:f32), addf(erf(mulf(%0, 0.7071067690849304:f32)), 1.0:f32))"
