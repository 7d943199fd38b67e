"""`tw` programs built in Python, run through passes, and compared on the interpreter before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.core.mlir import arith, func, ir, math
from tilewright.core.pass_manager import run_pipeline
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run
from tilewright.passes import weight_values
from tilewright.passes.rewrite import Rewriter

RANGES = {"s0": (1, 8), "s1": (2, 64)}
SIZES = {"s0": 3, "s1": 7}


def typed(shape: str, dtype: str = "f32") -> tw.TensorInfo:
    """A tensor type from the text of its shape."""
    return tw.TensorInfo(tw.parse_shape(shape), dtype)


def make_program(inputs: Sequence[tw.TensorInfo], body: Callable[..., Any], ranges: Mapping[str, tuple[int, int]] = RANGES) -> ir.Module:
    """A module whose `@main` computes `body(*inputs)`, a value or a list of values.

    It has one more input, unused, whose shape is the symbols of `ranges`: it binds them.
    """
    module = ir.Module.create()
    types = [tw.tensor_type(i) for i in [*inputs, _binder(ranges)]]
    with ir.InsertionPoint(module.body):
        function = func.FuncOp("main", ir.FunctionType.get(types, []))
        function.operation.attributes["tw.symbols"] = tw.symbols_attribute(dict(ranges))
        block = function.add_entry_block()
    with ir.InsertionPoint(block):
        out = body(*list(block.arguments)[:-1])
        values = list(out) if isinstance(out, list | tuple) else [out]
        func.ReturnOp(values)
    function.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [v.type for v in values]))
    tw.verify_program(module)
    return module


def _binder(ranges: Mapping[str, tuple[int, int]]) -> tw.TensorInfo:
    return typed(", ".join(ranges), "i1")


def random_inputs(inputs: Sequence[tw.TensorInfo], sizes: Mapping[str, int] = SIZES, seed: int = 0) -> list[np.ndarray]:
    """Arrays of the types: normal floats, integers from 0 to 3, random truth values."""
    rng = np.random.default_rng(seed)

    def make(info: tw.TensorInfo) -> np.ndarray:
        shape = [d if isinstance(d, int) else d.evaluate(sizes) for d in info.shape]
        if info.dtype in tw.FLOATS:
            return rng.standard_normal(shape).astype(tw.numpy_dtype(info.dtype))
        return rng.integers(0, 2 if info.dtype == "i1" else 4, shape).astype(tw.numpy_dtype(info.dtype))

    return [make(i) for i in inputs]


@dataclass
class Rewritten:
    """A program after passes. `ops` counts its ops by short name, weights and the return left out."""

    module: ir.Module

    @property
    def body(self) -> list[ir.Operation]:
        (function,) = tw.functions(self.module)
        return [o.operation for o in function.operation.regions[0].blocks[0].operations]

    @property
    def ops(self) -> dict[str, int]:
        return dict(Counter(name for o in self.body if (name := tw.short_name(o)) not in (None, "weight")))

    @property
    def returned(self) -> list[ir.Value]:
        return list(self.body[-1].operands)

    def find(self, name: str) -> ir.Operation:
        """The only op called `name`."""
        (op,) = [o for o in self.body if tw.short_name(o) == name]
        return op

    def regions(self) -> list[str]:
        """The expressions of all pointwise ops as text."""
        (function,) = tw.functions(self.module)
        rw = Rewriter(function)
        return [str(y) for o in self.body if tw.short_name(o) == "pointwise" for y in rw.yields(o)]

    def shape(self, value: ir.Value) -> tuple[Dim, ...]:
        return tw.tensor_info(value).shape


def check(
    inputs: Sequence[tw.TensorInfo],
    body: Callable[..., Any],
    pipeline: str = "tw-simplify",
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    known_weights: Mapping[str, np.ndarray] | None = None,
    arrays: Sequence[np.ndarray] | None = None,
    sizes: Mapping[str, int] = SIZES,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Rewritten:
    """Build a program, run a pipeline, verify, and compare the results before and after.

    Passes see the values of `known_weights` only. Needs a current context.
    """
    module = make_program(inputs, body)
    arrays = [*(random_inputs(inputs, sizes) if arrays is None else arrays), *random_inputs([_binder(RANGES)], sizes)]
    values = {**(weights or {}), **(known_weights or {})}
    expected = run(module, arrays, values)
    with weight_values.provided(known_weights):
        run_pipeline(module, pipeline)
    tw.verify_program(module)
    actual = run(module, arrays, values)
    for before, after in zip(expected, actual, strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_allclose(after.astype(np.float64), before.astype(np.float64), rtol=rtol, atol=atol)
    return Rewritten(module)


def scalar_constant(value: float, dtype: str) -> ir.Value:
    """A number inside a pointwise region."""
    number = float(value) if dtype in tw.FLOATS else int(value)
    return arith.constant(tw.element_type(dtype), number)


def compare(predicate: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`tw.pointwise` of a signed integer comparison: `lt`, `le`, `gt`, `ge`, `eq`, `ne`."""
    kind = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5}[predicate]
    return tw.pointwise([lhs, rhs], lambda a, b: arith.cmpi(arith.CmpIPredicate(kind), a, b))


def binary(name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`tw.pointwise` of a binary `arith` op."""
    return tw.pointwise([lhs, rhs], getattr(arith, name))


def unary(name: str, value: ir.Value) -> ir.Value:
    """`tw.pointwise` of a unary `math` or `arith` op."""
    return tw.pointwise([value], getattr(math if hasattr(math, name) else arith, name))


def with_number(name: str, value: ir.Value, number: float) -> ir.Value:
    """`tw.pointwise` of a binary `arith` op with a number on the right."""
    dtype = tw.tensor_info(value).dtype
    return tw.pointwise([value], lambda a: getattr(arith, name)(a, scalar_constant(number, dtype)))


def iota(shape: str, dim: int) -> ir.Value:
    return tw.build("iota", shape=tw.parse_shape(shape), dim=dim)


def reshape(value: ir.Value, shape: str) -> ir.Value:
    return tw.build("reshape", value, shape=tw.parse_shape(shape))


def broadcast(value: ir.Value, shape: str) -> ir.Value:
    return tw.build("broadcast", value, shape=tw.parse_shape(shape))


def transpose(value: ir.Value, *permutation: int) -> ir.Value:
    return tw.build("transpose", value, permutation=permutation)


def slice_(value: ir.Value, starts: str, sizes: str, steps: Sequence[int] | None = None) -> ir.Value:
    begin = tw.parse_shape(starts)
    return tw.build("slice", value, starts=begin, sizes=tw.parse_shape(sizes), steps=steps or (1,) * len(begin))
