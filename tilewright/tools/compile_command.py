"""`tilewright compile`. The workers start first, so that they import the compiler while this process imports torch and reads the model."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tilewright.api.phases import find_phase
from tilewright.api.progress import Progress
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import InputError, ToolchainError, UnsupportedError
from tilewright.core.options import CompileOptions, environment
from tilewright.targets import find
from tilewright.tools.terminal import progress_for

if TYPE_CHECKING:
    from tilewright.api.compiler import CompileResult
    from tilewright.frontend.program import Program

Result = TypeVar("Result")


@dataclass(frozen=True)
class CompileRequest:
    """What the command line says besides `CompileOptions`."""

    model: Path
    output: Path | None
    weights: Path | None
    trust: bool
    report: Path | None
    verbose: bool
    inputs: Path | None = None


def run_compile(request: CompileRequest, options: CompileOptions) -> None:
    """Compile, write what was asked for, and tell the user. Raises a TilewrightError."""
    _check(request, options)
    progress = progress_for(verbose=request.verbose, prints_ir=options.print_ir_after_all or options.print_ir_after_change)
    began = time.perf_counter()
    with WorkerPool(options.effective_jobs, options.effective_worker_timeout_s) as pool:
        try:
            known = _CompiledBefore(request, options)
            if options.compile_to in (None, "codegen", "artifact") and not known.found:
                pool.start()
            result = _compile(request, options, progress, pool)
            if result.path is not None:
                known.remember()
        except UnsupportedError as error:
            _report_unsupported(request, error)
            raise
        finally:
            progress.finish()
    _present(request, options, result, time.perf_counter() - began)


class _CompiledBefore:
    """Whether this file was compiled with these options before: then its kernels are cached and no worker will be needed.

    A guess that costs nothing when wrong: workers start when the first kernel needs one.
    """

    def __init__(self, request: CompileRequest, options: CompileOptions) -> None:
        from tilewright.codegen.cache import CompileCache, cache_key, toolchain_fingerprint

        self._cache = CompileCache(environment().cache_dir) if options.use_cache else None
        state = request.model.stat()
        what = f"{request.model.resolve()} {state.st_size} {state.st_mtime_ns} {options.targets} {options.fast_math}"
        what += f" {options.schedules} {options.precision}"
        self._key = cache_key("model", toolchain_fingerprint(), what)
        self.found = self._cache is not None and self._cache.get(self._key) is not None

    def remember(self) -> None:
        if self._cache is not None and not self.found:
            self._cache.put(self._key, {}, b"")


def _check(request: CompileRequest, options: CompileOptions) -> None:
    """Find mistakes in the command before the seconds that importing torch takes."""
    for phase in (options.compile_to, options.compile_from):
        if phase is not None:
            find_phase(phase)
    for target in options.targets:
        find(target)
    if request.output is None and options.compile_to in (None, "artifact"):
        raise InputError("no output file given", remedy=f"name one: -o {request.model.with_suffix('.tw').name}")
    if request.output is not None and options.compile_to == "codegen":
        raise InputError("--compile-to codegen writes no output", remedy="--dump-dir has the code of each kernel; leave out -o")
    if request.output is not None and request.output.is_dir():
        raise InputError(f"cannot write {request.output}", why="it is a directory", remedy="name a file in it, such as model.tw")
    for file in (request.model, request.weights, request.inputs, options.schedules):
        if file is not None and not file.is_file():
            raise InputError(f"there is no file {file}")
    if request.inputs is not None and options.precision == "f32":
        raise InputError("--inputs goes with --precision", why="they are what its error is measured on", remedy="--precision bf16")
    if request.model.suffix != ".mlir":
        if request.weights is not None:
            raise InputError("--weights goes with a .mlir file", remedy="a .pt2 file holds its weights")
        if options.compile_from is not None:
            raise InputError("--compile-from goes with a .mlir file", remedy="write one by --compile-to or --dump-dir")


def _compile(request: CompileRequest, options: CompileOptions, progress: Progress, pool: WorkerPool) -> CompileResult:
    seconds: list[tuple[str, float]] = []

    def timed(name: str, work: Callable[[], Result]) -> Result:
        progress.phase(name)
        began = time.perf_counter()
        result = work()
        seconds.append((name, time.perf_counter() - began))
        return result

    if request.model.suffix == ".mlir":
        program = _read_module(request, timed)
    else:
        program = read_pt2(request.model, request.trust, timed)
    from tilewright.api.compiler import compile_program
    from tilewright.api.sample_inputs import read_inputs

    inputs = None if request.inputs is None else read_inputs(request.inputs, program)
    return compile_program(program, request.output, options, progress, pool, seconds, inputs)


def read_pt2(path: Path, trust: bool, timed: Callable[[str, Callable[[], Any]], Any]) -> Program:
    """Read a `.pt2` in steps that `timed` runs by name. Raises ToolchainError where torch is missing."""
    timed("import torch", _import_torch)
    from tilewright.frontend.torch import import_exported, load_pt2

    exported = timed("read", lambda: load_pt2(path, trusted=trust))
    return timed("import", lambda: import_exported(exported, origin=path.name))


def _import_torch() -> None:
    try:
        importlib.import_module("tilewright.frontend.torch")
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ToolchainError("torch, which reads .pt2 files, is not installed", remedy='pip install "tilewright[torch]"') from missing


def _read_module(request: CompileRequest, timed: Callable[[str, Callable[[], Any]], Any]) -> Program:
    from tilewright.api.sources import read_program

    weights = request.weights
    if weights is None or weights.suffix == ".safetensors":
        return timed("read", lambda: read_program(request.model, weights))
    # The .pt2 knows more than the weights: the names of inputs and outputs, and how they nest.
    module = timed("read", lambda: read_program(request.model))
    origin = read_pt2(weights, request.trust, timed)
    return dataclasses.replace(origin, module=module.module, context=module.context, origin=module.origin)


def _report_unsupported(request: CompileRequest, error: UnsupportedError) -> None:
    records = getattr(error, "records", None)
    if request.report is not None and records is not None:
        _write_report(request.report, {"model": request.model.name, "targets": [], "phases": [], "unsupported": records})


def _present(request: CompileRequest, options: CompileOptions, result: CompileResult, total: float) -> None:
    from tilewright.tools.report import kernel_tables, precision_summary, schedule_notes, summary, timing_tables

    if result.ir_text is not None:
        _write_ir(request.output, result.ir_text)
    if request.report is not None:
        _write_report(request.report, result.report)
        print(kernel_tables(result.report), end="", file=sys.stderr)
    else:
        for note in (note for target in result.report["targets"] for note in schedule_notes(target)):
            print(f"note: {note}", file=sys.stderr)
        if "precision" in result.report:
            print(f"note: {precision_summary(result.report['precision'])}", file=sys.stderr)
    if options.timing:
        print(timing_tables(result.report, total), end="", file=sys.stderr)
    if result.path is not None and (request.verbose or sys.stderr.isatty()):
        print(summary(result.report, result.path, total), file=sys.stderr)


def _write_ir(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        _write(path, text)


def _write_report(path: Path, report: dict[str, Any]) -> None:
    text = json.dumps(report, indent=1) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as problem:
        raise InputError("the output cannot be written", where=str(path), why=problem.strerror or str(problem)) from problem
