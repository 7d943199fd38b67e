"""The schedule database: what `tilewright tune` found, by kernel and target, as a JSON file that `tw-select-schedule` reads.

    {"format": "tilewright schedules", "version": 1, "entries": [
      {"kernel": "<digest>", "target": "cpu:sapphirerapids", "source": "tuned:d0=128",
       "schedule": {"kind": "matmul", "mr": 8, ...}, "name": "matmul_add", "summary": "d0 x 384 x 384, ...", ...}]}

`kernel` (`kernel_identity.kernel_digest`), `target`, `source` and `schedule` decide; everything else of an entry is `notes`, for people. An
entry whose source begins with `rule:` says that measuring found nothing better: the rule goes on deciding. One that begins with
`user:` was written by hand.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilewright.core.diagnostics import InputError
from tilewright.passes.schedules.legality import why_illegal
from tilewright.targets import Target

FORMAT = "tilewright schedules"
VERSION = 1
SOURCES = ("tuned", "user", "rule")
_AGAIN = "write a new one by `tilewright tune`"


@dataclass(frozen=True)
class Entry:
    """The schedule of one kernel on one target. `notes` are further JSON values: sizes, times, versions."""

    kernel: str
    target: str
    source: str
    schedule: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether the entry overrides the rule."""
        return not self.source.startswith("rule:")

    @property
    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {**self.schedule, "source": self.source}

    def __str__(self) -> str:
        name, summary = self.notes.get("name"), self.notes.get("summary")
        shown = f"{name or 'kernel'} ({summary})" if summary else name or "kernel"
        return f"{shown}, {self.kernel} on {self.target}"


class ScheduleDatabase:
    """Entries by kernel and target; a later one replaces an earlier one. `origin` names the file in messages."""

    def __init__(self, entries: Iterable[Entry] = (), origin: str = "") -> None:
        self.origin = origin
        self._entries: dict[tuple[str, str], Entry] = {}
        self.add(entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in the order in which their kernels were first added."""
        return tuple(self._entries.values())

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries, in place of those for the same kernel and target."""
        for entry in entries:
            self._entries[entry.kernel, entry.target] = entry

    def for_target(self, target: Target) -> dict[str, Entry]:
        """The entries for `target` by kernel. Raises InputError that names an entry which is not legal on it, and the reason."""
        found = {entry.kernel: entry for entry in self.entries if entry.target == target.name}
        for entry in found.values():
            why = why_illegal(entry.attributes, target)
            if why is not None:
                raise InputError(
                    f"the schedule of {entry} is not legal", where=self.origin, why=why, remedy="remove the entry, or tune the kernel again"
                )
        return found

    def other_targets(self, target: Target) -> Counter[str]:
        """How many entries there are for each target but `target`."""
        return Counter(entry.target for entry in self.entries if entry.target != target.name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all. Raises InputError when that is impossible."""
        file = Path(path)
        listed = [
            {"kernel": e.kernel, "target": e.target, "source": e.source, "schedule": dict(e.schedule), **e.notes} for e in self.entries
        ]
        text = json.dumps({"format": FORMAT, "version": VERSION, "entries": listed}, indent=1) + "\n"
        new = file.with_name(f".{file.name}.new")
        try:
            new.write_text(text)
            os.replace(new, file)
        except OSError as problem:
            raise InputError("the schedules cannot be written", where=str(path), why=problem.strerror or str(problem)) from problem


def read_database(path: str | os.PathLike[str]) -> ScheduleDatabase:
    """Read a database. Raises InputError that says what is wrong with the file."""
    where = os.fspath(path)
    try:
        data = json.loads(Path(path).read_text())
    except OSError as problem:
        raise InputError("the schedules cannot be read", where=where, why=problem.strerror or str(problem), remedy=_AGAIN) from problem
    except ValueError as problem:
        raise InputError("the schedules are not JSON", where=where, why=str(problem), remedy=_AGAIN) from problem
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError("the file holds no schedules", where=where, why=f'it has no "format": "{FORMAT}"', remedy=_AGAIN)
    if data.get("version") != VERSION:
        raise InputError(
            f"the schedules are of version {data.get('version')!r}", where=where, why=f"this release reads version {VERSION}", remedy=_AGAIN
        )
    entries = data.get("entries")
    if not isinstance(entries, list):
        raise InputError("the schedules are damaged", where=where, why='"entries" is no list', remedy=_AGAIN)
    return ScheduleDatabase((_entry(entry, number, where) for number, entry in enumerate(entries)), where)


def _entry(values: Any, number: int, where: str) -> Entry:
    why = _why_no_entry(values)
    if why is not None:
        raise InputError(f"entry {number} of the schedules is damaged", where=where, why=why, remedy="remove the entry, or " + _AGAIN)
    notes = {name: value for name, value in values.items() if name not in ("kernel", "target", "source", "schedule")}
    return Entry(values["kernel"], values["target"], values["source"], values["schedule"], notes)


def _why_no_entry(values: Any) -> str | None:
    if not isinstance(values, dict):
        return f"it is of type {type(values).__name__}, an object is expected"
    for name in ("kernel", "target", "source"):
        if not isinstance(values.get(name), str):
            return f'"{name}" is {values.get(name)!r}, a string is expected'
    if values["source"].partition(":")[0] not in SOURCES or ":" not in values["source"]:
        return f'"source" is {values["source"]!r}, it begins with {", ".join(f"{s}:" for s in SOURCES)}'
    if not isinstance(values.get("schedule"), dict):
        return f'"schedule" is {values.get("schedule")!r}, an object is expected'
    return None
