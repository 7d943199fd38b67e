"""The rows as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.suite.definition import Suite
from benchmarks.suite.rating import NATIVE, Row, Timing, rate
from benchmarks.suite.systems import CEILINGS


def part_text(part: float | None) -> str:
    return "" if part is None else f"{part * 100:.0f} %"


FIGURES: dict[str, Callable[[Row, Timing], str]] = {
    "GF/s": lambda row, timing: f"{row.case.flops / timing.median / 1e9:.0f}" if row.case.flops else "",
    "GB/s": lambda row, timing: f"{row.case.moved_bytes / timing.median / 1e9:.1f}" if row.case.moved_bytes else "",
    "peak": lambda row, timing: part_text(row.peak_part(timing)),
    "DRAM": lambda row, timing: part_text(row.dram_part(timing)),
}
"""Columns that a suite may have."""


ENOUGH_CPUS = {1: 0.9}
"""By threads: the part of them that must have been busy (0.75 for others: threads wait for each other)."""


def ratio_text(peer: Timing, ours: Timing) -> str:
    """How much faster ours is: of medians, and of minima."""
    return f"{peer.median / ours.median:.2f} ({peer.minimum / ours.minimum:.2f})"


def time_text(seconds: float) -> str:
    """Milliseconds, with as many digits as tell."""
    return f"{seconds * 1e3:.3f}" if seconds >= 1e-4 else f"{seconds * 1e3:.5f}"


def figures_table(rows: Sequence[Row], peers: Sequence[str], suite: Suite) -> Table:
    """A line for each case."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    titles = [suite.systems[peer].title for peer in peers]
    for heading in ("case", "ms", *suite.figures, *titles, "error", ""):
        table.add_column(heading, justify="left" if heading == "case" else "right", no_wrap=True)
    group = None
    for row in rows:
        if row.case.group != group:
            group = row.case.group
            table.add_row(f"[bold]{group}[/bold]")
        table.add_row(*_cells(row, peers, suite))
        native = row.own.get(NATIVE)
        if native is not None:
            others = [ratio_text(row.timings[p], native) if p in row.timings else "" for p in peers]
            table.add_row(
                "  the same, called natively", time_text(native.median), *(FIGURES[f](row, native) for f in suite.figures), *others
            )
    return table


def _cells(row: Row, peers: Sequence[str], suite: Suite) -> list[str]:
    ours = row.ours
    label = f"  {row.case.label}"
    mark = "" if not row.case.bars else "[green]pass[/green]" if all(v.passes for v in rate(row)) else "[red]short[/red]"
    if ours is None:
        others = [f"{time_text(row.timings[p].median)} ms" if p in row.timings else _why(row, p) for p in peers]
        return [label, "" if row.memory else "[red]none[/red]", *[""] * len(suite.figures), *others, "", mark]
    ratios = [ratio_text(row.timings[p], ours) if p in row.timings else _why(row, p) for p in peers]
    error = "" if ours.error is None else "exact" if ours.error == 0 else f"{ours.error:.0e}"
    return [label, time_text(ours.median), *(FIGURES[f](row, ours) for f in suite.figures), *ratios, error, mark]


def _why(row: Row, peer: str) -> str:
    return "[dim]see below[/dim]" if peer in row.refused else "[dim]-[/dim]"


def notes(rows: Sequence[Row]) -> list[str]:
    """Why systems have no figure, each reason once with its cases."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for system, reason in row.refused.items():
            reasons.setdefault((system, shorten(reason)), []).append(row.case.label)
    return [
        f"{system}: {reason} [{', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''}]" for (system, reason), labels in reasons.items()
    ]


def disturbed(rows: Sequence[Row]) -> list[str]:
    """Cases in which a system had much less of the CPUs than it has threads, because something else used the machine."""
    found = [
        f"{row.case.label}: " + ", ".join(f"{name} had {timing.cpus:.2f} CPUs" for name, timing in hit.items())
        for row in rows
        if (hit := {name: t for name, t in row.timings.items() if t.cpus < ENOUGH_CPUS.get(row.case.threads, 0.75) * row.case.threads})
    ]
    return [f"disturbed by other processes: {'; '.join(found)}"] if found else []


def shorten(reason: str) -> str:
    """The beginning and the end of an error, on one line."""
    text = " ".join(reason.split())
    return text if len(text) <= 320 else f"{text[:180]} ... {text[-130:]}"


def verdict_lines(rows: Sequence[Row]) -> list[str]:
    """One line for each bar, those that are missed marked."""
    lines: list[str] = []
    for row in rows:
        for verdict in rate(row):
            lines.append(f"{'pass ' if verdict.passes else 'SHORT'}  {row.case.group}: {row.case.label}: {verdict.text}")
    return lines


def show(console: Console, rows: Sequence[Row], versions: Mapping[str, str | None], suite: Suite) -> None:
    """Figures, verdicts, notes, versions."""
    peers = [p for p in suite.peers if any(p in row.timings or p in row.refused for row in rows)]
    console.print(figures_table(rows, peers, suite))
    console.print("Under a peer: how much faster Tilewright is, of medians (of minima). The other figures are of medians too.")
    lines = verdict_lines(rows)
    short = [line for line in lines if line.startswith("SHORT")]
    console.print(f"\n[bold]{len(lines) - len(short)} of {len(lines)} bars are reached[/bold]")
    for line in lines:
        console.print(f"  {line}", style="" if line.startswith("pass") else "red", markup=False, highlight=False, soft_wrap=True)
    for note in [*(f"no figure: {note}" for note in notes(rows)), *disturbed(rows)]:
        console.print(f"  {note}", style="dim", markup=False, highlight=False, soft_wrap=True)
    listed = (f"{suite.systems[n].title} {v or 'not installed'}" for n, v in versions.items() if n != CEILINGS)
    console.print("\n" + ", ".join(listed), soft_wrap=True)
