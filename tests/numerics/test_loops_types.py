"""Element types in loop kernels: 16-bit floats, integers, booleans, f64; constants and index sequences."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from loop_kernels import TARGETS, check

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw

RNG = np.random.default_rng(0)
MATRIX = ("d0", "d1")


@pytest.mark.parametrize("target", [*TARGETS, "cpu:neoverse-n1"])
@pytest.mark.parametrize(("dtype", "numpy", "tolerance"), [("bf16", ml_dtypes.bfloat16, 8e-3), ("f16", np.float16, 1e-3)])
def test_16_bit_floats_are_computed_in_f32(dtype: str, numpy: type, tolerance: float, target: str) -> None:
    x, w, b = (RNG.standard_normal(s).astype(numpy) for s in ((5, 77), 77, 77))
    wide = [v.astype(np.float64) for v in (x, w, b)]
    centered = wide[0] - wide[0].mean(1, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5) * wide[1] + wide[2]
    shapes = [(MATRIX, dtype), (("d1",), dtype), (("d1",), dtype)]
    check(shapes, lambda x, w, b: tw.build("layer_norm", x, w, b, eps=1e-5), [x, w, b], expected, target, tolerance)
    check([(MATRIX, dtype)], lambda x: tw.build("reduce", x, dims=[0], kind="add"), [x], wide[0].sum(0), target, tolerance)


@pytest.mark.parametrize("target", TARGETS)
def test_rounding_to_bf16_is_to_nearest_even(target: str) -> None:
    bits = np.concatenate([np.arange(0x3F800000, 0x3F830000, 0x1000), [0x7F800000, 0x7FC00001, 0x7F7FFFFF, 0x7F800001, 0x80000000]])
    x = bits.astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        expected = x.astype(ml_dtypes.bfloat16)

    def body(x: ir.Value) -> ir.Value:
        return tw.pointwise([x], lambda a: arith.truncf(ir.BF16Type.get(), a))

    check([(("d0",), "f32")], body, [x], expected, target, tolerance=0.0)


@pytest.mark.parametrize("target", TARGETS)
def test_integers(target: str) -> None:
    i, j = RNG.integers(-50, 50, (5, 77)), RNG.integers(1, 9, 77)

    def divide(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.pointwise([x, y], lambda a, b: arith.addi(arith.floordivsi(a, b), arith.remsi(a, b)))

    check([(MATRIX, "i64"), (("d1",), "i64")], divide, [i, j], i // j + np.fmod(i, j), target, tolerance=0.0)
    narrow = i.astype(np.int32)
    check([(MATRIX, "i32")], lambda x: tw.build("reduce", x, dims=[1], kind="max"), [narrow], narrow.max(1), target, tolerance=0.0)
    tiny = (i // 8).astype(np.int8)
    check([(MATRIX, "i8")], lambda x: tw.pointwise([x], lambda a: arith.muli(a, a)), [tiny], tiny * tiny, target, tolerance=0.0)
    check([(MATRIX, "i64")], lambda x: tw.build("reduce", x, dims=[0], kind="add"), [i], i.sum(0), target, tolerance=0.0)


@pytest.mark.parametrize("target", TARGETS)
def test_booleans_are_bytes(target: str) -> None:
    m, i = RNG.random((5, 77)) > 0.5, RNG.integers(-50, 50, (5, 77))

    def choose(m: ir.Value, x: ir.Value) -> ir.Value:
        return tw.pointwise([m, x], lambda a, b: arith.select(a, b, arith.constant(b.type, 7)))

    check([(MATRIX, "i1"), (MATRIX, "i64")], choose, [m, i], np.where(m, i, 7), target)
    above = lambda x: tw.pointwise([x], lambda a: arith.cmpi(arith.CmpIPredicate.sgt, a, arith.constant(a.type, 7)))  # noqa: E731
    check([(MATRIX, "i64")], above, [i], i > 7, target)
    late = m & (np.arange(77) > 70)
    check([(MATRIX, "i1")], lambda x: tw.build("reduce", x, dims=[1], kind="or"), [late], np.asarray(late.any(1)), target)
    check([(MATRIX, "i1")], lambda x: tw.build("reduce", x, dims=[0], kind="and"), [m], np.asarray(m.all(0)), target)
    check([(MATRIX, "i1")], lambda x: tw.build("reduce", x, dims=[1], kind="max"), [late], np.asarray(late.any(1)), target)


@pytest.mark.parametrize("target", TARGETS)
def test_f64_without_polynomials(target: str) -> None:
    x = RNG.standard_normal((5, 77))

    def body(x: ir.Value) -> ir.Value:
        return tw.build("reduce", tw.pointwise([x], lambda a: arith.mulf(a, math.sqrt(math.absf(a)))), dims=[1], kind="add")

    check([(MATRIX, "f64")], body, [x], (x * np.sqrt(np.abs(x))).sum(1), target, tolerance=1e-13)


@pytest.mark.parametrize("target", TARGETS)
def test_powers_and_remainders(target: str) -> None:
    x, y = (RNG.standard_normal((3, 50)) * 5).astype(np.float32), (RNG.random(50) * 4 + 0.5).astype(np.float32)

    def cube(x: ir.Value) -> ir.Value:
        return tw.pointwise([x], lambda a: math.powf(a, arith.constant(a.type, 3.0)))

    check([(MATRIX, "f32")], cube, [x], x.astype(np.float64) ** 3, target)

    def remainder(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.pointwise([x, y], lambda a, b: arith.remf(a, b))

    check([(MATRIX, "f32"), (("d1",), "f32")], remainder, [x, y], np.fmod(x, y), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_remainders_are_exact_for_every_quotient(dtype: str, target: str) -> None:
    numpy = np.dtype({"f32": np.float32, "f64": np.float64}[dtype])
    info, generator = np.finfo(numpy), np.random.default_rng(1)
    tiny = info.smallest_subnormal
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, tiny, 3 * tiny]
    bits = generator.integers(0, 2 ** (8 * numpy.itemsize), (2, 3000), dtype=np.uint64).astype(f"u{numpy.itemsize}").view(numpy)
    near = generator.standard_normal((2, 1000)) * [[1e4], [1e-3]]
    multiples = generator.integers(-(2**20), 2**20, 500) * np.asarray(0.1, numpy)
    grid = np.array([(a, b) for a in special for b in special]).T
    with np.errstate(all="ignore"):
        x = np.concatenate([bits[0], *(v.astype(numpy) for v in (near[0], multiples, np.full(2, 16777217.0), grid[0]))])
        y = np.concatenate([bits[1], *(v.astype(numpy) for v in (near[1], np.full(500, 0.1), np.array([1e-3, -3.0]), grid[1]))])
        expected = np.fmod(x, y)

    def body(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.pointwise([x, y], lambda a, b: arith.remf(a, b))

    check([(("d0",), dtype)] * 2, body, [x, y], expected, target, tolerance=0.0)

    def sign(x: ir.Value, y: ir.Value) -> ir.Value:
        return tw.pointwise([x, y], lambda a, b: math.copysign(arith.constant(a.type, 1.0), arith.remf(a, b)))

    numbers = ~np.isnan(expected)
    signs = np.copysign(np.ones((), numpy), expected[numbers])
    check([(("d0",), dtype)] * 2, sign, [x[numbers], y[numbers]], signs, target, tolerance=0.0)


@pytest.mark.parametrize("target", TARGETS)
def test_index_sequences_sizes_and_constants(target: str) -> None:
    def causal(x: ir.Value) -> ir.Value:
        n = tw.tensor_info(x).shape[0]
        row, column = (tw.build("iota", shape=[n, n], dim=d) for d in (0, 1))
        keep = lambda a, b, c: arith.select(arith.cmpi(arith.CmpIPredicate.sle, b, a), c, arith.constant(c.type, -1))  # noqa: E731
        return tw.pointwise([row, column, x], keep)

    check([(("d0",), "i64")], causal, [np.arange(41)], np.where(np.tri(41) > 0, np.arange(41), -1), target)

    def count(x: ir.Value) -> ir.Value:
        rows, columns = tw.tensor_info(x).shape
        return tw.build("dim", expr=rows * columns)  # type: ignore[operator]

    check([(MATRIX, "f32")], count, [np.zeros((3, 4), np.float32)], np.array(12), target)
    table = RNG.standard_normal(33).astype(np.float32)
    add = lambda x: tw.pointwise([x, tw.constant(table)], lambda a, b: arith.addf(a, b))  # noqa: E731
    check([(("d0", 33), "f32")], add, [np.zeros((4, 33), np.float32)], np.broadcast_to(table, (4, 33)), target)
