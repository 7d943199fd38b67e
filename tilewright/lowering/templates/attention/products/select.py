"""Which products a kernel multiplies with."""

from __future__ import annotations

from tilewright.core.diagnostics import UnsupportedError
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products.base import Products
from tilewright.lowering.templates.attention.products.fma import FmaProducts
from tilewright.lowering.templates.matmul.instructions.multiply_add import OuterProduct
from tilewright.lowering.templates.matmul.instructions.select import select_instruction
from tilewright.lowering.templates.memory import Flat


def select_products(context: KernelContext, query_scale: float, scores: Flat, sums: Flat) -> Products:
    """The products for the element types of q, k and v. Raises UnsupportedError where there are none."""
    problem = context.problem
    dtypes = {tensor.dtype for tensor in (problem.q, problem.k, problem.v)}
    if dtypes <= {"f32", "f16", "bf16"}:
        instruction = select_instruction(context.target, "f32", "f32", "f32")
        assert isinstance(instruction, OuterProduct)
        return FmaProducts(context, query_scale, scores, sums, instruction)
    raise UnsupportedError(
        f"no products of attention are known for elements {', '.join(sorted(dtypes))} on {context.target.name}",
        remedy="decompose the attention (tw-decompose-unsupported)",
    )
