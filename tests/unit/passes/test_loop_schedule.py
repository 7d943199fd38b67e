"""The rule that schedules loop kernels, and what is legal."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.lowering.lower_kernel import lower_kernel
from tilewright.passes.schedules.loops import LoopSchedule, check_loop_schedule, choose_loop_schedule
from tilewright.targets import find

MATRIX = "tensor<4x8xf32>"
KERNELS = {
    "rows": f'"tw.softmax"(%x) {{dim = 1 : i64}} : ({MATRIX}) -> {MATRIX}',
    "columns": f'"tw.softmax"(%x) {{dim = 0 : i64}} : ({MATRIX}) -> {MATRIX}',
    "transpose": f'"tw.transpose"(%x) {{permutation = array<i64: 1, 0>}} : ({MATRIX}) -> tensor<8x4xf32>',
}
IN_ORDER = f'"tw.scan"(%x) {{dim = 1 : i64}} : ({MATRIX}) -> {MATRIX}'


def module(body: str, attributes: str = "") -> str:
    result = body.rpartition("-> ")[2]
    return (
        f"func.func private @k(%x: {MATRIX}) -> {result} attributes {{tw.kernel, tw.symbols = {{}}{attributes}}} {{\n"
        f"  %0 = {body}\n  return %0 : {result}\n}}"
    )


@pytest.mark.parametrize(("kind", "body"), [*KERNELS.items(), ("rows", IN_ORDER)])
def test_the_kind_follows_the_ops(kind: str, body: str) -> None:
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        parsed = ir.Module.parse(module(body))
        function = next(iter(parsed.body.operations))
        schedule = choose_loop_schedule(function, find("cpu:x86-64-v3"))
        assert schedule is not None and schedule["kind"] == kind and schedule["source"] == "rule:loops"
        assert choose_loop_schedule(function, find("cuda:sm_90")) is None


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (LoopSchedule("diagonal"), "'diagonal' is none of rows"),
        (LoopSchedule("rows", unroll=9), "unroll = 9 is not between 0 and 8"),
        (LoopSchedule("rows", rows_per_unit=-1), "rows_per_unit = -1 is negative"),
    ],
)
def test_illegal_schedules(schedule: LoopSchedule, why: str) -> None:
    reason = check_loop_schedule(schedule, find("cpu:x86-64-v3"))
    assert reason is not None and why in reason
    assert check_loop_schedule(LoopSchedule("rows"), find("cuda:sm_90")) == "cuda:sm_90 is not a CPU"
    assert check_loop_schedule(LoopSchedule("rows", 4, 8), find("cpu:x86-64-v3")) is None


def test_lower_kernel_by_schedule() -> None:
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        lowered = lower_kernel(ir.Module.parse(module(KERNELS["rows"], ', tw.schedule = {kind = "rows"}')), find("cpu:x86-64-v3"))
        assert (lowered.trip_count, lowered.scratch) == ("1", "0")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (', tw.schedule = {kind = "diagonal"}', "unknown schedule kind 'diagonal'"),
        (', tw.schedule = {kind = "rows", unroll = 99 : i64}', "the schedule of a kernel is not legal"),
    ],
)
def test_lower_kernel_refuses(attributes: str, message: str) -> None:
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        with pytest.raises(InputError, match=message):
            lower_kernel(ir.Module.parse(module(KERNELS["rows"], attributes)), find("cpu:x86-64-v3"))
        with pytest.raises(InputError, match="a module with one kernel"):
            lower_kernel(ir.Module.parse("module {}"), find("cpu:x86-64-v3"))
