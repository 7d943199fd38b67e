"""Results are bitwise equal for any number of threads: matmuls whose panels, rows and depth do not divide evenly, packed and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.export import Dim

import tilewright
from tilewright.core.options import CompileOptions
from tilewright.runtime import Program

THREADS = (1, 2, 3, 5)
LAYERS = ((333, 1000), (2049, 2047), (384, 100), (96, 1), (4096, 17))
"""K and N of constant weights."""

Loaded = dict[int, Program]
Load = Callable[[Path], Loaded]


class Layers(torch.nn.Module):
    """Linear layers of ragged sizes, one with a fused epilogue, and products of two activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(k, n) for k, n in LAYERS)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        results = [layer(x) for layer, x in zip(self.layers, inputs, strict=True)]
        results[2] = torch.nn.functional.gelu(results[2])
        scores = inputs[0] @ inputs[0].T
        return (*results, scores, scores.softmax(-1) @ inputs[2])


def arguments(rows: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(rows)
    return tuple(torch.randn(rows, k, generator=generator) for k, _ in LAYERS)


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Loads an artifact once for each number of threads."""
    programs: list[Program] = []

    def load(path: Path) -> Loaded:
        loaded = {threads: tilewright.load(path, threads=threads) for threads in THREADS}
        programs.extend(loaded.values())
        return loaded

    yield load
    for program in programs:
        program.close()


def check(programs: Loaded, inputs: tuple[torch.Tensor, ...], module: torch.nn.Module, tolerance: float = 2e-4) -> None:
    """All numbers of threads give the bits that one thread gives, and those are right."""
    with torch.no_grad():
        expected = module(*inputs)
    first = programs[1](*inputs)
    for ours, theirs in zip(first, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    for threads in THREADS[1:]:
        for ours, again in zip(first, programs[threads](*inputs), strict=True):
            np.testing.assert_array_equal(ours.numpy().view(np.uint32), again.numpy().view(np.uint32), err_msg=f"{threads} threads")


@pytest.fixture(scope="module")
def module() -> torch.nn.Module:
    return Layers().eval()


def compile_dynamic(module: torch.nn.Module, load: Load, path: Path, precision: str) -> Loaded:
    """For any number of rows up to 512."""
    shapes = {"inputs": tuple({0: Dim("rows", min=1, max=512)} for _ in LAYERS)}
    options = CompileOptions(precision=precision)
    tilewright.compile(module, arguments(4), dynamic_shapes=shapes, output=path, options=options).close()
    return load(path)


@pytest.fixture(scope="module")
def dynamic(module: torch.nn.Module, load: Load, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return compile_dynamic(module, load, tmp_path_factory.mktemp("dynamic") / "layers.tw", "f32")


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16, 31, 64, 129])
def test_dynamic_rows(dynamic: Loaded, module: torch.nn.Module, rows: int) -> None:
    check(dynamic, arguments(rows), module)


def test_bf16(module: torch.nn.Module, load: Load, tmp_path: Path) -> None:
    programs = compile_dynamic(module, load, tmp_path / "layers.tw", "bf16")
    for rows in (1, 2, 7, 64):
        inputs = arguments(rows)
        results = {threads: program(*inputs) for threads, program in programs.items()}
        for threads in THREADS[1:]:
            assert all(torch.equal(one, other) for one, other in zip(results[1], results[threads], strict=True)), f"{threads} threads"
        for ours, theirs in zip(results[1], module(*inputs), strict=True):
            assert (ours - theirs).norm() < 0.02 * theirs.norm()


class Integers(torch.nn.Module):
    """A product of bytes with sums in 32 bits, K and N ragged."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randint(-128, 128, (333, 1000), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
        self.weight = torch.nn.Buffer(weight)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (torch.ops.aten._int_mm(x, self.weight),)


def test_int8(load: Load, tmp_path: Path) -> None:
    module = Integers().eval()
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(-128, 128, (77, 333), generator=generator, dtype=torch.int8)
    shapes = {"x": {0: Dim("rows", min=1, max=512)}}
    tilewright.compile(module, (inputs,), dynamic_shapes=shapes, output=tmp_path / "integers.tw").close()
    programs = load(tmp_path / "integers.tw")
    for rows in (1, 7, 64, 77):
        check(programs, (inputs[:rows],), module, tolerance=0)


@pytest.mark.parametrize("rows", [1, 64])
def test_static_rows(module: torch.nn.Module, load: Load, tmp_path: Path, rows: int) -> None:
    path = tmp_path / "layers.tw"
    tilewright.compile(module, arguments(rows), output=path).close()
    check(load(path), arguments(rows), module)


def test_weights_copied_by_any_number_of_threads(dynamic: Loaded, module: torch.nn.Module) -> None:
    path = dynamic[1].artifact.path
    copies = {threads: tilewright.load(path, threads=threads, weights="copy") for threads in THREADS}
    check(copies, arguments(5), module)
    for threads, program in copies.items():
        for ours, mapped in zip(program(*arguments(5)), dynamic[threads](*arguments(5)), strict=True):
            assert torch.equal(ours, mapped)
        program.close()
