"""`tilewright.compile` and `tilewright.load`."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tilewright.api.compiler import compile_program
from tilewright.api.sample_inputs import SampleInputs
from tilewright.api.sources import to_program
from tilewright.core.diagnostics import InputError
from tilewright.core.options import CompileOptions
from tilewright.runtime import Program as LoadedProgram
from tilewright.runtime import load


def compile(
    source: Any,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    target: str | Sequence[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    precision: str | None = None,
    options: CompileOptions | None = None,
) -> LoadedProgram:
    """Compile a program and load it: the result is called like the module.

    `source` is an `ExportedProgram`, a `torch.nn.Module` (with example `args`, `kwargs` and torch.export's `dynamic_shapes`), or the
    path of a `.pt2`. `target` is one name of `tilewright targets` or several; the default is this
    machine, or what `options` say. The artifact is kept when `output` names a file, else it
    lives as long as the result. `threads` as in `tilewright.load`. `precision="bf16"` computes f32 matmuls on operands rounded to bf16;
    the artifact's report has the error that this brings, measured on the example arguments where they are given, else on random inputs.

        model = tilewright.compile(module, (x,), dynamic_shapes={"x": {0: Dim("batch")}})
        y = model(x)

    Raises a `TilewrightError` that says what is wrong and what to do: InputError, UnsupportedError (all unsupported ops at once), ...
    """
    if options is not None and not isinstance(options, CompileOptions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            f"options is of type {type(options).__name__}, it must be a CompileOptions",
            remedy="from tilewright.core.options import CompileOptions; options=CompileOptions(jobs=2), for example",
        )
    chosen = _with_targets(options or CompileOptions(), target)
    if precision is not None:
        chosen = dataclasses.replace(chosen, precision=precision)
    program = to_program(source, args, kwargs, dynamic_shapes)
    inputs = None if args is None else SampleInputs("the example arguments", tuple(args), dict(kwargs or {}))
    if output is not None:
        compile_program(program, output, chosen, inputs=inputs)
        return load(output, threads=threads)
    with tempfile.TemporaryDirectory(prefix="tilewright-") as directory:
        path = Path(directory) / "program.tw"
        compile_program(program, path, chosen, inputs=inputs)
        return load(path, threads=threads)  # what is mapped stays valid after the file is gone


def _with_targets(options: CompileOptions, target: str | Sequence[str] | None) -> CompileOptions:
    if target is None:
        return options
    names = (target,) if isinstance(target, str) else tuple(target)
    if options.targets and options.targets != names:
        raise InputError(
            "two lists of targets were given", why=f"target: {', '.join(names)}; options: {', '.join(options.targets)}",
            remedy="give `target` alone, or the targets of the options alone",
        )  # fmt: skip
    return dataclasses.replace(options, targets=names)
