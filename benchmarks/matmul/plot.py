"""The part of the peak over the size of squares, one panel for each dtype and one line for each system."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.matmul.cases import Case
from benchmarks.suite.rating import Row
from benchmarks.suite.systems import KNOWN, OURS

COLORS: dict[str, str] = {
    OURS: "black", "torch": "tab:orange", "onednn": "tab:blue", "xla": "tab:green", "iree": "tab:red", "onnxruntime": "tab:purple",
    "openvino": "tab:brown",
}  # fmt: skip


def series(rows: Sequence[Row]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """dtype -> system -> (size, part of the peak) of squares on one thread of this machine, by size."""
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    squares = [(row, row.case) for row in rows if isinstance(row.case, Case)]
    for row, case in sorted(squares, key=lambda pair: pair[1].n):
        if not case.is_square or case.threads != 1 or case.target != "native" or case.epilogue != "none":
            continue
        for system, timing in row.timings.items():
            part = row.peak_part(timing)
            if part is not None:
                panels.setdefault(case.dtype, {}).setdefault(system, []).append((case.n, part))
    return panels


def draw(rows: Sequence[Row], path: Path, title: str) -> bool:
    """Write the PNG. False when there is nothing to draw."""
    panels = series(rows)
    if not panels:
        return False
    importlib.import_module("matplotlib").use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4.2), squeeze=False)
    for axis, (dtype, systems) in zip(axes[0], panels.items(), strict=True):
        for system, points in systems.items():
            width = 2.5 if system == OURS else 1.3
            axis.plot(*zip(*points, strict=True), marker="o", color=COLORS[system], linewidth=width, label=KNOWN[system][0])
        sizes = sorted({size for points in systems.values() for size, _ in points})
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.set_ylim(0, max(1.05, 1.05 * max(part for points in systems.values() for _, part in points)))
        axis.axhline(1.0, color="gray", linewidth=0.8, linestyle="--")
        axis.set_title(f"{dtype}, one thread")
        axis.set_xlabel("m = n = k")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("part of the measured peak (medians)")
    axes[0][0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True
