"""The two matrix products of attention, for one kind of instruction each.

`base` is the seam; `fma` multiplies f32, also of widened f16 and bf16, `tiles` bf16 by AMX, `pairs` bf16 by dot products on vectors;
`pair_operands` prepares what these two read; `select` chooses.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention.products.base import KeyBlock, Products
from tilewright.lowering.templates.attention.products.select import select_products

__all__ = ["KeyBlock", "Products", "select_products"]
