"""Arguments for one call of a program: those that a user gives, or random ones that any program accepts."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.frontend.program import Program

SEED = 0
SIZE = 16
"""The size that a dynamic dimension gets, where its range allows."""

_PASSED_ON = ("broadcast", "concat", "reshape", "slice", "transpose")


@dataclass(frozen=True)
class SampleInputs:
    """The arguments of a call, and where they are from, in the words of the report."""

    source: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def read_inputs(path: str | os.PathLike[str], program: Program) -> SampleInputs:
    """The arrays of a `.npz`, one for each input of the program under its name. Raises InputError when they are not."""
    file = Path(path)
    try:
        loaded = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError("the inputs cannot be read", where=str(file), why=str(problem), remedy="save them by numpy.savez") from problem
    if isinstance(loaded, np.ndarray):
        raise InputError(f"{file} holds one array without a name", remedy="write an .npz by numpy.savez(file, name=array)")
    with loaded:
        arrays = {name: loaded[name] for name in loaded}
    expected = set(program.input_names)
    if set(arrays) != expected:
        raise InputError(
            f"{file} does not hold the inputs of the program",
            why=f"it holds {', '.join(sorted(arrays)) or 'nothing'}; the inputs are {', '.join(program.input_names)}",
            remedy="save one array for each input under its name",
        )
    return SampleInputs(file.name, kwargs=arrays)


def random_inputs(program: Program) -> SampleInputs:
    """Random arrays for a level 1 program, the same ones every time.

    Floats are normal; integers that look up rows of a table are rows of it; other integers are 1 and truth values true, as in a mask that
    hides nothing. Dynamic sizes are `SIZE`, or what is nearest to it in their range.
    """
    rng = np.random.default_rng(SEED)
    with program.context:
        main = next(f for f in tw.functions(program.module) if "tw.kernel" not in f.operation.attributes)
        sizes = {name: min(max(SIZE, low), high) for name, (low, high) in tw.symbols_of(main).items()}
        arguments = list(main.operation.regions[0].blocks[0].arguments)
        arrays = [_random_array(argument, sizes, rng) for argument in arguments]
    shown = ", ".join(f"{name}={size}" for name, size in sizes.items())
    return SampleInputs(
        f"random inputs (seed {SEED}{', ' + shown if shown else ''})", kwargs=dict(zip(program.input_names, arrays, strict=True))
    )


def _random_array(argument: ir.Value, sizes: Mapping[str, int], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    info = tw.tensor_info(argument)
    shape = tuple(_size(dim, sizes) for dim in info.shape)
    dtype = tw.numpy_dtype(info.dtype)
    if info.dtype in tw.FLOATS:
        return rng.standard_normal(shape).astype(dtype)
    tables = [_size(dim, sizes) for dim in _indexed_sizes(argument)]
    return rng.integers(0, max(1, min(tables)), shape).astype(dtype) if tables else np.ones(shape, dtype)


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    return dim if isinstance(dim, int) else dim.evaluate(sizes)


def _indexed_sizes(value: ir.Value) -> list[Dim]:
    """Sizes of the dimensions into which `value`, or what only moves or widens it, counts."""
    found: list[Dim] = []
    for use in value.uses:
        op = use.owner.operation
        if tw.is_op(op, "gather") and use.operand_number > 0:
            axis = tw.get(op, "axes")[use.operand_number - 1]
            found.append(tw.tensor_info(op.operands[0]).shape[axis])
        elif tw.is_op(op, *_PASSED_ON) or _widens(op):
            found += _indexed_sizes(op.results[0])
    return found


def _widens(op: ir.Operation) -> bool:
    return tw.is_op(op, "pointwise") and [o.operation.name for o in tw.body(op).operations] == ["arith.extsi", "tw.yield"]
