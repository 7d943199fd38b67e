"""The loops that the benchmarks measure the machine's limits with run on this machine."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.suite.ceilings import fastest_instruction, peak_loop, read_loop
from benchmarks.suite.ceilings_system import READS
from tilewright.core.diagnostics import UnsupportedError
from tilewright.targets import find, host_target


@pytest.mark.parametrize("dtype", ["f32", "bf16", "s8"])
def test_peak_loops(dtype: str) -> None:
    loop = peak_loop(host_target(), dtype)
    loop.run(1000)
    assert loop.flops_per_iteration % loop.instruction.flops == 0


@pytest.mark.parametrize(("streams", "locality"), READS.values())
def test_read_loops(streams: int, locality: int | None) -> None:
    memory = np.ones((1 << 16) + 64, np.uint8)
    read_loop(host_target(), 1 << 16, streams, locality)(-(-memory.ctypes.data // 64) * 64)


def test_the_fastest_instruction_counts() -> None:
    assert fastest_instruction(find("cpu:x86-64-v3"), "bf16").name == "vfmadd231ps"
    assert fastest_instruction(find("cpu:znver4"), "bf16").name == "vdpbf16ps"
    assert fastest_instruction(find("cpu:sapphirerapids"), "s8").name.startswith("tdpb")


def test_an_instruction_without_a_loop_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"no peak loop for mma\.sync"):
        peak_loop(find("cuda:sm_80"), "bf16")
