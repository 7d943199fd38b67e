"""The schedule of a kernel function, as its template takes it: read from `tw.schedule` and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.targets import Target

Schedule = TypeVar("Schedule")


def read_legal_schedule(
    function: ir.OpView,
    target: Target,
    read: Callable[[Mapping[str, Any]], Schedule],
    check: Callable[[Schedule, Target], str | None],
) -> Schedule:
    """The schedule that `read` makes of the entries of `tw.schedule`. Raises VerifyError where `check` says why it is not legal."""
    schedule = read(read_schedule(function))
    why = check(schedule, target)
    if why is not None:
        raise VerifyError(
            f"the schedule of kernel @{ir.StringAttr(function.operation.attributes['sym_name']).value} is not legal",
            where=tw.location_text(function.location),
            why=why,
            remedy="remove tw.schedule and let tw-select-schedule choose one",
        )
    return schedule
