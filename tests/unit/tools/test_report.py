"""The compile report as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tilewright.tools.report import bytes_text, kernel_tables, summary, text_table, timing_tables


def kernel(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "matmul_gelu_0", "kind": "matmul", "calls": 6, "ops": ["matmul", "pointwise", "pointwise"],
        "flops": "768*d0", "bytes": "4*d0", "slow_path": None, "cached": False,
        "schedule": {"source": "tuned:d0=128"}, "seconds": {"lower": 0.25, "llvm": 0.5},
    }  # fmt: skip
    return base | changes


REPORT: dict[str, Any] = {
    "model": "model.pt2",
    "targets": [
        {
            "name": "cpu:znver5",
            "kernels": [kernel(), kernel(name="softmax_0", kind="loops", calls=2, cached=True, slow_path="no vector form of erf")],
            "arena_bytes": "4096*s0",
            "arena_bytes_smallest": 4096,
            "arena_bytes_largest": 524288,
        }
    ],
    "phases": [{"name": "import", "seconds": 0.5}, {"name": "codegen", "seconds": 1.25}],
    "passes": [{"name": "tw-simplify", "seconds": 0.125}],
    "unsupported": [],
}


def test_kernels() -> None:
    lines = kernel_tables(REPORT).splitlines()
    assert lines[1] == "cpu:znver5: 2 kernels, called 8 times"
    assert lines[2].split() == ["kernel", "kind", "calls", "operations", "bytes", "made", "of", "schedule", "compiled", "in"]
    assert "matmul, pointwise x2  tuned:d0=128" in lines[4] and lines[4].endswith("0.75 s")
    assert lines[5].endswith("cached")
    assert lines[6] == "slow path in softmax_0: no vector form of erf"
    assert lines[7] == "arena of 4096*s0 bytes: 4.1 KB at the smallest sizes, 524.3 KB at the largest"


def test_what_came_of_a_database_of_schedules() -> None:
    found = {"file": "s.json", "entries": 3, "used": 1, "other_targets": {"cpu:znver4": 2}}
    target = {**REPORT["targets"][0], "schedules": found}
    assert "s.json: 3 entries for cpu:znver5, used by 1 kernels\ns.json: not used for cpu:znver5: 2 for cpu:znver4\n" in kernel_tables(
        {"targets": [target]}
    )


def test_a_report_without_targets() -> None:
    assert kernel_tables({"targets": []}) == ""


def test_timing_accounts_for_everything() -> None:
    text = timing_tables(REPORT, total=2.0)
    rows = {line.split()[0]: line.split()[1] for line in text.splitlines() if line and not line.startswith("-")}
    assert rows == {
        "phase": "seconds",
        "import": "0.500",
        "codegen": "1.250",
        "other": "0.250",
        "total": "2.000",
        "pass": "seconds",
        "tw-simplify": "0.125",
    }


def test_summary(tmp_path: Path) -> None:
    path = tmp_path / "model.tw"
    path.write_bytes(bytes(1500))
    assert summary(REPORT, path, 1.75) == f"wrote {path} (1.5 KB): 2 kernels for cpu:znver5, in 1.8 s"


def test_tables_align() -> None:
    assert text_table(("a", "bb"), [("xyz", "1")], right=(1,)) == "a    bb\n---  --\nxyz   1\n"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.2 KB"), (90_400_000, "90.4 MB"), (3 * 10**15, "3000.0 TB")]
)
def test_bytes(count: int, text: str) -> None:
    assert bytes_text(count) == text
