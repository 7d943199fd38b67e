"""The attention template for CPUs.

`lower` is the entry; `recognize` reads a level 2 kernel into a `problem` (data); `kernel` holds the loops and both products; `rows` what
depends on the query of a lane, `masks` and `softmax` what is between the products.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention.lower import lower_attention_kernel

__all__ = ["lower_attention_kernel"]
