"""The f32 matmul template: shapes, layouts, dynamic rows, split invariance, targets."""

from __future__ import annotations

import aarch64_runner
import numpy as np
import pytest
from level3_runner import compile_level3
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.targets import find, host_target

AVX2 = find("cpu:x86-64-v3")


def dense(k: int, n: int, transposed: bool = False, m: str = "d0") -> TemplateKernel:
    rhs = info(f"{n}, {k}") if transposed else info(f"{k}, {n}")
    return TemplateKernel([info(f"{m}, {k}"), rhs], lambda x, w: [tw.build("matmul", x, w, transpose_rhs=transposed)], weights={1})


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(7, 1000, 333), (77, 384, 1536), (1, 1, 1), (13, 17, 19), (31, 1, 64), (1, 64, 5), (5, 16, 7), (40, 48, 1), (3, 100, 0), (9, 31, 127)],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_static_shapes(m: int, n: int, k: int, transposed: bool) -> None:
    weight = normal(n, k, seed=1) if transposed else normal(k, n, seed=1)
    dense(k, n, transposed, str(m)).check([normal(m, k), weight])


def test_one_kernel_for_every_number_of_rows() -> None:
    kernel = dense(96, 144)
    lowered = kernel.lower(host_target())
    weight = normal(96, 144, seed=1)
    for m in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 31, 63, 64, 65, 127, 513, 530):
        kernel.check([normal(m, 96, seed=m), weight], lowered=lowered)


@pytest.mark.parametrize(
    "overrides", [{"mr": 6, "nr": 64, "mb": 12}, {"mr": 14, "nr": 32, "mb": 14}, {"mr": 1, "nr": 16, "mb": 4, "unroll": 3}]
)
def test_other_tiles(overrides: dict[str, int]) -> None:
    if host_target().vector_lanes(32) != 16:
        pytest.skip("the tiles are for 32 registers of 16 lanes")
    kernel = dense(50, 130)
    kernel.overrides = overrides
    lowered = kernel.lower(host_target())
    weight = normal(50, 130, seed=1)
    for m in (1, 5, 13, 27, 29, 41):
        kernel.check([normal(m, 50, seed=m), weight], lowered=lowered)


def test_rows_do_not_depend_on_their_number_or_place() -> None:
    kernel = dense(96, 100)
    lowered = kernel.lower(host_target())
    x, weight = normal(70, 96), normal(96, 100, seed=1)
    (whole,) = kernel.run([x, weight], lowered=lowered)
    for first, last in ((0, 1), (3, 10), (1, 70), (66, 70)):
        (part,) = kernel.run([x[first:last], weight], lowered=lowered)
        np.testing.assert_array_equal(part, whole[first:last])


def test_splitting_the_range_changes_nothing() -> None:
    kernel = dense(64, 500)
    kernel.overrides = {"mr": 4, "mb": 16}
    lowered = kernel.lower(host_target())
    x, weight = normal(70, 64), normal(64, 500, seed=1)
    (whole,) = kernel.run([x, weight], lowered=lowered)
    (parts,) = kernel.run([x, weight], splits=(0.13, 0.5, 0.77), lowered=lowered)
    np.testing.assert_array_equal(parts, whole)


def test_leading_dimensions_are_rows() -> None:
    kernel = TemplateKernel([info("d0, d1, 48"), info("48, 80")], lambda x, w: [tw.build("matmul", x, w)], weights={1})
    text, _ = kernel.lower(host_target())
    assert "d0*d1" in text
    kernel.check([normal(3, 11, 48), normal(48, 80, seed=1)])


@pytest.mark.parametrize("lhs", [False, True])
@pytest.mark.parametrize("rhs", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), [(20, 64, 48), (7, 33, 21), (17, 50, 37)])
def test_batches_with_transposed_operands(lhs: bool, rhs: bool, m: int, n: int, k: int) -> None:
    shapes = [(k, m) if lhs else (m, k), (n, k) if rhs else (k, n)]
    kernel = TemplateKernel(
        [info(f"d0, 3, {s[0]}, {s[1]}") for s in shapes],
        lambda a, b: [tw.build("matmul", a, b, transpose_lhs=lhs, transpose_rhs=rhs)],
    )
    kernel.check([normal(2, 3, *shapes[0]), normal(2, 3, *shapes[1], seed=1)])


def test_all_sizes_dynamic() -> None:
    kernel = TemplateKernel([info("d0, d1, d2"), info("d0, d3, d2")], lambda a, b: [tw.build("matmul", a, b, transpose_rhs=True)])
    lowered = kernel.lower(host_target())
    for b, m, k, n in ((1, 1, 1, 1), (2, 9, 40, 77), (3, 16, 32, 16), (1, 33, 129, 48), (2, 5, 0, 9), (2, 3, 8, 0)):
        kernel.check([normal(b, m, k), normal(b, n, k, seed=1)], lowered=lowered)


