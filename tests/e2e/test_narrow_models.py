"""Models in bf16, f16 and bytes from export to results."""

from __future__ import annotations

import pytest
import torch
from torch.export import Dim

import tilewright


class Layer(torch.nn.Module):
    """Self-attention and a feed-forward layer around a residual stream."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = torch.nn.LayerNorm(32)
        self.qkv, self.up, self.down = torch.nn.Linear(32, 96), torch.nn.Linear(32, 48), torch.nn.Linear(48, 32, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (t.unflatten(-1, (2, 16)).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        x = x + torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.down(torch.nn.functional.silu(self.up(x)))


class Bytes(torch.nn.Module):
    """A linear layer on i8 activations and weights with scales, as quantizers export it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = torch.nn.Buffer(torch.randint(-128, 128, (48, 64), dtype=torch.int8))
        self.scales = torch.nn.Buffer(torch.rand(48) * 1e-3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sums = torch.ops.aten._int_mm(x, self.weight.t())
        return sums, sums * self.scales


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 3e-2), (torch.float16, 4e-3)])
def test_half_precision(dtype: torch.dtype, tolerance: float) -> None:
    layer = Layer().to(dtype).eval()
    x = torch.randn(2, 7, 32).to(dtype)
    program = tilewright.compile(layer, (x,), dynamic_shapes={"x": {0: Dim("batch", max=8), 1: Dim("sequence", min=2, max=64)}})
    for given in (x, torch.randn(3, 18, 32).to(dtype)):
        actual, exact = program(given), Layer().eval()(given.float())
        assert actual.dtype == dtype
        torch.testing.assert_close(actual.float(), exact, rtol=tolerance, atol=tolerance)


def test_bytes() -> None:
    module = Bytes().eval()
    x = torch.randint(-128, 128, (33, 64), dtype=torch.int8)
    program = tilewright.compile(module, (x,), dynamic_shapes={"x": {0: Dim("rows", min=17, max=512)}})
    for rows in (33, 17, 100):
        given = torch.randint(-128, 128, (rows, 64), dtype=torch.int8)
        sums, scaled = program(given)
        expected = given.int() @ module.weight.int().t()
        assert torch.equal(sums, expected)
        torch.testing.assert_close(scaled, expected * module.scales)
