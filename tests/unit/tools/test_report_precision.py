"""The precision part of the compile report as text."""

from __future__ import annotations

from typing import Any

from tilewright.tools.report import kernel_tables, precision_summary


def floats(name: str, error: float, largest: float, **changes: Any) -> dict[str, Any]:
    relative = error / largest if largest else None
    known = {"name": name, "elements": 8, "max_error": error, "largest": largest, "max_relative_error": relative, "not_finite_in_one": 0}
    return known | changes


CHANGED = [{"op": "tw.matmul", "dtype": "bf16", "source": source} for source in ("m.py:3:0 (q)", "m.py:4:0 (0.up)", "m.py:4:0 (1.up)", "")]


def precision(*outputs: dict[str, Any]) -> dict[str, Any]:
    error = {"measured": True, "inputs": "batch.npz", "outputs": list(outputs)}
    return {"matmul": "bf16", "changed": CHANGED, "error": error}


def test_changed_ops_and_errors() -> None:
    indices = {"name": "best", "elements": 4, "different": 1}
    text = kernel_tables({"targets": [], "precision": precision(floats("hidden", 0.5, 20.0), indices)})
    assert "\n4 matmuls on bf16 operands; on batch.npz, against f32: 1 of 4 elements differ\n" in text
    assert "  m.py:3:0 (q)\n  m.py:4:0 (0.up) and 1 more there\n  an unknown place\n" in text
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["hidden", "0.5", "20", "2.5e-02", "of", "the", "largest", "value"],
        ["best", "1", "of", "4", "elements", "differ"],
    ]


def test_one_line() -> None:
    assert precision_summary(precision(floats("a", 0.1, 10), floats("b", 0.2, 10))).endswith("against f32: 2.0e-02 of the largest value")
    overflow = floats("a", 0.1, 10, not_finite_in_one=2)
    text = precision_summary(precision(overflow, floats("b", 0.2, 10)))
    assert text.endswith("1.0e-02 of the largest value, 2 elements finite in one only")
    assert precision_summary(precision(floats("a", 0.1, 0.0))).endswith("of 0")
    assert precision_summary(precision()).endswith("no outputs")
    unmeasured = {"matmul": "bf16", "changed": [], "error": {"measured": False, "why": "no code for this machine"}}
    assert precision_summary(unmeasured) == "0 matmuls on bf16 operands; error not measured: no code for this machine"
    assert precision_summary({"matmul": "bf16", "changed": CHANGED}) == "4 matmuls on bf16 operands"
