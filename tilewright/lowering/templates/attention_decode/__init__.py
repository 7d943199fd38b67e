"""The attention template for few queries over a long cache, on CPUs.

`lower` is the entry; `recognize` reads a level 2 kernel into a `problem` (data); `cache` says where the rows of keys and values are and
loads them as f32 vectors; `kernel` holds the loops, `scores` the product with the keys and what is done to scores, `values` the product
with the values, `rows` the queries and results.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention_decode.lower import lower_attention_decode_kernel

__all__ = ["lower_attention_decode_kernel"]
