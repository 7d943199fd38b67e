"""The matmul benchmark as a suite."""

from __future__ import annotations

from benchmarks.matmul import operands, plot
from benchmarks.matmul.cases import Case, full, short
from benchmarks.suite.definition import Suite
from benchmarks.suite.systems import systems_of

SUITE = Suite(
    name="matmul",
    case=Case,
    systems=systems_of("benchmarks.matmul.systems", "tilewright", "torch", "onednn", "xla", "iree", "onnxruntime", "openvino"),
    full=full,
    short=short,
    save=operands.save,
    load=operands.load,
    draw=plot.draw,
)
