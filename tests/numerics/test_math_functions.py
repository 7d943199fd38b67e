"""Vector math over the whole range of f32, on AVX-512, AVX2 and as scalars, against f64."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from level3_runner import compile_level3, run_level3

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, func, ir, memref, scf, vector
from tilewright.lowering.math import expand_math_op, expand_one_plus_erf
from tilewright.targets import find, host_target

Reference = Callable[..., np.ndarray]
erf: Reference = np.vectorize(math.erf, otypes=[np.float64])
erfc: Reference = np.vectorize(math.erfc, otypes=[np.float64])

STRIDE = 40009
"""Every so many floats of all 2^32 bit patterns (a prime, so that all exponents and many mantissas come up)."""
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 1.0, -1.0, 89.0, -89.0, -104.0, 100.0, -100.0, 0.5, -0.5]

FUNCTIONS: list[tuple[str, Reference, float]] = [
    ("exp", np.exp, 1.0), ("exp2", np.exp2, 1.1), ("expm1", np.expm1, 1.5), ("log", np.log, 1.0), ("log2", np.log2, 1.5),
    ("log10", np.log10, 2.0), ("log1p", np.log1p, 2.0), ("tanh", np.tanh, 1.4), ("erf", erf, 1.1), ("erfc", erfc, 5.0),
    ("asin", np.arcsin, 3.0), ("acos", np.arccos, 3.0), ("atan", np.arctan, 2.5), ("sinh", np.sinh, 3.0), ("cosh", np.cosh, 3.0),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 1.5),
]  # fmt: skip
"""Name, reference in f64, largest error in ULP as the functions' documentation states it."""

MACHINES = [("native", True), ("cpu:x86-64-v3", True), ("native", False)]
"""Target, and whether vectors or scalars are computed."""


def elementwise(op: str, width: int | None, target: str, operands: int = 1, fast: bool = False) -> str:
    """A level 3 kernel that applies `math.<op>` to arrays; one unit is one vector of `width` (None: one scalar)."""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        f32, index, dynamic = ir.F32Type.get(), ir.IndexType.get(), ir.ShapedType.get_dynamic_size()
        pointer, scratch = ir.MemRefType.get([], f32), ir.MemRefType.get([], ir.IntegerType.get_signless(8))
        with ir.InsertionPoint(module.body):
            kernel = func.FuncOp("apply", ir.FunctionType.get([pointer] * (operands + 1) + [scratch] + [index] * 3, []))
            kernel.operation.attributes["tw.trip_count"] = ir.StringAttr.get("d0")
            kernel.operation.attributes["tw.scratch"] = ir.StringAttr.get("0")
            block = kernel.add_entry_block()
        with ir.InsertionPoint(block):
            arguments = list(block.arguments)
            low, high = arguments[-2:]
            static = [ir.DenseI64ArrayAttr.get([v]) for v in (0, dynamic, 1)]
            view = ir.MemRefType.get([dynamic], f32)
            arrays = [memref.ReinterpretCastOp(view, a, [], [high], [], *static).result for a in arguments[: operands + 1]]
            lanes = ir.VectorType.get([width], f32) if width else f32
            step = arith.ConstantOp(index, width or 1).result
            loop = scf.ForOp(arith.MulIOp(low, step).result, arith.MulIOp(high, step).result, step)
            with ir.InsertionPoint(loop.body):
                at = [loop.induction_variable]
                load = (lambda a: vector.LoadOp(lanes, a, at).result) if width else (lambda a: memref.LoadOp(a, at).result)
                values = [load(a) for a in arrays[:-1]]
                if op == "one_plus_erf":
                    result = expand_one_plus_erf(values[0], find(target))
                else:
                    result = expand_math_op(f"math.{op}", values, find(target), fast)
                vector.StoreOp(result, arrays[-1], at) if width else memref.StoreOp(result, arrays[-1], at)
                scf.YieldOp([])
            func.ReturnOp([])
        return str(module)


