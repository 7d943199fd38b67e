"""Compiled targets and weights into the artifact file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewright.codegen.artifact_writer import ArtifactWriter
from tilewright.codegen.compile_program import ProgramCode
from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.layouts import apply_layout
from tilewright.frontend.program import Program, Structure
from tilewright.lowering.program_interface import WeightUse

ENTRY = "main"
_GIVE_WEIGHTS = (
    "a .mlir file holds no weights, name the .pt2 or .safetensors file that does: --weights model.pt2;\n"
    'in Python, compile what tilewright.api.sources.read_program("model.mlir", weights="model.pt2") returns'
)


def write_artifact(path: str | os.PathLike[str], program: Program, compiled: Sequence[ProgramCode], report: Any) -> None:
    """Write one artifact with the code of all targets. Raises InputError when it cannot be written."""
    try:
        _write(path, program, compiled, report)
    except OSError as problem:  # such as a full disk
        raise InputError(f"cannot write {os.fspath(path)}", why=problem.strerror or str(problem)) from problem


def _write(path: str | os.PathLike[str], program: Program, compiled: Sequence[ProgramCode], report: Any) -> None:
    with ArtifactWriter(path) as writer:
        for code in compiled:
            writer.add_program_code(code, lambda use: _stored_weight(program, use), ENTRY)
        writer.add_interface(ENTRY, compiled[0].interface, manifest_structure(program.output_structure))
        writer.finish(report)


def _stored_weight(program: Program, use: WeightUse) -> np.ndarray:
    try:
        plain = np.asarray(program.weights[use.name])
    except KeyError as error:
        raise InputError(f"the program has no weight '{use.name}'", remedy=_GIVE_WEIGHTS) from error
    packed = apply_layout(plain, layout_values(use))
    if tuple(packed.shape) != use.shape:
        raise InputError(f"weight '{use.name}' has shape {packed.shape}, the program expects {use.shape}")
    return packed


def layout_values(use: WeightUse) -> dict[str, str] | None:
    """The layout of a weight as a dictionary; None for the plain form. Needs a current context."""
    if not use.layout:
        return None
    return {named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(ir.Attribute.parse(use.layout))}


def manifest_structure(structure: Structure) -> Any:
    """The nesting of outputs in the manifest's form (`tilewright.runtime.structure`). Raises UnsupportedError for what it has no
    form for: sizes as outputs, dictionary keys that are not strings.
    """
    if structure is None:
        return None
    return _node(structure)


def _node(structure: Structure) -> dict[str, Any]:
    if structure is None:
        return {"kind": "constant", "value": None}
    if isinstance(structure, int):
        return {"kind": "output", "index": structure}
    kind = structure["kind"]
    if kind == "constant":
        return {"kind": "constant", "value": structure["value"]}
    if kind == "size":
        raise UnsupportedError(
            f"the program returns the size {structure['expr']} as a number", remedy="return tensors; sizes follow from their shapes"
        )
    for key in structure.get("keys", ()):
        if not isinstance(key, str):
            raise UnsupportedError(f"the program returns a dictionary with the key {key!r}", remedy="use strings as keys")
    nested = [_node(item) for item in structure["items"]]
    return {"kind": kind, "items": dict(zip(structure["keys"], nested)) if kind == "dict" else nested}
