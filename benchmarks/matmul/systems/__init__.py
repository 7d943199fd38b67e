"""One file for each system: how it gets a case with constant weights, and how it is called.

A system's module has a class `System`; `SYSTEMS` says which packages it takes. The modules are imported in child processes only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands

SCHEDULES = "schedules"
"""The file in a case's folder with schedules for Tilewright, where the caller gave some."""


class NotApplicable(Exception):
    """The system has no form of the case; the text says why."""


@dataclass(frozen=True)
class Variant:
    """One way in which a system computes a case: a call for each copy of the weights, all with equal values.

    `fetch` turns what a call returned into an array. `reported_work` replaces the case's flops (ceilings: flops or bytes of a call).
    """

    name: str
    calls: Sequence[Callable[[], Any]]
    fetch: Callable[[Any], np.ndarray] | None
    reported_work: float = 0.0


class System(Protocol):
    """What a child process runs."""

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        """Compile and pack. `folder` is for files. Raises NotApplicable; other exceptions are reported as they are."""
        ...


@dataclass(frozen=True)
class SystemInfo:
    """A system's title in tables, its module here, and the distributions that it takes (the first is the one whose version is shown)."""

    title: str
    module: str
    distributions: tuple[str, ...]


SYSTEMS: dict[str, SystemInfo] = {
    "tilewright": SystemInfo("Tilewright", "tilewright_system", ("tilewright", "torch")),
    "torch": SystemInfo("torch", "torch_system", ("torch",)),
    "onednn": SystemInfo("oneDNN", "onednn_system", ("torch",)),
    "xla": SystemInfo("XLA", "xla_system", ("jax",)),
    "iree": SystemInfo("IREE", "iree_system", ("iree-base-compiler", "iree-base-runtime")),
    "onnxruntime": SystemInfo("ONNX RT", "onnxruntime_system", ("onnxruntime", "onnx")),
    "openvino": SystemInfo("OpenVINO", "openvino_system", ("openvino", "onnx")),
    "ceilings": SystemInfo("ceilings", "ceilings_system", ("tilewright",)),
}


def version(name: str) -> str | None:
    """The version of a system, None where a package of it is not installed."""
    try:
        versions = [_version_of(distribution) for distribution in SYSTEMS[name].distributions]
    except importlib.metadata.PackageNotFoundError:
        return None
    return versions[0]


def is_installed(distribution: str) -> bool:
    """Whether a package that is no system is installed."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _version_of(distribution: str) -> str:
    if distribution == "tilewright":
        from tilewright.version import __version__

        return __version__
    return importlib.metadata.version(distribution)


def create(name: str, threads: int) -> System:
    """The system `name` in this process, limited to `threads`."""
    module: Any = importlib.import_module(f"benchmarks.matmul.systems.{SYSTEMS[name].module}")
    return module.System(threads)
