"""The rule for matmul tiles, and what makes a schedule illegal."""

from __future__ import annotations

import dataclasses

import pytest

from tilewright.core.symbolic import symbol
from tilewright.passes.schedules.attention import check_attention_schedule, flash_schedule
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_rule import dense_schedule
from tilewright.targets import find, list_targets

AVX512, AVX2, NEON = find("cpu:sapphirerapids"), find("cpu:x86-64-v3"), find("cpu:aarch64")
ROWS = symbol("d0")


@pytest.mark.parametrize(
    ("target", "columns", "tile"),
    [
        (AVX512, 384, (8, 48)), (AVX512, 1536, (8, 48)), (AVX512, 64, (6, 64)), (AVX512, 32, (14, 32)), (AVX512, 1, (8, 16)),
        (AVX2, 384, (4, 24)), (AVX2, 16, (6, 16)), (NEON, 384, (8, 12)),
    ],
)  # fmt: skip
def test_tiles_follow_registers_and_lanes(target: object, columns: int, tile: tuple[int, int]) -> None:
    schedule = dense_schedule(ROWS, columns, target, {})  # type: ignore[arg-type]
    assert (schedule.mr, schedule.nr) == tile


@pytest.mark.parametrize("columns", [1, 7, 32, 100, 384, symbol("d1")])
@pytest.mark.parametrize("rows", [1, 3, 16, ROWS])
def test_every_choice_is_legal(rows: object, columns: object) -> None:
    for target in (t for t in list_targets() if t.kind == "cpu"):
        schedule = dense_schedule(rows, columns, target, {})  # type: ignore[arg-type]
        assert check_matmul_schedule(schedule, target) is None, schedule
        assert MatmulSchedule.from_attributes(schedule.attributes()) == schedule
        assert check_attention_schedule(flash_schedule(target), target) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mr": 9, "nr": 64, "mb": 9}, "needs 41 vector registers"), ({"nr": 40}, "whole vectors of 16 lanes"),
        ({"mr": 0}, "whole vectors"), ({"mb": 12}, "whole tiles of 8"), ({"unroll": 0}, "out of range"),
        ({"rhs": "sideways"}, "neither packed nor plain"), ({"panels": 0}, "at least one"), ({"prefetch_level": 3}, "neither the first"),
    ],
)  # fmt: skip
def test_illegal_schedules_say_why(changes: dict[str, int], reason: str) -> None:
    good = MatmulSchedule(8, 48, 512)
    assert check_matmul_schedule(good, AVX512) is None
    assert reason in (check_matmul_schedule(dataclasses.replace(good, **changes), AVX512) or "")  # type: ignore[arg-type]


def test_gpus_have_other_schedules() -> None:
    assert "not a CPU" in (check_matmul_schedule(MatmulSchedule(8, 48, 512), find("cuda:sm_90")) or "")
