"""Kernels and their launches (level 2)."""

from __future__ import annotations

import numpy as np

from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo, tensor_info


def _arguments_match(args: Arguments) -> bool:
    return [tensor_info(a) for a in args.regions[0].blocks[0].arguments] == list(args.inputs)


def _yields_match(args: Arguments) -> bool:
    operations = list(args.regions[0].blocks[0].operations)
    return bool(operations) and [tensor_info(v) for v in operations[-1].operands] == list(args.results)


@register_op
class KernelOp(OpSpec):
    """Ops that run as one launch. The region is isolated: everything it uses enters as an operand. `tw.yield` names the results."""

    name = "kernel"
    operands = (Operand("inputs", "tensors that enter", variadic=True),)
    regions = 1
    free_results = True
    constraints = (
        Constraint("K1", "the region has one argument per operand, of its type", _arguments_match),
        Constraint("K2", "the region yields the results", _yields_match),
    )
    example = """%y = "tw.kernel"(%x) ({
  ^bb0(%0: tensor<4x8xf32>):
    %1 = "tw.softmax"(%0) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    "tw.yield"(%1) : (tensor<4x8xf32>) -> ()
}) : (tensor<4x8xf32>) -> tensor<4x8xf32>"""

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return list(args.results)

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        assert context.run_region is not None
        return context.run_region(context.regions[0], args.inputs)


@register_op
class LaunchOp(OpSpec):
    """Runs an outlined kernel function. `symbols` binds each of the kernel's symbols to an expression of the caller's.

    After memory planning, `buffers` says where each result lives: `slot:<n>` of the arena or `output:<n>` of the program.
    """

    name = "launch"
    operands = (Operand("inputs", "arguments of the kernel", variadic=True),)
    attributes = (
        Attribute("callee", Kind.SYMBOL, "the kernel function"),
        Attribute("symbols", Kind.DICT, "kernel symbol to expression", None),
        Attribute("buffers", Kind.STRINGS, "where each result lives", None),
    )
    free_results = True
    constraints = (Constraint("K1", "one buffer per result", lambda a: a.buffers is None or len(a.buffers) == len(a.results)),)
    example = '%y = "tw.launch"(%x) {callee = @softmax_0, symbols = {d0 = "s0*s1"}} : (tensor<4x8xf32>) -> tensor<4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return list(args.results)

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        raise NotImplementedError("the interpreter runs launches, which need the module")
