"""`tilewright tune`: reads the model, tunes its kernels, and shows what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilewright.api.progress import Progress
from tilewright.api.tune import TuneOptions, TuneResult, check_target, tune
from tilewright.api.tune_report import tune_report
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import InputError
from tilewright.core.options import CompileOptions
from tilewright.frontend.program import Program
from tilewright.passes.schedules.database import read_database
from tilewright.runtime.host import choose_threads
from tilewright.targets import find
from tilewright.tools.compile_command import read_pt2
from tilewright.tools.report import text_table
from tilewright.tools.terminal import progress_for
from tilewright.tuning.search import Outcome


@dataclass(frozen=True)
class TuneRequest:
    """What the command line says besides `CompileOptions`."""

    model: Path
    output: Path
    sizes: tuple[str, ...]
    kernels: tuple[str, ...]
    budget_s: float
    threads: int | None
    trust: bool
    as_json: bool
    verbose: bool


def run_tune(request: TuneRequest, options: CompileOptions) -> None:
    """Tune, write the database and print the results. Raises a TilewrightError."""
    _check(request, options)
    threads, _ = choose_threads(request.threads)
    wanted = TuneOptions(request.output, request.sizes, request.kernels, request.budget_s, threads)
    progress = progress_for(verbose=request.verbose, prints_ir=False)
    with WorkerPool(options.effective_jobs, options.effective_worker_timeout_s) as pool:
        try:
            pool.start()
            result = tune(_read(request, progress), wanted, options, progress, pool)
        finally:
            progress.finish()
    if request.as_json:
        print(json.dumps({"model": request.model.name, "database": str(request.output), **tune_report(result)}, indent=1))
    else:
        print(describe(result, request), end="")


def _check(request: TuneRequest, options: CompileOptions) -> None:
    """Find mistakes in the command before the seconds that importing torch takes."""
    check_target(find(options.targets[0]))
    if not request.model.is_file():
        raise InputError(f"there is no file {request.model}")
    if request.output.is_dir():
        raise InputError(f"cannot write {request.output}", why="it is a directory", remedy="name a file in it, such as schedules.json")
    if not request.output.absolute().parent.is_dir():
        raise InputError(f"cannot write {request.output}", why=f"there is no directory {request.output.parent}")
    if request.output.exists():
        read_database(request.output)


def _read(request: TuneRequest, progress: Progress) -> Program | Path:
    if request.model.suffix == ".mlir":
        return request.model

    def timed(name: str, work: Callable[[], Any]) -> Any:
        progress.phase(name)
        return work()

    return read_pt2(request.model, request.trust, timed)


def describe(result: TuneResult, request: TuneRequest) -> str:
    """The result as text: where and at which sizes was measured, a row for each kernel, what failed, and what to do with it."""
    sizes = "; ".join(_sizes(values, result.described) for values in result.size_sets)
    lines = [f"measured on {result.target.name} with {_count(result.threads, 'thread')}{f' at {sizes}' if sizes else ''}\n"]
    rows = [_row(outcome) for outcome in result.outcomes]
    if rows:
        header = ("kernel", "rows x columns x inner", "rule", "best", "at least", "tried", "schedule")
        lines += ["\n", text_table(header, rows, right=(2, 3, 4, 5)), "\n"]
    for outcome in result.outcomes:
        for failure in outcome.failures:
            what = _changes(failure.schedule, outcome.subject.rule)
            lines.append(f"not usable in {outcome.subject.name}: {what}: {str(failure.why).splitlines()[0]}\n")
    if result.skipped:
        lines.append(f"not tuned, for lack of time (--budget {request.budget_s:g}): {', '.join(result.skipped)}\n")
    if not rows:
        lines.append("there is no matmul kernel to tune\n")
    better = sum(outcome.tuned for outcome in result.outcomes)
    lines.append(
        f"wrote {request.output} in {result.seconds:.0f} s: {better} of {_count(len(rows), 'kernel')} found faster than by the rule\n"
    )
    if better:
        lines.append(
            f"use it by: tilewright compile {request.model} --schedules {request.output} -o {request.model.with_suffix('.tw').name}\n"
        )
    return "".join(lines)


def _row(outcome: Outcome) -> Sequence[str]:
    subject = outcome.subject
    return (
        subject.name,
        subject.summary.partition(",")[0],
        " ".join(_time(s) for s in outcome.rule_seconds),
        " ".join(_time(s) for s in outcome.seconds),
        f"{1 / outcome.ratio:.2f}x",
        str(len(outcome.trials)),
        _changes(outcome.schedule, subject.rule) if outcome.tuned else f"{subject.rule['source']}",
    )


def _changes(schedule: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """The fields in which a schedule differs from the rule's: `mr=6 nr=64`."""
    changed = [f"{name}={value}" for name, value in schedule.items() if name != "source" and rule.get(name) != value]
    return " ".join(changed) or "the rule's schedule"


def _sizes(values: Mapping[str, int], described: Mapping[str, str]) -> str:
    return ", ".join(f"{described[name].partition(':')[0]} = {value}" for name, value in values.items())


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
