"""From times to figures, and from figures to verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.suite.cases import Bar, Case
from benchmarks.suite.driver import Result
from benchmarks.suite.systems import CEILINGS, ONE_THREAD, OURS

SESSION, NATIVE, BARE = "session", "native", "bare"
"""Our variants: the call that users make, which counts; the native call; the simpler form that the bar `bare` compares with."""
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
        return self.measured is not None and self.bar.holds(self.measured)


@dataclass(frozen=True)
class Row:
    """A case with the best timing of each system, those of ours by variant, the ceilings, and why systems have none.

    `memory`: by how many bytes a call raised the resident memory.
    """

    case: Case
    timings: dict[str, Timing]
    own: dict[str, Timing]
    one_thread: Timing | None
    peak: Timing | None
    dram: Timing | None
    refused: dict[str, str]
    memory: dict[str, int]

    @property
    def ours(self) -> Timing | None:
        return self.timings.get(OURS)

    @property
    def peers(self) -> dict[str, Timing]:
        """The timings of the others."""
        return {name: timing for name, timing in self.timings.items() if name != OURS}

    def peak_part(self, timing: Timing) -> float | None:
        """Part of the arithmetic peak, of medians."""
        if self.peak is None or not self.case.flops:
            return None
        return (self.case.flops / timing.median) / (self.peak.work / self.peak.median)

    def dram_part(self, timing: Timing) -> float | None:
        """Part of the DRAM bandwidth, of medians."""
        return None if self.dram is None else (self.case.moved_bytes / timing.median) / (self.dram.work / self.dram.median)


def timing_of(variant: Mapping[str, Any]) -> Timing:
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


def make_row(case: Case, results: Mapping[str, Result]) -> Row:
    """Results with too large an error do not count: they are listed with the refused systems."""
    timings: dict[str, Timing] = {}
    own: dict[str, Timing] = {}
    refused = {name: result.refused for name, result in results.items() if result.refused}
    measured = {name: [timing_of(v) for v in result.variants if v["means"]] for name, result in results.items()}
    # Ours first, then the others in the order in which they were run.
    for name in sorted((n for n in results if n not in (CEILINGS, ONE_THREAD)), key=lambda n: n != OURS):
        found = measured[name]
        right = [t for t in found if t.error is None or t.error <= case.tolerance]
        if name == OURS:
            own = {t.variant: t for t in right}
            right = [own[SESSION]] if SESSION in own else []
        if chosen := best(right):
            timings[name] = chosen
        elif found:
            refused[name] = f"its error is {max(t.error or 0 for t in found):.1e}"
    ceilings = measured.get(CEILINGS, [])
    peak = best([t for t in ceilings if t.variant.startswith("peak")])
    dram = best([t for t in ceilings if t.variant.startswith("dram")])
    single = next((t for t in measured.get(ONE_THREAD, []) if t.variant == SESSION), None)
    memory: dict[str, int] = {}
    for name, result in results.items():
        for v in result.variants:
            if v["peak_bytes"] and v["error"] <= case.tolerance:
                memory[name] = v["peak_bytes"]
            elif v["peak_bytes"]:
                refused[name] = f"its error is {v['error']:.1e}"
    return Row(case, timings, own, single, peak, dram, refused, memory)


def rate(row: Row) -> list[Verdict]:
    """A verdict for each bar of the case."""
    return [Verdict(bar, *_measure(bar, row)) for bar in row.case.bars]


def _measure(bar: Bar, row: Row) -> tuple[float | None, str]:
    if bar.quantity == "memory":
        return _memory(bar, row)
    ours = row.ours
    if ours is None:
        return None, f"not measured: {first_line(row.refused.get(OURS, 'Tilewright was not run'))}"
    if bar.quantity == "ratio":
        return _ratio(bar, row, ours)
    if bar.quantity in ("peak", "dram"):
        return _part(bar, row, ours)
    if bar.quantity == "accuracy":
        return _accuracy(bar, row, ours)
    if bar.quantity == "seconds":
        return ours.median, f"{_microseconds(ours.median)} ({_microseconds(ours.minimum)} of minima), {_microseconds(bar.limit)} allowed"
    other = row.one_thread if bar.quantity == "speedup" else row.own.get(BARE)
    what = "our one thread" if bar.quantity == "speedup" else row.case.bare
    if other is None:
        return None, f"not measured: {what} was not run"
    more_work = ours.work / other.work if ours.work and other.work else 1.0
    ratio, of_minima = (more_work * a / b for a, b in ((other.median, ours.median), (other.minimum, ours.minimum)))
    return ratio, f"{ratio:.2f}x the speed of {what} ({of_minima:.2f} of minima), {bar.limit:.2f} needed"


def _memory(bar: Bar, row: Row) -> tuple[float | None, str]:
    if OURS not in row.memory:
        return None, f"not measured: {first_line(row.refused.get(OURS, 'Tilewright was not run'))}"
    part = row.memory[OURS] / row.case.moved_bytes
    others = ", ".join(f"{name} {nbytes / row.case.moved_bytes:.2f}" for name, nbytes in row.memory.items() if name != OURS)
    text = f"{part:.2f} of the {row.case.moved_bytes / 1e6:.0f} MB of inputs and outputs, {bar.limit:.2f} allowed"
    return part, text + (f"; {others}" if others else "")


def _accuracy(bar: Bar, row: Row, ours: Timing) -> tuple[float | None, str]:
    peer = row.timings.get(bar.peers[0])
    if peer is None or peer.error is None or ours.error is None:
        return None, f"not measured: {bar.peers[0]} gave no result"
    ratio = peer.error / max(ours.error, 1e-30)
    return ratio, f"an error of {ours.error:.1e}, that of {bar.peers[0]} is {ratio:.2f} of it, {bar.limit:.2f} needed"


def _part(bar: Bar, row: Row, ours: Timing) -> tuple[float | None, str]:
    part_of, ceiling = (row.peak_part, row.peak) if bar.quantity == "peak" else (row.dram_part, row.dram)
    part = part_of(ours)
    if part is None or ceiling is None:
        return None, f"not measured: no ceiling ({first_line(row.refused.get(CEILINGS, 'it was not run'))})"
    text = f"{part:.2f} of {_ceiling_text(bar.quantity, ceiling)}, {bar.limit:.2f} needed"
    if part < bar.limit and row.peers:
        fastest = min(row.peers, key=lambda n: row.peers[n].median)
        text += f"; the fastest peer, {fastest}, reaches {part_of(row.peers[fastest]):.2f}"
    return part, text


def _ratio(bar: Bar, row: Row, ours: Timing) -> tuple[float | None, str]:
    peers = {name: timing for name, timing in row.peers.items() if not bar.peers or name in bar.peers}
    if not peers:
        return None, f"not measured: none of {', '.join(bar.peers) or 'the others'} gave a result"
    name = min(peers, key=lambda n: peers[n].median)
    peer = peers[name]
    ratio = peer.median / ours.median
    text = f"{ratio:.2f}x {name} ({peer.variant}; {peer.minimum / ours.minimum:.2f} of minima), {bar.limit:.2f} needed"
    if native := row.own.get(NATIVE):
        text += f"; called natively {peer.median / native.median:.2f}"
    own_part, peer_part = row.dram_part(ours), row.dram_part(peer)
    if ratio < bar.limit and own_part is not None and peer_part is not None:
        text += f"; ours reaches {own_part:.2f} of the DRAM bandwidth, {name} {peer_part:.2f}"
    return ratio, text


def _ceiling_text(quantity: str, ceiling: Timing) -> str:
    rate_of_ceiling = ceiling.work / ceiling.median / 1e9
    unit = "GFLOP/s" if quantity == "peak" else "GB/s"
    return f"{rate_of_ceiling:.0f} {unit} ({ceiling.variant})"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} us"


def first_line(text: str) -> str:
    """The first line of an error."""
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
