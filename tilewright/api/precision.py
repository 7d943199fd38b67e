"""What `--precision` changed, and the error that it brought: measured by running the program as it is and as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.api.report import entry_function
from tilewright.api.sample_inputs import SampleInputs
from tilewright.core.mlir import ir
from tilewright.passes.lower_precision import ATTRIBUTE
from tilewright.runtime import IncompatibleError, load


def lowered_entries(module: ir.Module) -> list[dict[str, str]]:
    """The ops that `tw-lower-precision` changed: {op, dtype, source} each."""
    attributes = entry_function(module).operation.attributes
    if ATTRIBUTE not in attributes:
        return []
    return [{named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(entry)} for entry in ir.ArrayAttr(attributes[ATTRIBUTE])]


def measured_error(
    directory: Path, write: Callable[[Path], None], write_reference: Callable[[Path, str], None], inputs: SampleInputs
) -> dict[str, Any]:
    """The error of a program against its f32 form on `inputs`, as the report has it.

    `write` writes the artifact, `write_reference` that of the f32 form for the target named. Both are written into a temporary folder
    in `directory`. Where this machine cannot run the artifact, the entry says so.
    """
    with tempfile.TemporaryDirectory(prefix=".precision-", dir=directory) as folder:
        lowered, reference = Path(folder) / "lowered.tw", Path(folder) / "f32.tw"
        write(lowered)
        try:
            program = load(lowered)
        except IncompatibleError as reason:
            return {"measured": False, "why": reason.what}
        with program:
            actual = dict(_leaves(program(*inputs.args, **inputs.kwargs)))
            write_reference(reference, program.code.target)
        with load(reference) as program:
            expected = dict(_leaves(program(*inputs.args, **inputs.kwargs)))
    return {"measured": True, "inputs": inputs.source, "outputs": [_compared(name, actual[name], expected[name]) for name in expected]}


def _compared(name: str, actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The entry of one output.

    Floats: the largest difference, the largest value of the f32 form, and their ratio, over elements that are finite in both, and how
    many are finite in one alone. Others: how many elements differ.
    """
    if expected.dtype.kind in "biu":
        return {"name": name, "elements": int(expected.size), "different": int(np.count_nonzero(actual != expected))}
    finite = np.isfinite(actual) & np.isfinite(expected)
    difference = np.abs(actual.astype(np.float64) - expected)[finite]
    error, largest = float(difference.max(initial=0.0)), float(np.abs(expected[finite]).max(initial=0.0))
    return {
        "name": name,
        "elements": int(expected.size),
        "max_error": error,
        "largest": largest,
        "max_relative_error": error / largest if largest else 0.0 if not error else None,
        "not_finite_in_one": int(np.count_nonzero(np.isfinite(actual) != np.isfinite(expected))),
    }


def _leaves(result: Any, name: str = "") -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays of a nested result, floats in f64 or f32, with their places: `hidden`, `cache.0`; `output` for a lone one."""
    items: Any = result.items() if isinstance(result, Mapping) else enumerate(result) if isinstance(result, list | tuple) else None
    if items is None:
        if hasattr(result, "shape"):
            yield name or "output", _as_array(result)
        return
    for key, value in items:
        yield from _leaves(value, f"{name}.{key}" if name else str(key))


def _as_array(tensor: Any) -> np.ndarray[Any, Any]:
    if str(tensor.dtype) in ("torch.bfloat16", "bfloat16"):  # which NumPy does not know by itself
        tensor = tensor.float() if hasattr(tensor, "float") else tensor.astype(np.float32)
    return np.asarray(tensor)
