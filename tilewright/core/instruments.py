"""What happens around each pass: verify, print, time, dump. All by one protocol, called by the pass manager."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.core.capture import capture, error_from, where
from tilewright.core.diagnostics import TilewrightError, VerifyError
from tilewright.core.plan import Step

if TYPE_CHECKING:
    from tilewright.core.mlir import ir

Write = Callable[[str], object]
"""Takes whole lines of text, such as `sys.stderr.write`."""

Verifier = Callable[["ir.Module"], None]
"""Raises VerifyError where a module breaks a rule that MLIR itself does not know (`tilewright.dialects.tw.verify`)."""


class Instrument:
    """Hooks around passes. Subclasses implement what they need."""

    def start(self, steps: Sequence[Step], module: ir.Module) -> None:
        """Before the first pass."""

    def before_pass(self, step: Step, module: ir.Module) -> None:
        """Before each pass."""

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        """After each pass that succeeded; `seconds` is the time of the pass alone."""

    def failure(self, step: Step, module: ir.Module, error: TilewrightError) -> None:
        """After a pass or its verification failed; the module may be invalid."""

    def finish(self, module: ir.Module) -> None:
        """After the last pass, when all succeeded."""


@dataclass(frozen=True)
class PrintStyle:
    """How IR is printed."""

    debug_info: bool = False
    generic: bool = False

    def text(self, operation: ir.Operation) -> str:
        # The custom printer of an invalid op may crash. Unless told that the op is valid, MLIR checks, and falls back to the generic form.
        return str(operation.get_asm(enable_debug_info=self.debug_info, print_generic_op_form=self.generic, assume_verified=self.generic))


class Verify(Instrument):
    """Checks the module after each pass with MLIR's verifier and ours."""

    def __init__(self, verifier: Verifier | None = None) -> None:
        self.verifier = verifier

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        verify_module(module, self.verifier)


def verify_module(module: ir.Module, verifier: Verifier | None = None) -> None:
    """Raises VerifyError with the op's location."""
    from tilewright.core.mlir import MLIRError

    with capture(module.context) as log:
        try:
            valid = bool(module.operation.verify())
        except MLIRError:
            valid = False
        if not valid:
            raise error_from(VerifyError, log.entries, "the IR is invalid")
    _refuse_unknown_ops(module)
    if verifier is not None:
        verifier(module)


def _refuse_unknown_ops(module: ir.Module) -> None:
    """MLIR accepts any op in a context that allows unregistered dialects, as ours do for the sake of `tw`."""
    from tilewright.core.mlir import DIALECT, ir

    names: set[str] = set()
    unknown: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        name = op.name
        if name not in names:
            if name.startswith(f"{DIALECT}.") or module.context.is_registered_operation(name):
                names.add(name)
            else:
                unknown.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    if unknown:
        raise VerifyError(f"there is no op called {unknown[0].name!r}", where=where(unknown[0].location))


class PrintBeforeAll(Instrument):
    """Prints the module before each pass."""

    def __init__(self, write: Write, style: PrintStyle) -> None:
        self.write = write
        self.style = style

    def before_pass(self, step: Step, module: ir.Module) -> None:
        self.write(f"{_banner(f'IR before {step.label}')}{_with_newline(self.style.text(module.operation))}")


class PrintAfterAll(Instrument):
    """Prints the module after each pass, and after a failed one."""

    def __init__(self, write: Write, style: PrintStyle) -> None:
        self.write = write
        self.style = style

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        self.write(f"{_banner(f'IR after {step.label}')}{_with_newline(self.style.text(module.operation))}")

    def failure(self, step: Step, module: ir.Module, error: TilewrightError) -> None:
        # The generic form, since the custom printers may rely on what the pass has broken.
        style = PrintStyle(self.style.debug_info, generic=True)
        self.write(f"{_banner(f'IR after {step.label}, which failed')}{_with_newline(style.text(module.operation))}")


class PrintAfterChange(Instrument):
    """After each pass prints the top-level ops (functions) that it changed or added, and names those it removed."""

    def __init__(self, write: Write, style: PrintStyle) -> None:
        self.write = write
        self.style = style
        self._before: dict[str, str] = {}

    def start(self, steps: Sequence[Step], module: ir.Module) -> None:
        self._before = self._symbols(module)

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        after = self._symbols(module)
        changed = [name for name, text in after.items() if self._before.get(name, text) != text]
        added = [name for name in after if name not in self._before]
        removed = [name for name in self._before if name not in after]
        summary = [f"{verb} {', '.join(names)}" for verb, names in (("changed", changed), ("new", added), ("removed", removed)) if names]
        self.write(_banner(f"IR after {step.label}: {'; '.join(summary) or 'no change'}"))
        for name in (*changed, *added):
            self.write(_with_newline(after[name]))
        self._before = after

    def _symbols(self, module: ir.Module) -> dict[str, str]:
        symbols: dict[str, str] = {"module attributes": str(module.operation.attributes)} if len(module.operation.attributes) else {}
        for index, op in enumerate(module.body.operations):
            text = self.style.text(op.operation)
            name = re.search(r"@(?:\"[^\"]*\"|[\w$.-]+)", text.partition("\n")[0])
            symbols[name.group() if name else f"#{index} {op.operation.name}"] = text
        return symbols


class Timing(Instrument):
    """Measures each pass. `table()` is for people, `seconds` for programs: (label, seconds) in order of running."""

    def __init__(self) -> None:
        self.seconds: list[tuple[str, float]] = []

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        self.seconds.append((step.label, seconds))

    def table(self) -> str:
        return timing_table(self.seconds)


def timing_table(rows: Sequence[tuple[str, float]], title: str = "pass") -> str:
    """A table of milliseconds and shares, in order, with the total."""
    total = sum(seconds for _, seconds in rows)
    lines = [f"{'ms':>10}  {'share':>6}  {title}"]
    lines += [f"{1e3 * seconds:10.2f}  {seconds / total if total else 0:6.1%}  {label}" for label, seconds in rows]
    lines.append(f"{1e3 * total:10.2f}  {1:6.1%}  total")
    return "\n".join(lines) + "\n"


class Dump(Instrument):
    """Writes the module into numbered files: `000-input.mlir`, `001-tw-simplify.mlir`, ..."""

    def __init__(self, directory: Path, style: PrintStyle) -> None:
        self.directory = directory
        self.style = style
        self._count = 0

    def start(self, steps: Sequence[Step], module: ir.Module) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._save("input", module, self.style)

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        self._save(step.name, module, self.style)

    def failure(self, step: Step, module: ir.Module, error: TilewrightError) -> None:
        self._save(f"{step.name}-failed", module, PrintStyle(self.style.debug_info, generic=True))

    def _save(self, name: str, module: ir.Module, style: PrintStyle) -> None:
        (self.directory / f"{self._count:03}-{name}.mlir").write_text(_with_newline(style.text(module.operation)))
        self._count += 1


class Announce(Instrument):
    """Tells a parent process which pass is about to run, so that a crash can be blamed on it."""

    def __init__(self, tell: Callable[[int, Step], None]) -> None:
        self.tell = tell
        self._index = 0

    def before_pass(self, step: Step, module: ir.Module) -> None:
        self.tell(self._index, step)
        self._index += 1


def _banner(text: str) -> str:
    return f"// -----// {text} //----- //\n"


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
