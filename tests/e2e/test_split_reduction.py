"""Long sums of few rows and columns are split over k, and the program's results do not depend on the number of threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tilewright

THREADS = (1, 2, 3)


class Projection(torch.nn.Module):
    """A linear layer over many features, with an epilogue and a normalization behind it."""

    def __init__(self, features: int, columns: int, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(features, columns, dtype=dtype)
        self.norm = torch.nn.LayerNorm(columns, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(torch.nn.functional.gelu(self.linear(x)))


class Product(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x @ y


def check(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], tolerance: float, path: Path) -> None:
    """The matmul is split, the bits are the same for all numbers of threads, and those of torch in f64 up to `tolerance`."""
    tilewright.compile(module, inputs, output=path).close()
    outputs: list[torch.Tensor] = []
    for threads in THREADS:
        with tilewright.load(path, threads=threads) as program:
            assert any("slice" in kernel["name"] for kernel in program.kernels), "the sum of the slices has a kernel"
            outputs.append(program(*inputs).clone())
    assert all(torch.equal(output, outputs[0]) for output in outputs[1:])
    with torch.no_grad():
        expected = module.double()(*(x.double() for x in inputs))
    torch.testing.assert_close(outputs[0].double(), expected, rtol=tolerance, atol=tolerance)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("dtype", "features", "tolerance"), [(torch.float32, 16384, 2e-5), (torch.bfloat16, 32768, 4e-2)])
@pytest.mark.parametrize(("shape", "columns"), [((1,), 32), ((2, 3), 45)])
def test_linear_layer(shape: tuple[int, ...], columns: int, dtype: torch.dtype, features: int, tolerance: float, tmp_path: Path) -> None:
    check(Projection(features, columns, dtype).eval(), (normal(*shape, features).to(dtype),), tolerance, tmp_path / "projection.tw")


def test_product_of_two_inputs(tmp_path: Path) -> None:
    check(Product().eval(), (normal(3, 16384), normal(16384, 33, seed=1) / 128), 2e-5, tmp_path / "product.tw")