@pytest.mark.parametrize(
    ("left", "right"), [("4, 1, 9, 8", "3, 8, 10"), ("9, 8", "5, 8, 10"), ("5, 9, 8", "1, 8, 10"), ("2, 3, 9, 8", "2, 1, 8, 10")]
)
def test_batches_broadcast(left: str, right: str) -> None:
    kernel = TemplateKernel([info(left), info(right)], lambda a, b: [tw.build("matmul", a, b)])
    shapes = [tuple(int(d) for d in s.split(",")) for s in (left, right)]
    kernel.check([normal(*shapes[0]), normal(*shapes[1], seed=1)])


def test_operands_are_read_through_movement() -> None:
    """q k^T of heads that lie side by side: [B, S, H*D] viewed as [B, H, S, D] on both sides."""

    def body(q: ir.Value, k: ir.Value) -> list[ir.Value]:
        shape = tw.parse_shape("d0, d1, 3, 20")
        heads = [tw.build("transpose", tw.build("reshape", x, shape=shape), permutation=(0, 2, 1, 3)) for x in (q, k)]
        return [tw.build("matmul", heads[0], heads[1], transpose_rhs=True)]

    kernel = TemplateKernel([info("d0, d1, 60"), info("d0, d1, 60")], body)
    kernel.check([normal(2, 19, 60), normal(2, 19, 60, seed=1)])


def test_heads_are_merged_while_they_are_read() -> None:
    """The output projection: [B, H, S, D] read as [B, S, H*D] has two steps along k."""

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        merged = tw.build("transpose", x, permutation=(0, 2, 1, 3))
        return [tw.build("matmul", tw.build("reshape", merged, shape=tw.parse_shape("d0, d1, 60")), w)]

    kernel = TemplateKernel([info("d0, 3, d1, 20"), info("60, 50")], body, weights={1})
    kernel.check([normal(2, 3, 19, 20), normal(60, 50, seed=1)])


def test_result_is_stored_through_movement() -> None:
    """A projection stored head by head: [B, S, H*D] written as [B, H, S, D]."""

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        y = tw.build("reshape", tw.build("matmul", x, w), shape=tw.parse_shape("d0, d1, 3, 32"))
        return [tw.build("transpose", y, permutation=(0, 2, 1, 3))]

    kernel = TemplateKernel([info("d0, d1, 40"), info("40, 96")], body, weights={1})
    kernel.check([normal(2, 19, 40), normal(40, 96, seed=1)])


def test_infinity_and_nan_stay_in_their_rows() -> None:
    kernel = dense(32, 40)
    x, weight = normal(19, 32), np.abs(normal(32, 40, seed=1))
    x[4, 3], x[9, 1] = np.inf, np.nan
    (actual,) = kernel.run([x, weight])
    assert np.isinf(actual[4]).all() and np.isnan(actual[9]).all()
    finite = [i for i in range(19) if i not in (4, 9)]
    assert np.isfinite(actual[finite]).all()


@pytest.mark.parametrize(("m", "n", "k"), [(16, 96, 64), (7, 100, 33), (1, 24, 5)])
def test_avx2(m: int, n: int, k: int) -> None:
    if host_target().arch != "x86-64":
        pytest.skip("AVX2 code runs on x86-64 only")
    dense(k, n).check([normal(m, k), normal(k, n, seed=1)], target=AVX2)
    batched = TemplateKernel([info(f"2, {m}, {k}"), info(f"2, {n}, {k}")], lambda a, b: [tw.build("matmul", a, b, transpose_rhs=True)])
    batched.check([normal(2, m, k), normal(2, n, k, seed=1)], target=AVX2)


@pytest.mark.parametrize("n", [384, 100])
def test_neon_compiles_to_multiply_adds_by_element(n: int) -> None:
    target = find("cpu:aarch64")
    text, layouts = dense(64, n).lower(target)
    mix = compile_level3(text, target).instruction_mix
    assert int(layouts[1]["nr"]) % 4 == 0 and mix["fmla"] >= 24


@pytest.mark.skipif(aarch64_runner.missing() is not None, reason=str(aarch64_runner.missing()))
@pytest.mark.parametrize(("m", "n", "k"), [(11, 50, 23), (1, 24, 5)])
def test_neon_under_qemu(m: int, n: int, k: int) -> None:
    dense(k, n).check([normal(m, k), normal(k, n, seed=1)], target=find("cpu:aarch64"))
    batched = TemplateKernel([info(f"2, {m}, {k}"), info(f"2, {n}, {k}")], lambda a, b: [tw.build("matmul", a, b, transpose_rhs=True)])
    batched.check([normal(2, m, k), normal(2, n, k, seed=1)], target=find("cpu:aarch64"))


def test_registers_do_not_spill() -> None:
    """The micro-kernel's accumulators stay in registers: no vector is stored to the stack."""
    if host_target().arch != "x86-64":
        pytest.skip("reads x86-64 assembly")
    for target in {host_target().name: host_target(), AVX2.name: AVX2}.values():
        text, _ = dense(384, 384).lower(target)
        assembly = compile_level3(text, target, want_assembly=True).assembly or ""
        spills = [line for line in assembly.splitlines() if "vmov" in line and line.rstrip().endswith("(%rsp)")]
        assert not spills, spills[:3]
