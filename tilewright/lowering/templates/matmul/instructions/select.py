"""From the name in a schedule to the emission of an instruction on vectors."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.diagnostics import UnsupportedError
from tilewright.lowering.templates.matmul.instructions.dot_product import DotProduct, PairSum, UnsignedDotProduct
from tilewright.lowering.templates.matmul.instructions.multiply_add import IntegerOuterProduct, OuterProduct, PairedOuterProduct
from tilewright.lowering.templates.matmul.instructions.vector_instruction import VectorInstruction
from tilewright.passes.schedules.matmul_instructions import FMA, LAYOUTS, OperandLayout, find_record
from tilewright.targets import MatrixInstruction, Target

Emission = Callable[[MatrixInstruction, OperandLayout], VectorInstruction]


def _dot(intrinsic: str) -> Emission:
    return lambda record, layout: DotProduct(record, record.n, layout, intrinsic)


def _vpdpbusd(record: MatrixInstruction, layout: OperandLayout) -> VectorInstruction:
    return UnsignedDotProduct(record, record.n, layout, f"llvm.x86.avx512.vpdpbusd.{record.register_bits}")


def _vpmaddwd(record: MatrixInstruction, layout: OperandLayout) -> VectorInstruction:
    name = "llvm.x86.avx512.pmaddw.d.512" if record.register_bits == 512 else "llvm.x86.avx2.pmadd.wd"
    return PairSum(record, record.n, layout, name)


def _fma(record: MatrixInstruction, layout: OperandLayout) -> VectorInstruction:
    return (PairedOuterProduct if layout.group == 2 else OuterProduct)(record, record.n, layout)


EMISSIONS: dict[str, Emission] = {
    FMA: _fma,
    "mla": lambda record, layout: IntegerOuterProduct(record, record.n, layout),
    "vdpbf16ps": _dot("llvm.x86.avx512bf16.dpbf16ps.512"),
    "vpdpbusd": _vpdpbusd,
    "vpmaddwd": _vpmaddwd,
    "bfdot": _dot("llvm.aarch64.neon.bfdot.v4f32.v8bf16"),
    "sdot": _dot("llvm.aarch64.neon.sdot.v4i32.v16i8"),
}
"""Name in a schedule to the emission."""


def find_instruction(target: Target, name: str, dtype: str) -> VectorInstruction:
    """The emission of the instruction that a schedule names for operands of `dtype`.

    Raises UnsupportedError when there is none.
    """
    record, layout = find_record(target, name), LAYOUTS.get(dtype, {}).get(name)
    if record is None or layout is None or name not in EMISSIONS:
        raise _no_instruction(target, f"{dtype} called {name!r}")
    return EMISSIONS[name](record, layout)


def select_instruction(target: Target, lhs: str, rhs: str, acc: str) -> OuterProduct:
    """The fused multiply-add for these element types, for templates that multiply vectors of their own making.

    Raises UnsupportedError when the target declares none.
    """
    record = target.matrix_instruction(lhs, rhs, acc)
    if record is None or record != find_record(target, FMA):
        raise _no_instruction(target, f"{lhs} x {rhs} accumulated in {acc}")
    return OuterProduct(record, record.n, LAYOUTS[lhs][FMA])


def _no_instruction(target: Target, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{target.name} has no matrix instruction for {what} that this template can use",
        remedy="keep such a matmul out of matmul kernels; f32 is supported on every CPU target",
    )
