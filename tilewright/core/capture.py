"""MLIR's diagnostics as plain values, and locations as text."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tilewright.core.diagnostics import TilewrightError

if TYPE_CHECKING:
    from tilewright.core.mlir import ir

Error = TypeVar("Error", bound=TilewrightError)

# An op printed into a note can be as large as the program.
_NOTE_LINES = 12


@dataclass(frozen=True)
class Place:
    """A point in a source file. `line` and `column` count from 1; 0 is unknown. `name` is what the location was named, if it was."""

    file: str = ""
    line: int = 0
    column: int = 0
    name: str = ""

    def __str__(self) -> str:
        point = f"{self.file}:{self.line}:{self.column}" if self.file and self.line else self.file
        if self.name:
            return f"{point} ({self.name})" if point else self.name
        return point


@dataclass(frozen=True)
class Diagnostic:
    """One message of MLIR. `severity` is `error`, `warning`, `remark` or `note`."""

    severity: str
    place: Place
    message: str
    notes: tuple[Diagnostic, ...] = ()

    def __str__(self) -> str:
        head = f"{self.place}: " if str(self.place) else ""
        lines = [f"{head}{self.severity}: {self.message}", *(_shorten(str(note)) for note in self.notes)]
        return "\n".join(lines)


def place_of(location: ir.Location) -> Place:
    """The first file position in `location`; of nested names the outermost."""
    if location.is_a_file():
        return Place(location.filename, location.start_line, location.start_col)
    if location.is_a_name():
        inner = place_of(location.child_loc)
        return Place(inner.file, inner.line, inner.column, location.name_str)
    if location.is_a_callsite():
        return place_of(location.callee)
    if location.is_a_fused():
        for part in location.locations:
            found = place_of(part)
            if found != Place():
                return found
    return Place()


def where(location: ir.Location) -> str:
    """`file:line:col (name)`: the text for `TilewrightError.where`."""
    return str(place_of(location))


def read_diagnostic(diagnostic: Any) -> Diagnostic:
    """Copy what is in an `ir.Diagnostic` or `ir.DiagnosticInfo`; the original is valid only inside its handler."""
    severity = str(diagnostic.severity).rpartition(".")[2].lower()
    notes = tuple(read_diagnostic(note) for note in diagnostic.notes)
    return Diagnostic(severity, place_of(diagnostic.location), str(diagnostic.message), notes)


class DiagnosticLog:
    """The diagnostics of a context, in order of arrival."""

    def __init__(self) -> None:
        self.entries: list[Diagnostic] = []

    def record(self, diagnostic: Any) -> bool:
        """A handler for `ir.Context.attach_diagnostic_handler`: takes the diagnostic, so nothing is printed."""
        self.entries.append(read_diagnostic(diagnostic))
        return True

    def take(self) -> list[Diagnostic]:
        """The entries so far, which are thereby forgotten."""
        taken, self.entries = self.entries, []
        return taken


def log_of(context: ir.Context) -> DiagnosticLog | None:
    """The log that `new_context` gave to the context; None for a context made otherwise."""
    return getattr(context, "diagnostic_log", None)


@contextmanager
def capture(context: ir.Context) -> Generator[DiagnosticLog]:
    """Collect what `context` reports inside the `with` block. The context's own log, where it has one, gets it too."""
    log = DiagnosticLog()
    handler: Any = context.attach_diagnostic_handler(log.record)
    try:
        yield log
    finally:
        handler.detach()
        outer = log_of(context)
        if outer is not None:
            outer.entries += log.entries


def error_from(kind: type[Error], diagnostics: Sequence[Diagnostic], fallback: str) -> Error:
    """An error of class `kind` made of MLIR's diagnostics: the first error leads, the others and all notes are the reason.

    `fallback` is the message where MLIR failed without giving one.
    """
    errors = [d for d in diagnostics if d.severity == "error"]
    if not errors:
        return kind(fallback, why="\n".join(str(d) for d in diagnostics) or "MLIR reported no reason")
    first = errors[0]
    reasons = [*(_shorten(str(note)) for note in first.notes), *(str(other) for other in diagnostics if other is not first)]
    return kind(first.message, where=str(first.place), why="\n".join(reasons))


def _shorten(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _NOTE_LINES:
        return text
    return "\n".join([*lines[:_NOTE_LINES], f"... ({len(lines) - _NOTE_LINES} more lines)"])
