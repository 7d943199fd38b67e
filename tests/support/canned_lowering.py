"""A stand-in for the lowering of kernels: level 3 text by kernel name, so that codegen and runtime are tested on their own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir, llvm
from tilewright.lowering.lower_kernel import lower_kernel as real_lowering
from tilewright.targets import Target

_HEAD = """
func.func @{name}({arguments}, %scratch: memref<i8>, %d0: index, %lo: index, %hi: index)
    attributes {{tw.trip_count = "ceildiv(d0, 2)", tw.scratch = "{scratch}"}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %n = arith.muli %d0, %c16 : index
  %first = arith.muli %lo, %c2 : index
  %end = arith.muli %hi, %c2 : index
  %last = arith.minsi %end, %d0 : index
"""

_VIEW = "  %{0}s = memref.reinterpret_cast %{0} to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>\n"


def _rows(name: str, operands: str, body: str, before: str = "", scratch: str = "0") -> str:
    """A kernel over rows of 16 floats, two rows a unit. `operands` are letters; the last one is the output."""
    arguments = ", ".join(f"%{o}: memref<f32> {{llvm.noalias}}" for o in operands)
    views = "".join(_VIEW.format(o) for o in operands)
    loads = "".join(f"    %{o}v = vector.load %{o}s[%at] : memref<?xf32>, vector<16xf32>\n" for o in operands[:-1] if o != "w")
    return (
        _HEAD.format(name=name, arguments=arguments, scratch=scratch)
        + views
        + before
        + "  scf.for %i = %first to %last step %c1 {\n    %at = arith.muli %i, %c16 : index\n"
        + loads
        + body
        + f"    vector.store %r, %{operands[-1]}s[%at] : memref<?xf32>, vector<16xf32>\n  }}\n  return\n}}\n"
    )


_WEIGHT = "  %wv = vector.load %ws[%c0] : memref<?xf32>, vector<16xf32>\n"
_THROUGH_SCRATCH = """
  %sf = builtin.unrealized_conversion_cast %scratch : memref<i8> to memref<i8>
  %sb = memref.reinterpret_cast %scratch to offset: [0], sizes: [64], strides: [1] : memref<i8> to memref<64xi8>
  %sv = memref.view %sb[%c0][] : memref<64xi8> to memref<16xf32>
"""

LEVEL3 = {
    "add_weight": _rows("add_weight", "xwo", "    %r = arith.addf %xv, %wv : vector<16xf32>\n", _WEIGHT),
    "multiply": _rows("multiply", "xyo", "    %r = arith.mulf %xv, %yv : vector<16xf32>\n"),
    "square": _rows(
        "square",
        "xo",
        "    vector.store %xv, %sv[%c0] : memref<16xf32>, vector<16xf32>\n"
        "    %t = vector.load %sv[%c0] : memref<16xf32>, vector<16xf32>\n    %r = arith.mulf %t, %xv : vector<16xf32>\n",
        _THROUGH_SCRATCH.replace("  %sf = builtin.unrealized_conversion_cast %scratch : memref<i8> to memref<i8>\n", ""),
        scratch="64",
    ),
}

# LLVM 22 selects instructions for ever when bytes that a 32-bit broadcast loads are flipped by a constant on their way into vpdpbusd.
HANGING = """
func.func @hanging_in_llvm(%x: memref<i32>, %o: memref<i32>, %scratch: memref<i8>, %d0: index, %lo: index, %hi: index)
    attributes {tw.trip_count = "ceildiv(d0, 2)", tw.scratch = "0"} {
  %c0 = arith.constant 0 : index
  %flip = arith.constant dense<-2139062144> : vector<16xi32>
  %row = memref.reinterpret_cast %o to offset: [0], sizes: [16], strides: [1] : memref<i32> to memref<16xi32>
  %acc = vector.load %row[%c0] : memref<16xi32>, vector<16xi32>
  %element = memref.load %x[] : memref<i32>
  %signed = vector.broadcast %element : i32 to vector<16xi32>
  %unsigned = arith.xori %signed, %flip : vector<16xi32>
  %lhs = vector.bitcast %unsigned : vector<16xi32> to vector<64xi8>
  %rhs = vector.bitcast %acc : vector<16xi32> to vector<64xi8>
  %sum = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %lhs, %rhs)
      : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
  vector.store %sum, %row[%c0] : memref<16xi32>, vector<16xi32>
  return
}
"""
LEVEL3["hanging_in_llvm"] = HANGING
HANGING_TARGET = "cpu:icelake-server"


@dataclass
class Lowered:
    module: ir.Module
    trip_count: str
    scratch: str


def softmax_hangs(module: ir.Module, target: Target, fast_math: bool) -> Any:
    """The real lowering of every kernel but one called `softmax`, for which LLVM gets the code that it compiles for ever."""
    function = next(iter(module.body.operations)).operation
    if ir.StringAttr(function.attributes["sym_name"]).value != "softmax":
        return real_lowering(module, target, fast_math)
    return Lowered(ir.Module.parse(HANGING.replace("@hanging_in_llvm", "@softmax")), "ceildiv(d0, 2)", "0")


def lower_kernel(module: ir.Module, target: Target, fast_math: bool) -> Lowered:
    """The canned level 3 function of the same name as the kernel in `module`; some names misbehave on purpose."""
    if fast_math:
        raise UnsupportedError("fast_math reached the lowering")
    function = next(iter(module.body.operations)).operation
    name = ir.StringAttr(function.attributes["sym_name"]).value
    if name == "aborting":
        os.abort()
    if name == "hanging":
        time.sleep(600)
    if name == "unsupported":
        raise UnsupportedError("there is no lowering for tw.unicorn", where="model.py:3:1")
    if name == "segfaulting":
        # The translator of LLVM 22 has no case for this global and takes the process down.
        text = "llvm.mlir.global internal constant @c(dense<1.0> : tensor<f32>) : f32"
        bindings: Any = llvm
        bindings.translate_module_to_llvmir(ir.Module.parse(text).operation)
    lowered = ir.Module.parse(LEVEL3[name])
    attributes = next(iter(lowered.body.operations)).operation.attributes
    return Lowered(lowered, ir.StringAttr(attributes["tw.trip_count"]).value, ir.StringAttr(attributes["tw.scratch"]).value)
