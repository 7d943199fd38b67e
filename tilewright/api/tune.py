"""Tuning a model's matmul kernels on this machine into a database of schedules."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tilewright.api.compiler import compile_program
from tilewright.api.phases import Phase, pipeline
from tilewright.api.progress import Progress
from tilewright.api.sources import parse_module, read_program
from tilewright.api.tune_report import TuneResult, entry_of
from tilewright.codegen.cache import CompileCache
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.mlir import ir, new_context
from tilewright.core.option_text import encode
from tilewright.core.options import CompileOptions, environment
from tilewright.core.pass_manager import run_pipeline
from tilewright.core.registry import suggest
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw
from tilewright.frontend.program import Program
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.database import ScheduleDatabase, read_database
from tilewright.runtime.tile_permission import require_tile_permission
from tilewright.targets import Target, find
from tilewright.targets.detect import read_host
from tilewright.tuning.candidate_program import CandidateCompiler
from tilewright.tuning.measure import Measurer
from tilewright.tuning.search import Search
from tilewright.tuning.sizes import dynamic_sizes, parse_size_sets
from tilewright.tuning.subject import Subject, find_subjects, main_function

COLD_BYTES = 128 << 20
"""The most bytes of weights that timing walks through between two uses of one."""
LEAST_SECONDS = 0.5
"""A kernel is not begun with less of the budget left."""


@dataclass(frozen=True)
class TuneOptions:
    """What is tuned, how long, and where to. `budget_s` is for all kernels together; `sizes` as in `tuning.sizes.parse_size_sets`;
    `kernels` are names, all if empty."""

    output: Path
    sizes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    budget_s: float = 120.0
    threads: int = 1


def tune(
    source: Program | Path,
    options: TuneOptions,
    compile_options: CompileOptions,
    progress: Progress | None = None,
    pool: WorkerPool | None = None,
) -> TuneResult:
    """Tune the matmul kernels of a program, or of a `.mlir` file of level 1 or 2, and write the database after each of them.

    A database that exists keeps its entries for other kernels and targets. Raises InputError for sizes, kernels and files that do not
    fit, UnsupportedError for a target whose code this machine cannot run, and what compiling and timing the rule's schedules raise.
    """
    target = find((compile_options.targets or ("native",))[0])
    check_target(target)
    database = read_database(options.output) if options.output.exists() else ScheduleDatabase(origin=os.fspath(options.output))
    began = monotonic()
    progress = progress or Progress()
    own_pool = pool is None
    pool = pool or WorkerPool(compile_options.effective_jobs, compile_options.effective_worker_timeout_s)
    try:
        module = level2_module(source, compile_options, progress, pool)
        with module.context, ir.Location.unknown():
            known = dynamic_sizes(module)
            size_sets = parse_size_sets(options.sizes, known)
            run_pipeline(module, f"tw-select-schedule{{target={encode(target.name)}}}")
            subjects = _chosen(find_subjects(module, size_sets), options.kernels)
            cold = min(COLD_BYTES, _weight_bytes(module))
        result = TuneResult(target, options.threads, size_sets, {name: str(size) for name, size in known.items()})
        cache = CompileCache(environment().cache_dir) if compile_options.use_cache else None
        compiler = CandidateCompiler(
            target,
            ",".join(pipeline(p, target) for p in (Phase.SCHEDULE, Phase.PLAN)),
            pool,
            cache,
            {"fast_math": compile_options.fast_math},
        )
        _tune_all(subjects, compiler, cold, began + options.budget_s, options, progress, result, database)
        database.save(options.output)
    finally:
        progress.finish()
        if own_pool:
            pool.close()
    result.seconds = monotonic() - began
    return result


def check_target(target: Target) -> None:
    """Raises UnsupportedError when this machine cannot run, and so cannot time, the code of `target`, and IncompatibleError when the
    system does not let this process use its instructions."""
    host = read_host()
    missing = sorted(set(target.requires) - host.flags)
    if target.is_gpu or target.arch != host.arch or missing:
        why = f"it lacks {', '.join(missing)}" if target.arch == host.arch and missing else f"its architecture is {host.arch}"
        raise UnsupportedError(
            f"code for {target.name} cannot be timed on this machine", why=why, remedy="run `tilewright tune` on such a machine"
        )
    require_tile_permission(target.requires, target.name)


def level2_module(source: Program | Path, options: CompileOptions, progress: Progress, pool: WorkerPool) -> ir.Module:
    """The module with kernels, without the schedules that rules chose, in a context of its own."""
    if isinstance(source, Path):
        module = parse_module(source)
        with module.context:
            if any("tw.kernel" in function.operation.attributes for function in tw.functions(module)):
                _forget_rules(module)
                return module
        source = read_program(source)
    result = compile_program(source, None, dataclasses.replace(options, compile_to="fuse"), progress, pool)
    assert result.ir_text is not None
    return _parse(result.ir_text)


def _forget_rules(module: ir.Module) -> None:
    for function in tw.functions(module):
        if str(read_schedule(function).get("source", "")).startswith("rule:"):
            del function.operation.attributes["tw.schedule"]


def _tune_all(
    subjects: Sequence[Subject],
    compiler: CandidateCompiler,
    cold_bytes: int,
    deadline: float,
    options: TuneOptions,
    progress: Progress,
    result: TuneResult,
    database: ScheduleDatabase,
) -> None:
    for number, subject in enumerate(subjects):
        left = deadline - monotonic()
        if number and left < LEAST_SECONDS:
            result.skipped += [s.name for s in subjects[number:]]
            return
        # Half of the time by work, half evenly: small kernels need some candidates too.
        rest = subjects[number:]
        share = 0.5 * (1 / len(rest) + subject.operations / max(1, sum(s.operations for s in rest)))
        progress.phase("tune", f"{subject.name} ({number + 1} of {len(subjects)})")
        with tempfile.TemporaryDirectory(prefix="tilewright-tune-") as directory:
            measurer = Measurer(subject, compiler.target, Path(directory), options.threads, cold_bytes)
            search = Search(subject, compiler, measurer, _source(subject, options.threads), progress.step)
            outcome = search.run(monotonic() + max(LEAST_SECONDS, left) * share)
        result.outcomes.append(outcome)
        database.add([entry_of(outcome, result)])
        database.save(options.output)


def _source(subject: Subject, threads: int) -> str:
    """Where a tuned schedule comes from: `tuned:d0=128;d0=16`, with the threads where they are several."""
    sizes = ";".join(dict.fromkeys(",".join(f"{name}={value}" for name, value in case.values.items()) for case in subject.cases))
    return f"tuned:{sizes or 'static'}{f';threads={threads}' if threads > 1 else ''}"


def _chosen(subjects: list[Subject], names: Sequence[str]) -> list[Subject]:
    known = {s.name: s for s in subjects}
    for name in names:
        if name not in known:
            why = f"those that can be tuned: {', '.join(known) or 'none'}"
            raise InputError(f"there is no kernel {name!r} to tune", why=why, remedy=suggest(name, list(known)))
    return [s for s in subjects if not names or s.name in names]


def _weight_bytes(module: ir.Module) -> int:
    """The bytes of all weights of the program; COLD_BYTES for kernels alone, whose program is not known."""
    main = main_function(module)
    if main is None:
        return COLD_BYTES
    sizes: Mapping[str, int] = {
        str(op.operation.attributes["name"]): to_expr(tw.tensor_info(op.operation.results[0]).nbytes).evaluate({})
        for op in main.regions[0].blocks[0].operations
        if tw.is_op(op, "weight")
    }
    return sum(sizes.values())


def _parse(text: str) -> ir.Module:
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        return ir.Module.parse(text)
