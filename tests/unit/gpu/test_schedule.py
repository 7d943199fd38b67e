"""Which schedule a kernel gets on a GPU, and which ones are legal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.gpu import POINTWISE, ROWS, GpuSchedule, check_gpu_schedule, choose_gpu_schedule, mark_unsupported
from tilewright.passes.select_schedule import SelectSchedule
from tilewright.targets import find

Parse = Callable[[str], ir.Module]
TARGET = find("cuda:sm_90")


def choose(parse: Parse, body: str, limit: int = 512) -> dict[str, Any] | None:
    module = parse(
        f'func.func private @k(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1"> attributes {{tw.kernel, '
        f"tw.symbols = {{d0 = array<i64: 1, 4096>, d1 = array<i64: 1, {limit}>}}}} {{\n{body}\n"
        '  return %0 : tensor<?x?xf32, "d0, d1">\n}'
    )
    with module.context:
        return choose_gpu_schedule(next(iter(tw.functions(module))), TARGET)


def softmax(dim: int) -> str:
    return f'  %0 = "tw.softmax"(%x) {{dim = {dim} : i64}} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">'


@pytest.mark.parametrize(
    ("limit", "kind", "block", "group"),
    [
        (8, POINTWISE, 256, 1),
        (9, ROWS, 128, 32),
        (1024, ROWS, 128, 32),
        (1025, ROWS, 128, 128),
        (4096, ROWS, 256, 256),
        (10**6, ROWS, 1024, 1024),
    ],
)
def test_rows_by_their_length(parse: Parse, limit: int, kind: str, block: int, group: int) -> None:
    schedule = choose(parse, softmax(1), limit)
    assert schedule is not None
    assert (schedule["kind"], schedule["block"], schedule["group"], schedule["source"]) == (kind, block, group, "rule:gpu")


def test_reductions_across_rows_belong_to_threads(parse: Parse) -> None:
    schedule = choose(parse, softmax(0))
    assert schedule is not None and schedule["kind"] == POINTWISE


def test_only_gpus_have_these_schedules(module: ir.Module) -> None:
    with module.context:
        add, project, *_ = tw.functions(module)
        assert choose_gpu_schedule(add, find("cpu:x86-64-v3")) is None
        assert choose_gpu_schedule(project, TARGET) is None
        assert mark_unsupported(project, TARGET) == {
            "kind": "unsupported",
            "reason": "no lowering of tw.matmul for cuda:sm_90",
            "source": "rule:gpu",
        }


def test_the_pass_takes_the_rules_of_the_target(module: ir.Module) -> None:
    with module.context, ir.Location.unknown():
        SelectSchedule(target="cuda:sm_90").run(module)
        kinds = [ir.StringAttr(ir.DictAttr(f.operation.attributes["tw.schedule"])["kind"]).value for f in tw.functions(module)]
    assert kinds == [POINTWISE, "unsupported", ROWS, "unsupported"]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (GpuSchedule("rows"), "'rows' is neither gpu-rows nor gpu-pointwise"),
        (GpuSchedule(POINTWISE, block=96), "block = 96 is not a power of two between 32 and 1024"),
        (GpuSchedule(POINTWISE, block=2048), "block = 2048 is not a power of two"),
        (GpuSchedule(ROWS, block=128, group=64), "group = 64 is neither a warp of 32 threads nor the block of 128"),
        (GpuSchedule(POINTWISE, vector=3), "vector = 3 is none of 1, 2, 4, 8"),
    ],
)
def test_illegal_schedules(schedule: GpuSchedule, message: str) -> None:
    assert message in (check_gpu_schedule(schedule, TARGET) or "")


def test_legal_schedules() -> None:
    assert check_gpu_schedule(GpuSchedule(ROWS, block=512, group=512), TARGET) is None
    assert check_gpu_schedule(GpuSchedule.from_attributes({"kind": POINTWISE, "unknown": 1}), TARGET) is None
    assert check_gpu_schedule(GpuSchedule(POINTWISE), find("cpu:x86-64-v3")) == "cpu:x86-64-v3 is not a GPU"
