"""`flex_attention` compiled: one kernel, whose results are torch's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from flex_modules import CASES, qkv
from torch_reference import compare, export_function

import tilewright
from tilewright.api.compiler import compile_program
from tilewright.core.options import CompileOptions
from tilewright.frontend.torch import import_exported
from tilewright.frontend.torch.weights import tensor_to_array


@pytest.mark.parametrize(
    ("name", "queries", "keys", "dtype", "tolerance"),
    [
        ("documents", 40, 40, torch.float32, 1e-5),
        ("position_in_document", 20, 20, torch.float32, 1e-5),
        ("causal", 5, 19, torch.float32, 1e-5),
        ("logsumexp", 12, 12, torch.float32, 1e-5),
        ("alibi", 12, 12, torch.bfloat16, 2e-2),
    ],
)
def test_compiled(name: str, queries: int, keys: int, dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
    module, inputs = CASES[name](), [x.to(dtype) for x in qkv(queries, keys)]
    if name == "documents":
        inputs = [x[:, :, :27] for x in inputs]
    with torch.no_grad():
        expected = module(*inputs)
    report = compile_program(import_exported(export_function(module, *inputs)), tmp_path / "flex.tw", CompileOptions()).report
    actual = tilewright.load(tmp_path / "flex.tw")(*inputs)
    for ours, theirs in zip(_list(actual), _list(expected), strict=True):
        compare(tensor_to_array(ours), theirs, tolerance)
    kernels = [kernel["name"] for kernel in report["targets"][0]["kernels"]]
    assert kernels == (["attention", "mul"] if name == "logsumexp" else ["attention"])


def _list(value: torch.Tensor | tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    return [value] if isinstance(value, torch.Tensor) else list(value)
