"""The matmul benchmark: from measured turns to figures, verdicts, tables and plots. No system is run."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.matmul import plot
from benchmarks.matmul.cases import Case, full, short
from benchmarks.matmul.suite import SUITE
from benchmarks.suite.cases import Bar, best_of
from benchmarks.suite.driver import Result
from benchmarks.suite.rating import Row, make_row, rate, timing_of, undisturbed
from benchmarks.suite.table import disturbed, show, verdict_lines


def variant(name: str, seconds: float, error: float | None = 1e-7, work: float = 0.0, cpus: float = 1.0) -> dict[str, Any]:
    """A variant with seven turns around `seconds`, whose shortest call took 0.9 of it."""
    means = [seconds * factor for factor in (1.0, 1.1, 0.95, 1.0, 1.05, 0.99, 1.02)]
    return {"name": name, "work": work, "error": error, "peak_bytes": 0, "means": means, "minima": [0.9 * seconds] * 7, "cpus": [cpus] * 7}


def square(*bars: Bar, **changes: Any) -> Case:
    return replace(Case("f32 squares", "f32", 512, 512, 512, bars=bars), **changes)


def measured(case: Case, **seconds: float) -> Row:
    """A row in which each system took so long; the peak is 200 GFLOP/s, DRAM gives 20 GB/s."""
    names = {"tilewright": "session", "torch": "mm"}
    results = {name: Result([variant(names.get(name, "packed"), time)]) for name, time in seconds.items()}
    results["ceilings"] = Result([variant("peak fma", 0.01, None, 2e9), variant("dram", 0.01, None, 2e8)])
    return make_row(case, results)


def test_every_bar_of_every_case_is_known() -> None:
    cases = full()
    assert len(set(cases)) == len(cases)
    assert {bar.quantity for case in cases for bar in case.bars} == {"ratio", "peak", "dram", "speedup", "bare"}
    assert all(case.bars for case in cases)
    assert set(short()) < set(cases) and {c.group.split(",")[0].split()[0] for c in short()} == {
        c.group.split(",")[0].split()[0] for c in cases
    }


@pytest.mark.parametrize("case", full()[:3] + full()[-9:], ids=lambda case: case.label)
def test_cases_survive_json(case: Case) -> None:
    assert Case.from_json(case.to_json()) == case


def test_work_and_copies() -> None:
    case = Case("g", "bf16", 16, 4096, 2048, "swiglu", rotate=True)
    assert case.flops == 2 * 2 * 16 * 4096 * 2048
    assert case.rotated_bytes == 2 * 4096 * 2048 * 2
    assert case.copies(case.rotated_bytes * 5 - 1) == 5
    assert Case("g", "f32", 1, 64, 64, rotate=True).copies(1) == 2
    assert Case("g", "f32", 1, 64, 64).copies(10**9) == 1


def test_disturbed_turns_do_not_count_but_five_are_kept() -> None:
    quiet = [(1.0, 0.99), (1.1, 1.0), (1.0, 1.0), (0.9, 0.98), (1.0, 1.0), (1.2, 0.97)]
    assert sorted(undisturbed([*quiet, (5.0, 0.4), (7.0, 0.6)])) == sorted(quiet)
    assert len(undisturbed([(1.0, 1.0), *[(2.0, 0.5)] * 9])) == 5


def test_the_shortest_call_and_the_median_turn() -> None:
    timing = timing_of(variant("mm", 2.0))
    assert timing.minimum == pytest.approx(1.8) and timing.median == pytest.approx(2.0)


def test_a_ratio_is_to_the_fastest_of_the_named_peers() -> None:
    row = measured(square(best_of("onednn", "xla", at_least=1.0)), tilewright=1.0, onednn=1.2, xla=0.9, openvino=0.1)
    (verdict,) = rate(row)
    assert verdict.measured == pytest.approx(0.9) and not verdict.passes
    assert verdict.text.startswith("0.90x xla (packed; 0.90 of minima), 1.00 needed")


def test_the_part_of_the_peak() -> None:
    case = square(Bar("peak", 0.9))
    (verdict,) = rate(measured(case, tilewright=case.flops / 190e9))
    assert verdict.measured == pytest.approx(0.95) and verdict.passes
    assert verdict.text == "0.95 of 200 GFLOP/s (peak fma), 0.90 needed"
    (verdict,) = rate(measured(case, tilewright=case.flops / 150e9, xla=case.flops / 160e9, iree=1.0))
    assert not verdict.passes and verdict.text.endswith("0.75 of 200 GFLOP/s (peak fma), 0.90 needed; the fastest peer, xla, reaches 0.80")


def test_the_part_of_the_bandwidth_explains_a_missed_ratio() -> None:
    case = square(best_of("onednn", at_least=1.4), m=1, n=4096, k=4096, rotate=True)
    seconds = case.moved_bytes / 20e9
    (verdict,) = rate(measured(case, tilewright=seconds, onednn=1.25 * seconds))
    assert not verdict.passes
    assert verdict.text.endswith("; ours reaches 1.00 of the DRAM bandwidth, onednn 0.80")


def test_speedup_and_epilogue_compare_with_our_own_times() -> None:
    case = square(Bar("speedup", 1.85), Bar("bare", 1 / 1.05), threads=2, epilogue="residual")
    ours = Result([variant("session", 1.0), variant("native", 0.5), variant("bare", 0.98, None)])
    speedup, bare = rate(make_row(case, {"tilewright": ours, "one thread": Result([variant("session", 1.9)])}))
    assert speedup.measured == pytest.approx(1.9) and speedup.passes
    assert bare.measured == pytest.approx(0.98) and bare.passes


def test_what_is_missing_is_said() -> None:
    case = square(best_of("onednn"), Bar("peak", 0.9), Bar("speedup", 1.85))
    texts = [v.text for v in rate(make_row(case, {"tilewright": Result(refused="UnsupportedError: no bf16\nwhy: ...", kind="failed")}))]
    assert set(texts) == {"not measured: UnsupportedError: no bf16"}
    texts = [v.text for v in rate(make_row(case, {"tilewright": Result([variant("session", 1.0)])}))]
    reasons = ("none of onednn gave a result", "no ceiling (it was not run)", "our one thread was not run")
    assert texts == [f"not measured: {reason}" for reason in reasons]


@pytest.mark.parametrize("error", [6e-6, math.inf])
def test_wrong_results_do_not_count(error: float) -> None:
    results = {
        "tilewright": Result([variant("session", 1.0)]),
        "xla": Result([variant("constants", 0.1, error), variant("arguments", 2.0)]),
    }
    row = make_row(square(best_of("xla")), results)
    assert row.timings["xla"].variant == "arguments"
    row = make_row(square(best_of("xla")), {"tilewright": Result([variant("session", 1.0, error)])})
    assert row.ours is None and "its error is" in rate(row)[0].text
    row = make_row(square(best_of("torch"), dtype="s8"), {"tilewright": Result([variant("session", 1.0, 1e-9)])})
    assert row.ours is None


def test_tables_name_everything() -> None:
    rows = [
        measured(square(best_of("onednn")), tilewright=1e-3, onednn=2e-3),
        make_row(square(best_of("onednn"), dtype="bf16"), {"tilewright": Result(refused="UnsupportedError: no bf16", kind="failed")}),
    ]
    text = io.StringIO()
    show(Console(file=text, width=200), rows, {"tilewright": "1.0", "onednn": "2.0", "iree": None}, SUITE)
    shown = text.getvalue()
    assert "1 of 2 bars are reached" in shown and "2.00 (2.00)" in shown and "IREE not installed" in shown
    assert "no figure: tilewright: UnsupportedError: no bf16 [bf16 512x512x512]" in shown
    assert [line[:5] for line in verdict_lines(rows)] == ["pass ", "SHORT"]


def test_a_machine_that_others_use_is_mentioned() -> None:
    busy = make_row(square(), {"tilewright": Result([variant("session", 1.0, cpus=0.5)]), "torch": Result([variant("mm", 1.0)])})
    assert disturbed([busy]) == ["disturbed by other processes: f32 512x512x512: tilewright had 0.50 CPUs"]


def test_the_plot_has_squares_of_one_thread_by_size(tmp_path: Path) -> None:
    sizes = [square(m=n, n=n, k=n) for n in (1024, 256)]
    others = [square(threads=2), square(target="cpu:x86-64-v3"), square(m=7), square(epilogue="residual")]
    rows = [measured(case, tilewright=case.flops / 100e9, torch=case.flops / 50e9) for case in [*sizes, *others]]
    panels = plot.series(rows)
    assert list(panels) == ["f32"]
    assert panels["f32"]["tilewright"] == [(256, pytest.approx(0.5)), (1024, pytest.approx(0.5))]
    assert not plot.draw([], tmp_path / "none.png", "nothing")
    pytest.importorskip("matplotlib", reason="matplotlib is in the extra `bench`")
    assert plot.draw(rows, tmp_path / "plot.png", "title")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
