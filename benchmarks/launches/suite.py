"""The benchmark of launches as a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.launches.cases import Case, full
from benchmarks.launches.steps import make, reference
from benchmarks.suite.arrays import load_arrays, save_arrays
from benchmarks.suite.definition import Suite
from benchmarks.suite.rating import SESSION
from benchmarks.suite.systems import systems_of


def save(case: Case, folder: Path) -> None:
    """Write the input and, because both chains converge, one reference for both."""
    x = make()
    save_arrays({"x": x}, reference(x, case.kernels), folder)


def per_step(case: Case, variants: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One variant, of what a further step costs, from the short and the long chain; its `work` is the number of kernels."""
    short, long = variants
    steps = long["work"] - short["work"]
    means = [(b - a) / steps for a, b in zip(short["means"], long["means"], strict=True)]
    least = (min(long["minima"]) - min(short["minima"])) / steps
    errors = [v["error"] for v in variants if v["error"] is not None]
    return [{**long, "name": SESSION, "means": means, "minima": [least], "error": max(errors, default=None), "work": 1.0}]


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
