"""Compares what the importer makes of a function with what torch computes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.export import Dim

from tilewright.core.symbolic import parse
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter
from tilewright.frontend.program import Program, build_structure
from tilewright.frontend.torch import export_module, import_exported
from tilewright.frontend.torch.weights import tensor_to_array

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


class Function(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def export_function(function: Callable[..., Any], *inputs: Any, dynamic: Any = None) -> torch.export.ExportedProgram:
    """Export a function or module. `dynamic` has one entry per input: `{dimension: Dim}` or None."""
    module = function if isinstance(function, torch.nn.Module) else Function(function)
    if dynamic is None:
        return export_module(module.eval(), inputs)
    return export_module(module.eval(), inputs, dynamic_shapes=tuple(dynamic) if module is function else {"args": tuple(dynamic)})


def import_function(function: Callable[..., Any], *inputs: Any, dynamic: Any = None) -> Program:
    """Export and import a function."""
    return import_exported(export_function(function, *inputs, dynamic=dynamic))


def run(program: Program, inputs: Sequence[Any]) -> Any:
    """Interpret a program on torch tensors; the results nest as the program says."""
    arrays = [tensor_to_array(x) for x in inputs if isinstance(x, torch.Tensor)]
    (function,) = tw.functions(program.module)
    types = [tw.tensor_info(a) for a in function.operation.regions[0].blocks[0].arguments]
    symbols = interpreter.bind_symbols(types, [a.shape for a in arrays], program.input_names)
    results = interpreter.run(program.module, arrays, program.weights)
    return build_structure(program.output_structure, results, lambda expr: parse(expr).evaluate(symbols))


def check(
    function: Callable[..., Any],
    *inputs: Any,
    dynamic: Any = None,
    others: Sequence[Sequence[Any]] = (),
    tolerance: float | None = None,
    core: bool = False,
) -> Program:
    """Import a function and compare it with torch on `inputs` and on the inputs in `others` (of other sizes).

    `core` decomposes the program to torch's core ops before the import.
    """
    exported = export_function(function, *inputs, dynamic=dynamic)
    if core:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = exported.run_decompositions()
    program = import_exported(exported)
    for given in (inputs, *others):
        with torch.no_grad():
            expected = function(*given)
        compare(run(program, given), expected, tolerance)
    return program


def compare(actual: Any, expected: Any, tolerance: float | None = None) -> None:
    """Raise AssertionError unless arrays equal tensors: structure, element type, shape, NaNs and values."""
    if isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected):
            compare(a, e, tolerance)
        return
    if not isinstance(expected, torch.Tensor):
        assert actual == expected
        return
    reference = tensor_to_array(expected)
    assert actual.dtype == reference.dtype
    assert actual.shape == reference.shape
    if reference.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, reference)
        return
    allowed = TOLERANCE[expected.dtype] if tolerance is None else tolerance
    np.testing.assert_allclose(actual.astype(np.float64), reference.astype(np.float64), rtol=allowed, atol=allowed)


def batch(name: str = "n", low: int = 1, high: int = 64) -> Any:
    """A dynamic dimension."""
    return Dim(name, min=low, max=high)
