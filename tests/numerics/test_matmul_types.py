"""The matmul template on bf16, f16 and i8: every instruction, packed and run-time operands, ragged sizes.

Products of bf16 and of f16 are exact in f32, so what differs from the reference is the order and the rounding of the sums: the
tolerance of f32 holds. vdpbf16ps and the instructions of Arm round between the products of a group as well; vdpbf16ps takes denormal
inputs and results for zeros. i8 is exact.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import aarch64_runner
import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.contraction import ACCUMULATE
from tilewright.dialects.tw.types import numpy_dtype
from tilewright.targets import Target, find, host_target
from tilewright.targets.detect import read_host


@dataclasses.dataclass(frozen=True)
class Variant:
    """An element type multiplied by an instruction of a target."""

    dtype: str
    instruction: str
    target_name: str

    @property
    def target(self) -> Target:
        return find(f"cpu:{self.target_name}")

    def require(self) -> None:
        """Skip the test where the code cannot be executed."""
        if self.target.arch == host_target().arch:
            missing = set(self.target.requires) - read_host().flags
            if missing:
                pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
        elif self.target.arch != "aarch64" or aarch64_runner.missing() is not None:
            pytest.skip(aarch64_runner.missing() or f"{self.target_name} code runs on {self.target.arch} only")

    @property
    def tolerance(self) -> float:
        return 0.0 if self.dtype == "i8" else 2e-5


X86 = [
    Variant("bf16", "vdpbf16ps", "znver4"), Variant("bf16", "fma", "sapphirerapids-avx512"), Variant("bf16", "fma", "x86-64-v3"),
    Variant("f16", "fma", "x86-64-v4"), Variant("f16", "fma", "x86-64-v3"),
    Variant("i8", "vpdpbusd", "icelake-server"), Variant("i8", "vpdpbusd", "alderlake"),
    Variant("i8", "vpmaddwd", "x86-64-v4"), Variant("i8", "vpmaddwd", "x86-64-v3"),
]  # fmt: skip
ARM = [
    Variant("bf16", "bfmmla", "neoverse-v1"), Variant("bf16", "bfdot", "neoverse-v1"), Variant("bf16", "fma", "aarch64"),
    Variant("f16", "fma", "aarch64"),
    Variant("i8", "smmla", "neoverse-v1"), Variant("i8", "sdot", "neoverse-n1"), Variant("i8", "mla", "aarch64"),
]  # fmt: skip


def _names(variants: list[Variant]) -> dict[str, Any]:
    return {"argvalues": variants, "ids": [f"{v.dtype}-{v.instruction}-{v.target_name}" for v in variants]}


every = pytest.mark.parametrize("variant", **_names(X86 + ARM))
on_some = pytest.mark.parametrize("variant", **_names([X86[0], X86[2], X86[5]]))
on_x86 = pytest.mark.parametrize("variant", **_names(X86))


def values(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Normally distributed values, or every i8 alike."""
    if dtype == "i8":
        return np.random.default_rng([seed, *shape]).integers(-128, 128, shape).astype(np.int8)
    return normal(*shape, seed=seed).astype(numpy_dtype(dtype))


def product(variant: Variant, lhs: str, rhs: str, *, wide: bool = True, packed: bool = False, **attributes: Any) -> TemplateKernel:
    """A matmul of operands of these shapes whose right side is a weight if `packed`; its result holds the sums if `wide`."""
    if wide:
        attributes["accumulate"] = ACCUMULATE[variant.dtype]
    shapes = [info(lhs, variant.dtype), info(rhs, variant.dtype)]
    kernel = TemplateKernel(shapes, lambda x, w: [tw.build("matmul", x, w, **attributes)], weights={1} if packed else set())
    kernel.overrides = {"instruction": variant.instruction}
    if variant.instruction == "bfdot":  # The rule would choose blocks of two rows and two columns.
        kernel.overrides |= {"mr": 8, "nr": 12, "mb": 512}
    return kernel


@every
def test_packed_weights(variant: Variant) -> None:
    variant.require()
    kernel = product(variant, "13, 37", "50, 37", packed=True, transpose_rhs=True)
    kernel.check([values(variant.dtype, 13, 37), values(variant.dtype, 50, 37, seed=1)], variant.target, variant.tolerance)


@every
def test_any_number_of_rows(variant: Variant) -> None:
    variant.require()
    kernel = product(variant, "d0, 40", "40, 96", packed=True)
    lowered = kernel.lower(variant.target)
    weight = values(variant.dtype, 40, 96, seed=1)
    for m in (0, 1, 2, 3, 7, 12, 29, 65) if variant in X86 else (1, 7, 12):
        kernel.check([values(variant.dtype, m, 40, seed=m), weight], variant.target, variant.tolerance, lowered)


