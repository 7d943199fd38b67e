"""A program through all phases into an artifact."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilewright.api.assemble import manifest_structure, write_artifact
from tilewright.api.device import compile_for_device, device_entry, refuse_artifact
from tilewright.api.phases import ORDER, Phase, find_phase, pipeline
from tilewright.api.precision import lowered_entries, measured_error
from tilewright.api.progress import Progress
from tilewright.api.report import check_schedules, decomposed_entries, kernel_entries, memory_entry, schedule_entry
from tilewright.api.sample_inputs import SampleInputs, random_inputs
from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_program import ProgramCode
from tilewright.codegen.compile_program import compile_program as generate_code
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import InputError
from tilewright.core.instruments import Dump, Instrument, PrintAfterAll, PrintAfterChange, PrintStyle, Timing, Verify, verify_module
from tilewright.core.mlir import ir
from tilewright.core.options import CompileOptions, environment
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.frontend.program import Program
from tilewright.lowering.check_supported import check_supported
from tilewright.passes import weight_values
from tilewright.targets import Target, find


@dataclass
class CompileResult:
    """What a compilation made: the artifact's path, or the IR when it stopped before; the report; seconds of each phase."""

    path: Path | None
    ir_text: str | None
    report: dict[str, Any]
    seconds: list[tuple[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class CompiledTarget:
    """What one target's phases made: the planned module and its code."""

    module: ir.Module
    code: ProgramCode


class Compilation:
    """One compilation: options, pool and cache, timings. Use `compile_program`."""

    def __init__(self, program: Program, options: CompileOptions, progress: Progress, pool: WorkerPool) -> None:
        self.program = program
        self.options = options
        self.progress = progress
        self.pool = pool
        self.cache = CompileCache(environment().cache_dir) if options.use_cache else None
        self.seconds: list[tuple[str, float]] = []
        self.passes: list[tuple[str, float]] = []
        self.dumps = 0
        self.lowered: list[dict[str, str]] = []
        """The ops whose precision was lowered."""

    def timed(self, phase: Phase, detail: str, work: Callable[[], Any]) -> Any:
        self.progress.phase(phase.value, detail)
        began = time.perf_counter()
        result = work()
        label = f"{phase.value} ({detail})" if detail and len(self.options.targets) > 1 else phase.value
        self.seconds.append((label, time.perf_counter() - began))
        return result

    def instruments(self) -> list[Instrument]:
        style = PrintStyle()
        chosen: list[Instrument] = [Verify(tw.verify)] if self.options.verify_each else []
        if self.options.print_ir_after_all:
            chosen.append(PrintAfterAll(sys.stderr.write, style))
        if self.options.print_ir_after_change:
            chosen.append(PrintAfterChange(sys.stderr.write, style))
        return chosen

    def run_passes(self, module: ir.Module, phase: Phase, target: Target | None) -> None:
        text = pipeline(phase, target, self.options.schedules, self.options.precision)
        if not text:
            return
        timing = Timing()
        instruments = [*self.instruments(), timing]
        if self.options.dump_dir is not None:
            suffix = f"-{_file_name(target.name)}" if target is not None else ""
            instruments.append(Dump(self.options.dump_dir / "passes" / f"{phase.value}{suffix}", PrintStyle(debug_info=True)))
        self.timed(phase, "" if target is None else target.name, lambda: _run_and_verify(module, text, instruments))
        self.passes += timing.seconds

    def dump(self, name: str, module: ir.Module) -> None:
        if self.options.dump_dir is not None:
            (self.options.dump_dir / f"{self.dumps:02}-{name}.mlir").write_text(_text(module))
            self.dumps += 1


def _run_and_verify(module: ir.Module, text: str, instruments: Sequence[Instrument]) -> None:
    run_pipeline(module, text, instruments)
    verify_module(module, tw.verify)


def compile_program(
    program: Program,
    output: str | os.PathLike[str] | None,
    options: CompileOptions,
    progress: Progress | None = None,
    pool: WorkerPool | None = None,
    prior_seconds: Sequence[tuple[str, float]] = (),
    inputs: SampleInputs | None = None,
) -> CompileResult:
    """Compile a level 1 program (or, with `compile_from`, a module of a later phase) for all targets of the options.

    `output` is the artifact's path; it may be None when `compile_to` stops before. A `pool` that was started earlier saves its
    start-up time. `prior_seconds` are phases that the caller timed (the import), shown first in the report. With another precision than
    f32, the error that it brings is measured on `inputs`, by default random ones.
    """
    last = find_phase(options.compile_to) if options.compile_to else Phase.ARTIFACT
    first = find_phase(options.compile_from) if options.compile_from else Phase.IMPORT
    if output is None and last is Phase.ARTIFACT:
        raise InputError("no output file given", remedy="name one with -o")
    if ORDER.index(first) > ORDER.index(last):
        raise InputError(f"the compilation would begin with {first.value} and stop after {last.value}, which is before it")
    if last is Phase.ARTIFACT:
        manifest_structure(program.output_structure)  # refuses what it cannot hold, before anything is compiled
    _check_level(program, first)
    if options.precision != "f32" and ORDER.index(first) > ORDER.index(Phase.SIMPLIFY):
        raise InputError(
            f"the precision {options.precision} cannot be chosen from {first.value} on",
            why=f"it is applied in the phase {Phase.SIMPLIFY.value}",
            remedy="begin with simplify or before, or leave the precision out",
        )
    _make_dump_directory(options)
    targets = [find(name) for name in options.targets or ("native",)]
    if options.schedules is not None:
        check_schedules(options.schedules, targets)
    if last.has_ir and len(targets) > 1 and ORDER.index(last) >= ORDER.index(Phase.FUSE):
        raise InputError(f"compiling to {last.value} takes one target, got {len(targets)}")
    own_pool = pool is None
    pool = pool or WorkerPool(options.effective_jobs, options.effective_worker_timeout_s)
    compilation = Compilation(program, options, progress or Progress(), pool)
    compilation.seconds += prior_seconds
    # What the phases make of a program takes the place of the program: the f32 form is kept aside.
    reference = _copy(program) if options.precision != "f32" and last is Phase.ARTIFACT else None
    try:
        return _run(compilation, targets, first, last, output, reference, inputs)
    finally:
        compilation.progress.finish()
        if own_pool:
            pool.close()


def _check_level(program: Program, first: Phase) -> None:
    """Raises InputError for a module whose ops are grouped into kernels already, when a phase before that would be run on it."""
    if ORDER.index(first) > ORDER.index(Phase.FUSE):
        return
    with program.context:
        if any("tw.kernel" in function.operation.attributes for function in tw.functions(program.module)):
            raise InputError(
                f"{program.origin or 'the module'} has kernels already, {first.value} is for programs before that",
                remedy="say by --compile-from where it stands: schedule, plan or codegen",
            )


def _make_dump_directory(options: CompileOptions) -> None:
    if options.dump_dir is None:
        return
    try:
        options.dump_dir.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(
            "the dump directory cannot be made", where=str(options.dump_dir), why=problem.strerror or str(problem)
        ) from problem


def _copy(program: Program) -> Program:
    with program.context:
        return dataclasses.replace(program, module=ir.Module.parse(_text(program.module)))


def _run(
    compilation: Compilation,
    targets: Sequence[Target],
    first: Phase,
    last: Phase,
    output: str | os.PathLike[str] | None,
    reference: Program | None,
    inputs: SampleInputs | None,
) -> CompileResult:
    program = compilation.program
    module = program.module
    begin, end = ORDER.index(first), ORDER.index(last)
    with program.context:
        compilation.dump("import", module)
        if begin <= ORDER.index(Phase.SIMPLIFY) <= end:
            with weight_values.provided(program.weights):
                compilation.run_passes(module, Phase.SIMPLIFY, None)
            compilation.lowered = lowered_entries(module)
            compilation.dump("simplify", module)
        if end <= ORDER.index(Phase.SIMPLIFY):
            return CompileResult(None, _text(module), _report(compilation, []), compilation.seconds)
        if begin <= ORDER.index(Phase.FUSE) and not all(target.is_gpu for target in targets):
            check_supported(module, program.origin)
        compiled: list[CompiledTarget] = []
        devices: list[dict[str, Any]] = []
        for target in targets:
            own = ir.Module.parse(_text(module)) if len(targets) > 1 else module
            for phase in (Phase.FUSE, Phase.SCHEDULE, Phase.PLAN):
                if begin <= ORDER.index(phase) <= end:
                    compilation.run_passes(own, phase, target)
                    compilation.dump(f"{phase.value}-{_file_name(target.name)}", own)
            if last.has_ir:
                return CompileResult(None, _text(own), _report(compilation, []), compilation.seconds)
            if target.is_gpu:
                devices.append(_compile_device(compilation, own, target, last))
            else:
                compiled.append(_compile_target(compilation, own, target))
        report = _report(compilation, compiled)
        report["targets"] += devices
        if last is Phase.ARTIFACT:
            assert output is not None
            if reference is not None:
                report["precision"]["error"] = _measure(compilation, compiled, Path(output), reference, inputs)
            compilation.timed(Phase.ARTIFACT, "", lambda: write_artifact(output, program, [c.code for c in compiled], report))
        report["phases"] = [{"name": name, "seconds": seconds} for name, seconds in compilation.seconds]
        return CompileResult(Path(output) if output and last is Phase.ARTIFACT else None, None, report, compilation.seconds)


def _compile_target(compilation: Compilation, module: ir.Module, target: Target) -> CompiledTarget:
    options = compilation.options
    tw.verify_kernels(module)
    code: ProgramCode = compilation.timed(
        Phase.CODEGEN,
        target.name,
        lambda: generate_code(
            module,
            target,
            compilation.pool,
            compilation.cache,
            want_dumps=options.dump_dir is not None,
            settings={"fast_math": options.fast_math},
            progress=lambda name, done, total: compilation.progress.step(done, total, name),
        ),
    )
    if options.dump_dir is not None:
        directory = options.dump_dir / _file_name(target.name)
        directory.mkdir(parents=True, exist_ok=True)
        for name, dumps in [(k.name, k.dumps) for k in code.kernels.values()] + [("tw_main", code.host_dumps)]:
            for suffix, text in dumps.items():
                (directory / f"{name}.{suffix}").write_text(text)
    return CompiledTarget(module, code)


def _compile_device(compilation: Compilation, module: ir.Module, target: Target, last: Phase) -> dict[str, Any]:
    """The report's entry of a GPU target."""

    def step(done: int, total: int, name: str) -> None:
        compilation.progress.step(done, total, name)

    code = compilation.timed(
        Phase.CODEGEN,
        target.name,
        lambda: compile_for_device(module, target, compilation.pool, compilation.cache, compilation.options, step),
    )
    if last is Phase.ARTIFACT:
        refuse_artifact(code)
    return device_entry(module, code)


def _measure(
    compilation: Compilation, compiled: Sequence[CompiledTarget], output: Path, reference: Program, inputs: SampleInputs | None
) -> dict[str, Any]:
    """The error against the f32 form of the program, which is compiled for it; its kernels are cached like all others."""
    options = compilation.options
    plain = dataclasses.replace(options, precision="f32", dump_dir=None, print_ir_after_all=False, print_ir_after_change=False)
    inputs = inputs or random_inputs(reference)

    def write_lowered(path: Path) -> None:
        write_artifact(path, compilation.program, [c.code for c in compiled], None)

    def write_reference(path: Path, target: str) -> None:
        compile_program(reference, path, dataclasses.replace(plain, targets=(target,)), pool=compilation.pool)

    compilation.progress.phase("error", inputs.source)
    began = time.perf_counter()
    error = measured_error(output.parent, write_lowered, write_reference, inputs)
    compilation.seconds.append(("error", time.perf_counter() - began))
    return error


def _report(compilation: Compilation, compiled: Sequence[CompiledTarget]) -> dict[str, Any]:
    report: dict[str, Any] = {
        "model": compilation.program.origin,
        "targets": [
            {
                "name": c.code.target.name,
                "kernels": kernel_entries(c.module, c.code.kernels),
                "decomposed": decomposed_entries(c.module),
                "schedules": schedule_entry(c.module, c.code.target, compilation.options.schedules),
                **memory_entry(c.module),
            }
            for c in compiled
        ],
        "phases": [{"name": name, "seconds": seconds} for name, seconds in compilation.seconds],
        "passes": [{"name": name, "seconds": seconds} for name, seconds in compilation.passes],
        "unsupported": [],
    }
    if compilation.options.precision != "f32":
        report["precision"] = {"matmul": compilation.options.precision, "changed": compilation.lowered}
    return report


def _text(module: ir.Module) -> str:
    return str(module.operation.get_asm(enable_debug_info=True))


def _file_name(target: str) -> str:
    return target.replace(":", "-")
