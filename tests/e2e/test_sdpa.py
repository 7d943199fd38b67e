"""torch's scaled_dot_product_attention, compiled for narrow types: as close to float64 as torch itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch_reference import export_function

import tilewright
from tilewright.api.compiler import compile_program
from tilewright.core.options import CompileOptions
from tilewright.frontend.torch import import_exported
from tilewright.frontend.torch.weights import tensor_to_array


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


@pytest.mark.parametrize("lengths", [(37, 37), (5, 50)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types(dtype: torch.dtype, lengths: tuple[int, int], tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, keys = lengths
    shapes = [(2, 4, queries, 32), (2, 2, keys, 32), (2, 2, keys, 32)]
    inputs = [torch.randn(*shape, generator=generator).to(dtype) for shape in shapes]
    exact, theirs = _attention(*(x.double() for x in inputs)), _attention(*inputs)
    compile_program(import_exported(export_function(_attention, *inputs)), tmp_path / "sdpa.tw", CompileOptions())
    result = tilewright.load(tmp_path / "sdpa.tw")(*inputs)
    ours = torch.from_numpy(tensor_to_array(result).astype("f8"))
    assert (ours - exact).abs().max() <= 1.5 * (theirs.double() - exact).abs().max()
