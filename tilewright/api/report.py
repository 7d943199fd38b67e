"""The compile report: what became of the model, as JSON-able data (tools/report.py renders it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw
from tilewright.passes.cost import kernel_cost
from tilewright.passes.plan_memory import planned_slots, slot_offsets
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.database import read_database
from tilewright.targets import Target


def kernel_entries(module: ir.Module, compiled: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry per kernel of a planned module, most work first. `compiled` holds the `KernelCode` of each, by name."""
    launches: Counter[str] = Counter()
    at_most: dict[str, int] = {}
    main = entry_function(module)
    for op in main.operation.regions[0].blocks[0].operations:
        if tw.is_op(op, "launch"):
            launches[tw.get(op, "callee")] += 1
    entries: list[dict[str, Any]] = []
    for function in tw.functions(module):
        if "tw.kernel" not in function.operation.attributes:
            continue
        name = ir.StringAttr(function.operation.attributes["sym_name"]).value
        cost = kernel_cost(function)
        schedule = read_schedule(function)
        code = compiled.get(name)
        at_most[name] = launches[name] * to_expr(cost.operations).bounds(tw.symbols_of(function))[1]
        entries.append(
            {
                "name": name,
                "kind": schedule.get("kind"),
                "calls": launches[name],
                "ops": _ops(function),
                "sources": _sources(function),
                "flops": str(cost.operations),
                "bytes": str(cost.nbytes),
                "schedule": schedule,
                "slow_path": None if code is None else code.slow_path,
                "instructions": {} if code is None else code.instruction_mix,
                "object_bytes": None if code is None else len(code.object),
                "cached": None if code is None else code.cached,
                "seconds": {} if code is None else dict(code.seconds),
            }
        )
    return sorted(entries, key=lambda e: -at_most[e["name"]])


def decomposed_entries(module: ir.Module) -> list[str]:
    """Ops for which the target has no kernel template, with place and reason (`tw-decompose-unsupported`)."""
    attributes = entry_function(module).operation.attributes
    if "tw.decomposed" not in attributes:
        return []
    return [ir.StringAttr(a).value for a in ir.ArrayAttr(attributes["tw.decomposed"])]


def memory_entry(module: ir.Module) -> dict[str, Any]:
    """The planned arena: its size as an expression, and at the smallest and largest sizes."""
    main = entry_function(module)
    slots = planned_slots(main.operation)
    total = slot_offsets(slots)[-1]
    ranges = tw.symbols_of(main)
    low, high = (to_expr(total).evaluate({name: bounds[i] for name, bounds in ranges.items()}) for i in (0, 1))
    return {"arena_bytes": str(total), "arena_slots": len(slots), "arena_bytes_smallest": low, "arena_bytes_largest": high}


def check_schedules(path: Path, targets: Sequence[Target]) -> None:
    """Raises InputError for a database of schedules that cannot be read or holds an illegal one, before anything is compiled."""
    database = read_database(path)
    for target in targets:
        database.for_target(target)


def schedule_entry(module: ir.Module, target: Target, path: Path | None) -> dict[str, Any] | None:
    """What came of the database at `path`: how many kernels have a schedule of it, and the numbers of its entries that found no kernel
    and that are for other targets. None without a database."""
    if path is None:
        return None
    database = read_database(path)
    sources = {entry.source for entry in database.for_target(target).values() if entry.decides}
    used = [f for f in tw.functions(module) if read_schedule(f).get("source") in sources]
    return {
        "file": str(path),
        "entries": len(database.for_target(target)),
        "used": len(used),
        "other_targets": dict(database.other_targets(target)),
    }


def entry_function(module: ir.Module) -> ir.OpView:
    """`@main`."""
    return next(f for f in tw.functions(module) if "tw.kernel" not in f.operation.attributes)


def _ops(function: ir.OpView) -> list[str]:
    names = [tw.short_name(op) for op in function.operation.regions[0].blocks[0].operations]
    return [n for n in names if n is not None]


def _sources(function: ir.OpView) -> list[str]:
    found: list[str] = []
    for op in function.operation.regions[0].blocks[0].operations:
        text = tw.location_text(op.location)
        if tw.short_name(op) is not None and text and text not in found:
            found.append(text)
    return found
