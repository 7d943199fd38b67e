"""What `tilewright-opt` tells about passes: `--list-passes` and `--help-pass`."""

from __future__ import annotations

from functools import partial

from tilewright.core.diagnostics import InputError
from tilewright.core.isolation import Finished, Report, run_isolated
from tilewright.core.option_text import encode
from tilewright.core.passes import CompositePass, Pass
from tilewright.core.registry import find_pass, load_all_passes, suggest
from tilewright.core.upstream_passes import ANCHORS, FATAL

_TIMEOUT_S = 20.0


def list_passes(which: str) -> str:
    """`ours`, `upstream` or `all`: one line a pass."""
    if which not in ("ours", "upstream", "all"):
        raise InputError(f"--list-passes is given {which!r}", remedy="it is one of ours, upstream, all")
    lines: list[str] = []
    if which != "upstream":
        ours = load_all_passes()
        width = max((len(name) for name in ours), default=0)
        lines += [f"{name:{width}}  {cls.contract()}" for name, cls in ours.items()]
    if which != "ours":
        width = max(len(name) for name in ANCHORS)
        lines += [f"{name:{width}}  MLIR; runs on {_anchor_text(name)}" for name in ANCHORS]
    return "\n".join(lines) + "\n" if lines else ""


def describe_pass(name: str) -> str:
    """The documentation and options of one pass. Raises InputError with near matches."""
    found = find_pass(name)
    if found is not None:
        return _describe_ours(found)
    if name in ANCHORS:
        return _describe_upstream(name)
    raise InputError(f"there is no pass called {name!r}", remedy=suggest(name, [*load_all_passes(), *ANCHORS]) or "see --list-passes=all")


def _describe_ours(cls: type[Pass]) -> str:
    lines = [cls.name, "", cls.documentation(), ""]
    options = cls.options()
    lines.append("Options:" if options else "It has no options.")
    for option in options:
        default = "required" if option.required else f"default: {encode(option.default)}"
        lines.append(f"  {option.name}=<{option.type_text}>  ({default})")
        if option.help:
            lines.append(f"      {option.help}")
    if issubclass(cls, CompositePass) and not any(option.required for option in options):
        lines += ["", f"It stands for: {cls().pipeline()}"]
    return "\n".join(lines) + "\n"


def _describe_upstream(name: str) -> str:
    lines = [name, "", f"A pass of MLIR's. Runs on {_anchor_text(name)}."]
    if name in FATAL:
        lines.append(f"It kills the process when it runs on {' or '.join(FATAL[name])}.")
    lines += [f"Documentation: https://mlir.llvm.org/docs/Passes/#-{name}", ""]
    # In a child: printing the options of some passes aborts.
    outcome = run_isolated(partial(_upstream_options, name), timeout_s=_TIMEOUT_S)
    if not isinstance(outcome, Finished):
        lines.append(f"Its options cannot be shown: MLIR {outcome}.")
    elif outcome.value:
        lines.append("Options with a default:")
        lines += [f"  {key}={default}" for key, default in outcome.value.items()]
    else:
        lines.append("It has no options with a default.")
    return "\n".join(lines) + "\n"


def _upstream_options(name: str, report: Report) -> dict[str, str]:
    from tilewright.core.mlir import new_context
    from tilewright.core.upstream import upstream_options

    return upstream_options(name, new_context())


def _anchor_text(name: str) -> str:
    anchor = ANCHORS[name]
    return {"": "any op", "function": "functions"}.get(anchor, anchor)
