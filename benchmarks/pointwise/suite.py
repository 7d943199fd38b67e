"""The benchmark of what stands between matmuls as a suite."""

from __future__ import annotations

from benchmarks.pointwise import operands
from benchmarks.pointwise.cases import Case, full, short
from benchmarks.suite.arrays import load_arrays
from benchmarks.suite.definition import Suite
from benchmarks.suite.systems import systems_of

SUITE = Suite(
    name="pointwise",
    case=Case,
    systems=systems_of("benchmarks.pointwise.systems", "tilewright", "torch", "inductor", "xla", ceilings=False),
    full=full,
    short=short,
    save=operands.save,
    load=load_arrays,
    figures=("GB/s",),
)
