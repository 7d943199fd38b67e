"""How errors meet the user of a command line. Works on a runtime-only install."""

from __future__ import annotations

import sys

from tilewright.core.diagnostics import TilewrightError
from tilewright.runtime.errors import RuntimeFailure

FAILURES = (TilewrightError, RuntimeFailure)
"""The errors raised on purpose. Any other exception is a bug and keeps its traceback."""


def print_failure(error: BaseException) -> None:
    """Print an error to stderr: place, what, and on further lines why and what to do."""
    head, newline, rest = str(error).partition("\n")
    place = f"{error.where}: " if isinstance(error, TilewrightError) and error.where else ""
    print(f"{place}error: {head.removeprefix(place)}{newline}{rest}", file=sys.stderr)


def exit_code(error: BaseException) -> int:
    """The exit code that tells the kind of an error (docs/errors.md)."""
    return error.exit_code if isinstance(error, FAILURES) else 1
