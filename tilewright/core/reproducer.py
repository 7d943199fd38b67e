"""Reproducers: one MLIR file with the IR before the pass that failed, the pass, and the command that runs it again."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tilewright.core.diagnostics import InputError
from tilewright.core.options import environment

_TITLE = "// Tilewright reproducer: "
_SETTINGS = "// settings: "
_COMMAND = "// run it again: "
_REMEDY = "a reproducer is written after a crash, or by --dump-reproducer"


@dataclass(frozen=True)
class Reproducer:
    """A failure that can be run again. `ir` is MLIR text; `failure` says in one line what happened."""

    ir: str
    pipeline: str
    failure: str
    verify_each: bool = True
    timeout_s: float | None = None
    pass_modules: tuple[str, ...] = ()


def new_reproducer_path(name: str) -> Path:
    """A new empty file for the reproducer of a failure in the pass or kernel `name`."""
    directory = environment().reproducer_dir
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "-", name)[:60].strip("-") or "failure"
    handle = tempfile.NamedTemporaryFile(prefix=f"tilewright-{stem}-", suffix=".mlir", dir=directory, delete=False)  # noqa: SIM115
    handle.close()
    return Path(handle.name)


def write_reproducer(reproducer: Reproducer, path: Path, tool: Sequence[str]) -> str:
    """Write `reproducer` to `path`. Returns the command that runs it, where `tool` is how the opt tool is started."""
    command = replay_command(path, tool)
    settings = {k: v for k, v in dataclasses.asdict(reproducer).items() if k not in ("ir", "failure")}
    header = f"{_TITLE}{' '.join(reproducer.failure.split())}\n{_COMMAND}{command}\n{_SETTINGS}{json.dumps(settings)}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + reproducer.ir)
    except OSError as problem:
        raise InputError("the reproducer cannot be written", where=str(path), why=str(problem)) from problem
    return command


def replay_command(path: Path, tool: Sequence[str]) -> str:
    """The shell command that runs the reproducer at `path`."""
    return shlex.join([*tool, "--run-reproducer", str(path)])


def read_reproducer(text: str, where: str) -> Reproducer:
    """Parse what `write_reproducer` wrote. Raises InputError where `text` is something else."""
    lines = text.split("\n")
    title = next((line for line in lines[:1] if line.startswith(_TITLE)), None)
    settings = next((line for line in lines[:8] if line.startswith(_SETTINGS)), None)
    if title is None or settings is None:
        command = next((line.removeprefix(_COMMAND) for line in lines[:8] if line.startswith(_COMMAND)), None)
        remedy = f"run what the file names: {command}" if command else _REMEDY
        raise InputError("the file is not a reproducer", where=where, why=f"it does not begin with '{_TITLE.strip()}'", remedy=remedy)
    try:
        fields = json.loads(settings.removeprefix(_SETTINGS))
        return Reproducer(
            ir=text,
            pipeline=str(fields["pipeline"]),
            failure=title.removeprefix(_TITLE),
            verify_each=bool(fields["verify_each"]),
            timeout_s=None if fields["timeout_s"] is None else float(fields["timeout_s"]),
            pass_modules=tuple(str(m) for m in fields["pass_modules"]),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise InputError("the settings of the reproducer are damaged", where=where, why=repr(problem), remedy=_REMEDY) from problem
