"""Runs `tw` programs on the NumPy references: the semantics that every later level is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Expr
from tilewright.dialects.tw.access import attributes_of, functions, location_text, op_name, operand_groups, short_name, spec_of
from tilewright.dialects.tw.spec import Arguments, ReferenceContext
from tilewright.dialects.tw.types import TensorInfo, numpy_dtype, parse_shape, tensor_info

Observer = Callable[[ir.Operation, list[np.ndarray]], None]


def run(
    module: ir.Module,
    inputs: Sequence[np.ndarray],
    weights: Mapping[str, np.ndarray] | None = None,
    *,
    function: str = "main",
    observe: Observer | None = None,
) -> list[np.ndarray]:
    """Execute a function of a level-1 or level-2 module and return its results.

    `observe` is called with every op and its results. Raises InputError when inputs do not fit the signature.
    """
    return _Interpreter(module, weights or {}, observe).call(function, list(inputs), None)


def bind_symbols(types: Sequence[TensorInfo], shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> dict[str, int]:
    """Values of symbols from actual shapes. Raises InputError, naming the input, for a shape that does not fit."""
    symbols: dict[str, int] = {}
    for info, shape, name in zip(types, shapes, names):
        if len(shape) != info.rank:
            raise InputError(f"input '{name}' has rank {len(shape)}, expected {info.rank}")
        for dim, size in zip(info.shape, shape):
            if isinstance(dim, Expr) and len(dim.symbols()) == 1 and str(dim) in dim.symbols():
                symbols.setdefault(str(dim), size)
    for info, shape, name in zip(types, shapes, names):
        for axis, (dim, size) in enumerate(zip(info.shape, shape)):
            expected = dim if isinstance(dim, int) else dim.evaluate(symbols)
            if expected != size:
                raise InputError(f"input '{name}' has size {size} in dimension {axis}, expected {expected} ({dim})")
    return symbols


class _Interpreter:
    def __init__(self, module: ir.Module, weights: Mapping[str, np.ndarray], observe: Observer | None) -> None:
        self.functions = {ir.StringAttr(f.operation.attributes["sym_name"]).value: f for f in functions(module)}
        self.weights = weights
        self.observe = observe

    def call(self, name: str, inputs: list[np.ndarray], symbols: Mapping[str, int] | None) -> list[np.ndarray]:
        function = self.functions.get(name)
        if function is None:
            raise InputError(f"no function '{name}' in the module", remedy=f"it has: {', '.join(self.functions)}")
        block = function.operation.regions[0].blocks[0]
        types = [tensor_info(a) for a in block.arguments]
        if len(types) != len(inputs):
            raise InputError(f"function '{name}' takes {len(types)} inputs, got {len(inputs)}")
        if symbols is None:
            symbols = bind_symbols(types, [x.shape for x in inputs], [f"{i}" for i in range(len(inputs))])
        arrays = [np.asarray(x).astype(numpy_dtype(t.dtype), copy=False) for x, t in zip(inputs, types)]
        return self.run_block(block, arrays, symbols)

    def run_block(self, block: ir.Block, inputs: Sequence[np.ndarray], symbols: Mapping[str, int]) -> list[np.ndarray]:
        values: dict[ir.Value, np.ndarray] = dict(zip(block.arguments, inputs))
        for op in block.operations:
            operation = op.operation
            if operation.name in ("func.return", "tw.yield"):
                return [values[v] for v in operation.operands]
            results = self.run_op(operation, values, symbols)
            if self.observe is not None:
                self.observe(operation, results)
            values.update(zip(operation.results, results))
        raise InputError("a block does not end in func.return or tw.yield")

    def run_op(self, op: ir.Operation, values: Mapping[ir.Value, np.ndarray], symbols: Mapping[str, int]) -> list[np.ndarray]:
        if short_name(op) is None:
            raise InputError(f"the interpreter runs tw ops only, not {op_name(op)}", where=location_text(op.location))
        spec = spec_of(op)
        attributes = attributes_of(op, spec)
        if spec.name == "launch":
            bound = {k: parse_shape(v)[0] for k, v in (attributes["symbols"] or {}).items()}
            inner = {k: (d if isinstance(d, int) else d.evaluate(symbols)) for k, d in bound.items()}
            return self.call(attributes["callee"], [values[v] for v in op.operands], inner)
        operands: dict[str, Any] = {
            name: tuple(values[v] for v in group) if isinstance(group, tuple) else (None if group is None else values[group])
            for name, group in operand_groups(op, spec).items()
        }
        context = ReferenceContext(
            symbols,
            self.weights,
            [tensor_info(r) for r in op.results],
            list(op.regions),
            lambda region, arrays: self.run_block(region.blocks[0], arrays, symbols),
        )
        results = spec.reference(context, Arguments(operands, attributes))
        for info, array in zip(context.result_types, results):
            expected = context.shape(info.shape)
            if array.shape != expected:
                raise InputError(f"{op_name(op)} produced shape {array.shape}, its type says {expected}", where=location_text(op.location))
        return results
