"""Whether a schedule given from outside (a database, a user) is one at all, and legal: by the checks that rules and lowering use."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.passes.schedules.attention import AttentionSchedule, check_attention_schedule
from tilewright.passes.schedules.attention_decode import AttentionDecodeSchedule, check_attention_decode_schedule
from tilewright.passes.schedules.loops import KINDS, LoopSchedule, check_loop_schedule
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.targets import Target


@dataclass(frozen=True)
class _Kind:
    """The class of a schedule's value, and what checks it."""

    value: Any
    check: Callable[[Any, Target], str | None]


_KINDS: dict[str, _Kind] = {
    "matmul": _Kind(MatmulSchedule, check_matmul_schedule),
    "attention": _Kind(AttentionSchedule, check_attention_schedule),
    "attention-decode": _Kind(AttentionDecodeSchedule, check_attention_decode_schedule),
    **{kind: _Kind(LoopSchedule, check_loop_schedule) for kind in KINDS},
}


def why_illegal(schedule: Mapping[str, Any], target: Target) -> str | None:
    """Why the entries of a `tw.schedule` are not legal on `target`; None if they are.

    Stricter than reading the attribute: a field that the schedule's class lacks, or of another type, is an error too.
    """
    kind = _KINDS.get(str(schedule.get("kind")))
    if kind is None:
        return f"{schedule.get('kind')!r} is no kind of schedule ({', '.join(_KINDS)})"
    types = typing.get_type_hints(kind.value)
    for name, value in schedule.items():
        if name != "kind" and name not in types:
            return f"{name!r} is no field of a {schedule['kind']} schedule ({', '.join(types)})"
        expected = types.get(name, str)
        if expected in (int, str, bool) and type(value) is not expected:
            return f"{name} = {value!r} is not of type {expected.__name__}"
    missing = [f.name for f in dataclasses.fields(kind.value) if _required(f) and f.name not in schedule]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return kind.check(kind.value.from_attributes(schedule), target)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
