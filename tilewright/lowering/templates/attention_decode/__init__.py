"""The attention template for few queries over a long cache, on CPUs.

`lower` is the entry; `recognize` reads a level 2 kernel into a `problem` (data); `cache` says where the rows of keys and values are,
`head_layout` how they are loaded as f32 vectors; `kernel` holds the loops. `products` with keys are computed by multiply-adds
(`fma_products`), or for integers on AMX tiles (`tile_products`); `scores` is what is done to them, `values` the product with the values,
`rows` the queries and results.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention_decode.lower import lower_attention_decode_kernel

__all__ = ["lower_attention_decode_kernel"]
