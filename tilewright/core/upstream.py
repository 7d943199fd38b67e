"""MLIR's own passes: parsing one through the bindings, and what options it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tilewright.core.diagnostics import InputError
from tilewright.core.pipeline import Nested, PassSpec, parse_pipeline
from tilewright.core.plan import Step
from tilewright.core.registry import suggest
from tilewright.core.upstream_passes import ANCHORS

if TYPE_CHECKING:
    from tilewright.core.mlir import ir, passmanager

_NO_SUCH_OPTION = re.compile(r"no such option (\S+)")


def parse_upstream(step: Step, context: ir.Context) -> passmanager.PassManager:
    """A pass manager of the bindings for one step. Raises InputError where MLIR does not accept it."""
    from tilewright.core.mlir import passmanager

    for anchor in step.path:
        if anchor != "any" and not context.is_registered_operation(anchor):
            raise InputError(f"there is no op called {anchor!r} to run {step.name!r} on", where="pipeline", during=f"pass {step.label}")
    try:
        manager = passmanager.PassManager.parse(f"builtin.module({step.text})", context)
    except ValueError as error:
        reason = str(error).strip()
        unknown = _NO_SUCH_OPTION.search(reason)
        help_text = f"`tilewright-opt --help-pass {step.name}` shows its options"
        if unknown is None:
            raise InputError(f"MLIR does not accept the pass `{step.text}`", where="pipeline", why=reason, remedy=help_text) from error
        close = suggest(unknown.group(1), upstream_options(step.name, context))
        what = f"pass {step.name!r} has no option {unknown.group(1)!r}"
        raise InputError(what, where="pipeline", remedy=f"{close}\n{help_text}".lstrip()) from error
    # Verification is an instrument, the same for MLIR's passes and ours.
    manager.enable_verifier(False)
    return manager


def upstream_options(name: str, context: ir.Context) -> dict[str, str]:
    """The options of a pass with their defaults as text. MLIR prints those that have a default or a value."""
    from tilewright.core.mlir import passmanager

    anchor = ANCHORS.get(name, "")
    anchor = anchor if "." in anchor else "any"
    printed = parse_pipeline(str(passmanager.PassManager.parse(f"{anchor}({name})", context)))
    found: dict[str, str] = {}
    for element in printed.elements:
        for spec in element.body if isinstance(element, Nested) else (element,):
            # A pipeline prints the passes it consists of; their options are not its own.
            if isinstance(spec, PassSpec) and spec.name == name:
                found.update({option.key: option.value or "" for option in spec.options})
    return found
