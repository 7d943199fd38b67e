"""Tilewright: the module compiled ahead of time into an artifact, which the runtime loads and calls.

Variants: `session` is the call that users make. `native` is the same program called through its C interface with everything bound,
measured where a session's call is so short that the interpreter shows. `bare` is the matmul without the epilogue.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.suite.native_call import bind_native
from benchmarks.suite.systems import Variant
from benchmarks.suite.tilewright_program import NATIVE_BELOW, bind_session, compile_to, seconds_of
from benchmarks.suite.torch_tensors import fetch, tensor


class Matmul(torch.nn.Module):
    """The case as a module; weights are `[n, k]` for floating-point numbers and `[k, n]` for s8."""

    def __init__(self, case: Case, operands: Operands, epilogue: str) -> None:
        super().__init__()
        self.epilogue = epilogue
        self.is_integer = case.dtype == "s8"
        weight = tensor(operands.weight, case.dtype)
        self.weight = torch.nn.Buffer(weight if self.is_integer else weight.t().contiguous())
        for name in ("gate", "bias", "residual"):
            values = getattr(operands, name)
            data = None if values is None else tensor(values, case.dtype)
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
        x = tensor(operands.x, case.dtype)
        path = self._compile(case, operands, case.epilogue, x, folder / f"session-{self.threads}.tw")
        variants = [Variant("session", [bind_session(path, [x], self.threads) for _ in range(copies)], fetch)]
        if seconds_of(variants[0].calls[0]) < NATIVE_BELOW:
            variants.append(Variant("native", [bind_native(path, [x], self.threads)], fetch))
        if case.epilogue != "none":
            bare = "concatenated" if case.epilogue == "swiglu" else "none"
            path = self._compile(case, operands, bare, x, folder / f"bare-{self.threads}.tw")
            variants.append(Variant("bare", [bind_session(path, [x], self.threads)], None))
        return variants

    def _compile(self, case: Case, operands: Operands, epilogue: str, x: torch.Tensor, path: Path) -> Path:
        return compile_to(path, Matmul(case, operands, epilogue).eval(), (x,), case.target)
