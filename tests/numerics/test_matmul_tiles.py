"""The matmul template on tile registers (AMX), where this machine has them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.runtime.tile_permission import refusal
from tilewright.targets import find, host_target

TARGET = find("cpu:sapphirerapids")
pytestmark = pytest.mark.skipif(
    not host_target().has("amx-tile") or refusal() is not None, reason="this machine has no AMX tiles, or does not permit them"
)


def bf16(*shape: int, seed: int = 0) -> np.ndarray:
    return normal(*shape, seed=seed).astype(ml_dtypes.bfloat16)


def i8(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).integers(-128, 128, shape).astype(np.int8)


def bf16_kernel(rows: str, n: int, k: int, transposed: bool = False, weights: frozenset[int] = frozenset({1})) -> TemplateKernel:
    right = f"{n}, {k}" if transposed else f"{k}, {n}"
    return TemplateKernel(
        [info(f"{rows}, {k}", "bf16"), info(right, "bf16")],
        lambda x, w: [tw.build("matmul", x, w, transpose_rhs=transposed, accumulate="f32")],
        weights,
    )


def test_rows_from_one_to_many() -> None:
    """Heights of 32 and 16, fewer rows than a tile, tiles that start early, several blocks of rows."""
    kernel = bf16_kernel("d0", 96, 128)
    lowered = kernel.lower(TARGET)
    assert "tdpbf16ps" in lowered[0]
    for m in (0, 1, 5, 15, 16, 17, 31, 32, 33, 47, 49, 64, 255, 257, 300):
        kernel.check([bf16(m, 128), bf16(128, 96, seed=1)], TARGET, lowered=lowered)


@pytest.mark.parametrize("rows", [1, 7, 16, 17, 40])
@pytest.mark.parametrize("columns", [1, 16, 33, 100, 144])
def test_ragged_columns_and_static_rows(rows: int, columns: int) -> None:
    bf16_kernel(str(rows), columns, 64, transposed=True).check([bf16(rows, 64), bf16(columns, 64, seed=1)], TARGET)


@pytest.mark.parametrize("m", [7, 70, 300])
def test_blocks_of_k(m: int) -> None:
    kernel = bf16_kernel("d0", 64, 1536)
    kernel.check([bf16(m, 1536), bf16(1536, 64, seed=1)], TARGET, tolerance=4e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_right_sides_packed_at_run_time(transposed: bool) -> None:
    kernel = bf16_kernel("d0", 80, 64, transposed, frozenset())
    kernel.check([bf16(40, 64), bf16(80, 64, seed=1) if transposed else bf16(64, 80, seed=1)], TARGET)


def test_a_transposed_left_side_and_f32_rounded_on_the_way() -> None:
    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        narrow = tw.pointwise([x], lambda value: arith.truncf(ir.BF16Type.get(), value))
        return [tw.build("matmul", narrow, w, transpose_lhs=True, accumulate="f32")]

    kernel = TemplateKernel([info("64, d0"), info("64, 48", "bf16")], body, {1})
    kernel.check([normal(64, 37), bf16(64, 48, seed=1)], TARGET)


def test_an_inner_size_that_tiles_do_not_divide_takes_another_instruction() -> None:
    kernel = bf16_kernel("d0", 48, 33)
    assert "tdpbf16ps" not in kernel.lower(TARGET)[0]
    kernel.check([bf16(19, 33), bf16(33, 48, seed=1)], TARGET)


@pytest.mark.parametrize("k", [64, 2048])
@pytest.mark.parametrize("m", [1, 17, 33, 300])
def test_integers_are_exact(m: int, k: int) -> None:
    kernel = TemplateKernel(
        [info(f"d0, {k}", "i8"), info(f"{k}, 96", "i8")], lambda x, w: [tw.build("matmul", x, w, accumulate="i32")], {1}
    )
    assert "tdpbssd" in kernel.lower(TARGET)[0]
    kernel.check([i8(m, k), i8(k, 96, seed=1)], TARGET, tolerance=0)


def test_two_right_sides_and_ranges_of_columns() -> None:
    """A gated product beside a plain one: accumulators of both right sides in tiles at once."""

    def body(x: ir.Value, gate: ir.Value, up: ir.Value, other: ir.Value) -> list[ir.Value]:
        sides = [tw.build("matmul", x, w, accumulate="f32") for w in (gate, up)]
        return [tw.pointwise(sides, lambda a, b: arith.mulf(a, b)), tw.build("matmul", x, other, accumulate="f32")]

    shapes = [info("d0, 64", "bf16"), info("64, 48", "bf16"), info("64, 48", "bf16"), info("64, 20", "bf16")]
    kernel = TemplateKernel(shapes, body, {1, 2, 3})
    for m in (3, 45):
        kernel.check([bf16(m, 64), bf16(64, 48, seed=1), bf16(64, 48, seed=2), bf16(64, 20, seed=3)], TARGET, tolerance=4e-5)