@every
def test_one_row(variant: Variant) -> None:
    variant.require()
    kernel = product(variant, "1, 131", "131, 100", packed=True)
    kernel.check([values(variant.dtype, 1, 131), values(variant.dtype, 131, 100, seed=1)], variant.target, variant.tolerance)


@every
@pytest.mark.parametrize(("lhs", "rhs"), [(False, False), (True, True)])
def test_batches_with_transposed_operands(variant: Variant, lhs: bool, rhs: bool) -> None:
    """Right sides that are packed when the kernel runs, whole panels and ragged ones, k whole groups and not."""
    variant.require()
    for m, n, k in ((17, 96, 64), (6, 50, 37)):
        shapes = [(k, m) if lhs else (m, k), (n, k) if rhs else (k, n)]
        kernel = product(variant, *(f"2, {s[0]}, {s[1]}" for s in shapes), transpose_lhs=lhs, transpose_rhs=rhs)
        arrays = [values(variant.dtype, 2, *shape, seed=i) for i, shape in enumerate(shapes)]
        kernel.check(arrays, variant.target, variant.tolerance)


@on_x86
@pytest.mark.parametrize("transposed", [False, True])
def test_all_sizes_dynamic(variant: Variant, transposed: bool) -> None:
    variant.require()
    kernel = product(variant, "d0, d1, d2", "d0, d3, d2" if transposed else "d0, d2, d3", transpose_rhs=transposed)
    lowered = kernel.lower(variant.target)
    for b, m, k, n in ((1, 1, 1, 1), (2, 9, 40, 77), (1, 16, 67, 96), (2, 5, 0, 9), (2, 3, 8, 0), (1, 4, 130, 33)):
        rhs = (b, n, k) if transposed else (b, k, n)
        arrays = [values(variant.dtype, b, m, k), values(variant.dtype, *rhs, seed=1)]
        kernel.check(arrays, variant.target, variant.tolerance, lowered)


@on_some
def test_k_in_blocks(variant: Variant) -> None:
    """Sums wait in memory between the blocks; what they begin with is added once."""
    variant.require()
    for packed in (False, True):
        kernel = product(variant, "20, 100", "100, 70", packed=packed)
        kernel.overrides |= {"k_block": 32}
        kernel.check([values(variant.dtype, 20, 100), values(variant.dtype, 100, 70, seed=1)], variant.target, variant.tolerance)


@on_some
def test_splitting_the_range_changes_nothing(variant: Variant) -> None:
    variant.require()
    for packed in (False, True):
        kernel = product(variant, "d0, 65", "65, 200", packed=packed)
        lowered = kernel.lower(variant.target)
        arrays = [values(variant.dtype, 30, 65), values(variant.dtype, 65, 200, seed=1)]
        (whole,) = kernel.run(arrays, variant.target, lowered=lowered)
        (parts,) = kernel.run(arrays, variant.target, splits=(0.2, 0.5, 0.77), lowered=lowered)
        np.testing.assert_array_equal(parts, whole)


@on_x86
def test_results_rounded_to_the_type_of_the_operands(variant: Variant) -> None:
    variant.require()
    kernel = product(variant, "9, 37", "37, 50", wide=False, packed=True)
    arrays = [values(variant.dtype, 9, 37), values(variant.dtype, 37, 50, seed=1)]
    (actual,), (expected,) = kernel.run(arrays, variant.target), kernel.reference(arrays)
    assert actual.dtype == expected.dtype
    if variant.dtype == "i8":
        np.testing.assert_array_equal(actual, expected)
    else:  # A sum next to the middle of two values may be rounded to the other one.
        step = 2.0**-8 if variant.dtype == "bf16" else 2.0**-11
        difference = np.abs(actual.astype(np.float32) - expected.astype(np.float32))
        assert (difference <= 2.1 * step * np.abs(expected.astype(np.float32)) + 1e-6).all() and (difference > 0).mean() < 0.02


@pytest.mark.parametrize("variant", **_names([v for v in X86 + ARM if v.dtype == "i8"]))
@pytest.mark.parametrize("packed", [False, True])
def test_the_largest_sums_of_i8(variant: Variant, packed: bool) -> None:
    variant.require()
    lowest, highest = np.full((2, 130), -128, np.int8), np.full((130, 16), 127, np.int8)
    lowest[1] = 127
    highest[:, ::2] = -128
    product(variant, "2, 130", "130, 16", packed=packed).check([lowest, highest], variant.target, 0.0)