def apply(op: str, inputs: list[np.ndarray], target: str, vectors: bool, fast: bool = False) -> np.ndarray:
    width = find(target).vector_lanes(32) if vectors else None
    count = -(-inputs[0].size // 16) * 16
    padded = [np.resize(x, count) for x in inputs]
    out = np.zeros(count, np.float32)
    text = elementwise(op, width, target, len(inputs), fast)
    run_level3(text, "apply", [*padded, out], symbols=[count // (width or 1)], target=find(target))
    return out[: inputs[0].size]


def floats() -> np.ndarray:
    bits = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([np.array(SPECIAL, np.float32), bits.view(np.float32)])


def check(got: np.ndarray, wanted: np.ndarray, limit: float, inputs: list[np.ndarray]) -> None:
    """At most `limit` ULP from the exact value; overflow, NaN and the sign of zero as the exact value has them."""
    with np.errstate(all="ignore"):
        rounded = np.abs(wanted).astype(np.float32)
        ulp = np.spacing(np.minimum(rounded, np.float32(3e38))).astype(np.float64)
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
@pytest.mark.parametrize(("op", "reference", "limit"), FUNCTIONS, ids=[f[0] for f in FUNCTIONS])
def test_error_in_ulp(op: str, reference: Reference, limit: float, target: str, vectors: bool) -> None:
    x = floats()
    with np.errstate(all="ignore"):
        check(apply(op, [x], target, vectors), reference(x.astype(np.float64)), limit, [x])


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
def test_erfc_in_both_tails(target: str, vectors: bool) -> None:
    edges = [3.93, 9.2, 10.05, 10.06, 10.2, 27.0, 1e30, np.inf, -np.inf, np.nan]
    x = np.concatenate([np.linspace(-12, 12, 20001), edges]).astype(np.float32)
    got = apply("erfc", [x], target, vectors)
    check(got, erfc(x.astype(np.float64)), 5.0, [x])
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
@pytest.mark.parametrize(
    ("op", "reference", "limit", "smallest"),
    [("tanh", np.tanh, 5.0, 0.0), ("erf", erf, 7.0, 1e-30), ("rsqrt", lambda x: 1 / np.sqrt(x), 1.6, 1.2e-38)],
)
def test_fast_forms(op: str, reference: Reference, limit: float, smallest: float, target: str) -> None:
    x = floats()
    x = x[~(np.abs(x) < smallest)]
    with np.errstate(all="ignore"):
        check(apply(op, [x], target, True, fast=True), reference(x.astype(np.float64)), limit, [x])


@pytest.mark.parametrize(("target", "vectors"), MACHINES)
@pytest.mark.parametrize(("op", "limit"), [("sin", 1.6), ("cos", 1.6), ("tan", 3.5)])
def test_periodic_functions_of_any_size(op: str, limit: float, target: str, vectors: bool) -> None:
    generator = np.random.default_rng(0)
    magnitudes = np.exp(generator.uniform(np.log(1e-30), np.log(3.4e38), 3000))
    edges = [105614.9, 105615.0, 105615.1, 131072.0, 16367173 * 2.0**72, 3.4028235e38, 1e5, 710.0, 3.14159274, 1.57079637]
    x = np.concatenate([np.array([*SPECIAL, *edges]), magnitudes, -magnitudes[:500], generator.uniform(-200, 200, 2000)]).astype(np.float32)
    with mpmath.workprec(500):
        exact = np.array([float(getattr(mpmath, op)(mpmath.mpf(float(v)))) if np.isfinite(v) else np.nan for v in x])
    exact = np.where((x == 0) & (op != "cos"), x.astype(np.float64), exact)
    check(apply(op, [x], target, vectors), exact, limit, [x])


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
@pytest.mark.parametrize(("op", "reference", "limit"), [("powf", np.power, 1.0), ("atan2", np.arctan2, 3.5)])
def test_functions_of_two_arguments(op: str, reference: Reference, limit: float, target: str, vectors: bool) -> None:
    x, y = pairs()
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64), y.astype(np.float64))
    check(apply(op, [x, y], target, vectors), exact, limit, [x, y])


@pytest.mark.parametrize("op", [f[0] for f in FUNCTIONS] + ["sin", "cos", "tan", "powf", "atan2"])
def test_compiles_for_neon_without_library_calls(op: str) -> None:
    target = find("cpu:neoverse-n1")
    assert compile_level3(elementwise(op, 4, "cpu:neoverse-n1", 2 if op in ("powf", "atan2") else 1), target).object


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
