"""oneDNN with weights packed for the number of rows, through torch.ops.mkldnn; epilogues fused as far as oneDNN has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.suite.systems import NotApplicable, Variant
from benchmarks.suite.torch_tensors import fetch, tensor

Tensor = torch.Tensor


class System:
    """`_reorder_linear_weight` and `_linear_pointwise`."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        if case.dtype == "s8":
            raise NotApplicable("torch has no s8 matmul with packed weights and an s32 result; torch._int_mm is oneDNN's")
        mkldnn: Any = torch.ops.mkldnn

        def pack(weight: Tensor) -> Tensor:
            return mkldnn._reorder_linear_weight(weight.t().contiguous(), case.m)

        x = tensor(operands.x, case.dtype)
        weights = [pack(tensor(operands.weight, case.dtype)) for _ in range(copies)]
        bias, residual = (None if a is None else tensor(a, case.dtype) for a in (operands.bias, operands.residual))
        gate = None if operands.gate is None else pack(tensor(operands.gate, case.dtype))

        def bind(weight: Tensor) -> Callable[[], Tensor]:
            pointwise = mkldnn._linear_pointwise
            if gate is not None:
                return lambda: pointwise(x, gate, None, "swish", [], "") * pointwise(x, weight, None, "none", [], "")
            if residual is not None:
                return lambda: pointwise.binary(x, residual, weight, bias, "add")
            if case.epilogue == "bias_gelu":
                return lambda: pointwise(x, weight, bias, "gelu", [], "none")
            return lambda: pointwise(x, weight, None, "none", [], "")

        name = "fused" if case.epilogue in ("bias_gelu", "residual") else "packed"
        return [Variant(name, [bind(weight) for weight in weights], fetch)]
