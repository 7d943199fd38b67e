"""`--verify-diagnostics`: the messages that a test file expects, written beside the place they are for.

```
// expected-error@+1 {{needs equal shapes}}
%0 = "tw.matmul"(%a, %b) ...
```
Severities are error, warning, remark and note. The line is that of the comment, or `@+N`, `@-N`, `@above`, `@below`, or `@unknown`
for a message without a place. The text must be contained in the message; with `-re` the parts in `{{...}}` are regular expressions.
Every error and warning must be expected and every expectation must be met; remarks and notes only where some are expected on the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.capture import Diagnostic, Place
from tilewright.core.diagnostics import TilewrightError

_EXPECTATION = re.compile(
    r"expected-(?P<severity>error|warning|remark|note)(?P<regex>-re)?"
    r"(?:@(?P<place>[+-]\d+|above|below|unknown))?\s*\{\{(?P<text>.*)\}\}\s*$"
)
_WHERE = re.compile(r"^(?P<file>.*?):(?P<line>\d+):(?P<column>\d+)")


@dataclass(frozen=True)
class Expectation:
    """A message that must come at `line` (0: without a place). `written` is the line of the comment."""

    severity: str
    line: int
    text: str
    regex: bool
    written: int

    def matches(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.severity != self.severity or diagnostic.place.line != self.line:
            return False
        if not self.regex:
            return self.text in diagnostic.message
        pattern = "".join(part if index % 2 else re.escape(part) for index, part in enumerate(re.split(r"\{\{(.*?)\}\}", self.text)))
        return re.search(pattern, diagnostic.message) is not None


def read_expectations(source: str, first_line: int = 1) -> list[Expectation]:
    """The expectations in `source`, whose first line has the number `first_line`."""
    lines = source.splitlines()
    found: list[Expectation] = []
    for index, line in enumerate(lines):
        match = _EXPECTATION.search(line)
        if match is None:
            continue
        place = match["place"] or "+0"
        if place in ("above", "below"):
            target = _nearest_code(lines, index, -1 if place == "above" else 1) + first_line
        elif place == "unknown":
            target = 0
        else:
            target = index + int(place) + first_line
        found.append(Expectation(match["severity"], target, match["text"], match["regex"] is not None, index + first_line))
    return found


def diagnostic_of(error: TilewrightError) -> Diagnostic:
    """An error of ours as a diagnostic, at the place that its `where` names."""
    match = _WHERE.match(error.where)
    place = Place(match["file"], int(match["line"]), int(match["column"])) if match else Place()
    return Diagnostic("error", place, "\n".join(part for part in (error.what, error.why) if part))


def with_error(diagnostics: Sequence[Diagnostic], error: TilewrightError | None) -> list[Diagnostic]:
    """The diagnostics and the error that ended the run, unless it only repeats one of them."""
    if error is None:
        return list(diagnostics)
    ours = diagnostic_of(error)
    repeated = any(d.severity == "error" and d.place.line == ours.place.line and error.what in d.message for d in diagnostics)
    return [*diagnostics] if repeated else [*diagnostics, ours]


def mismatches(diagnostics: Sequence[Diagnostic], expected: Sequence[Expectation], file: str) -> list[TilewrightError]:
    """What is wrong: unexpected messages and unmet expectations. Each expectation takes one message."""
    open_expectations = list(expected)
    problems: list[TilewrightError] = []
    for diagnostic in _flatten(diagnostics):
        met = next((e for e in open_expectations if e.matches(diagnostic)), None)
        if met is not None:
            open_expectations.remove(met)
        elif diagnostic.severity in ("error", "warning") or _line_expects(expected, diagnostic):
            where = f"{file}:{diagnostic.place.line}:{diagnostic.place.column}" if diagnostic.place.line else file
            problems.append(TilewrightError(f"unexpected {diagnostic.severity}: {diagnostic.message}", where=where))
    for unmet in open_expectations:
        at = f" at line {unmet.line}" if unmet.line and unmet.line != unmet.written else ""
        what = f"expected {unmet.severity} {{{{{unmet.text}}}}}{at} did not come"
        problems.append(TilewrightError(what, where=f"{file}:{unmet.written}"))
    return problems


def _flatten(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [each for d in diagnostics for each in (d, *d.notes)]


def _line_expects(expected: Sequence[Expectation], diagnostic: Diagnostic) -> bool:
    return any(e.line == diagnostic.place.line and e.severity == diagnostic.severity for e in expected)


def _nearest_code(lines: Sequence[str], index: int, step: int) -> int:
    """The nearest line in direction `step` that is not an expectation alone, so that several can be stacked."""
    index += step
    while 0 <= index < len(lines) and lines[index].lstrip().startswith("//") and _EXPECTATION.search(lines[index]):
        index += step
    return index
