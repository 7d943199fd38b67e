"""The attention template for CPUs.

`lower` is the entry; `recognize` reads a level 2 kernel into a `problem` (data); `context` is what all parts of one kernel share.
`kernel` holds the loops over units, tiles of queries, and blocks of keys. What they call, in order:

* `products`: the two matrix products, one implementation per kind of instruction. `begin_head` copies or packs K and V, `begin_tile`
  packs the queries, `compute_scores` gives `S^T` (`[keys of a block][tile]`, f32, in scratch), `add_values` adds to `O^T`
  (`[Dv][tile]`, f32, in scratch). An implementation may pad blocks of keys (`padding`), and says how many rows of probabilities it
  stores together, in the form in which it multiplies them (`store_probabilities`). `head_rows` are K and V as f32 products read them.
* `visibility`: the range of keys that a tile meets at all, the part of it that all its rows see, and hiding the rest per lane.
* `scores`: called by the products for every tile of raw scores in registers, `[keys][vectors]`: the factor that the queries do not
  carry, modifications, masks (prepared by `masks`), hidden keys, then the maximum. Scores leave it in units of log2.
* `softmax`: running maxima and totals, rescaling, probabilities, and the factor of each row in the end.

`rows` knows which query each lane holds: it packs queries and stores results. Tiles are aligned to the last row: the first tile of a head
may begin in front of its first row. So the vectors of a tile (16 queries with AVX-512) see ascending numbers of keys, those without rows
none, and `KeyBlock.ranges` tells products and softmax which vectors need which keys of a block; the others take no part.
"""

from __future__ import annotations

from tilewright.lowering.templates.attention.lower import lower_attention_kernel

__all__ = ["lower_attention_kernel"]
