"""Vector math over the whole range of f32, on AVX-512, AVX2 and as scalars, against f64."""

from __future__ import annotations

import re
from pathlib import Path

import loop_kernels
import mpmath
import numpy as np
import pytest
from level3_runner import compile_level3
from math_kernels import BINARY, REFERENCES, apply, elementwise, erfc, exact, ulp_of, worst_error

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.dialects import tw
from tilewright.lowering.math import bounds, expand_math_op
from tilewright.targets import find, host_target

STRIDE = 40009
"""Every so many floats of all 2^32 bit patterns (a prime, so that all exponents and many mantissas come up)."""
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 1.0, -1.0, 89.0, -89.0, -104.0, 100.0, -100.0, 0.5, -0.5]
COMPOSED = ("sigmoid", "silu")
UNARY = [b for b in bounds.BOUNDS if b.function not in (*BINARY, *COMPOSED, "sin", "cos", "tan")]
MACHINES = [("native", True), ("cpu:x86-64-v3", True), ("native", False)]
"""Target, and whether vectors or scalars are computed."""


def floats() -> np.ndarray:
    bits = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([np.array(SPECIAL, np.float32), bits.view(np.float32)])


def check(got: np.ndarray, wanted: np.ndarray, limit: float, inputs: list[np.ndarray]) -> None:
    """At most `limit` ULP from the exact value; overflow, NaN and the sign of zero as the exact value has them."""
    with np.errstate(all="ignore"):
        ulp = ulp_of(wanted)
        finite = np.isfinite(wanted) & (np.abs(wanted) < 3.4028235e38)
        error = np.where(finite, np.abs(got.astype(np.float64) - wanted) / ulp, 0.0)
        worst = int(np.where(np.isnan(error), np.inf, error).argmax())
        assert error[worst] <= limit, f"{error[worst]} ULP at {[float(x[worst]) for x in inputs]}: {got[worst]}, not {wanted[worst]}"
        overflow = ~finite & ~np.isnan(wanted)
        assert (np.abs(got[overflow]) >= 3.4e38).all() and (np.signbit(got[overflow]) == np.signbit(wanted[overflow])).all()
        assert np.isnan(got[np.isnan(wanted)]).all()
        zero = wanted == 0
        assert (np.signbit(got[zero]) == np.signbit(wanted[zero])).all()


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
@pytest.mark.parametrize("bound", UNARY, ids=[b.function for b in UNARY])
def test_error_in_ulp(bound: bounds.Bound, target: str, vectors: bool) -> None:
    x = floats()
    check(apply(bound.function, [x], target, vectors), exact(bound.function, [x]), bound.ulp, [x])


@pytest.mark.parametrize("target", ["native", "cpu:x86-64-v3"])
@pytest.mark.parametrize("bound", [*bounds.BOUNDS, *bounds.RELATIVE_TO_INPUT], ids=lambda b: b.function)
def test_bounds_hold_where_models_compute(bound: bounds.Bound, target: str) -> None:
    assert worst_error(bound, target, 50_000) <= bound.ulp


