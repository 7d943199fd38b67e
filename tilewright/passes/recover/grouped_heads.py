"""`tw-recover-grouped-heads`: repeated key and value heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverGroupedHeads(Pass):
    """Let `tw.attention` read key/value heads that were repeated for groups of query heads (GQA, MQA) as they were before.

    Before: `k = reshape(broadcast(reshape(k0[B, Hkv, K, D] to [B, Hkv, 1, K, D])))`, likewise v, `attention(q, k, v)`
    After: `attention(q, k0, v0)`
    """

    name: ClassVar[str] = "tw-recover-grouped-heads"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("attention")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    groups = rw.groups(op)
    if groups["block_table"] is not None or groups["k_scale"] is not None:
        return False
    keys, values = _unrepeated(rw, groups["k"]), _unrepeated(rw, groups["v"])
    if keys is None or values is None or rw.shape(keys)[:3] != rw.shape(values)[:3]:
        return False
    rw.rebuild(op, {"k": keys, "v": values})
    return True


def _unrepeated(rw: Rewriter, value: ir.Value) -> ir.Value | None:
    """The heads `[B, Hkv, K, D]` of which `value` `[B, Hkv * n, K, D]` repeats each n times in a row."""
    outer = rw.producer(value, "reshape")
    broadcast = None if outer is None else rw.producer(outer.operands[0], "broadcast")
    if outer is None:
        # One head repeated for all: [B, 1, K, D] to [B, H, K, D].
        direct = rw.producer(value, "broadcast")
        source = None if direct is None else direct.operands[0]
        if source is None or len(rw.shape(source)) != 4 or rw.shape(source)[1] != 1:
            return None
        return source if (rw.shape(source)[0], *rw.shape(source)[2:]) == (rw.shape(value)[0], *rw.shape(value)[2:]) else None
    if broadcast is None:
        return None
    batch, heads, length, size = rw.shape(value)
    wide, narrow = rw.shape(broadcast.results[0]), rw.shape(broadcast.operands[0])
    if len(wide) != 5 or len(narrow) != 5 or narrow[2] != 1:
        return None
    kv_heads, repeats = wide[1], wide[2]
    if not (isinstance(kv_heads, int) and isinstance(repeats, int) and kv_heads * repeats == heads):
        return None
    if wide != (batch, kv_heads, repeats, length, size) or narrow != (batch, kv_heads, 1, length, size):
        return None
    return rw.reshape(broadcast.operands[0], (batch, kv_heads, length, size))
