"""Our side of every suite: programs compiled ahead of time into artifacts, loaded by the runtime, and called as users call them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import tilewright
from benchmarks.suite.native_call import bind_native
from benchmarks.suite.systems import SCHEDULES, NotApplicable, Variant
from benchmarks.suite.torch_tensors import fetch
from tilewright.core.options import CompileOptions

NATIVE_BELOW = 20e-6
"""Seconds of a session's call below which the native call is measured too: the interpreter shows there."""


def compile_to(path: Path, source: Any, args: Sequence[torch.Tensor] | None, target: str, dynamic_shapes: Any = None) -> Path:
    """Compile a module (with example arguments) or a `Program` for `target`, with the schedules in the folder if there are some."""
    schedules = path.parent / SCHEDULES
    options = CompileOptions(schedules=schedules if schedules.exists() else None)
    arguments = None if args is None else tuple(args)
    tilewright.compile(source, arguments, target=target, output=path, dynamic_shapes=dynamic_shapes, threads=1, options=options).close()
    return path


def bind_session(path: Path, inputs: Sequence[torch.Tensor], threads: int) -> Callable[[], torch.Tensor]:
    """The call that users make. Weights are in memory of their own, as those of other systems are: pages of files can be dropped."""
    program = tilewright.load(path, threads=threads, weights="copy")
    if len(inputs) == 1:
        (only,) = inputs
        return lambda: program(only)
    bound = tuple(inputs)
    return lambda: program(*bound)


def session_and_native(path: Path, copies: Sequence[Sequence[torch.Tensor]], threads: int, work: float = 0.0) -> list[Variant]:
    """`session`, with a call for each copy of the inputs, and `native` where a session's call is short. `work` is reported for both."""
    variants = [Variant("session", [bind_session(path, inputs, threads) for inputs in copies], fetch, work)]
    if seconds_of(variants[0].calls[0]) < NATIVE_BELOW:
        variants.append(Variant("native", [bind_native(path, inputs, threads) for inputs in copies], fetch, work))
    return variants


def refuse_decomposed(path: Path, op: str) -> None:
    """Raises NotApplicable, with the compiler's reason, where no kernel template covers `op`, so that simpler ops took its place."""
    with tilewright.load(path, threads=1) as program:
        report: dict[str, Any] = program.artifact.manifest.report
    reasons: list[str] = [entry for target in report["targets"] for entry in target["decomposed"] if entry.startswith(f"{op} at ")]
    if reasons:
        raise NotApplicable(f"not covered by our kernel: {reasons[0].rpartition(': ')[2]}")


def seconds_of(call: Callable[[], object]) -> float:
    """The best of some calls."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best
