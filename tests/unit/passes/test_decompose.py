"""Decompositions mean what the op means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tw_programs import SIZES, check, random_inputs, typed

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import arith, ir
from tilewright.core.pass_manager import PassManager
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1, 6")
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f64"])
def test_softmax(dim: int, log: bool, dtype: str) -> None:
    tolerance = 2e-2 if dtype == "bf16" else 1e-5
    result = check(
        [X.with_dtype(dtype)], lambda x: tw.build("softmax", x, dim=dim, log=log), "tw-decompose", rtol=tolerance, atol=tolerance
    )
    assert "softmax" not in result.ops


@pytest.mark.parametrize("parameters", [0, 1, 2])
@pytest.mark.parametrize("axes", [1, 2])
def test_layer_norm(axes: int, parameters: int) -> None:
    shape = typed("s0, 5, 6")
    affine = [typed("6" if axes == 1 else "5, 6")] * parameters
    result = check(
        [shape, *affine],
        lambda x, *p: tw.build("layer_norm", x, *p, *[None] * (2 - len(p)), eps=1e-5, axes=axes),
        "tw-decompose{ops=layer_norm}",
        atol=1e-5,
    )
    assert result.ops["reduce"] == 2


@pytest.mark.parametrize("weighted", [False, True])
def test_rms_norm(weighted: bool) -> None:
    result = check([X, typed("6")], lambda x, w: tw.build("rms_norm", x, w if weighted else None, eps=1e-6), "tw-decompose", atol=1e-5)
    assert result.ops["reduce"] == 1


def test_a_mean_over_a_symbolic_size() -> None:
    result = check([typed("2, s1")], lambda x: tw.build("rms_norm", x, None, eps=1e-6), "tw-decompose")
    assert result.ops["dim"] == 1


@pytest.mark.parametrize("parameters", [0, 2])
def test_group_norm(parameters: int) -> None:
    affine = [typed("4")] * parameters
    check(
        [typed("s0, 4, 3, s1"), *affine],
        lambda x, *p: tw.build("group_norm", x, *p, *[None] * (2 - len(p)), groups=2, eps=1e-5),
        "tw-decompose",
        atol=1e-5,
    )


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_rope(interleaved: bool, dtype: str) -> None:
    tolerance = 5e-3 if dtype == "f16" else 1e-5
    inputs = [typed("s0, 2, s1, 8", dtype), typed("s1, 8", dtype), typed("s1, 8", dtype)]
    check(
        inputs,
        lambda x, c, s: tw.build("rope", x, c, s, interleaved=interleaved),
        "tw-decompose{ops=rope}",
        rtol=tolerance,
        atol=tolerance,
    )


MASKS = {"none": None, "boolean": typed("s0, 1, s1, 9", "i1"), "keys": typed("s0, 1, 1, 9", "i1"), "added": typed("4, s1, 9")}


@SLOW
@given(data=st.data())
def test_attention(context: ir.Context, data: st.DataObject) -> None:
    draw = data.draw
    kv_heads = draw(st.sampled_from([1, 2, 4]))
    mask = MASKS[draw(st.sampled_from(sorted(MASKS)))]
    extras = {name: draw(st.booleans()) for name in ("kv_len", "q_offset", "sinks")}
    attributes: dict[str, Any] = {
        "scale": 0.5,
        "causal": draw(st.booleans()),
        "window": draw(st.sampled_from([0, 1, 3, 100])),
        "softcap": draw(st.sampled_from([0.0, 2.0])),
        "logsumexp": draw(st.booleans()),
    }
    inputs = [typed("s0, 4, s1, 8"), typed(f"s0, {kv_heads}, 9, 8"), typed(f"s0, {kv_heads}, 9, 5")]
    optional = {"mask": mask, "kv_len": typed("s0", "i64"), "q_offset": typed("s0", "i64"), "sinks": typed("4")}
    present = [name for name, info in optional.items() if info is not None and (name == "mask" or extras[name])]
    infos = [optional[name] for name in present]
    inputs += [i for i in infos if i is not None]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value) -> list[ir.Value]:
        given_ = dict(zip(present, rest))
        return tw.build_many("attention", q, k, v, *(given_.get(n) for n in optional), **attributes)

    # s1 queries and 9 keys: more, as many, and fewer queries than keys.
    sizes = {**SIZES, "s1": draw(st.sampled_from([2, 9, 12]))}
    arrays = random_inputs(inputs, sizes, seed=draw(st.integers(0, 5)))
    with np.errstate(all="ignore"):
        result = check(inputs, body, "tw-decompose{ops=attention},tw-simplify", arrays=arrays, sizes=sizes, rtol=1e-4, atol=1e-5)
    assert "attention" not in result.ops


def test_attention_repeats_no_heads() -> None:
    inputs = [typed("s0, 4, s1, 8"), typed("s0, 2, s1, 8"), typed("s0, 2, s1, 8")]
    result = check(inputs, lambda q, k, v: tw.build("attention", q, k, v, scale=0.5, causal=True), "tw-decompose,tw-simplify")
    assert "broadcast" not in result.ops
    assert result.ops["matmul"] == 2


def test_attention_with_a_region() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, slopes: ir.Value) -> ir.Value:
        def score(s: ir.Value, b: ir.Value, h: ir.Value, i: ir.Value, j: ir.Value, slope: ir.Value) -> list[ir.Value]:
            distance = arith.subi(j, arith.addi(i, arith.addi(b, h)))
            moved = arith.addf(s, arith.mulf(slope, arith.sitofp(ir.F32Type.get(), distance)))
            return [moved, arith.cmpi(arith.CmpIPredicate.sle, distance, arith.constant(ir.IntegerType.get_signless(64), 1))]

        optional = [None] * 7
        return tw.build("attention", q, k, v, *optional, (slopes,), scale=0.5, region=tw.score_region([slopes], score))

    inputs = [typed("s0, 4, s1, 8"), typed("s0, 2, 9, 8"), typed("s0, 2, 9, 5"), typed("4, 1, 1")]
    result = check(inputs, body, "tw-decompose,tw-simplify", atol=1e-5)
    assert "attention" not in result.ops


@pytest.mark.parametrize("dtype", ["i8", "f16"])
def test_attention_over_pages(dtype: str) -> None:
    q, k, v = typed("2, 4, 1, 8"), typed("6, 2, 3, 8", dtype), typed("6, 2, 3, 5", dtype)
    scales = [typed("6, 2, 3"), typed("6, 2, 3")] if dtype == "i8" else []

    def body(q: ir.Value, k: ir.Value, v: ir.Value, n: ir.Value, table: ir.Value, *scales: ir.Value) -> ir.Value:
        return tw.build("attention", q, k, v, None, n, None, None, table, *(scales or [None, None]), scale=0.5)

    inputs = [q, k, v, typed("2", "i64"), typed("2, s1", "i32"), *scales]
    arrays = random_inputs(inputs, {**SIZES, "s1": 2})
    arrays[3], arrays[4] = np.array([5, 0]), np.array([[5, 2], [900, -7]], np.int32)
    check(inputs, body, "tw-decompose,tw-simplify", arrays=arrays, sizes={**SIZES, "s1": 2}, rtol=1e-3, atol=1e-4)


def test_attention_of_half_precision() -> None:
    inputs = [typed("s0, 4, s1, 8", "bf16")] * 3
    check(inputs, lambda q, k, v: tw.build("attention", q, k, v, scale=0.5), "tw-decompose", rtol=2e-2, atol=2e-2)


def test_an_op_without_decomposition() -> None:
    with pytest.raises(InputError, match=r"no decomposition of 'atention'; did you mean 'attention'"):
        PassManager.parse("tw-decompose{ops=atention}")
