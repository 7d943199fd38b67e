"""What a compared system is: the packages it takes, how it prepares a case, and the calls that are timed.

A system's module has a class `System`. The modules are imported in child processes only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

OURS, CEILINGS, ONE_THREAD = "tilewright", "ceilings", "one thread"
"""Names of results that are no peers: Tilewright, the machine's limits, Tilewright with one thread beside more."""
SCHEDULES = "schedules"
"""The file in a case's folder with schedules for Tilewright, where the caller gave some."""


class NotApplicable(Exception):
    """The system has no form of the case; the text says why."""


@dataclass(frozen=True)
class Variant:
    """One way in which a system computes a case: a call for each copy of the rotated operands, all with equal values.

    `fetch` turns what a call returned into an array (None where there are no calls: such a variant is not timed). `reported_work` replaces
    the case's flops (ceilings: flops or bytes of a call). `peak_bytes`: by how much a call raised the resident memory.
    """

    name: str
    calls: Sequence[Callable[[], Any]]
    fetch: Callable[[Any], np.ndarray] | None
    reported_work: float = 0.0
    peak_bytes: int = 0


class System(Protocol):
    """What a child process runs."""

    def prepare(self, case: Any, operands: Any, copies: int, folder: Path) -> list[Variant]:
        """Compile and pack. `folder` is for files. Raises NotApplicable; other exceptions are reported as they are."""
        ...


@dataclass(frozen=True)
class SystemInfo:
    """A system's title in tables, its module, and the distributions that it takes (the first is the one whose version is shown)."""

    title: str
    module: str
    distributions: tuple[str, ...]

    def version(self) -> str | None:
        """The version; None where a package is not installed."""
        try:
            versions = [_version_of(distribution) for distribution in self.distributions]
        except importlib.metadata.PackageNotFoundError:
            return None
        return versions[0]

    def create(self, threads: int) -> System:
        """The system in this process, limited to `threads`."""
        module: Any = importlib.import_module(self.module)
        return module.System(threads)


KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    OURS: ("Tilewright", ("tilewright", "torch")),
    "torch": ("torch", ("torch",)),
    "onednn": ("oneDNN", ("torch",)),
    "inductor": ("Inductor", ("torch",)),
    "xla": ("XLA", ("jax",)),
    "iree": ("IREE", ("iree-base-compiler", "iree-base-runtime")),
    "onnxruntime": ("ONNX RT", ("onnxruntime", "onnx")),
    "openvino": ("OpenVINO", ("openvino", "onnx")),
}
"""Title and distributions of every system that a suite may compare, in the order of tables."""


def systems_of(package: str, *names: str, ceilings: bool = True) -> dict[str, SystemInfo]:
    """The systems of a suite, by name; the modules are `<package>.<name>_system`. With `ceilings` the machine's limits are one of them."""
    table = {n: SystemInfo(title, f"{package}.{n}_system", needed) for n, (title, needed) in KNOWN.items() if n in names}
    return table | ({CEILINGS: SystemInfo(CEILINGS, "benchmarks.suite.ceilings_system", ("tilewright",))} if ceilings else {})


def is_installed(distribution: str) -> bool:
    """Whether a package that is no system is installed."""
    return SystemInfo(distribution, "", (distribution,)).version() is not None


def _version_of(distribution: str) -> str:
    if distribution == "tilewright":
        from tilewright.version import __version__

        return __version__
    return importlib.metadata.version(distribution)
