"""Schedules of kernels on GPUs: what has a lowering there, the value, what is legal, and the rule that chooses one.

Analysis alone: nothing here lowers anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, product, to_expr
from tilewright.dialects import tw
from tilewright.targets import Target

ROWS, POINTWISE, UNSUPPORTED = "gpu-rows", "gpu-pointwise", "unsupported"
_ELEMENTWISE = frozenset(
    {"broadcast", "concat", "constant", "dim", "gather", "iota", "pad", "pointwise", "reshape", "reverse", "rope", "slice", "transpose"}
)
_REDUCING = frozenset({"argmax", "group_norm", "layer_norm", "reduce", "rms_norm", "softmax"})
LOWERED = _ELEMENTWISE | _REDUCING
"""The `tw` ops that GPU kernels may consist of."""
WARP_ROW = 1024
"""Rows up to this length belong to one warp: its reductions need neither shared memory nor barriers."""
SERIAL_ROW = 8
"""Rows up to this length belong to one thread."""
ITEMS_PER_THREAD = 16
"""Elements of a long row that each thread should get: enough loads in flight, few enough to stay in registers."""


@dataclass(frozen=True)
class GpuSchedule:
    """How a kernel is laid over the threads of a GPU.

    `gpu-pointwise`: a thread computes `vector` neighbouring elements, and what they need, alone. `gpu-rows`: `group` threads compute a
    row together and reduce by shuffles; `group` is one warp, or the whole block of `block` threads. `vector` is the largest number of
    elements of one access.
    """

    kind: str
    block: int = 256
    group: int = 1
    vector: int = 8
    source: str = "rule:gpu"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> GpuSchedule:
        """Read the entries of `tw.schedule`; those that are absent have their defaults."""
        known = {f.name for f in dataclasses.fields(GpuSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        given.setdefault("kind", POINTWISE)
        return GpuSchedule(**given)


def check_gpu_schedule(schedule: GpuSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    limits = target.gpu
    if limits is None:
        return f"{target.name} is not a GPU"
    if schedule.kind not in (ROWS, POINTWISE):
        return f"{schedule.kind!r} is neither {ROWS} nor {POINTWISE}"
    if not limits.warp_size <= schedule.block <= limits.max_threads_per_block or schedule.block & (schedule.block - 1):
        return f"block = {schedule.block} is not a power of two between {limits.warp_size} and {limits.max_threads_per_block}"
    if schedule.kind == ROWS and schedule.group not in (limits.warp_size, schedule.block):
        return f"group = {schedule.group} is neither a warp of {limits.warp_size} threads nor the block of {schedule.block}"
    if schedule.vector not in (1, 2, 4, 8):
        return f"vector = {schedule.vector} is none of 1, 2, 4, 8"
    return None


def choose_gpu_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a pointwise or reduction kernel on a GPU; None on a CPU and for kernels with other ops."""
    if target.gpu is None or any(unsupported_ops(function)):
        return None
    ops = list(function.operation.regions[0].blocks[0].operations)
    ranges = tw.symbols_of(function)
    lengths = [to_expr(row).bounds(ranges)[1] for op in ops if (row := _row_length(op)) is not None]
    if not lengths or max(lengths) <= SERIAL_ROW:
        return GpuSchedule(POINTWISE).attributes()
    longest = max(lengths)
    if longest <= WARP_ROW:
        return GpuSchedule(ROWS, block=128, group=target.gpu.warp_size).attributes()
    block = 128
    while block < target.gpu.max_threads_per_block and block * ITEMS_PER_THREAD < longest:
        block *= 2
    return GpuSchedule(ROWS, block=block, group=block).attributes()


def mark_unsupported(function: ir.OpView, target: Target) -> dict[str, Any]:
    """For kernels that no other rule of a GPU takes: compilation reports all of them at once, by the ops named here."""
    names = sorted({op.operation.name for op in unsupported_ops(function)})
    return {"kind": UNSUPPORTED, "reason": f"no lowering of {', '.join(names)} for {target.name}", "source": "rule:gpu"}


def unsupported_ops(function: ir.OpView | ir.Operation) -> Iterator[ir.OpView]:
    """The ops of a kernel that no GPU kernel may contain."""
    for op in function.operation.regions[0].blocks[0].operations:
        if op.operation.name != "func.return" and tw.short_name(op) not in LOWERED:
            yield op


def _row_length(op: ir.OpView) -> Dim | None:
    """The number of elements that an op reduces along its last dimensions; None where it reduces none, or across rows only."""
    name = tw.short_name(op)
    if name not in _REDUCING:
        return None
    shape = tw.tensor_info(op.operation.operands[0]).shape
    last = max((i for i, d in enumerate(shape) if d != 1), default=0)
    match name:
        case "reduce":
            dims = tuple(tw.get(op, "dims"))
        case "softmax" | "argmax":
            dims = (tw.get(op, "dim"),)
        case "layer_norm":
            dims = tuple(range(len(shape) - int(tw.get(op, "axes")), len(shape)))
        case "group_norm":
            return product([*shape[2:], to_expr(shape[1]).divide_exactly(tw.get(op, "groups")) or shape[1]])
        case _:
            dims = (len(shape) - 1,)
    return product(shape[d] for d in dims) if last in dims else None
