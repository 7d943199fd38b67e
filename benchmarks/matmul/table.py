"""The rows as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.matmul.cases import PEERS
from benchmarks.matmul.rating import Row, Timing, rate
from benchmarks.matmul.systems import SYSTEMS


def ratio_text(peer: Timing, ours: Timing) -> str:
    """How much faster ours is: of medians, and of minima."""
    return f"{peer.median / ours.median:.2f} ({peer.minimum / ours.minimum:.2f})"


def figures_table(rows: Sequence[Row], peers: Sequence[str]) -> Table:
    """A line for each case."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in ("case (m x n x k)", "ms", "GF/s", "peak", "DRAM", *(SYSTEMS[p].title for p in peers), "error", ""):
        table.add_column(heading, justify="left" if heading.startswith("case") else "right", no_wrap=True)
    group = None
    for row in rows:
        if row.case.group != group:
            group = row.case.group
            table.add_row(f"[bold]{group}[/bold]")
        table.add_row(*_cells(row, peers))
        native = row.own.get("native")
        if native is not None:
            figures = [f"{native.median * 1e3:.4f}", f"{row.case.flops / native.median / 1e9:.0f}", part_text(row.peak_part(native))]
            others = [ratio_text(row.timings[p], native) if p in row.timings else "" for p in peers]
            table.add_row("  the same, called natively", *figures, part_text(row.dram_part(native)), *others)
    return table


def part_text(part: float | None) -> str:
    return "" if part is None else f"{part * 100:.0f} %"


def _cells(row: Row, peers: Sequence[str]) -> list[str]:
    ours = row.ours
    label = f"  {row.case.label}"
    if ours is None:
        others = [f"{row.case.flops / row.timings[p].median / 1e9:.0f} GF/s" if p in row.timings else _why(row, p) for p in peers]
        return [label, "[red]none[/red]", "", "", "", *others, "", "[red]short[/red]"]
    ratios = [ratio_text(row.timings[p], ours) if p in row.timings else _why(row, p) for p in peers]
    mark = "[green]pass[/green]" if all(v.passes for v in rate(row)) else "[red]short[/red]"
    gflops = f"{row.case.flops / ours.median / 1e9:.0f}"
    error = "exact" if ours.error == 0 else f"{ours.error:.0e}"
    return [label, f"{ours.median * 1e3:.3f}", gflops, part_text(row.peak_part(ours)), part_text(row.dram_part(ours)), *ratios, error, mark]


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
    """Cases of one thread in which a system had much less than a CPU, because something else used the machine."""
    found = [
        f"{row.case.label}: " + ", ".join(f"{name} had {timing.cpus:.2f} CPUs" for name, timing in hit.items())
        for row in rows
        if row.case.threads == 1 and (hit := {name: timing for name, timing in row.timings.items() if timing.cpus < 0.9})
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


def show(console: Console, rows: Sequence[Row], versions: Mapping[str, str | None]) -> None:
    """Figures, verdicts, notes, versions."""
    peers = [p for p in PEERS if any(p in row.timings or p in row.refused for row in rows)]
    console.print(figures_table(rows, peers))
    console.print("Under a peer: how much faster Tilewright is, of medians (of minima). The other figures are of medians too.")
    lines = verdict_lines(rows)
    short = [line for line in lines if line.startswith("SHORT")]
    console.print(f"\n[bold]{len(lines) - len(short)} of {len(lines)} bars are reached[/bold]")
    for line in lines:
        console.print(f"  {line}", style="" if line.startswith("pass") else "red", markup=False, highlight=False, soft_wrap=True)
    for note in [*(f"no figure: {note}" for note in notes(rows)), *disturbed(rows)]:
        console.print(f"  {note}", style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(
        "\n" + ", ".join(f"{SYSTEMS[n].title} {v or 'not installed'}" for n, v in versions.items() if n != "ceilings"), soft_wrap=True
    )
