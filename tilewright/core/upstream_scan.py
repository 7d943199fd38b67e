"""Finds out which passes the MLIR bindings hold and where each may run; `upstream_passes.py` is what it found.

The bindings can't list their passes. So every string in their library is tried as a name, then every name on every kind of op, in a
child process, because some combinations kill it. Run `python -m tilewright.core.upstream_scan` after a change of the bindings.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tilewright.core.capture import capture
from tilewright.core.diagnostics import ToolchainError
from tilewright.core.isolation import Death, Finished, Report, run_isolated

_SMALLEST: dict[str, tuple[str, str]] = {
    "builtin.module": ("", "builtin.module({})"),
    "func.func": ("func.func @f() { return }", "builtin.module(func.func({}))"),
    "llvm.func": ("llvm.func @f() { llvm.return }", "builtin.module(llvm.func({}))"),
    "gpu.module": ("gpu.module @g {}", "builtin.module(gpu.module({}))"),
    "gpu.func": ("gpu.module @g { gpu.func @f() { gpu.return } }", "builtin.module(gpu.module(gpu.func({})))"),
}
"""For each kind of op the smallest module with one, and a pipeline that runs a pass on it."""

_UNKNOWN = "does not refer to a registered pass"
_RESTRICTED = re.compile(r"restricted to '([^']*)'")
_UNSCHEDULABLE = "unable to schedule pass"
_FUNCTIONS = ("func.func", "llvm.func", "gpu.func")


def candidate_names(library: bytes) -> list[str]:
    """Every suffix of every string that could be a name (the linker shares tails, so `cse` may only exist inside a longer string)."""
    names: set[str] = set()
    for match in re.finditer(rb"([a-z0-9-]{3,80})\0", library):
        text = match.group(1).decode()
        names.update(text[i:] for i in range(len(text) - 2))
    return sorted(n for n in names if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", n))


def scan() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Anchors and fatal anchors, as documented in `upstream_passes`. Takes about 3 seconds."""
    (directory,) = importlib.import_module("mlir._mlir_libs").__path__
    library = Path(directory) / "libMLIRPythonCAPI.so"
    if not library.exists():
        raise ToolchainError("the library of the MLIR bindings was not found", where=str(library))
    found = _survey([(name, "no.such-op({})", "") for name in candidate_names(library.read_bytes())])
    restriction = {job[0]: answer for job, answer in found.items() if answer != _UNKNOWN}
    anchors: dict[str, str] = {}
    fatal: dict[str, tuple[str, ...]] = {}
    trials = _survey([(name, pipeline, source) for name in restriction for source, pipeline in _SMALLEST.values()])
    for name, restricted in restriction.items():
        answers = {anchor: trials[name, pipeline, source] for anchor, (source, pipeline) in _SMALLEST.items()}
        deadly = tuple(anchor for anchor, answer in answers.items() if answer == "died")
        if restricted not in ("", "died"):
            anchors[name] = restricted
        elif len(deadly) == len(_SMALLEST) - 1 and "builtin.module" not in deadly:
            anchors[name] = "builtin.module"
        elif answers["builtin.module"] == _UNSCHEDULABLE and any(answers[f] == "" for f in _FUNCTIONS):
            anchors[name] = "function"
        else:
            anchors[name] = ""
        if deadly and not anchors[name].count("."):
            fatal[name] = deadly
    return dict(sorted(anchors.items())), dict(sorted(fatal.items()))


Job = tuple[str, str, str]
"""A pass name, a pipeline with a place for it, and the module to run it on (empty: the empty module)."""


def _survey(jobs: Sequence[Job]) -> dict[Job, str]:
    """What became of each job: empty for success, the reason of a failure that says where the pass may run, or `died`."""
    answers: dict[Job, str] = {}
    position = 0

    def record(message: object) -> None:
        nonlocal position
        assert isinstance(message, tuple)
        index, answer = message
        answers[jobs[index]] = answer
        position = index + 1

    while position < len(jobs):
        outcome = run_isolated(partial(_try_all, jobs, position), timeout_s=60, on_message=record)
        if isinstance(outcome, Finished):
            break
        assert isinstance(outcome, Death)
        answers[jobs[position]] = "died"
        position += 1
    return answers


def _try_all(jobs: Sequence[Job], start: int, report: Report) -> None:
    from tilewright.core.mlir import MLIRError, ir, new_context, passmanager

    context = new_context()
    with context, capture(context) as log:
        for index in range(start, len(jobs)):
            name, pipeline, source = jobs[index]
            answer = ""
            try:
                manager = passmanager.PassManager.parse(pipeline.format(name))
                if not pipeline.startswith("no.such-op"):
                    manager.run(ir.Module.parse(source).operation)
            except (ValueError, MLIRError) as error:
                answer = _classify(f"{error} {[d.message for d in log.take()]}")
            report((index, answer))


def _classify(message: str) -> str:
    restricted = _RESTRICTED.search(message)
    if restricted:
        return restricted.group(1)
    return next((reason for reason in (_UNKNOWN, _UNSCHEDULABLE) if reason in message), "")


def render() -> str:
    """The text of `upstream_passes.py`."""
    from tilewright.core.mlir import llvm_version

    anchors, fatal = scan()
    lines = [
        '"""The passes of the MLIR bindings. Written by `python -m tilewright.core.upstream_scan`; a test compares the two."""',
        "",
        "from __future__ import annotations",
        "",
        f'SCANNED_VERSION = "{llvm_version()}"',
        "",
        "ANCHORS: dict[str, str] = {",
        *(f'    "{name}": "{anchor}",' for name, anchor in anchors.items()),
        "}",
        '"""The op that each pass runs on: an op name, `function` for any function-like op, or empty for any op."""',
        "",
        "FATAL: dict[str, tuple[str, ...]] = {",
        *(f'    "{name}": ({", ".join(chr(34) + a + chr(34) for a in fatal[name])},),' for name in fatal),
        "}",
        '"""Ops on which a pass kills the process even when they are empty."""',
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    (Path(__file__).parent / "upstream_passes.py").write_text(render())
