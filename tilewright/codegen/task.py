"""A piece of work for a worker process, and its form as a file that can be run again."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilewright.core.diagnostics import InputError
from tilewright.core.reproducer import new_reproducer_path

Report = Callable[[str], None]
"""Tells the parent which phase begins, so that a death can be blamed on it."""

# Tasks are named by text, so that what they need (the lowering, LLVM) is imported by the workers alone: a warm compile has no use for it.
COMPILE_KERNEL = "tilewright.codegen.kernel_task:compile_kernel"
COMPILE_HOST_PROGRAM = "tilewright.codegen.kernel_task:compile_host_program"
COMPILE_DEVICE_KERNEL = "tilewright.codegen.device_task:compile_device_kernel"
LOWER_KERNEL = "tilewright.lowering.lower_kernel:lower_kernel"

_TITLE = "// Tilewright worker task: "
_SETTINGS = "// task: "


@dataclass(frozen=True)
class Task:
    """`function` is `module:callable`; it is called as `callable(text, settings, report)` and returns something picklable.

    `text` is MLIR or LLVM IR, `settings` JSON values; together they are all that the work depends on. `name` is for people.
    """

    name: str
    function: str
    text: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def run(self, report: Report) -> Any:
        """Do the work in this process. Raises InputError when `function` names nothing callable."""
        return resolve(self.function)(self.text, self.settings, report)


def resolve(path: str) -> Callable[..., Any]:
    """The callable at `module:name`. Raises InputError when there is none."""
    module_name, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{path!r} names no function", why=str(error), remedy="write it as package.module:function") from error
    if not callable(found):
        raise InputError(f"{path!r} is not a function")
    return found


def write_task(task: Task, failure: str) -> tuple[Path, str]:
    """Write a reproducer of `task` to a new file. Returns its path and the command that runs it again."""
    path = new_reproducer_path(task.name)
    command = shlex.join([sys.executable, "-m", "tilewright.codegen.worker", "--replay", str(path)])
    settings = json.dumps({"name": task.name, "function": task.function, "settings": dict(task.settings)})
    header = f"{_TITLE}{' '.join(failure.split())}\n// run it again: {command}\n{_SETTINGS}{settings}\n"
    path.write_text(header + task.text)
    return path, command


def read_task(path: Path) -> Task:
    """Read what `write_task` wrote. Raises InputError for another file."""
    try:
        lines = path.read_text().split("\n", 3)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the reproducer cannot be read", where=str(path), why=str(error)) from error
    try:
        if not lines[0].startswith(_TITLE):
            raise ValueError(f"it does not begin with {_TITLE!r}")
        fields = json.loads(lines[2].removeprefix(_SETTINGS))
        return Task(fields["name"], fields["function"], lines[3], fields["settings"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError("the file is not a reproducer of a worker's task", where=str(path), why=str(error)) from error