@pytest.mark.parametrize("variant", **_names([v for v in X86 if v.dtype != "i8"]))
@pytest.mark.parametrize("packed", [False, True])
def test_operands_cast_in_front_of_the_matmul(variant: Variant, packed: bool) -> None:
    """f32 in memory, rounded while rows are copied and panels are packed."""
    variant.require()

    def cast(x: ir.Value) -> ir.Value:
        return tw.pointwise([x], lambda v: arith.truncf(tw.element_type(variant.dtype), v))

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.build("matmul", cast(x), cast(w), transpose_rhs=True, accumulate="f32")]

    kernel = TemplateKernel([info("d0, 37"), info("50, 37")], body, weights={1} if packed else set())
    kernel.check([normal(13, 37), normal(50, 37, seed=1)], variant.target, variant.tolerance)


@on_x86
def test_epilogues(variant: Variant) -> None:
    """On wide sums: scaled integers, or a bias and ReLU of half-precision floats, rounded once at the end."""
    variant.require()
    n = 96 if variant.dtype == "f16" else 50
    f32, narrow = ir.F32Type.get, lambda: tw.element_type(variant.dtype)

    def scale(y: ir.Value, s: ir.Value) -> ir.Value:
        return arith.mulf(arith.sitofp(f32(), y), s)

    def bias(y: ir.Value, b: ir.Value) -> ir.Value:
        shifted = arith.addf(y, arith.extf(f32(), b))
        return arith.truncf(narrow(), arith.maximumf(shifted, arith.constant(f32(), 0.0)))

    def body(x: ir.Value, w: ir.Value, b: ir.Value) -> list[ir.Value]:
        y = tw.build("matmul", x, w, accumulate=ACCUMULATE[variant.dtype])
        return [tw.pointwise([y, b], scale if variant.dtype == "i8" else bias)]

    vector = info(f"{n}", "f32" if variant.dtype == "i8" else variant.dtype)
    kernel = TemplateKernel([info("d0, 37", variant.dtype), info(f"37, {n}", variant.dtype), vector], body, weights={1})
    kernel.overrides = {"instruction": variant.instruction}
    addend = normal(n, seed=2).astype(numpy_dtype(vector.dtype))
    step = {"bf16": 2.0**-8, "f16": 2.0**-11, "i8": 2.0**-22}[variant.dtype]
    kernel.check([values(variant.dtype, 13, 37), values(variant.dtype, 37, n, seed=1), addend], variant.target, step)


@pytest.mark.parametrize("variant", **_names([v for v in X86 if v.dtype != "i8"]))
def test_regions_of_half_precision(variant: Variant) -> None:
    """An epilogue in the type of a result that is no wider than the operands."""
    variant.require()

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w)], lambda y: arith.mulf(arith.addf(y, y), y))]

    kernel = TemplateKernel([info("7, 37", variant.dtype), info("37, 50", variant.dtype)], body, weights={1})
    kernel.check([values(variant.dtype, 7, 37), values(variant.dtype, 37, 50, seed=1)], variant.target, 2.0**-6)


@pytest.mark.parametrize("variant", **_names([v for v in X86 if v.dtype != "i8"]))
def test_infinity_and_nan_stay_in_their_rows(variant: Variant) -> None:
    """An odd k: the last group of a row must not reach into the next one."""
    variant.require()
    x, weight = values(variant.dtype, 19, 33), np.abs(values(variant.dtype, 33, 40, seed=1))
    x[4, 0], x[9, 0] = np.inf, np.nan
    for packed in (False, True):
        (actual,) = product(variant, "19, 33", "33, 40", packed=packed).run([x, weight], variant.target)
        assert np.isinf(actual[4]).all() and np.isnan(actual[9]).all()
        assert np.isfinite(actual[[i for i in range(19) if i not in (4, 9)]]).all()


def test_denormals_are_zeros_to_vdpbf16ps() -> None:
    variant = X86[0]
    variant.require()
    tiny = np.full((1, 2), 2.0**-130, np.float32).astype(numpy_dtype("bf16"))
    large = np.full((2, 16), 2.0**120, np.float32).astype(numpy_dtype("bf16"))
    (flushed,) = product(variant, "1, 2", "2, 16", packed=True).run([tiny, large], variant.target)
    assert (flushed == 0).all()
    widened = dataclasses.replace(variant, instruction="fma")
    product(widened, "1, 2", "2, 16", packed=True).check([tiny, large], variant.target, 1e-7)
