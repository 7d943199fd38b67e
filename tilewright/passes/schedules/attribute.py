"""The `tw.schedule` attribute of kernels: a dictionary of integers, booleans and strings, at least `kind` and `source`."""

from __future__ import annotations

from typing import Any, cast

from tilewright.core.mlir import ir


def schedule_attribute(schedule: dict[str, Any]) -> ir.Attribute:
    """A schedule as a dictionary attribute: integers as i64, booleans, strings."""
    i64 = ir.IntegerType.get_signless(64)

    def encode(value: Any) -> ir.Attribute:
        if isinstance(value, bool):
            return ir.BoolAttr.get(value)
        if isinstance(value, int):
            return ir.IntegerAttr.get(i64, value)
        return ir.StringAttr.get(str(value))

    return ir.DictAttr.get({k: encode(v) for k, v in sorted(schedule.items())})


def read_schedule(function: ir.OpView | ir.Operation) -> dict[str, Any]:
    """The schedule of a kernel as Python values; empty when it has none."""
    attributes = function.operation.attributes
    if "tw.schedule" not in attributes:
        return {}
    return {named.name: cast(Any, named.attr).value for named in ir.DictAttr(attributes["tw.schedule"])}
