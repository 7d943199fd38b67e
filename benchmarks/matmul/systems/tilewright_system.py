"""Tilewright: the module compiled ahead of time into an artifact, which the runtime loads and calls.

Variants: `session` is the call that users make. `native` is the same program called through its C interface with everything bound,
measured where a session's call is so short that the interpreter shows. `bare` is the matmul without the epilogue.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

import tilewright
from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.systems import SCHEDULES, Variant
from benchmarks.matmul.systems.native_call import bind_native
from benchmarks.matmul.systems.torch_operands import fetch, tensor
from tilewright.core.options import CompileOptions

NATIVE_BELOW = 20e-6
"""Seconds of a session's call below which the native call is measured too."""


class Matmul(torch.nn.Module):
    """The case as a module; weights are `[n, k]` for floating-point numbers and `[k, n]` for s8."""

    def __init__(self, case: Case, operands: Operands, epilogue: str) -> None:
        super().__init__()
        self.epilogue = epilogue
        self.is_integer = case.dtype == "s8"
        weight = tensor(case, operands.weight)
        self.weight = torch.nn.Buffer(weight if self.is_integer else weight.t().contiguous())
        for name in ("gate", "bias", "residual"):
            values = getattr(operands, name)
            data = None if values is None else tensor(case, values)
            self.register_buffer(name, data.t().contiguous() if name == "gate" and data is not None else data)

    gate: torch.Tensor
    bias: torch.Tensor
    residual: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_integer:
            return torch._int_mm(x, self.weight)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
        if self.epilogue == "bias_gelu":
            return F.gelu(F.linear(x, self.weight, self.bias))
        if self.epilogue == "swiglu":
            return F.silu(F.linear(x, self.gate)) * F.linear(x, self.weight)
        if self.epilogue == "residual":
            return F.linear(x, self.weight, self.bias) + self.residual
        if self.epilogue == "concatenated":
            return F.linear(x, torch.cat((self.gate, self.weight)))
        return F.linear(x, self.weight)


class System:
    """One artifact, loaded for each copy of the weights."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        x = tensor(case, operands.x)
        path = folder / f"session-{self.threads}.tw"
        self._compile(case, operands, case.epilogue, x, path)
        session = Variant("session", [self._bind(path, x) for _ in range(copies)], fetch)
        variants = [session]
        if _seconds(session.calls[0]) < NATIVE_BELOW:
            variants.append(Variant("native", [bind_native(path, x, self.threads)], fetch))
        if case.epilogue != "none":
            bare = folder / f"bare-{self.threads}.tw"
            self._compile(case, operands, "concatenated" if case.epilogue == "swiglu" else "none", x, bare)
            variants.append(Variant("bare", [self._bind(bare, x)], None))
        return variants

    def _compile(self, case: Case, operands: Operands, epilogue: str, x: torch.Tensor, path: Path) -> None:
        module = Matmul(case, operands, epilogue).eval()
        schedules = path.parent / SCHEDULES
        options = CompileOptions(schedules=schedules if schedules.exists() else None)
        tilewright.compile(module, (x,), target=case.target, output=path, threads=self.threads, options=options).close()

    def _bind(self, path: Path, x: torch.Tensor) -> Callable[[], torch.Tensor]:
        # In memory of their own, as the weights of every other system are: pages of files are dropped where memory is short.
        program = tilewright.load(path, threads=self.threads, weights="copy")
        return lambda: program(x)


def _seconds(call: Callable[[], object]) -> float:
    """The best of some calls."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best
