"""From what a user has in hand to a level 1 `Program`: a file, an exported program, a module with example arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from tilewright.core.capture import capture, error_from
from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.frontend.program import Program


def read_program(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Program:
    """Read a `.pt2` (a torch.export program) or `.mlir` (a module that a compilation dumped) file.

    A module's weights come from `weights`: the `.pt2` it was made from, or a `.safetensors` file. Raises InputError for what cannot be read
    and UnsupportedError, with everything that is unsupported, for programs that cannot be imported.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if file.suffix == ".mlir":
        return _read_module(file, weights)
    from tilewright.frontend.torch.importer import import_exported
    from tilewright.frontend.torch.load import load_pt2

    return import_exported(load_pt2(file), origin=file.name)


def to_program(source: Any, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, dynamic_shapes: Any, origin: str = "") -> Program:
    """An ExportedProgram, a torch module with example arguments, a path, or a Program, as a Program."""
    if isinstance(source, Program):
        return source
    if isinstance(source, str | os.PathLike):
        return read_program(source)
    from tilewright.frontend.torch.importer import import_exported

    if type(source).__name__ == "ExportedProgram":
        return import_exported(source, origin=origin or "exported program")
    if callable(source) and hasattr(source, "state_dict"):
        from tilewright.frontend.torch.load import export_module

        if args is None:
            raise InputError("compiling a module needs example arguments", remedy="tilewright.compile(module, (x, y), dynamic_shapes=...)")
        if hasattr(args, "__dlpack__"):
            raise InputError("the example arguments are one tensor", remedy="give a tuple of them, also of one: (x,)")
        exported = export_module(cast(Any, source), tuple(args), dict(kwargs or {}), dynamic_shapes)
        return import_exported(exported, origin=origin or type(source).__name__)
    raise InputError(
        f"cannot compile a {type(source).__name__}", remedy="give an ExportedProgram, a torch.nn.Module with example arguments, or a path"
    )


def parse_module(file: Path) -> ir.Module:
    """Read and verify a `.mlir` file in a context of its own. Raises InputError with MLIR's words for what is not a module."""
    context = new_context()
    tw.load(context)
    with context, capture(context) as log:
        try:
            module = ir.Module.parseFile(str(file), context)
        except cast(Any, ir).MLIRError as error:
            raise error_from(InputError, log.entries, f"{file} is not an MLIR module") from error
        tw.verify(module)
    return module


def _read_module(file: Path, weights: str | os.PathLike[str] | None) -> Program:
    module = parse_module(file)
    with module.context:
        main = next((f for f in tw.functions(module) if "tw.kernel" not in f.operation.attributes), None)
        if main is None:
            raise InputError(f"{file} has no function that is not a kernel")
        block = main.operation.regions[0].blocks[0]
        outputs = list(block.operations)[-1].operation.operands
    count = len(block.arguments)
    return Program(
        module=module,
        context=module.context,
        weights=_read_weights(weights),
        input_names=[f"input_{i}" for i in range(count)],
        output_names=[f"output_{i}" for i in range(len(outputs))],
        input_structure=None,
        output_structure=None,
        origin=file.name,
    )


def _read_weights(path: str | os.PathLike[str] | None) -> Mapping[str, np.ndarray]:
    if path is None:
        return {}
    file = Path(path)
    if file.suffix == ".safetensors":
        try:
            from safetensors.numpy import load_file
        except ImportError as error:
            raise InputError("reading .safetensors needs a package", remedy="pip install safetensors") from error
        return load_file(file)
    return read_program(file).weights
