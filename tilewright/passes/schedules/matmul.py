"""Schedules of matmul kernels on CPUs: the value, and what is legal. The rule that chooses one is in `matmul_rule`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.passes.schedules.matmul_instructions import FMA, find_record
from tilewright.passes.schedules.tile_registers import why_no_fit
from tilewright.targets import Target

KIND = "matmul"
LARGEST_BLOCK = 512
"""Rows: a block's left side stays in the second-level cache while the panels of a wide right side stream by."""


@dataclass(frozen=True)
class MatmulSchedule:
    """How a matmul kernel is tiled.

    `mr` x `nr` accumulators stay in registers, for each of `sides` right sides; rows are split into blocks of at most `mb`, a multiple
    of `mr`; k into blocks of `k_block` (0: not split); a unit of work has at most `panels` panels of `nr` columns, which are worked off
    together over each block of k; the loop over k is unrolled `unroll` times.

    `prefetch_next` fetches the next panel while one is multiplied by tiles enough to share in it. Otherwise, `prefetch_rhs` is how many
    steps of k ahead the right side is prefetched (0: not), into the cache of level `prefetch_level`. `prefetch_results` asks for the lines
    of a tile's results before its k loop. `rhs` is `packed` where the compiler packs the right side into panels and `plain` where it does
    not. `instruction` names the target's record that multiplies, or `fma`. `copy_lhs` copies the rows of a block next to
    each other even where they could be read in place.
    """

    mr: int
    nr: int
    mb: int
    unroll: int = 2
    k_block: int = 0
    panels: int = 1
    prefetch_next: bool = False
    prefetch_rhs: int = 0
    prefetch_level: int = 2
    prefetch_results: bool = True
    rhs: str = "plain"
    instruction: str = FMA
    sides: int = 1
    copy_lhs: bool = False
    source: str = "rule:dense"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {"kind": KIND, **dataclasses.asdict(self)}

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> MatmulSchedule:
        """Read the entries of `tw.schedule`; those that are absent have their defaults. `mb` defaults to the largest block."""
        known = {f.name for f in dataclasses.fields(MatmulSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        mr = int(given.get("mr", 1))
        defaults: dict[str, Any] = {"mr": mr, "nr": 1, "mb": max(1, LARGEST_BLOCK // mr) * mr}
        return MatmulSchedule(**{**defaults, **given})


def check_matmul_schedule(schedule: MatmulSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    if target.is_gpu:
        return f"{target.name} is not a CPU"
    record = find_record(target, schedule.instruction)
    if record is None:
        known = ", ".join(dict.fromkeys([FMA, *(i.name for i in target.matrix_instructions)]))
        return f"{target.name} has no instruction {schedule.instruction!r} (it has {known})"
    lanes = target.vector_lanes(32)
    if schedule.mr < 1 or schedule.nr < 1 or schedule.nr % lanes:
        return f"a tile of {schedule.mr} x {schedule.nr} is not made of whole vectors of {lanes} lanes"
    if schedule.sides < 1:
        return f"sides = {schedule.sides} is out of range"
    needed = registers_needed(schedule, target)
    if record.tile:
        why = why_no_fit(schedule.mr, schedule.nr, schedule.sides, record)
        if why is not None:
            return why
    elif needed > target.vector_registers:
        tile = f"{schedule.mr} x {schedule.nr}" + (f" for {schedule.sides} right sides" if schedule.sides > 1 else "")
        return f"a tile of {tile} needs {needed} vector registers, {target.name} has {target.vector_registers}"
    if schedule.mb < schedule.mr or schedule.mb % schedule.mr:
        return f"blocks of {schedule.mb} rows are not made of whole tiles of {schedule.mr}"
    if not 1 <= schedule.unroll <= 8 or schedule.prefetch_rhs < 0:
        return f"unroll = {schedule.unroll} and prefetch_rhs = {schedule.prefetch_rhs} are out of range"
    if schedule.prefetch_level not in (1, 2):
        return f"prefetch_level = {schedule.prefetch_level} is neither the first nor the second level of caches"
    if schedule.panels < 1:
        return f"panels = {schedule.panels}: a unit of work has at least one"
    if schedule.k_block < 0 or schedule.k_block % record.k:
        return f"blocks of {schedule.k_block} along k are not made of the groups of {record.k} that {record.name} reads"
    if schedule.rhs not in ("packed", "plain"):
        return f"rhs = {schedule.rhs!r} is neither packed nor plain"
    return None


def registers_needed(schedule: MatmulSchedule, target: Target) -> int:
    """Vector registers that a tile holds at once: its accumulators, one operand of a step, and one vector of the other."""
    record = find_record(target, schedule.instruction)
    if record is not None and record.m == 2:  # Blocks of two rows by two columns; pairs of rows are held while the columns stream by.
        pairs = -(-schedule.mr // 2)
        return pairs * (schedule.nr // record.n) * schedule.sides + pairs + 1
    vectors = schedule.nr // target.vector_lanes(32) * schedule.sides
    return schedule.mr * vectors + vectors + 1
