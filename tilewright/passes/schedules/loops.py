"""Schedules of loop kernels (everything that is not a matmul or attention template): the value and the rule that chooses one.

Analysis alone: nothing here lowers anything. The kinds: `rows` (lanes along the last dimension, one row or block after the other),
`columns` (lanes along the last dimension, reductions across rows in independent lanes), `transpose` (square tiles transposed in
registers), `scalar` (one element at a time, only where a schedule asks for it). The loop emitter decides the rest from the accesses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.targets import Target

KINDS = ("rows", "columns", "transpose", "scalar")
_REDUCING = ("reduce", "softmax", "layer_norm", "rms_norm", "group_norm", "argmax", "matmul", "attention")
_SEQUENTIAL = ("scan", "scatter")
MAX_UNROLL = 8


@dataclass(frozen=True)
class LoopSchedule:
    """How a loop kernel runs. `unroll`: vectors in one step of the main loop (0: by the cost of the body). `rows_per_unit`: rows in one
    unit of parallel work (0: by their size)."""

    kind: str
    unroll: int = 0
    rows_per_unit: int = 0
    source: str = "rule:loops"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {"kind": self.kind, "unroll": self.unroll, "rows_per_unit": self.rows_per_unit, "source": self.source}

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> LoopSchedule:
        """Read the entries of `tw.schedule`; those that are absent have their defaults."""
        known = {f.name for f in dataclasses.fields(LoopSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        given.setdefault("kind", "rows")
        return LoopSchedule(**given)


def check_loop_schedule(schedule: LoopSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    if target.is_gpu:
        return f"{target.name} is not a CPU"
    if schedule.kind not in KINDS:
        return f"{schedule.kind!r} is none of {', '.join(KINDS)}"
    if not 0 <= schedule.unroll <= MAX_UNROLL:
        return f"unroll = {schedule.unroll} is not between 0 and {MAX_UNROLL}"
    if schedule.rows_per_unit < 0:
        return f"rows_per_unit = {schedule.rows_per_unit} is negative"
    return None


def choose_loop_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a kernel of loops; None on a GPU."""
    if target.is_gpu:
        return None
    ops = list(function.operation.regions[0].blocks[0].operations)
    return LoopSchedule(_kind(ops)).attributes()


def _kind(ops: list[ir.OpView]) -> str:
    names = [tw.short_name(op) for op in ops]
    if any(n in _SEQUENTIAL for n in names):
        return "rows"
    reducing = [op for op, n in zip(ops, names) if n in _REDUCING]
    if reducing:
        across = [op for op in reducing if not _along_last(op)]
        return "columns" if across and len(across) == len(reducing) else "rows"
    if any(n == "transpose" and _moves_last(op) for op, n in zip(ops, names)):
        return "transpose"
    return "rows"


def _along_last(op: ir.OpView) -> bool:
    """Whether an op reduces its last dimension (of more than one element)."""
    info = tw.tensor_info(op.operation.operands[0])
    if not info.shape:
        return True
    last = max((i for i, d in enumerate(info.shape) if d != 1), default=0)
    match tw.short_name(op):
        case "reduce":
            return last in tw.get(op, "dims")
        case "softmax" | "argmax":
            return tw.get(op, "dim") == last
        case "matmul":
            return bool(tw.get(op, "transpose_rhs"))
        case _:
            return True


def _moves_last(op: ir.OpView) -> bool:
    """Whether a transpose puts another dimension last (dimensions of size 1 do not count)."""
    info = tw.tensor_info(op.operation.operands[0])
    order = [p for p in tw.get(op, "permutation") if info.shape[p] != 1]
    return bool(order) and order[-1] != max(order)
