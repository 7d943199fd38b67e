"""A small program as a planned level 2 module, and artifacts made of it with the canned lowering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.codegen.artifact_writer import ArtifactWriter
from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_program import ProgramCode, compile_program
from tilewright.codegen.pool import WorkerPool
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.targets import find

CANNED = "canned_lowering:lower_kernel"

ROWS = 'tensor<?x16xf32, "s0, 16">'
_KERNEL_ROWS = 'tensor<?x16xf32, "d0, 16">'

_KERNELS = f"""
func.func private @add_weight(%x: {_KERNEL_ROWS}, %w: tensor<16xf32>) -> {_KERNEL_ROWS}
  attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: 1, 128>}}}}
func.func private @multiply(%x: {_KERNEL_ROWS}, %y: {_KERNEL_ROWS}) -> {_KERNEL_ROWS}
  attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: 1, 128>}}}}
func.func private @square(%x: {_KERNEL_ROWS}) -> {_KERNEL_ROWS} attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: 1, 128>}}}}
"""

PROGRAM = f"""
func.func @main(%x: {ROWS} {{tw.name = "x"}}, %y: {ROWS} {{tw.name = "y"}})
    -> ({ROWS} {{tw.name = "product"}}, tensor<?xf32, "16*s0"> {{tw.name = "flat"}}, {ROWS} {{tw.name = "again"}}, {ROWS}, tensor<3xi64>)
    attributes {{tw.symbols = {{s0 = array<i64: 1, 128>}}, tw.slots = ["64*s0", "64*s0"]}} {{
  %w = "tw.weight"() {{name = "w"}} : () -> tensor<16xf32>
  %c = "tw.constant"() {{value = dense<[3, 1, 4]> : tensor<3xi64>}} : () -> tensor<3xi64>
  %0 = "tw.launch"(%x, %w) {{callee = @add_weight, symbols = {{d0 = "s0"}}, buffers = ["slot:0"]}} : ({ROWS}, tensor<16xf32>) -> {ROWS}
  %1 = "tw.launch"(%y) {{callee = @square, symbols = {{d0 = "s0"}}, buffers = ["slot:1"]}} : ({ROWS}) -> {ROWS}
  %2 = "tw.launch"(%0, %1) {{callee = @multiply, symbols = {{d0 = "s0"}}, buffers = ["output:0"]}} : ({ROWS}, {ROWS}) -> {ROWS}
  %3 = "tw.reshape"(%0) : ({ROWS}) -> tensor<?xf32, "16*s0">
  return %2, %3, %2, %y, %c : {ROWS}, tensor<?xf32, "16*s0">, {ROWS}, {ROWS}, tensor<3xi64>
}}
{_KERNELS}
"""

WEIGHT = np.linspace(-1, 1, 16, dtype=np.float32)


def expected(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the program computes."""
    shifted = x + WEIGHT
    product = shifted * (y * y)
    return product, shifted.reshape(-1), product, y, np.array([3, 1, 4])


def parse(text: str) -> ir.Module:
    """A level 2 module in a new context."""
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        return ir.Module.parse(text)


def one_kernel(name: str) -> ir.Module:
    """A program of one launch of the kernel `name`, which the canned lowering may know or treat badly."""
    return parse(PROGRAM.split("func.func private")[0].replace("@add_weight", f"@{name}") + _KERNELS.replace("@add_weight", f"@{name}"))


def build(path: Path, pool: WorkerPool, targets: Sequence[str] = ("native",), cache: CompileCache | None = None) -> list[ProgramCode]:
    """Compile PROGRAM for `targets` and write the artifact."""
    codes: list[ProgramCode] = []
    with ArtifactWriter(path) as writer:
        for name in targets:
            code = compile_program(parse(PROGRAM), find(name), pool, cache, lower=CANNED)
            codes.append(code)
            writer.add_program_code(code, lambda use: WEIGHT)
        writer.add_interface("main", codes[0].interface, structure())
        writer.finish({"note": "made by a test"})
    return codes


def structure() -> Any:
    """The outputs as a dict with a tuple and a list inside."""
    leaves = [{"kind": "output", "index": i} for i in range(5)]
    return {
        "kind": "dict",
        "items": {
            "pair": {"kind": "tuple", "items": leaves[:2]},
            "rest": {"kind": "list", "items": leaves[2:]},
            "empty": {"kind": "constant", "value": None},
        },
    }
