"""`tw-recover`: all recoveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.passes.recover.activations import patterns as activations
from tilewright.passes.recover.attention import patterns as attention
from tilewright.passes.recover.caches import patterns as caches
from tilewright.passes.recover.grouped_heads import patterns as grouped_heads
from tilewright.passes.recover.key_lengths import patterns as key_lengths
from tilewright.passes.recover.layer_norm import patterns as layer_norm
from tilewright.passes.recover.masks import assuming_visible
from tilewright.passes.recover.masks import patterns as masks
from tilewright.passes.recover.merge_pointwise import patterns as merge_pointwise
from tilewright.passes.recover.rms_norm import patterns as rms_norm
from tilewright.passes.recover.rope import patterns as rope
from tilewright.passes.recover.scores import patterns as scores
from tilewright.passes.recover.softmax import patterns as softmax
from tilewright.passes.rewrite import PatternSet, Rewriter, defined_functions
from tilewright.passes.simplify.simplify import patterns as simplify
from tilewright.passes.simplify.simplify import run_to_fixpoint

_ROWS = PatternSet(softmax, layer_norm, rms_norm, rope)
_ATTENTION = PatternSet(attention, grouped_heads, key_lengths, caches)
_REGIONS = PatternSet(merge_pointwise, activations, simplify)


@register_pass
@dataclass(frozen=True)
class Recover(Pass):
    """Recover the ops and attributes that were spelled out: normalizations, rotary embedding, attention with its masks, activations.

    Expects a simplified program (`tw-simplify`) and leaves one. The patterns of the passes `tw-recover-*` and `tw-merge-pointwise`, in
    three rounds: softmax, norms and rotary embedding; attention, which is found by its softmax, with its heads and masks; then pointwise
    regions, which are merged last because patterns start at the ops that a model's author wrote.

    Before: a Llama layer of 60 ops, with its mask as `[1, 1, Q, K]`
    After: rms_norm, matmul, rope, attention {causal}, matmul, pointwise
    """

    name: ClassVar[str] = "tw-recover"
    assume_visible: bool = option(False, help="as of tw-recover-masks: every query sees a key")

    def run(self, module: ir.Module) -> None:
        attention_patterns = PatternSet(_ATTENTION, assuming_visible if self.assume_visible else masks, scores)
        for function in defined_functions(module):
            rw = Rewriter(function)
            for patterns in (_ROWS, attention_patterns):
                rw.patterns = patterns
                rw.run([op.operation for op in rw.block.operations][::-1])
            rw.patterns = _REGIONS
            run_to_fixpoint(rw)
