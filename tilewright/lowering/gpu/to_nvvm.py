"""GPU kernels to NVVM (level 4) and to LLVM IR text.

Upstream's `convert-gpu-to-nvvm` turns every `math` op into a call of NVIDIA's device library, which is not needed: the transcendental
functions are polynomials by now, and for what remains the NVPTX back end of LLVM has instructions. So these ops become calls of LLVM
intrinsics first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.capture import capture, error_from, read_diagnostic
from tilewright.core.diagnostics import InputError, PassError, UnsupportedError
from tilewright.core.mlir import MLIRError, ir, llvm, passmanager
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects.tw.access import location_text
from tilewright.lowering.integer_division import expand_integer_division
from tilewright.targets import Target, find

PIPELINE: tuple[str, ...] = (
    "nvvm-attach-target{{chip={chip} features={features} O=3}}",
    "gpu.module(canonicalize,cse,loop-invariant-code-motion,convert-scf-to-cf,convert-gpu-to-nvvm,canonicalize,cse,reconcile-unrealized-casts)",
)
"""Upstream passes from `gpu` to `nvvm` and `llvm`, in order; index arithmetic takes its width from the data layout of the gpu.module."""

INTRINSICS: dict[str, str] = {
    "math.absf": "llvm.fabs", "math.ceil": "llvm.ceil", "math.copysign": "llvm.copysign", "math.exp2": "llvm.exp2",
    "math.floor": "llvm.floor", "math.fma": "llvm.fma", "math.round": "llvm.round", "math.roundeven": "llvm.roundeven",
    "math.sqrt": "llvm.sqrt", "math.trunc": "llvm.trunc",
}  # fmt: skip
"""The `math` ops for which the NVPTX back end has instructions (exp2 in f32 alone), and their intrinsics."""

_DIALECTS = ("llvm", "nvvm")


@register_pass
@dataclass(frozen=True)
class GpuToNvvm(Pass):
    """Lower every `gpu.module` to the nvvm and llvm dialects (level 4).

    Before: `gpu.func @k(...) kernel { ... gpu.thread_id x ... math.sqrt ... gpu.shuffle xor ... }`
    After: `llvm.func @k(...) attributes {nvvm.kernel} { ... nvvm.read.ptx.sreg.tid.x ... nvvm.shfl.sync bfly ... }`
    """

    name: ClassVar[str] = "tw-gpu-to-nvvm"
    target: str = option("cuda:sm_90", help="name of a GPU target, as `tilewright targets` lists them")

    def run(self, module: ir.Module) -> None:
        lower_to_nvvm(module, find(self.target))


def lower_to_nvvm(module: ir.Module, target: Target) -> None:
    """Lower all `gpu.module`s of `module` in place. Raises PassError with MLIR's own diagnostics, UnsupportedError for math ops."""
    if not target.is_gpu:
        raise InputError(f"{target.name} is not a GPU", remedy="see `tilewright targets`")
    expand_integer_division(module)
    _math_to_intrinsics(module)
    text = ",".join(PIPELINE).format(chip=target.llvm_cpu, features=target.feature_string)
    with module.context, capture(module.context) as log:
        try:
            passmanager.PassManager.parse(f"builtin.module({text})").run(module.operation)
        except MLIRError as error:
            reported = log.entries or [read_diagnostic(d) for d in getattr(error, "error_diagnostics", ())]
            raise error_from(PassError, reported, "lowering to the nvvm dialect failed") from error


def gpu_modules(module: ir.Module) -> list[ir.Operation]:
    """The `gpu.module` ops of a module, in order."""
    return [op.operation for op in module.body.operations if op.operation.name == "gpu.module"]


def check_translatable(gpu_module: ir.Operation) -> None:
    """Raises UnsupportedError naming each op that the translator to LLVM IR would crash on."""
    problems: list[str] = []
    known = set(INTRINSICS.values())

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name.partition(".")[0] not in _DIALECTS and op.name != "gpu.module":
            problems.append(f"{op.name} at {location_text(op.location) or 'an unknown place'}")
        elif op.name == "llvm.call_intrinsic" and ir.StringAttr(op.attributes["intrin"]).value not in known:
            problems.append(f"the intrinsic {op.attributes['intrin']} at {location_text(op.location) or 'an unknown place'}")
        return ir.WalkResult.ADVANCE

    gpu_module.walk(visit, ir.WalkOrder.PRE_ORDER)
    if problems:
        shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
        raise UnsupportedError("ops are left that cannot be translated to LLVM IR", why="\n".join(shown), remedy="run tw-gpu-to-nvvm first")


def translate(gpu_module: ir.Operation) -> str:
    """LLVM IR text of a `gpu.module` in the nvvm and llvm dialects. Checks it first."""
    check_translatable(gpu_module)
    bindings: Any = llvm  # The type stubs of the dialect do not know the function.
    text = str(bindings.translate_module_to_llvmir(gpu_module))
    if not text:
        raise PassError("translation to LLVM IR gave nothing", why="MLIR reported no reason", remedy="see the dumped IR of this phase")
    return text


def _math_to_intrinsics(module: ir.Module) -> None:
    found: list[ir.Operation] = []
    unknown: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name.startswith("math."):
            supported = op.name in INTRINSICS and (op.name != "math.exp2" or isinstance(op.results[0].type, ir.F32Type))
            (found if supported else unknown).append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    if unknown:
        lines = [f"{op.name} on {op.operands[0].type} at {location_text(op.location) or 'an unknown place'}" for op in unknown]
        raise UnsupportedError(
            "a math op has no instruction on this GPU",
            where=location_text(unknown[0].location),
            why="\n".join(lines),
            remedy="expand it to a polynomial first",
        )
    for op in found:
        attributes = {
            "intrin": ir.StringAttr.get(INTRINSICS[op.name], op.context),
            "op_bundle_sizes": ir.DenseI32ArrayAttr.get([], op.context),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(op.operands), 0], op.context),
        }
        with ir.InsertionPoint(op), op.location:
            call = ir.Operation.create("llvm.call_intrinsic", [r.type for r in op.results], list(op.operands), attributes)
        for old, new in zip(op.results, call.results):
            old.replace_all_uses_with(new)
        op.erase()
