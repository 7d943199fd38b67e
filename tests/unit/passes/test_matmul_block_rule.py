"""The rule that cuts matmuls with packed right sides into blocks, and says when their panels are asked for."""

from __future__ import annotations

import pytest

from tilewright.core.symbolic import Dim, symbol
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_rule import product_schedule
from tilewright.targets import Target, find, list_targets

AVX512, AVX2 = find("cpu:sapphirerapids"), find("cpu:x86-64-v3")
ROWS = symbol("d0")


def choose(m: Dim, n: int, k: int, target: Target = AVX512, dtype: str = "f32", sides: int = 1) -> MatmulSchedule:
    schedule = product_schedule(m, n, k, dtype, target, {"d0": (1, 65536)}, sides, packed=True)
    assert schedule is not None and schedule.rhs == "packed"
    return schedule


@pytest.mark.parametrize(("m", "n", "k"), [(256, 256, 256), (1024, 1024, 1024), (ROWS, 384, 384), (77, 384, 1536)])
def test_k_is_whole_where_rows_and_panels_fit_the_cache(m: Dim, n: int, k: int) -> None:
    schedule = choose(m, n, k)
    assert (schedule.k_block, schedule.panels, schedule.prefetch_next) == (0, 1, True) and schedule.mb <= 132


@pytest.mark.parametrize(
    ("m", "n", "k", "k_block"), [(2048, 2048, 2048, 512), (128, 4096, 4096, 512), (128, 384, 1536, 512), (64, 2047, 2049, 416)]
)
def test_k_is_split_evenly_where_they_do_not(m: Dim, n: int, k: int, k_block: int) -> None:
    assert choose(m, n, k).k_block == k_block


def test_groups_of_panels_leave_units_for_threads() -> None:
    assert choose(2048, 2048, 2048).panels == 8
    assert 3 <= choose(128, 4096, 4096).panels <= 5
    assert choose(128, 384, 1536).panels == 1


def test_small_caches_have_small_blocks() -> None:
    schedule = choose(1024, 1024, 1024, AVX2)
    assert (schedule.mb - schedule.mr) * schedule.k_block * 4 < AVX2.caches.l2 // 4


@pytest.mark.parametrize(("m", "nr"), [(1, 32), (4, 32), (14, 32), (16, 16)])
def test_few_rows_by_a_large_weight_are_one_tile_of_narrow_panels(m: int, nr: int) -> None:
    schedule = choose(m, 4096, 4096)
    assert (schedule.mr, schedule.nr, schedule.mb, schedule.prefetch_level) == (m, nr, m, 1) and not schedule.prefetch_next
    assert schedule.source == "rule:stream"


def test_rows_that_two_right_sides_leave_no_registers_for_read_the_panel_again() -> None:
    schedule = choose(16, 4096, 4096, sides=2)
    assert (schedule.mr, schedule.nr, schedule.mb, schedule.prefetch_level) == (14, 16, 28, 1)
    assert choose(8, 4096, 4096, sides=2).mr == 8


@pytest.mark.parametrize("k", [384, 4096])
def test_the_usual_numbers_of_rows_are_one_block(k: int) -> None:
    schedule = choose(128, 1536, k, sides=2)
    assert schedule.mr == 14 and schedule.mb >= 128


def test_few_rows_by_a_small_weight_are_one_tile_of_all_registers() -> None:
    schedule = choose(7, 1000, 333)
    assert (schedule.mr, schedule.nr) == (7, 48)


def test_more_rows_than_memory_waits_for_are_not_streamed() -> None:
    assert choose(17, 4096, 4096).source == "rule:dense"
    assert choose(16, 4096, 4096, AVX2).source == "rule:dense"


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "i8"])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (3, 17, 70), (16, 4096, 4096), (100, 33, 3000), (ROWS, 64, 64), (ROWS, 5000, 2049)])
def test_every_choice_is_legal(m: Dim, n: int, k: int, dtype: str) -> None:
    for target in (t for t in list_targets() if t.kind == "cpu"):
        for sides in (1, 2):
            schedule = choose(m, n, k, target, dtype, sides)
            assert check_matmul_schedule(schedule, target) is None, schedule
