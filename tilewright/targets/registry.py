"""From the names that users write to target records."""

from __future__ import annotations

import difflib

from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.targets import aarch64, cuda, x86
from tilewright.targets.target import Target

RECORDS: tuple[Target, ...] = (*x86.RECORDS, *aarch64.RECORDS, *cuda.RECORDS)
DERIVED: dict[str, Target] = {t.name: t for table in (x86.DERIVED, aarch64.DERIVED) for t in table.values()}
_BY_NAME: dict[str, Target] = {**{t.name: t for t in RECORDS}, **DERIVED}
_TOO_OLD = {f"cpu:{name}" for name in x86.TOO_OLD}


def list_targets() -> tuple[Target, ...]:
    """The described targets, CPUs first. Names that share a record with another one (`derived_targets`) are left out."""
    return RECORDS


def derived_targets() -> tuple[Target, ...]:
    """Targets that run the code of another record and differ in scheduling."""
    return tuple(DERIVED.values())


def find(name: str) -> Target:
    """The target called `name`: `cpu` or `native` is this machine, `cpu:<llvm cpu name>` and `cuda:sm_<n>` a described one.

    Raises InputError with near matches for an unknown name and UnsupportedError for a CPU without AVX2.
    """
    from tilewright.targets.detect import host_target

    key = name.strip()
    if key in ("cpu", "native", "cpu:native"):
        return host_target()
    if key in _BY_NAME:
        return _BY_NAME[key]
    if key in _TOO_OLD:
        raise UnsupportedError(
            f"target {name!r} is not supported",
            why="its kernels would need AVX2 and FMA, which this CPU lacks",
            remedy="use cpu:x86-64-v3 or newer",
        )
    names = sorted([*_BY_NAME, "cpu", "native"])
    wanted = key if ":" in key else f"cpu:{key}"
    near = difflib.get_close_matches(wanted, names, n=4, cutoff=0.5)
    if wanted in _BY_NAME:
        near = [wanted]
    raise InputError(
        f"unknown target {name!r}",
        remedy=(f"did you mean {' or '.join(near)}? " if near else "") + "`tilewright targets` lists all",
    )
