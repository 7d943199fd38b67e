"""Everything in a program that cannot be compiled, collected before anything is done and reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tilewright.core.diagnostics import UnsupportedError

_PLACES = 3
"""Source lines named for each kind."""


@dataclass
class Refusal:
    """One op and reason, with the first places where it stands. `alternative` says what to use instead."""

    op: str
    reason: str
    alternative: str = ""
    count: int = 0
    sources: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The machine-readable form."""
        return {
            "op": self.op, "reason": self.reason, "count": self.count, "sources": self.sources, "alternative": self.alternative,
        }  # fmt: skip


class Refusals:
    """Refusals by op and reason."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str], Refusal] = {}

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def add(self, op: str, reason: str, source: str, alternative: str = "") -> None:
        """Count one more place (`source`: `file:line:col`, or nothing where it is not known)."""
        refusal = self.kinds.setdefault((op, reason), Refusal(op, reason, alternative))
        refusal.count += 1
        if source and len(refusal.sources) < _PLACES and source not in refusal.sources:
            refusal.sources.append(source)

    def error(self, places: str, purpose: str, remedy: str, origin: str = "") -> UnsupportedError:
        """The error that names everything, most frequent first.

        `places` is what is counted ("node"), `purpose` what can't be done with them. The error's `records` are the machine-readable
        form: a list of dictionaries with op, reason, count, sources (the first three), alternative.
        """
        ordered = sorted(self.kinds.values(), key=lambda r: (-r.count, r.op))
        total = sum(r.count for r in ordered)
        lines: list[str] = []
        for r in ordered:
            lines.append(f"{r.op} x{r.count}: {r.reason}")
            lines += [f"    at {source}" for source in r.sources]
            if r.alternative:
                lines.append(f"    instead: {r.alternative}")
        error = UnsupportedError(
            f"{len(ordered)} kind{'s' if len(ordered) != 1 else ''} of operation in the program "
            f"({total} {places}{'s' if total != 1 else ''}) can't be {purpose}",
            where=origin,
            why="\n".join(lines),
            remedy=remedy,
        )
        error.records = [r.record() for r in ordered]  # type: ignore[attr-defined]
        return error
