"""What GPU kernels compute: their PTX, interpreted, against the NumPy references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from device_kernels import build, info, normal

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.dialects.tw.types import parse_shape


def f32(value: float) -> ir.Value:
    return arith.ConstantOp(ir.F32Type.get(), value).result


def gelu(x: ir.Value) -> ir.Value:
    return arith.mulf(arith.mulf(x, f32(0.5)), arith.addf(f32(1.0), math.erf(arith.mulf(x, f32(0.70710678)))))


@pytest.mark.parametrize("target", ["cuda:sm_80", "cuda:sm_90"])
def test_bias_and_gelu(target: str) -> None:
    case = build(
        [info("d0, 96"), info("96")],
        lambda x, b: tw.pointwise([x, b], lambda p, q: gelu(arith.addf(p, q))),
        target=target,
    )
    case.check(normal(1, 96), normal(96, seed=1))
    case.check(normal(23, 96), normal(96, seed=1))


def test_odd_sizes_of_several_blocks() -> None:
    case = build([info("d0, d1"), info("d1")], lambda x, y: tw.pointwise([x, y], arith.addf))
    for rows, columns in ((1, 1), (7, 33), (40, 31)):
        case.check(normal(rows, columns), normal(columns, seed=1))


@pytest.mark.parametrize("function", [math.exp, math.exp2, math.tanh, math.sin, math.log, math.sqrt, math.rsqrt, math.floor, math.absf])
def test_functions(function: Callable[..., Any]) -> None:
    case = build([info("d0, 4")], lambda x: tw.pointwise([x], function))
    case.check(np.abs(normal(32, 4)) * 10 + 0.01)


def test_exp_at_its_ends() -> None:
    case = build([info("d0")], lambda x: tw.pointwise([x], math.exp))
    case.check(np.array([-np.inf, -1e4, -104.0, -103.0, -88.5, -1e-8, 0.0, 88.0, 88.7, 89.0, 1e4, np.inf, np.nan], np.float32), atol=0)


@pytest.mark.parametrize("columns", [1, 9, 32, 77, 200])
def test_softmax_of_dynamic_rows(columns: int) -> None:
    for most in (512, 4096):
        build([info("d0, d1")], lambda x: tw.build("softmax", x, dim=1), most=most).check(normal(5, columns))


@pytest.mark.parametrize("columns", [9, 64, 100, 130, 1000, 3000])
def test_softmax_of_static_rows(columns: int) -> None:
    case = build([info(f"d0, {columns}")], lambda x: tw.build("softmax", x, dim=1))
    case.check(normal(6, columns))


def test_softmax_of_masked_rows() -> None:
    x = normal(4, 64)
    x[:, 3:] = -np.inf
    build([info("d0, 64")], lambda x: tw.build("softmax", x, dim=1)).check(x)


@pytest.mark.parametrize("log", [False, True])
def test_softmax_across_rows(log: bool) -> None:
    build([info("d0, d1")], lambda x: tw.build("softmax", x, dim=0, log=log)).check(normal(13, 40))


@pytest.mark.parametrize("columns", [384, 100, 91, 2048])
def test_layer_norm(columns: int) -> None:
    case = build(
        [info(f"d0, {columns}"), info(str(columns)), info(str(columns))],
        lambda x, w, b: tw.build("layer_norm", x, w, b, axes=1, eps=1e-5),
    )
    case.check(normal(5, columns), normal(columns, seed=1), normal(columns, seed=2), atol=1e-5)


def test_layer_norm_of_a_sum_over_two_dimensions() -> None:
    case = build(
        [info("d0, 6, 20"), info("d0, 6, 20")],
        lambda x, y: tw.build("layer_norm", tw.pointwise([x, y], arith.addf), None, None, axes=2, eps=1e-5),
    )
    case.check(normal(3, 6, 20), normal(3, 6, 20, seed=1), atol=1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), [("f32", 1e-5), ("f16", 2e-3), ("bf16", 2e-2)])
@pytest.mark.parametrize("shape", ["d0, 896", "d0, d1"])
def test_rms_norm(dtype: str, rtol: float, shape: str) -> None:
    columns = shape.split(", ")[1]
    case = build([info(shape, dtype), info(columns, dtype)], lambda x, w: tw.build("rms_norm", x, w, eps=1e-5))
    case.check(normal(3, 896, dtype=dtype), normal(896, dtype=dtype, seed=1), rtol=rtol, atol=1e-3)


def test_group_norm() -> None:
    case = build(
        [info("d0, 8, 5, 7"), info("8"), info("8")],
        lambda x, w, b: tw.build("group_norm", x, w, b, groups=4, eps=1e-5),
    )
    case.check(normal(2, 8, 5, 7), normal(8, seed=1), normal(8, seed=2), atol=1e-5)


@pytest.mark.parametrize("kind", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("dims", [(1,), (0,), (0, 1)])
def test_reductions(kind: str, dims: tuple[int, ...]) -> None:
    build([info("d0, d1")], lambda x: tw.build("reduce", x, dims=dims, kind=kind)).check(normal(19, 50), rtol=1e-4, atol=1e-5)


def test_reductions_of_other_types() -> None:
    integers = np.random.default_rng(0).integers(-(1 << 40), 1 << 40, (5, 70))
    build([info("d0, 70", "i64")], lambda x: tw.build("reduce", x, dims=(1,), kind="add")).check(integers)
    build([info("d0, 70", "i64")], lambda x: tw.build("reduce", x, dims=(1,), kind="max")).check(integers)
    flags = np.random.default_rng(0).random((9, 70)) < 0.01
    build([info("d0, 70", "i1")], lambda x: tw.build("reduce", x, dims=(1,), kind="or")).check(flags)
    build([info("d0, 2048", "f64")], lambda x: tw.build("reduce", x, dims=(1,), kind="add")).check(normal(2, 2048, dtype="f64"), rtol=1e-12)


def test_short_rows_belong_to_threads() -> None:
    case = build([info("d0, 3")], lambda x: tw.build("softmax", x, dim=1))
    assert "shfl" not in case.kernel.ptx
    case.check(normal(50, 3))


@pytest.mark.parametrize("columns", [20, 500, 3000])
def test_argmax_takes_the_first(columns: int) -> None:
    case = build([info(f"d0, {columns}")], lambda x: tw.build("argmax", x, dim=1))
    x = np.round(normal(5, columns) * 2)
    x[1, [7, 9]] = np.nan
    x[2] = -np.inf
    case.check(x)


def test_gather_moves_rows() -> None:
    ids = np.random.default_rng(0).integers(0, 100, (3, 9))
    case = build([info("100, 64"), info("d0, d1", "i64")], lambda t, i: tw.build("gather", t, [i], axes=(0,)))
    assert "st.global.v4" in case.kernel.ptx
    case.check(normal(100, 64), ids)


def test_movement() -> None:
    build([info("d0, d1")], lambda x: tw.build("transpose", x, permutation=(1, 0))).check(normal(11, 20))
    build([info("d0, 20"), info("d0, 12")], lambda x, y: tw.build("concat", [x, y], dim=1)).check(normal(5, 20), normal(5, 12, seed=1))
    build([info("d0, 48")], lambda x: tw.build("slice", x, starts=(0, 16), sizes=parse_shape("d0, 16"), steps=(1, 2))).check(normal(5, 48))
    build([info("d0, 48")], lambda x: tw.build("slice", x, starts=(0, 1), sizes=parse_shape("d0, 40"), steps=(1, 1))).check(normal(5, 48))
    build([info("d0, 48")], lambda x: tw.build("reverse", x, dims=(1,))).check(normal(5, 48))


def test_masks_and_constants() -> None:
    flags = np.random.default_rng(0).random((5, 64)) < 0.5
    case = build([info("d0, 64", "i1"), info("d0, 64")], lambda m, x: tw.pointwise([m, x], lambda c, p: arith.select(c, p, f32(-1.0))))
    case.check(flags, normal(5, 64))
    positive = build([info("d0, 64")], lambda x: tw.pointwise([x], lambda p: arith.cmpf(arith.CmpFPredicate.OGT, p, f32(0.0))))
    positive.check(normal(5, 64))
    numbers = np.arange(8, dtype=np.float32)
    build([info("d0, 8")], lambda x: tw.pointwise([x, tw.constant(numbers)], arith.addf)).check(normal(5, 8))


def test_outputs_of_different_shapes() -> None:
    case = build([info("d0, 64")], lambda x: [tw.pointwise([x], math.absf), tw.build("reduce", x, dims=(1,), kind="add")])
    case.check(normal(5, 64), atol=1e-5)
    case.check(normal(1, 64), atol=1e-5)


@pytest.mark.parametrize("vector", [1, 2, 4, 8])
@pytest.mark.parametrize(("block", "group"), [(32, 32), (256, 32), (64, 64), (1024, 1024)])
def test_every_legal_schedule_computes_the_same(vector: int, block: int, group: int) -> None:
    schedule = {"kind": "gpu-rows", "block": block, "group": group, "vector": vector, "source": "test"}
    case = build([info("d0, 136")], lambda x: tw.build("layer_norm", x, None, None, axes=1, eps=1e-5), schedule=schedule)
    case.check(normal(3, 136), atol=1e-5)


def test_indices_of_64_bits() -> None:
    case = build([info("d0, d1, 384")], lambda x: tw.pointwise([x], math.exp), most=1 << 20)
    case.check(normal(2, 3, 384))
