"""The benchmark of launches as a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.launches.cases import Case, full
from benchmarks.launches.steps import make, reference
from benchmarks.suite.arrays import load_arrays, save_arrays
from benchmarks.suite.definition import Suite
from benchmarks.suite.rating import SESSION, timing_of
from benchmarks.suite.systems import NotApplicable, systems_of


def save(case: Case, folder: Path) -> None:
    """Write the input and, because both chains converge, one reference for both."""
    x = make()
    save_arrays({"x": x}, reference(x, case.kernels), folder)


def per_step(case: Case, variants: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One variant, of what a further step costs, from the short and the long chain; its `work` is the number of kernels.

    Medians and minima are subtracted, not turns: those of two threads are disturbed one by one. Raises NotApplicable where nothing is left.
    """
    short, long = (timing_of(v) for v in variants)
    steps = long.work - short.work
    median, least = (long.median - short.median) / steps, (long.minimum - short.minimum) / steps
    if min(median, least) <= 0:
        raise NotApplicable("the longer chain was not slower: other processes disturbed the measurement")
    error = max(t.error or 0.0 for t in (short, long))
    figures = {"means": [median], "minima": [least], "cpus": [min(short.cpus, long.cpus)]}
    return [{"name": SESSION, "work": 1.0, "error": error, "seconds": None, "peak_bytes": 0, **figures}, *_untimed(variants)]


def _untimed(variants: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chains for the record: their figures under other names, so that they do not count."""
    return [{**v, "chain_means": v["means"], "chain_minima": v["minima"], "means": [], "minima": []} for v in variants]


SUITE = Suite(
    name="launches",
    case=Case,
    systems=systems_of("benchmarks.launches.systems", "tilewright", "torch", "inductor", ceilings=False),
    full=full,
    short=full,
    save=save,
    load=load_arrays,
    figures=(),
    derive=per_step,
)
