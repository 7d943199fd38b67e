"""Inputs, outputs and weights: names, nesting, constants, tied and small weights, mutation, regions."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
import torch
from torch_reference import check, export_function, import_function, run

from tilewright.core.diagnostics import InputError, UnsupportedError, VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.frontend.contract import check_program
from tilewright.frontend.program import build_structure, structure_leaves
from tilewright.frontend.torch import export_module, import_exported


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class Nested(torch.nn.Module):
    def forward(self, x: torch.Tensor, *, pair: tuple[torch.Tensor, None], scale: int = 2, off: Any = None) -> Any:
        a = x * scale + pair[0]
        return {"a": a, "list": [a + 1, (a,)], "none": None, "n": 5, 3: x}, collections.OrderedDict(last=x - 1)


def test_names_and_nesting() -> None:
    x, y = torch.randn(2, 3), torch.randn(3)
    exported = export_module(Nested().eval(), (x,), {"pair": (y, None), "scale": 3})
    program = import_exported(exported, origin="nested")
    assert list(program.input_names) == ["x", "pair_0"]
    assert build_structure(program.input_structure, ["X", "Y"]) == (("X",), {"pair": ("Y", None), "scale": 3})
    first, second = run(program, [x, y])
    assert list(first) == ["a", "list", "none", "n", 3]
    assert first["none"] is None
    assert first["n"] == 5
    np.testing.assert_allclose(first["list"][1][0], (x * 3 + y).numpy(), rtol=1e-6)
    assert list(second) == ["last"]
    assert list(program.output_names) == ["output_0_a", "output_0_list_0", "output_0_list_1_0", "output_0_3", "output_1_last"]
    assert structure_leaves(program.output_structure) == [0, 1, 2, 3, 4]
    assert program.origin == "nested"


def test_named_tuples_and_single_results() -> None:
    program = import_function(lambda x: Pair(x + 1, x), torch.randn(3))
    assert list(program.output_names) == ["left", "right"]
    assert list(import_function(lambda x: x + 1, torch.randn(3)).output_names) == ["output"]
    assert list(import_function(lambda x: (x + 1, x), torch.randn(3)).output_names) == ["output_0", "output_1"]


def test_names_are_in_the_function() -> None:
    program = import_function(lambda x: {"y": x + 1}, torch.randn(3))
    text = str(program.module)
    assert '{tw.name = "args_0"}' in text
    assert '{tw.name = "y"}' in text


def test_results_that_are_inputs_or_weights() -> None:
    module = torch.nn.Linear(3, 2)

    class Returns(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: torch.Tensor) -> Any:
            return x, self.inner.weight, x

    check(Returns(), torch.randn(4, 3))


def test_inputs_that_nobody_uses_stay() -> None:
    program = check(lambda x, y: x + 1, torch.randn(3), torch.randn(2))
    assert len(program.input_names) == 2


class Tied(torch.nn.Module):
    table: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    eps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(20, 8)
        self.head = torch.nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("table", torch.arange(24.0).reshape(3, 8))
        self.register_buffer("positions", torch.arange(40)[None])
        self.register_buffer("types", torch.zeros(1, 40, dtype=torch.long), persistent=False)
        self.register_buffer("eps", torch.tensor([1e-3, 2e-3]))

    def forward(self, ids: torch.Tensor) -> Any:
        x = self.embed(ids) + self.table[0] + self.eps.sum()
        return self.head(x), self.positions[:, : ids.shape[1]] + self.types[:, : ids.shape[1]]


def test_weights() -> None:
    program = check(Tied(), torch.tensor([[1, 2, 3]]))
    assert sorted(program.weights) == ["embed.weight", "table"]
    assert program.aliases == {"head.weight": "embed.weight"}
    text = str(program.module)
    assert "tw.iota" in text  # positions
    assert "dense<[1.000000e-03, 2.000000e-03]>" in text


def test_weights_are_not_copied() -> None:
    module = torch.nn.Linear(64, 64)
    exported = export_function(module, torch.randn(2, 64))
    program = import_exported(exported)
    weight = exported.state_dict["weight"]
    array = program.weights["weight"]
    assert array.ctypes.data == weight.data_ptr()
    assert "dense" not in str(program.module)


def test_weights_in_bfloat16_and_views() -> None:
    module = torch.nn.Linear(32, 16).to(torch.bfloat16)
    module.weight = torch.nn.Parameter(module.weight.detach().t().contiguous().t())
    program = import_function(module, torch.randn(2, 32, dtype=torch.bfloat16))
    array = program.weights["weight"]
    assert array.dtype == ml_dtypes.bfloat16
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array.astype(np.float32), module.weight.detach().float().numpy())


def test_weights_without_values_are_refused() -> None:
    exported = export_function(torch.nn.Linear(3, 2), torch.randn(2, 3))
    exported.state_dict["weight"] = exported.state_dict["weight"].to("meta")
    with pytest.raises(InputError, match="'weight' has a shape but no values"):
        import_exported(exported)


def test_digest_follows_content() -> None:
    module = torch.nn.Linear(30, 20)
    first = import_function(module, torch.randn(2, 30)).digest()
    assert import_function(module, torch.randn(2, 30)).digest() == first
    with torch.no_grad():
        module.bias[0] += 1
    assert import_function(module, torch.randn(2, 30)).digest() != first


def test_writing_in_place_inside_the_program() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(4, 3)
        y[1:3] = x
        y[0] += 2.0
        y.mul_(3)
        return y

    check(function, torch.randn(2, 3))


class Counter(torch.nn.Module):
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        return x + self.count


def test_writing_to_buffers_and_inputs_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="updates the buffer 'count' in place"):
        import_function(Counter(), torch.randn(32))

    def function(x: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        return x * 2

    with pytest.raises(UnsupportedError, match="updates the input 'args_0' in place"):
        import_function(function, torch.randn(3))


def test_regions_are_inlined() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            y = x * 2
        with torch.no_grad():
            y = y + x.shape[0]
        return y - 1

    check(function, torch.randn(2, 3))


def test_autocast_is_left_to_torch() -> None:
    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return x @ w

    program = check(function, torch.randn(2, 3), torch.randn(3, 4), tolerance=3e-2)
    assert "bf16" in str(program.module)


def test_contract_check_finds_what_does_not_fit() -> None:
    program = import_function(torch.nn.Linear(3, 2), torch.randn(2, 3))
    program.output_names = ["a", "b"]
    with pytest.raises(VerifyError, match="1 outputs, the program names 2"):
        check_program(program)
    program.output_names = ["a"]
    program.output_structure = 4
    with pytest.raises(VerifyError, match="refers to result 4"):
        check_program(program)
    program.output_structure = 0
    program.input_names = ["x", "x"]
    with pytest.raises(VerifyError, match="1 inputs"):
        check_program(program)
    program.input_names = ["x"]
    program.weights = {}
    with pytest.raises(VerifyError, match="weight 'weight' is not in the program"):
        check_program(program)
    with program.context, ir.Location.unknown():
        program.module = ir.Module.create()
    with pytest.raises(VerifyError, match="needs a function @main"):
        check_program(program)


def test_every_op_has_the_line_and_module_it_came_from() -> None:
    class Inner(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(x)

    class Outer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = torch.nn.ModuleList([Inner(), torch.nn.Linear(3, 3)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block[1](self.block[0](x))

    program = import_function(Outer(), torch.randn(2, 3))
    (function,) = tw.functions(program.module)
    ops = list(function.operation.regions[0].blocks[0].operations)
    tanh = next(op for op in ops if tw.is_op(op, "pointwise"))
    matmul = next(op for op in ops if tw.is_op(op, "matmul"))
    assert "test_signature.py:" in tw.location_text(tanh.location)
    assert tw.location_text(tanh.location).endswith("(block.0)")
    # torch.nn.Linear is torch's own code: the line is the one that calls it.
    assert "test_signature.py:" in tw.location_text(matmul.location)
    assert tw.location_text(matmul.location).endswith("(block.1)")
