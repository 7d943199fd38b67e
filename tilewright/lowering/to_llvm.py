"""Level 3 to level 4: structured kernels (scf, vector, memref, arith, math) to the llvm dialect, and that to LLVM IR text.

Functions must take rank-0 memrefs, indices and scalars: the bare-pointer calling convention turns a rank-0 memref into one
pointer and cannot convert a dynamic one. The translator kills the process on an op it does not know, so `translate` refuses
such a module first.
"""

from __future__ import annotations

from typing import Any

from tilewright.core.capture import capture, error_from, read_diagnostic, where
from tilewright.core.diagnostics import PassError, UnsupportedError
from tilewright.core.mlir import MLIRError, ir, llvm, passmanager
from tilewright.lowering.integer_division import expand_integer_division

PIPELINE: tuple[str, ...] = (
    "canonicalize",
    "cse",
    "loop-invariant-code-motion",
    "convert-vector-to-scf",
    "lower-affine",
    "convert-scf-to-cf",
    "convert-vector-to-llvm{enable-x86vector=true enable-arm-neon=true vector-contract-lowering=outerproduct}",
    "expand-strided-metadata",
    "lower-affine",
    "convert-arith-to-llvm",
    "convert-math-to-llvm",
    "finalize-memref-to-llvm",
    "convert-func-to-llvm{use-bare-ptr-memref-call-conv=true}",
    "convert-cf-to-llvm",
    "convert-index-to-llvm",
    "convert-ub-to-llvm",
    "reconcile-unrealized-casts",
    "canonicalize",
    "cse",
)
"""Upstream passes from level 3 to the llvm dialect, in order."""

_FORBIDDEN_CALLEES = ("memrefCopy", "malloc", "free", "aligned_alloc")
_UNEXPANDED_MATH = ("math.erf", "math.erfc", "math.asinh", "math.acosh", "math.atanh", "math.cbrt")


def lower_to_llvm(module: ir.Module) -> None:
    """Lower every function of `module` to the llvm dialect, in place. Raises PassError with MLIR's own diagnostics."""
    _reject_math_without_lowering(module)
    expand_integer_division(module)
    with module.context, capture(module.context) as log:
        try:
            passmanager.PassManager.parse(f"builtin.module({','.join(PIPELINE)})").run(module.operation)
        except MLIRError as error:
            # The exception carries the diagnostics that no handler saw.
            reported = log.entries or [read_diagnostic(d) for d in getattr(error, "error_diagnostics", ())]
            raise error_from(PassError, reported, "lowering to the llvm dialect failed") from error


def check_translatable(module: ir.Module) -> None:
    """Raises UnsupportedError naming each op that the translator to LLVM IR would crash on, with its location."""
    problems: list[str] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        name = op.name
        if not name.startswith("llvm.") and name != "builtin.module":
            problems.append(f"{name} {_at(op)}")
        elif name == "llvm.call" and "callee" in op.attributes:
            callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if callee in _FORBIDDEN_CALLEES:
                problems.append(f"a call of {callee} {_at(op)} (a kernel must not allocate or call a copy routine)")
        elif name in ("llvm.mlir.constant", "llvm.mlir.global") and _is_dense_scalar(op):
            problems.append(f"{name} of a dense attribute without dimensions {_at(op)}")
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    if problems:
        shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
        raise UnsupportedError(
            "ops are left that cannot be translated to LLVM IR",
            why="\n".join(shown),
            remedy="lower them before the llvm dialect",
        )


def _is_dense_scalar(op: ir.Operation) -> bool:
    """A dense attribute of rank 0 that stands for a scalar: the translator has no case for it."""
    if "value" not in op.attributes:
        return False
    value = op.attributes["value"]
    return isinstance(value, ir.DenseElementsAttr) and ir.ShapedType(value.type).rank == 0


def translate(module: ir.Module) -> str:
    """LLVM IR text of a module in the llvm dialect. Checks it first. Raises UnsupportedError and PassError."""
    check_translatable(module)
    bindings: Any = llvm  # The stubs lack the translator.
    text = str(bindings.translate_module_to_llvmir(module.operation))
    if not text:
        raise PassError("translation to LLVM IR gave nothing", why="MLIR reported no reason", remedy="see the dumped IR of this phase")
    return text


def _reject_math_without_lowering(module: ir.Module) -> None:
    """`math` ops that stay as they are through the whole pipeline would only be found at the end, without a hint."""
    found: list[str] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name in _UNEXPANDED_MATH:
            found.append(f"{op.name} {_at(op)}")
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    if found:
        raise UnsupportedError(
            "a math op has no lowering to the llvm dialect",
            why="\n".join(found),
            remedy="expand it to a polynomial first",
        )


def _at(op: ir.Operation) -> str:
    place = where(op.location)
    return f"at {place}" if place else "(of unknown origin)"