def test_the_page_lists_the_bounds() -> None:
    """docs/math.md is of the bounds in the code, and what was measured is within them."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "math.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    listed = [(name, float(limit)) for name, limit, *_ in rows]
    assert listed == [(b.function, b.ulp) for b in (*bounds.BOUNDS, *bounds.RELATIVE_TO_INPUT, *bounds.FAST)], (
        "run `python tests/support/math_kernels.py`"
    )
    assert all(max(float(wide), float(narrow)) <= float(limit) for _, limit, wide, narrow in rows)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("op", ["exp", "log", "tanh", "erf", "rsqrt", "sin"])
def test_all_values_of_16_bit_floats(op: str, dtype: str) -> None:
    bits = np.arange(65536, dtype=np.uint16)
    x = bits.view(tw.numpy_dtype(dtype))
    kernel = loop_kernels.build("kernel", [(("d0",), dtype)], lambda a: tw.pointwise([a], lambda v: getattr(mlir_math, op)(v)))
    (got,) = loop_kernels.run(kernel, [x])
    with np.errstate(all="ignore"):
        wanted = REFERENCES[op](x.astype(np.float64))
        rounded = np.abs(wanted).astype(tw.numpy_dtype(dtype))
        above = (rounded.view(np.uint16) + 1).view(tw.numpy_dtype(dtype)).astype(np.float64)
        ulp = above - rounded.astype(np.float64)
        known = np.isfinite(wanted) & np.isfinite(above) & np.isfinite(got.astype(np.float64)) & (np.abs(wanted) > 1.2e-38)
        error = np.where(known, np.abs(got.astype(np.float64) - wanted) / ulp, 0)
    assert known.sum() > 20000 and error.max() <= 0.51


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
def test_exponential_of_a_softmax(target: str, vectors: bool) -> None:
    x = np.concatenate([np.linspace(-87, 0, 20001), [0.0, -0.0, -87.1, -104.0, -1e9, -np.inf, np.nan]]).astype(np.float32)
    got = apply("nonpositive_exp", [x], target, vectors).astype(np.float64)
    near, far = x >= -87, x < -87
    wide = x.astype(np.float64)
    assert (np.abs(got[near] / np.exp(wide[near]) - 1) <= 2.3e-7 + 3e-9 * np.abs(wide[near])).all()
    assert (got[x == 0] == 1).all() and (got[far] == 0).all() and np.isnan(got[-1])


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
def test_erfc_in_both_tails(target: str, vectors: bool) -> None:
    edges = [3.93, 9.2, 10.05, 10.06, 10.2, 27.0, 1e30, np.inf, -np.inf, np.nan]
    x = np.concatenate([np.linspace(-12, 12, 20001), edges]).astype(np.float32)
    got = apply("erfc", [x], target, vectors)
    check(got, erfc(x.astype(np.float64)), bounds.bound_of("erfc").ulp, [x])
    assert got[-3:-1].tolist() == [0.0, 2.0] and np.isnan(got[-1])
    assert ((got > 0) & (got < 1.17e-38)).sum() > 500  # denormal results


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
def test_one_plus_erf(target: str, vectors: bool) -> None:
    """The factor of GELU: an absolute error, and none where the result is 0 or 2."""
    x = np.concatenate([np.linspace(-6, 6, 20001, dtype=np.float32), floats()])
    got = apply("one_plus_erf", [x], target, vectors).astype(np.float64)
    numbers = ~np.isnan(x)
    assert np.isnan(got[~numbers]).all()
    assert np.abs(got[numbers] - erfc(-x[numbers].astype(np.float64))).max() < 2.1e-7
    assert (got[x < -4.05] == 0).all() and (got[x > 4.05] == 2).all()


@pytest.mark.parametrize("target", ["native", "cpu:x86-64-v3"])
@pytest.mark.parametrize("bound", bounds.FAST, ids=lambda b: b.function)
def test_fast_forms(bound: bounds.Bound, target: str) -> None:
    x = floats()
    x = x[~(np.abs(x) < (1e-30 if bound.function == "erf" else bound.low))]
    check(apply(bound.function, [x], target, True, fast=True), exact(bound.function, [x]), bound.ulp, [x])
    assert worst_error(bound, target, 50_000, fast=True) <= bound.ulp


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
@pytest.mark.parametrize("op", ["sin", "cos", "tan"])
def test_periodic_functions_of_any_size(op: str, target: str, vectors: bool) -> None:
    generator = np.random.default_rng(0)
    magnitudes = np.exp(generator.uniform(np.log(1e-30), np.log(3.4e38), 3000))
    edges = [105614.9, 105615.0, 105615.1, 131072.0, 16367173 * 2.0**72, 3.4028235e38, 1e5, 710.0, 3.14159274, 1.57079637]
    x = np.concatenate([np.array([*SPECIAL, *edges]), magnitudes, -magnitudes[:500], generator.uniform(-200, 200, 2000)]).astype(np.float32)
    with mpmath.workprec(500):
        wanted = np.array([float(getattr(mpmath, op)(mpmath.mpf(float(v)))) if np.isfinite(v) else np.nan for v in x])
    wanted = np.where((x == 0) & (op != "cos"), x.astype(np.float64), wanted)
    check(apply(op, [x], target, vectors), wanted, bounds.bound_of(op).ulp, [x])


def pairs() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = floats()
    y = generator.permutation(x)
    near = np.exp(generator.uniform(-20, 20, 4000)).astype(np.float32)
    powers = generator.uniform(-40, 40, 4000).astype(np.float32)
    near[:1000], powers[:1000] = -near[:1000], np.round(powers[:1000])
    grid = np.array([(a, b) for a in [*SPECIAL, 2.0, -2.0] for b in [*SPECIAL, 2.0, 3.0, -3.0]], np.float32)
    return np.concatenate([x, near, grid[:, 0]]), np.concatenate([y, powers, grid[:, 1]])


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
@pytest.mark.parametrize("op", BINARY)
def test_functions_of_two_arguments(op: str, target: str, vectors: bool) -> None:
    x, y = pairs()
    check(apply(op, [x, y], target, vectors), exact(op, [x, y]), bounds.bound_of(op).ulp, [x, y])


@pytest.mark.parametrize("op", [b.function for b in bounds.BOUNDS])
def test_compiles_for_neon_without_library_calls(op: str) -> None:
    target = find("cpu:neoverse-n1")
    assert compile_level3(elementwise(op, 4, "cpu:neoverse-n1", 2 if op in BINARY else 1), target).object


def test_f64_has_no_polynomials() -> None:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            x = arith.ConstantOp(ir.F64Type.get(), 1.0).result
            with pytest.raises(UnsupportedError, match=r"math\.exp on f64 is not supported") as caught:
                expand_math_op("math.exp", [x], host_target())
    assert "cast to f32" in caught.value.remedy


def test_unknown_function() -> None:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            x = arith.ConstantOp(ir.F32Type.get(), 1.0).result
            with pytest.raises(UnsupportedError, match=r"math\.cbrt has no vector code"):
                expand_math_op("math.cbrt", [x], host_target())
