"""The two matrix products of attention, for one kind of instruction each.

`base` is the seam, `fma` multiplies f32 elements, `tiles` bf16 ones by AMX, `pairs` bf16 ones by vector dot products, whose operands are in `pair_operands`; `select` chooses.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention.products.base import KeyBlock, Products
from tilewright.lowering.templates.attention.products.select import select_products

__all__ = ["KeyBlock", "Products", "select_products"]
