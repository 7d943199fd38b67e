"""What the child process of `tilewright-opt` does: parse each chunk, run the pipeline, print the result.

The parent (`opt_run`) holds no MLIR context: whatever happens here, it lives to tell the tale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tilewright.core.capture import Diagnostic, capture, error_from, log_of
from tilewright.core.diagnostics import InputError, TilewrightError
from tilewright.core.instruments import (
    Announce,
    Dump,
    Instrument,
    PrintAfterAll,
    PrintAfterChange,
    PrintBeforeAll,
    PrintStyle,
    Timing,
    Verifier,
    Verify,
    Write,
    verify_module,
)
from tilewright.core.isolation import Report
from tilewright.core.mlir import MLIRError, ir, new_context
from tilewright.core.pass_manager import PassManager
from tilewright.core.plan import Step, plan_pipeline

SEPARATOR = "// -----"


@dataclass(frozen=True)
class Chunk:
    """A piece of the input that is a module of its own. `first_line` is the line of the file that it begins with."""

    text: str
    first_line: int = 1


@dataclass(frozen=True)
class OptJob:
    """What to do with every chunk."""

    chunks: tuple[Chunk, ...]
    pipeline: str
    verify_each: bool = True
    print_before_all: bool = False
    print_after_all: bool = False
    print_after_change: bool = False
    timing: bool = False
    dump_dir: Path | None = None
    style: PrintStyle = field(default_factory=PrintStyle)


@dataclass(frozen=True)
class ChunkResult:
    """What became of a chunk: its output, or the error that ended it. `timing` is in seconds."""

    output: str | None
    error: TilewrightError | None
    diagnostics: tuple[Diagnostic, ...]
    timing: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class PassStarted:
    """Message: the pass with this index of the plan begins."""

    index: int
    step: Step


@dataclass(frozen=True)
class ChunkDone:
    """Message: the next chunk begins."""

    result: ChunkResult


@dataclass(frozen=True)
class Printed:
    """Message: text for the terminal."""

    text: str


def split_chunks(text: str) -> tuple[Chunk, ...]:
    """Split at lines that are `// -----`."""
    chunks: list[Chunk] = []
    lines: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == SEPARATOR:
            chunks.append(Chunk("\n".join(lines), first))
            lines, first = [], number + 1
        else:
            lines.append(line)
    return (*chunks, Chunk("\n".join(lines), first))


def run_job(job: OptJob, first: int, report: Report) -> None:
    """Process the chunks from index `first` on; results go out as messages, so that those before a crash are kept."""
    steps = plan_pipeline(job.pipeline)
    for chunk in job.chunks[first:]:
        report(ChunkDone(_run_chunk(job, steps, chunk, report)))


def ir_before(job: OptJob, chunk: Chunk, index: int, report: Report) -> str:
    """The IR of `chunk` before the step `index` of the pipeline, in generic form with locations."""
    context = _new_context()
    with context:
        module = _parse(chunk, context)
        PassManager(plan_pipeline(job.pipeline)[:index]).run(module)
        return PrintStyle(debug_info=True, generic=True).text(module.operation) + "\n"


def _run_chunk(job: OptJob, steps: tuple[Step, ...], chunk: Chunk, report: Report) -> ChunkResult:
    context = _new_context()
    timing = Timing()
    output: str | None = None
    failed: TilewrightError | None = None
    with context:
        try:
            module = _parse(chunk, context)
            verifier = _tw_verifier()
            # Passes must be given valid IR, or what they do with it says nothing.
            verify_module(module, verifier)
            instruments: list[Instrument] = [
                Announce(partial(_announce, report)),
                timing,
                *_instruments(job, chunk, lambda text: report(Printed(text))),
            ]
            if job.verify_each:
                instruments.append(Verify(verifier))
            PassManager(steps, instruments).run(module)
            output = _end_line(job.style.text(module.operation))
        except TilewrightError as error:
            failed = error
    log = log_of(context)
    return ChunkResult(output, failed, tuple(log.entries if log else ()), tuple(timing.seconds))


def _announce(report: Report, index: int, step: Step) -> None:
    report(PassStarted(index, step))


def _instruments(job: OptJob, chunk: Chunk, write: Write) -> list[Instrument]:
    found: list[Instrument] = []
    if job.print_before_all:
        found.append(PrintBeforeAll(write, job.style))
    if job.print_after_all:
        found.append(PrintAfterAll(write, job.style))
    if job.print_after_change:
        found.append(PrintAfterChange(write, job.style))
    if job.dump_dir is not None:
        directory = job.dump_dir if len(job.chunks) == 1 else job.dump_dir / f"line-{chunk.first_line}"
        found.append(Dump(directory, job.style))
    return found


def _new_context() -> ir.Context:
    from tilewright.dialects import tw

    context = new_context()
    tw.load(context)
    return context


def _tw_verifier() -> Verifier:
    from tilewright.dialects import tw

    return tw.verify


def _parse(chunk: Chunk, context: ir.Context) -> ir.Module:
    with capture(context) as log:
        try:
            # Empty lines in front keep the line numbers of the file.
            return ir.Module.parse("\n" * (chunk.first_line - 1) + chunk.text, context)
        except MLIRError as error:
            raise error_from(InputError, log.entries, str(error)) from error


def _end_line(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
