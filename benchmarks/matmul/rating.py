"""From times to figures, and from figures to verdicts."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.matmul.cases import PEERS, Bar, Case
from benchmarks.matmul.driver import Result
from benchmarks.matmul.operands import TOLERANCE

OURS = "tilewright"
UNDISTURBED = 0.95
"""A turn counts when it kept this part of the CPUs busy that the system's busiest turn did."""
KEPT_TURNS = 5


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, and the error relative to the largest result (None where there is no result)."""

    variant: str
    minimum: float
    median: float
    error: float | None = None
    work: float = 0.0
    cpus: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """One bar: what was measured (None when it could not be) and a sentence."""

    bar: Bar
    measured: float | None
    text: str

    @property
    def passes(self) -> bool:
        return self.measured is not None and self.measured >= self.bar.at_least


@dataclass(frozen=True)
class Row:
    """A case with the best timing of each system, those of ours by variant, the ceilings, and why systems have none."""

    case: Case
    timings: dict[str, Timing]
    own: dict[str, Timing]
    one_thread: Timing | None
    peak: Timing | None
    dram: Timing | None
    refused: dict[str, str]

    @property
    def ours(self) -> Timing | None:
        return self.timings.get(OURS)

    def peak_part(self, timing: Timing) -> float | None:
        """Part of the arithmetic peak, of medians."""
        return None if self.peak is None else (self.case.flops / timing.median) / (self.peak.work / self.peak.median)

    def dram_part(self, timing: Timing) -> float | None:
        """Part of the DRAM bandwidth, of medians."""
        return None if self.dram is None else (self.case.moved_bytes / timing.median) / (self.dram.work / self.dram.median)


def timing_of(variant: dict[str, Any]) -> Timing:
    """The figures of a variant that was measured: the shortest call, and the median of the means of undisturbed turns."""
    turns = undisturbed(list(zip(variant["means"], variant["cpus"], strict=True)))
    median, cpus = (statistics.median(column) for column in zip(*turns, strict=True))
    return Timing(variant["name"], min(variant["minima"]), median, variant["error"], variant["work"], cpus)


def undisturbed(turns: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The turns (seconds, CPUs busy) in which other processes of the machine took no time away.

    A system whose turns kept fewer CPUs busy than its busiest one was waiting for a CPU. At least five turns are kept, the busiest.
    """
    by_cpus = sorted(turns, key=lambda turn: -turn[1])
    return [turn for i, turn in enumerate(by_cpus) if i < KEPT_TURNS or turn[1] >= UNDISTURBED * by_cpus[0][1]]


def best(timings: list[Timing]) -> Timing | None:
    """The one with the shortest median."""
    return min(timings, key=lambda t: t.median, default=None)


def make_row(case: Case, results: dict[str, Result]) -> Row:
    """Results with too large an error do not count: they are listed with the refused systems."""
    timings: dict[str, Timing] = {}
    own: dict[str, Timing] = {}
    refused = {name: result.refused for name, result in results.items() if result.refused}
    measured = {name: [timing_of(v) for v in result.variants if v["means"]] for name, result in results.items()}
    for name in (OURS, *PEERS):
        found = measured.get(name, [])
        right = [t for t in found if t.error is None or t.error <= TOLERANCE[case.dtype]]
        if name == OURS:
            own = {t.variant: t for t in right}
            right = [own["session"]] if "session" in own else []
        if chosen := best(right):
            timings[name] = chosen
        elif found:
            refused[name] = f"its error is {max(t.error or 0 for t in found):.1e}"
    ceilings = measured.get("ceilings", [])
    peak = best([t for t in ceilings if t.variant.startswith("peak")])
    dram = best([t for t in ceilings if t.variant.startswith("dram")])
    single = next((t for t in measured.get("one thread", []) if t.variant == "session"), None)
    return Row(case, timings, own, single, peak, dram, refused)


def rate(row: Row) -> list[Verdict]:
    """A verdict for each bar of the case."""
    return [Verdict(bar, *_measure(bar, row)) for bar in row.case.bars]


def _measure(bar: Bar, row: Row) -> tuple[float | None, str]:
    ours = row.ours
    if ours is None:
        return None, f"not measured: {first_line(row.refused.get(OURS, 'Tilewright was not run'))}"
    if bar.quantity == "ratio":
        return _ratio(bar, row, ours)
    if bar.quantity in ("peak", "dram"):
        return _part(bar, row, ours)
    other = row.one_thread if bar.quantity == "speedup" else row.own.get("bare")
    what = "our one thread" if bar.quantity == "speedup" else "our matmul alone"
    if other is None:
        return None, f"not measured: {what} was not run"
    ratio = other.median / ours.median
    return ratio, f"{ratio:.2f}x the speed of {what} ({other.minimum / ours.minimum:.2f} of minima), {bar.at_least:.2f} needed"


def _part(bar: Bar, row: Row, ours: Timing) -> tuple[float | None, str]:
    part_of, ceiling = (row.peak_part, row.peak) if bar.quantity == "peak" else (row.dram_part, row.dram)
    part = part_of(ours)
    if part is None or ceiling is None:
        return None, f"not measured: no ceiling ({first_line(row.refused.get('ceilings', 'it was not run'))})"
    text = f"{part:.2f} of {_ceiling_text(bar.quantity, ceiling)}, {bar.at_least:.2f} needed"
    peers = {name: row.timings[name] for name in PEERS if name in row.timings}
    if part < bar.at_least and peers:
        fastest = min(peers, key=lambda n: peers[n].median)
        text += f"; the fastest peer, {fastest}, reaches {part_of(peers[fastest]):.2f}"
    return part, text


def _ratio(bar: Bar, row: Row, ours: Timing) -> tuple[float | None, str]:
    peers = {name: row.timings[name] for name in bar.peers if name in row.timings}
    if not peers:
        return None, f"not measured: none of {', '.join(bar.peers)} gave a result"
    name = min(peers, key=lambda n: peers[n].median)
    peer = peers[name]
    ratio = peer.median / ours.median
    text = f"{ratio:.2f}x {name} ({peer.variant}; {peer.minimum / ours.minimum:.2f} of minima), {bar.at_least:.2f} needed"
    own_part, peer_part = row.dram_part(ours), row.dram_part(peer)
    if ratio < bar.at_least and own_part is not None and peer_part is not None:
        text += f"; ours reaches {own_part:.2f} of the DRAM bandwidth, {name} {peer_part:.2f}"
    return ratio, text


def _ceiling_text(quantity: str, ceiling: Timing) -> str:
    rate_of_ceiling = ceiling.work / ceiling.median / 1e9
    unit = "GFLOP/s" if quantity == "peak" else "GB/s"
    return f"{rate_of_ceiling:.0f} {unit} ({ceiling.variant})"


def first_line(text: str) -> str:
    """The first line of an error."""
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
