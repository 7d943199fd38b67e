"""The phases of a compilation, and the pipeline of each target on one screen."""

from __future__ import annotations

import enum
from pathlib import Path

from tilewright.core.diagnostics import InputError
from tilewright.core.option_text import encode
from tilewright.core.registry import suggest
from tilewright.targets import Target


class Phase(enum.Enum):
    """A step of the compilation. `--compile-to` and `--compile-from` take these names; dumps are named by them."""

    IMPORT = "import"
    SIMPLIFY = "simplify"
    FUSE = "fuse"
    SCHEDULE = "schedule"
    PLAN = "plan"
    CODEGEN = "codegen"
    ARTIFACT = "artifact"

    @property
    def description(self) -> str:
        return _DESCRIPTIONS[self]

    @property
    def has_ir(self) -> bool:
        """True when the phase leaves a module that can be printed and read back."""
        return self in (Phase.IMPORT, Phase.SIMPLIFY, Phase.FUSE, Phase.SCHEDULE, Phase.PLAN)


ORDER: tuple[Phase, ...] = tuple(Phase)

_DESCRIPTIONS = {
    Phase.IMPORT: "the exported program as tw ops (level 1)",
    Phase.SIMPLIFY: "constants folded, patterns recovered, dead code removed, the precision asked for (level 1)",
    Phase.FUSE: "ops grouped into kernels, equal kernels shared (level 2)",
    Phase.SCHEDULE: "a schedule on every kernel, weights laid out for it (level 2)",
    Phase.PLAN: "results placed in the arena (end of level 2)",
    Phase.CODEGEN: "kernels and host program as machine code, linked (levels 3 to 5)",
    Phase.ARTIFACT: "the artifact file (level 6)",
}

COMMON: dict[Phase, tuple[str, ...]] = {
    Phase.SIMPLIFY: ("tw-simplify", "tw-recover", "tw-lower-precision{matmul=$precision}"),
}
"""Pipelines before a target matters."""

CPU: dict[Phase, tuple[str, ...]] = {
    Phase.FUSE: (
        "tw-decompose-unsupported{target=$target}",
        "tw-split-products",
        "tw-split-reduction{target=$target}",
        "tw-split-attention{target=$target}",
        "tw-fuse",
        "tw-outline",
    ),
    Phase.SCHEDULE: ("tw-select-schedule{target=$target schedules=$schedules}", "tw-pack-weights"),
    Phase.PLAN: ("tw-plan-memory",),
}

CUDA: dict[Phase, tuple[str, ...]] = {
    Phase.FUSE: ("tw-fuse", "tw-outline"),
    Phase.SCHEDULE: ("tw-select-schedule{target=$target schedules=$schedules}",),
    Phase.PLAN: ("tw-plan-memory",),
}

_BY_KIND = {"cpu": CPU, "cuda": CUDA}


def pipeline(phase: Phase, target: Target | None, schedules: Path | None = None, precision: str = "f32") -> str:
    """The pipeline of a phase as text, empty for phases that are not passes. `target` is None before targets matter; `schedules` is the
    database of schedules to use, `precision` that of matmuls."""
    table = COMMON if target is None else _BY_KIND[target.kind]
    values = {
        "$target": "" if target is None else target.name,
        "$schedules": encode(None if schedules is None else str(schedules)),
        "$precision": precision,
    }
    text = ",".join(table.get(phase, ()))
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def find_phase(name: str) -> Phase:
    """The phase called `name`. Raises InputError with near matches."""
    for phase in ORDER:
        if phase.value == name:
            return phase
    names = [p.value for p in ORDER]
    raise InputError(f"there is no phase called {name!r}", why=f"phases are {', '.join(names)}", remedy=suggest(name, names))
