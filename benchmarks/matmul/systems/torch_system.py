"""PyTorch eager: `torch.mm` and `torch.nn.functional.linear` (f32: MKL, bf16: oneDNN) with unfused epilogues; `torch._int_mm` for s8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.suite.systems import Variant
from benchmarks.suite.torch_tensors import fetch, tensor

Tensor = torch.Tensor


class System:
    """Weights as `[k, n]` for mm and as `[n, k]` for linear."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        x = tensor(operands.x, case.dtype)
        weights = [tensor(operands.weight, case.dtype) for _ in range(copies)]
        if case.dtype == "s8":
            columns = [w.t().contiguous().t() for w in weights]
            return [
                Variant("_int_mm", [_bind(torch._int_mm, x, w) for w in weights], fetch),  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
                Variant("_int_mm, columns", [_bind(torch._int_mm, x, w) for w in columns], fetch),  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
            ]
        if case.epilogue == "none":
            rows = [w.t().contiguous() for w in weights]
            return [
                Variant("mm", [_bind(torch.mm, x, w) for w in weights], fetch),
                Variant("linear", [_bind(F.linear, x, w) for w in rows], fetch),
            ]
        gate, bias, residual = (None if a is None else tensor(a, case.dtype) for a in (operands.gate, operands.bias, operands.residual))
        return [Variant("unfused", [_epilogue(case, x, w.t().contiguous(), gate, bias, residual) for w in weights], fetch)]


def _bind(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    return lambda: function(x, weight)


def _epilogue(
    case: Case, x: Tensor, weight: Tensor, gate: Tensor | None, bias: Tensor | None, residual: Tensor | None
) -> Callable[[], Tensor]:
    """`weight` is `[n, k]`, `gate` `[k, n]`."""
    if case.epilogue == "bias_gelu":
        return lambda: F.gelu(F.linear(x, weight, bias))
    if gate is not None:
        rows = gate.t().contiguous()
        return lambda: F.silu(F.linear(x, rows)) * F.linear(x, weight)
    assert residual is not None
    return lambda: F.linear(x, weight, bias) + residual
