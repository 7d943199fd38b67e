"""The interpreter finds what it is there to find: kernels that were broken on purpose."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from device_kernels import DeviceCase, build, info, normal
from ptx_interpreter import Memory, PtxError, launch, parse_kernel

from tilewright.core.mlir import arith
from tilewright.dialects import tw


@pytest.fixture(scope="module")
def long_rows() -> DeviceCase:
    """A softmax whose rows take a block of several warps each."""
    return build([info("d0, d1")], lambda x: tw.build("softmax", x, dim=1))


@pytest.fixture(scope="module")
def addition() -> DeviceCase:
    """A pointwise kernel whose last block is not full."""
    return build([info("d0, 4"), info("d0, 4")], lambda x, y: tw.pointwise([x, y], arith.addf))


def broken(case: DeviceCase, pattern: str, replacement: str) -> DeviceCase:
    ptx, count = re.subn(pattern, replacement, case.kernel.ptx, count=1, flags=re.MULTILINE)
    assert count == 1, f"{pattern} does not occur"
    return replace(case, kernel=replace(case.kernel, ptx=ptx))


def test_the_unbroken_kernels(long_rows: DeviceCase, addition: DeviceCase) -> None:
    long_rows.check(normal(2, 300))
    addition.check(normal(70, 4), normal(70, 4, seed=1))


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^\tbar\.sync.*\n", "", "never written"),
        (r"^\tst\.shared.*\n", "", "never written"),
        (r"^\tex2\.approx\.f32", "\tex3.approx.f32", "unknown instruction"),
    ],
)
def test_broken_reductions(long_rows: DeviceCase, pattern: str, replacement: str, message: str) -> None:
    with pytest.raises(PtxError, match=message):
        broken(long_rows, pattern, replacement).run([normal(2, 300)])


def test_a_wrong_shuffle_gives_wrong_sums() -> None:
    sums = build([info("d0, d1")], lambda x: tw.build("reduce", x, dims=(1,), kind="add"))
    sums.check(normal(2, 300))
    with pytest.raises(AssertionError):
        broken(sums, r"(shfl\.sync\.bfly\.b32 .*), 8, 31", r"\1, 16, 31").check(normal(2, 300))


def test_a_missing_bounds_check(addition: DeviceCase) -> None:
    with pytest.raises(PtxError, match="out of bounds"):
        broken(addition, r"^\t@%p1 bra .*\n", "").run([normal(70, 4), normal(70, 4)])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (("@%p1 bra \t$other;", "bar.sync \t0;", "ret;", "$other:", "bar.sync \t0;", "ret;"), "different barriers"),
        (("@%p1 shfl.sync.bfly.b32 \t%r2, %r1, 1, 31, -1;", "ret;"), "not all threads of a warp"),
    ],
)
def test_threads_that_part(body: tuple[str, ...], message: str) -> None:
    start = ("mov.u32 \t%r1, %tid.x;", "setp.gt.u32 \t%p1, %r1, 40;")
    lines = [line if line.endswith(":") else f"\t{line}" for line in (*start, *body)]
    kernel = "\n".join([".visible .entry kernel(", "\t.param .u64 kernel_param_0", ")", "{", *lines, "}"])
    with pytest.raises(PtxError, match=message):
        launch(parse_kernel(kernel, "kernel"), 1, 64, [0], Memory(1 << 32))


def test_misaligned_vectors(addition: DeviceCase) -> None:
    memory = Memory(1 << 32)
    pointers = [memory.allocate(np.zeros(8, np.float32)) for _ in range(3)]
    with pytest.raises(PtxError, match="misaligned"):
        launch(parse_kernel(addition.kernel.ptx, "kernel"), 1, 256, [pointers[0] + 4, *pointers[1:], 1], memory)
