"""Compiled targets and weights into the artifact file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.codegen.artifact_writer import ArtifactWriter
from tilewright.codegen.compile_kernels import KernelCode
from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.layouts import apply_layout
from tilewright.frontend.program import Program
from tilewright.lowering.host_program import ENTRY_SYMBOL
from tilewright.lowering.program_interface import ProgramInterface, WeightUse, read_interface
from tilewright.targets import Target

ENTRY = "main"


@dataclass
class CompiledTarget:
    """What a target's phases made: the planned module, its kernels, the host program and the shared object."""

    target: Target
    module: ir.Module
    kernels: Mapping[str, KernelCode]
    host: KernelCode | None
    shared: bytes | None

    def interface(self) -> ProgramInterface:
        """The entry point as the host program and the manifest see it."""
        return read_interface(self.module, {name: code.info for name, code in self.kernels.items()})


def write_artifact(path: str | os.PathLike[str], program: Program, compiled: Sequence[CompiledTarget], report: Any) -> None:
    """Write one artifact with the code of all targets. Raises InputError when it cannot be written."""
    runnable = [c for c in compiled if c.shared is not None]
    if not runnable:
        raise InputError(
            "no target makes code that the runtime can run",
            why=f"compiled for {', '.join(c.target.name for c in compiled)}",
            remedy="add a CPU target, or stop before with --compile-to codegen",
        )
    with ArtifactWriter(path) as writer:
        for one in runnable:
            interface = one.interface()
            weights = [_add_weight(writer, program, use) for use in interface.weights]
            entry = {
                "name": ENTRY,
                "symbol": ENTRY_SYMBOL,
                "arena_bytes": interface.arena_bytes,
                "scratch_bytes": interface.scratch_bytes,
                "weights": weights,
            }
            kernels = [{"name": name, "trip_count": code.info.trip_count} for name, code in one.kernels.items()]
            assert one.shared is not None
            writer.add_code(one.target, one.shared, [entry], kernels)
        interface = runnable[0].interface()
        writer.add_entry_point(
            ENTRY,
            [{"name": p.name, "dtype": p.dtype, "shape": list(p.shape)} for p in interface.inputs],
            [{"name": p.name, "dtype": p.dtype, "shape": list(p.shape)} for p in interface.outputs],
            [{"name": name, "min": low, "max": high} for name, low, high in interface.symbols],
            program.output_structure,
        )
        writer.finish(report)


def _add_weight(writer: ArtifactWriter, program: Program, use: WeightUse) -> int:
    try:
        plain = np.asarray(program.weights[use.name])
    except KeyError as error:
        raise InputError(f"the program has no weight '{use.name}'", remedy="give the weights along with the module") from error
    packed = apply_layout(plain, layout_values(use))
    if tuple(packed.shape) != use.shape:
        raise InputError(f"weight '{use.name}' has shape {packed.shape}, the program expects {use.shape}")
    return writer.add_weight(use.name, use.dtype, use.shape, use.layout, packed)


def layout_values(use: WeightUse) -> dict[str, str] | None:
    """The layout of a weight as a dictionary; None for the plain form. Needs a current context."""
    if not use.layout:
        return None
    return {named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(ir.Attribute.parse(use.layout))}
