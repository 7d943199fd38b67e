"""The compile report as text: kernels of each target, phases, passes. Needs no compiler: `inspect` shows the report of an artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as their content; those in `right` are aligned to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in (header, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines) + "\n"


def bytes_text(count: int) -> str:
    """`1234567` as `1.2 MB`."""
    value = float(count)
    unit = 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} bytes"


def kernel_tables(report: Mapping[str, Any]) -> str:
    """For each target a table of its kernels, the slow paths that were taken, and the planned memory."""
    text = "".join(_target_text(target) for target in report.get("targets", ()))
    return text + (_precision_text(report["precision"]) if "precision" in report else "")


def _target_text(target: Mapping[str, Any]) -> str:
    kernels = target.get("kernels", ())
    calls = sum(kernel["calls"] for kernel in kernels)
    rows = [
        (
            kernel["name"],
            str(kernel.get("kind") or ""),
            str(kernel["calls"]),
            str(kernel["flops"]),
            str(kernel["bytes"]),
            _runs(kernel["ops"]),
            str((kernel.get("schedule") or {}).get("source") or ""),
            _seconds(sum((kernel.get("seconds") or {}).values()), bool(kernel.get("cached"))),
        )
        for kernel in kernels
    ]
    table = text_table(("kernel", "kind", "calls", "operations", "bytes", "made of", "schedule", "compiled in"), rows, right=(2, 7))
    lines = [f"\n{target['name']}: {len(kernels)} kernels, called {calls} times\n", table]
    lines += [f"slow path in {kernel['name']}: {kernel['slow_path']}\n" for kernel in kernels if kernel.get("slow_path")]
    lines += [f"not compiled: {text}\n" for text in target.get("unsupported", ())]
    lines += [f"{note}\n" for note in schedule_notes(target)]
    if "arena_bytes" in target:
        low, high = (bytes_text(target[f"arena_bytes_{which}"]) for which in ("smallest", "largest"))
        lines.append(f"arena of {target['arena_bytes']} bytes: {low} at the smallest sizes, {high} at the largest\n")
    return "".join(lines)


def schedule_notes(target: Mapping[str, Any]) -> list[str]:
    """What came of a database of schedules: how many kernels use it, and which of its entries are for other targets."""
    found = target.get("schedules")
    if not found:
        return []
    notes = [f"{found['file']}: {found['entries']} entries for {target['name']}, used by {found['used']} kernels"]
    others = found["other_targets"]
    if others:
        listed = ", ".join(f"{count} for {name}" for name, count in others.items())
        notes.append(f"{found['file']}: not used for {target['name']}: {listed}")
    return notes


def _precision_text(precision: Mapping[str, Any]) -> str:
    """The ops of lower precision by source line, and the error of every output."""
    places: dict[str, list[str]] = {}
    for entry in precision["changed"]:
        source = entry["source"] or "an unknown place"
        places.setdefault(source.partition(" ")[0] if entry["source"] else source, []).append(source)
    lines = [f"\n{precision_summary(precision)}\n"]
    lines += [f"  {sources[0]}{f' and {len(sources) - 1} more there' if len(sources) > 1 else ''}\n" for sources in places.values()]
    outputs = precision.get("error", {}).get("outputs", ())
    if not outputs:
        return "".join(lines)
    rows = [(o["name"], _number(o.get("max_error")), _number(o.get("largest")), _error_text(o)) for o in outputs]
    return "".join([*lines, "\n", text_table(("output", "largest error", "largest value", "error"), rows, right=(1, 2))])


def precision_summary(precision: Mapping[str, Any]) -> str:
    """One line: how many ops were changed, and the largest error of an output."""
    head = f"{len(precision['changed'])} matmuls on {precision['matmul']} operands"
    error = precision.get("error")
    if error is None:
        return head
    if not error["measured"]:
        return f"{head}; error not measured: {error['why']}"
    worst = max(error["outputs"], key=_badness, default=None)
    return f"{head}; on {error['inputs']}, against f32: {'no outputs' if worst is None else _error_text(worst)}"


def _badness(output: Mapping[str, Any]) -> tuple[float, float]:
    relative = output.get("max_relative_error", output.get("different", 0) / max(1, output["elements"]))
    return float(output.get("not_finite_in_one", 0)), float("inf") if relative is None else relative


def _error_text(output: Mapping[str, Any]) -> str:
    if "different" in output:
        return f"{output['different']} of {output['elements']} elements differ"
    relative = output["max_relative_error"]
    text = "of 0" if relative is None else f"{relative:.1e} of the largest value"
    return text + (f", {output['not_finite_in_one']} elements finite in one only" if output["not_finite_in_one"] else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _runs(ops: Sequence[str]) -> str:
    """`[a, b, b]` as `a, b x2`."""
    runs: list[tuple[str, int]] = []
    for op in ops:
        if runs and runs[-1][0] == op:
            runs[-1] = (op, runs[-1][1] + 1)
        else:
            runs.append((op, 1))
    return ", ".join(op if count == 1 else f"{op} x{count}" for op, count in runs)


def _seconds(value: float, cached: bool) -> str:
    return "cached" if cached else f"{value:.2f} s"


def timing_tables(report: Mapping[str, Any], total: float) -> str:
    """Seconds of phases and of passes, each in the order they ran. What the phases do not cover is start-up and output."""
    phases = [(p["name"], p["seconds"]) for p in report.get("phases", ())]
    rest = total - sum(seconds for _, seconds in phases)
    rows = [(name, f"{seconds:.3f}") for name, seconds in [*phases, ("other", rest), ("total", total)]]
    text = "\n" + text_table(("phase", "seconds"), rows, right=(1,))
    passes = [(p["name"], f"{p['seconds']:.3f}") for p in report.get("passes", ())]
    return text + ("\n" + text_table(("pass", "seconds"), passes, right=(1,)) if passes else "")


def summary(report: Mapping[str, Any], path: Path, total: float) -> str:
    """One line: what was written, for which targets, in how many seconds."""
    names = ", ".join(f"{len(t['kernels'])} kernels for {t['name']}" for t in report["targets"])
    return f"wrote {path} ({bytes_text(path.stat().st_size)}): {names}, in {total:.1f} s"
