"""Which products a kernel multiplies with."""

from __future__ import annotations

from tilewright.core.diagnostics import UnsupportedError, VerifyError
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products.base import Products
from tilewright.lowering.templates.attention.products.fma import FmaProducts
from tilewright.lowering.templates.attention.products.pairs import PairProducts
from tilewright.lowering.templates.attention.products.tiles import TileProducts
from tilewright.lowering.templates.matmul.instructions.dot_product import DotProduct
from tilewright.lowering.templates.matmul.instructions.multiply_add import OuterProduct
from tilewright.lowering.templates.matmul.instructions.select import find_instruction, select_instruction
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.attention import uses_pairs, uses_tiles


def select_products(context: KernelContext, query_scale: float, scores: Flat, sums: Flat) -> Products:
    """The products for the element types of q, k and v.

    Raises UnsupportedError where there are none, and VerifyError for a schedule that does not fit them.
    """
    products = _products(context, query_scale, scores, sums)
    if context.schedule.block % products.padding:
        raise VerifyError(
            f"blocks of {context.schedule.block} keys are not made of whole groups",
            why=f"{context.problem.k.dtype} is multiplied in groups of {products.padding} keys on {context.target.name}",
            remedy="remove tw.schedule and let tw-select-schedule choose one",
        )
    return products


def _products(context: KernelContext, query_scale: float, scores: Flat, sums: Flat) -> Products:
    problem = context.problem
    dtypes = {tensor.dtype for tensor in (problem.q, problem.k, problem.v)}
    if dtypes == {"bf16"} and uses_tiles(context.target, "bf16"):
        return TileProducts(context, query_scale, scores, sums)
    if dtypes == {"bf16"} and uses_pairs(context.target, "bf16"):
        dot = find_instruction(context.target, "vdpbf16ps", "bf16")
        assert isinstance(dot, DotProduct)
        return PairProducts(context, query_scale, scores, sums, dot)
    if dtypes <= {"f32", "f16", "bf16"}:
        instruction = select_instruction(context.target, "f32", "f32", "f32")
        assert isinstance(instruction, OuterProduct)
        return FmaProducts(context, query_scale, scores, sums, instruction)
    raise UnsupportedError(
        f"no products of attention are known for elements {', '.join(sorted(dtypes))} on {context.target.name}",
        remedy="decompose the attention (tw-decompose-unsupported)",
    )
