"""The command line of a benchmark: select cases, prepare and time each, write JSON and a plot, show tables."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status

from benchmarks.suite import machine
from benchmarks.suite.cases import Case
from benchmarks.suite.definition import Suite
from benchmarks.suite.driver import ROOT, Driver, Result, wait_for_lock
from benchmarks.suite.rating import Row, make_row, rate
from benchmarks.suite.systems import CEILINGS, SCHEDULES, NotApplicable, is_installed
from benchmarks.suite.table import show


def parse_arguments(suite: Suite, description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{suite.name}", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--short", action="store_true", help="some cases of each group, below two minutes")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only this group, or the cases whose group or label contains it")
    parser.add_argument("--systems", nargs="+", choices=[n for n in suite.systems if n != CEILINGS], help="only these")
    parser.add_argument("--seconds", type=float, help="time for measuring each case (default: 1.2 for --short, else 6)")
    parser.add_argument("--limit", type=float, default=240, help="seconds that a system may take to prepare a case (default: 240)")
    parser.add_argument("--rotate-mb", type=int, help="operands to rotate over, in MB (default: 1.5 last-level caches, at most 1 GB)")
    parser.add_argument("--schedules", type=Path, help="a file that `tilewright tune` wrote, for our kernels")
    parser.add_argument("--lock", type=Path, help="hold the lock on this file while a case is timed, not while it is compiled")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the JSON and the plot")
    return parser.parse_args()


def select(cases: Sequence[Case], texts: list[str] | None) -> list[Case]:
    """The cases of the groups that `texts` name; of a text that is no group those whose group or label contains it.

    Raises SystemExit when there are none.
    """
    names = {c.group for c in cases}
    chosen = [c for c in cases if not texts or any(t == c.group or (t not in names and (t in c.group or t in c.label)) for t in texts)]
    if not chosen:
        groups = ", ".join(dict.fromkeys(c.group for c in cases))
        raise SystemExit(f"no case contains {' or '.join(texts or [])}; groups: {groups}")
    return chosen


def run(suite: Suite, case: Case, driver: Driver, lock: Path | None, schedules: Path | None) -> tuple[Row, dict[str, Result], float]:
    """Prepare and time one case. Also returned are the seconds that the lock was waited for."""
    with tempfile.TemporaryDirectory(prefix=f"{suite.name}-benchmark-") as folder:
        suite.save(case, Path(folder))
        if schedules is not None:
            shutil.copyfile(schedules, Path(folder) / SCHEDULES)
        results = driver.prepare(case, Path(folder))
        waited = time.perf_counter()
        held = wait_for_lock(lock)
        waited = time.perf_counter() - waited
        try:
            driver.measure(case, results)
        finally:
            if held is not None:
                held.close()
    if suite.derive is not None:
        for name, result in results.items():
            if result.variants:
                try:
                    result.variants = suite.derive(case, result.variants)
                except NotApplicable as reason:
                    results[name] = Result(refused=str(reason), kind="disturbed", prepare_seconds=result.prepare_seconds)
    return make_row(case, results), results, waited


Measured = Sequence[tuple[Row, dict[str, Result]]]


def row_json(row: Row, results: dict[str, Result]) -> dict[str, Any]:
    """A row for the file: the case, everything measured, the verdicts."""
    verdicts = [
        {"quantity": v.bar.quantity, "limit": v.bar.limit, "measured": v.measured, "passes": v.passes, "text": v.text} for v in rate(row)
    ]
    found = {
        name: {"refused": r.refused, "kind": r.kind, "prepare_seconds": r.prepare_seconds, "variants": r.variants}
        for name, r in results.items()
    }
    best = {name: {"variant": t.variant, "min_s": t.minimum, "median_s": t.median, "error": t.error, "cpus": t.cpus,
                   "gflops": row.case.flops / t.median / 1e9, "gb_per_s": row.case.moved_bytes / t.median / 1e9,
                   "of_peak": row.peak_part(t), "of_dram": row.dram_part(t)}
            for name, t in row.timings.items()}  # fmt: skip
    return {"case": row.case.to_json(), "best": best, "verdicts": verdicts, "all": found}


def measure_all(
    suite: Suite, cases: Sequence[Case], driver: Driver, arguments: argparse.Namespace, status: Status, write: Callable[[Measured], None]
) -> float:
    """Run the cases, and `write` the rows, in the order of the cases, after each. Returns the seconds that the lock was waited for."""
    rows: list[tuple[Row, dict[str, Result]]] = []
    waited = 0.0
    try:
        # Processes are kept while cases have the same threads and target.
        for number, case in enumerate(sorted(cases, key=lambda c: (c.target != "native", c.threads)), 1):
            row, results, for_lock = run(suite, case, driver, arguments.lock, arguments.schedules)
            waited += for_lock
            rows.append((row, results))
            rows.sort(key=lambda pair: cases.index(pair[0].case))
            write(rows)
            passes = [v.passes for v in rate(row)]
            said = "no bar" if not passes else "pass" if all(passes) else "short"
            status.console.print(f"{number} of {len(cases)}: {case.label}: {said}", style="dim", highlight=False)
    finally:
        driver.close()
    return waited


def main(suite: Suite, description: str | None) -> None:
    """Run a suite. `description` is the text of `--help`."""
    arguments = parse_arguments(suite, description)
    console = Console(width=None if sys.stdout.isatty() else 200)
    began = time.perf_counter()
    versions = {name: info.version() for name, info in suite.systems.items()}
    chosen = [n for n in versions if versions[n] and (not arguments.systems or n in (*arguments.systems, CEILINGS))]
    rotation = arguments.rotate_mb * 10**6 if arguments.rotate_mb else machine.rotation_bytes()
    seconds = arguments.seconds or (1.2 if arguments.short else 6.0)
    cases = select(suite.short() if arguments.short else suite.full(), arguments.only)
    about: dict[str, Any] = machine.describe() | {"rotation_bytes": rotation, "seconds": seconds, "systems": versions}
    rotated = f"; operands that are rotated have {rotation / 1e6:.0f} MB" if any(c.rotate for c in cases) else ""
    console.print(f"{about['cpu']}, {about['target']}, {about['cpus']} CPUs, last-level cache {about['l3_bytes'] / 1e6:.0f} MB"
                  f"{rotated}; {len(cases)} cases")  # fmt: skip
    arguments.output.mkdir(parents=True, exist_ok=True)
    path: Path = arguments.output / f"{suite.name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    rows: list[Row] = []

    def write(measured: Measured) -> None:
        rows[:] = [row for row, _ in measured]
        path.write_text(json.dumps(about | {"rows": [row_json(row, results) for row, results in measured]}, indent=1) + "\n")

    with Status("", console=Console(stderr=True)) as status:
        driver = Driver(suite.name, chosen, rotation, seconds, arguments.limit, status.update)
        waited = measure_all(suite, cases, driver, arguments, status, write)
    show(console, rows, versions, suite)
    waiting = f", and {waited:.0f} s of waiting for the lock" if waited > 1 else ""
    written = str(path)
    if suite.draw is not None:
        picture = path.with_suffix(".png")
        drawn = is_installed("matplotlib") and suite.draw(rows, picture, f"{about['cpu']}, {about['date']}")
        written += f", {picture if drawn else 'no plot (matplotlib is not installed, or nothing to draw)'}"
    console.print(f"{written}; {time.perf_counter() - began - waited:.0f} s{waiting}", soft_wrap=True)
