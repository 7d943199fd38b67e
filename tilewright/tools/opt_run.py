"""The parent's side of `tilewright-opt`: drive the child, blame its death on a pass, write reproducers, check expectations."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tilewright.core.capture import Diagnostic, Place
from tilewright.core.diagnostics import TilewrightError, WorkerError
from tilewright.core.expected_diagnostics import mismatches, read_expectations, with_error
from tilewright.core.instruments import Write, timing_table
from tilewright.core.isolation import Death, Finished, run_isolated
from tilewright.core.options import environment
from tilewright.core.reproducer import Reproducer, new_reproducer_path, replay_command, write_reproducer
from tilewright.tools.opt_job import SEPARATOR, ChunkDone, ChunkResult, OptJob, PassStarted, Printed, ir_before, run_job


@dataclass(frozen=True)
class OptSettings:
    """How the parent treats a job.

    `file` is the name for messages. `reproducer` is where to write one after any failure; a crash or hang always gets one.
    `replayed` is the reproducer that is being run, which is not written again.
    """

    file: str
    timeout_s: float
    verify_diagnostics: bool = False
    reproducer: Path | None = None
    replayed: Path | None = None


@dataclass
class OptOutcome:
    """The text for the output, and the errors of all chunks, in order."""

    outputs: list[str] = field(default_factory=list)
    errors: list[TilewrightError] = field(default_factory=list)

    @property
    def text(self) -> str:
        return f"{SEPARATOR}\n".join(self.outputs)


def run_opt(job: OptJob, settings: OptSettings, log: Write) -> OptOutcome:
    """Run `job` in a child, again for the chunks after one that killed it. `log` takes text for the terminal."""
    outcome = OptOutcome()
    done = 0
    while done < len(job.chunks):
        current: list[PassStarted] = []

        def receive(message: object, current: list[PassStarted] = current) -> None:
            nonlocal done
            if isinstance(message, PassStarted):
                current.append(message)
            elif isinstance(message, Printed):
                log(message.text)
            elif isinstance(message, ChunkDone):
                _finish_chunk(job, settings, done, message.result, current[-1] if current else None, outcome, log)
                current.clear()
                done += 1

        end = run_isolated(partial(run_job, job, done), timeout_s=settings.timeout_s, on_message=receive)
        if isinstance(end, Finished):
            log(end.stderr)
            break
        outcome.errors.append(_blame(job, settings, done, end, current[-1] if current else None))
        done += 1
    return outcome


def opt_command() -> list[str]:
    """How to start this tool: by its script where that is installed."""
    script = shutil.which("tilewright-opt")
    return ["tilewright-opt"] if script else [sys.executable, "-m", "tilewright.tools.opt"]


def _finish_chunk(
    job: OptJob,
    settings: OptSettings,
    index: int,
    result: ChunkResult,
    last: PassStarted | None,
    outcome: OptOutcome,
    log: Write,
) -> None:
    chunk = job.chunks[index]
    if job.timing:
        log(timing_table(result.timing))
    if settings.verify_diagnostics:
        named = [_name_file(d, settings.file) for d in with_error(result.diagnostics, result.error)]
        outcome.errors += mismatches(named, read_expectations(chunk.text, chunk.first_line), settings.file)
    elif result.error is not None:
        error = result.error
        error.where = _named(error.where, settings.file)
        error.why = error.why.replace("\n-:", f"\n{settings.file}:").removeprefix("-:")
        if settings.reproducer is not None and last is not None:
            command = _reproduce(job, settings, index, last, f"{last.step.label}: {error.what}", settings.reproducer)
            error.remedy = f"{error.remedy}\nrun it again: {command}".lstrip()
        outcome.errors.append(error)
    else:
        for diagnostic in result.diagnostics:
            log(f"{_name_file(diagnostic, settings.file)}\n")
    if result.output is not None:
        outcome.outputs.append(result.output)


def _blame(job: OptJob, settings: OptSettings, index: int, death: Death, last: PassStarted | None) -> WorkerError:
    chunk = job.chunks[index]
    where = f"{settings.file}:{chunk.first_line}" if len(job.chunks) > 1 else settings.file
    culprit = f"pass {last.step.label}" if last is not None else "MLIR, while it read the input,"
    if settings.replayed is not None:
        remedy = f"run it again: {replay_command(settings.replayed, opt_command())}"
    else:
        name = last.step.name if last is not None else "parse"
        path = settings.reproducer or new_reproducer_path(name)
        command = _reproduce(job, settings, index, last, f"{culprit} {death}", path)
        remedy = f"the {'IR before it' if last is not None else 'input'} is in {path}\nrun it again: {command}"
        if death.timeout_s is not None:
            remedy += "\ngive it more time: --timeout=<seconds>"
    return WorkerError(f"{culprit} {death}", where=where, why=death.evidence, remedy=remedy)


def _reproduce(job: OptJob, settings: OptSettings, index: int, last: PassStarted | None, failure: str, path: Path) -> str:
    """Write a reproducer of a failure in the step `last`; returns the command that runs it."""
    ir, pipeline = job.chunks[index].text, job.pipeline
    if last is not None:
        # The passes before are run again to get the IR: a run without a crash then costs nothing.
        try:
            before = run_isolated(partial(ir_before, job, job.chunks[index], last.index), timeout_s=settings.timeout_s)
        except TilewrightError:
            before = None
        if isinstance(before, Finished):
            ir, pipeline = before.value, last.step.text
    reproducer = Reproducer(ir, pipeline, failure, job.verify_each, settings.timeout_s, environment().pass_modules)
    return write_reproducer(reproducer, path, opt_command())


def _name_file(diagnostic: Diagnostic, file: str) -> Diagnostic:
    """MLIR calls text it was given without a file `-`."""
    place = diagnostic.place
    notes = tuple(_name_file(note, file) for note in diagnostic.notes)
    if place.file == "-":
        place = Place(file if place.line else "", place.line, place.column, place.name)
    return dataclasses.replace(diagnostic, place=place, notes=notes)


def _named(where: str, file: str) -> str:
    if where in ("", "-"):
        return file
    return file + where[1:] if where.startswith("-:") else where


def first_exit_code(errors: Sequence[TilewrightError]) -> int:
    return errors[0].exit_code if errors else os.EX_OK
