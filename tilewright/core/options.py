"""All knobs, typed, in one place. Nothing else in the compiler reads `os.environ`.

`Environment` is a snapshot of the variables; `CompileOptions` is what one compilation was asked to do. Both are immutable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tilewright.core.diagnostics import InputError

PRECISIONS = ("f32", "bf16")
"""What matmuls of f32 may be computed in: exactly, or on operands rounded to bf16 with sums in f32."""


@dataclass(frozen=True)
class Environment:
    """The environment variables that Tilewright reads; see `VARIABLES` for the name and meaning of each."""

    cache_dir: Path
    jobs: int
    worker_timeout_s: float
    linker: str | None
    ptxas: str | None
    pass_modules: tuple[str, ...]
    reproducer_dir: Path | None


VARIABLES: dict[str, str] = {
    "TILEWRIGHT_CACHE_DIR": "directory of the compile cache (default: $XDG_CACHE_HOME/tilewright, else ~/.cache/tilewright)",
    "TILEWRIGHT_JOBS": "number of worker processes (default: the CPUs this process may use)",
    "TILEWRIGHT_WORKER_TIMEOUT": "seconds after which a worker counts as hung (default: 120)",
    "TILEWRIGHT_LINKER": "linker to make shared objects with (default: the first one found)",
    "TILEWRIGHT_PTXAS": "ptxas to check PTX with (default: the first one found)",
    "TILEWRIGHT_PASS_MODULES": "comma-separated Python modules that register further passes",
    "TILEWRIGHT_REPRODUCER_DIR": "directory for the reproducers of crashes (default: the directory for temporary files)",
}


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Parse the variables. Raises InputError that names the variable."""
    default_cache = Path(variables.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "tilewright"
    reproducer_dir = variables.get("TILEWRIGHT_REPRODUCER_DIR")
    return Environment(
        cache_dir=Path(variables.get("TILEWRIGHT_CACHE_DIR") or default_cache),
        jobs=int(_number(variables, "TILEWRIGHT_JOBS", available_cpus(), integral=True)),
        worker_timeout_s=_number(variables, "TILEWRIGHT_WORKER_TIMEOUT", 120.0),
        linker=variables.get("TILEWRIGHT_LINKER") or None,
        ptxas=variables.get("TILEWRIGHT_PTXAS") or None,
        pass_modules=tuple(m.strip() for m in variables.get("TILEWRIGHT_PASS_MODULES", "").split(",") if m.strip()),
        reproducer_dir=Path(reproducer_dir) if reproducer_dir else None,
    )


def environment() -> Environment:
    """The environment as it is now."""
    return read_environment(os.environ)


def available_cpus() -> int:
    """CPUs that this process may run on (affinity; a cgroup quota is the runtime's business)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _number(variables: Mapping[str, str], name: str, default: float, *, integral: bool = False) -> float:
    text = variables.get(name)
    if not text:
        return default
    try:
        value = int(text) if integral else float(text)
    except ValueError:
        value = -1
    if not 0 < value < float("inf"):
        kind = "a positive integer" if integral else "a positive number"
        raise InputError(f"{name} is {text!r}, which is not {kind}", where="environment", remedy=f"{name}: {VARIABLES[name]}")
    return value


@dataclass(frozen=True)
class CompileOptions:
    """What one compilation is asked to do.

    `targets` are target names as of `tilewright targets`; empty means this machine. `compile_to` and `compile_from` are phase
    names, both inclusive. The IR is verified after each phase, with `verify_each` after each pass. `fast_math` allows the faster,
    less exact forms of the transcendental functions, `precision` (of `PRECISIONS`) says what f32 matmuls are computed in. `schedules` is a
    file that `tilewright tune` wrote.
    `worker_timeout_s` is per task of a worker; None takes the environment's.
    """

    targets: tuple[str, ...] = ()
    jobs: int | None = None
    dump_dir: Path | None = None
    print_ir_after_all: bool = False
    print_ir_after_change: bool = False
    compile_to: str | None = None
    compile_from: str | None = None
    timing: bool = False
    use_cache: bool = True
    verify_each: bool = False
    worker_timeout_s: float | None = None
    fast_math: bool = False
    precision: str = "f32"
    schedules: Path | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"jobs is {self.jobs}, it must be at least 1")
        if self.worker_timeout_s is not None and not self.worker_timeout_s > 0:
            raise InputError(f"worker_timeout_s is {self.worker_timeout_s}, it must be above 0")
        if self.precision not in PRECISIONS:
            raise InputError(f"there is no precision {self.precision!r}", remedy=f"take one of {', '.join(PRECISIONS)}")

    @property
    def effective_jobs(self) -> int:
        return self.jobs if self.jobs is not None else environment().jobs

    @property
    def effective_worker_timeout_s(self) -> float:
        return self.worker_timeout_s if self.worker_timeout_s is not None else environment().worker_timeout_s
