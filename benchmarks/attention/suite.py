"""The attention benchmark as a suite."""

from __future__ import annotations

from benchmarks.attention import operands
from benchmarks.attention.cases import Case, full, short
from benchmarks.suite.arrays import load_arrays
from benchmarks.suite.definition import Suite
from benchmarks.suite.systems import systems_of

SUITE = Suite(
    name="attention",
    case=Case,
    systems=systems_of("benchmarks.attention.systems", "tilewright", "torch", "inductor", "xla", "onnxruntime", "openvino"),
    full=full,
    short=short,
    save=operands.save,
    load=load_arrays,
    error=operands.error,
    figures=("GF/s", "GB/s", "peak", "DRAM"),
)
