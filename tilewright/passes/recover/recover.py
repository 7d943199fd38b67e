"""`tw-recover`: all recoveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.passes import CompositePass
from tilewright.core.registry import register_pass

PIPELINE = (
    "tw-recover-softmax",
    "tw-recover-layer-norm",
    "tw-recover-rms-norm",
    "tw-recover-rope",
    "tw-recover-attention",
    "tw-recover-grouped-heads",
    "tw-recover-masks",
    "tw-merge-pointwise",
    "tw-recover-activations",
    "tw-simplify",
)


@register_pass
@dataclass(frozen=True)
class Recover(CompositePass):
    """Recover the ops and attributes that were spelled out: normalizations, rotary embedding, attention with its masks, activations.

    Expects a simplified program (`tw-simplify`) and leaves one. `tw-recover-softmax` comes before attention, which looks for it; norms and
    rotary embedding before `tw-merge-pointwise`, after which they would share regions with their surroundings.

    Before: a Llama layer of 60 ops, with its mask as `[1, 1, Q, K]`
    After: rms_norm, matmul, rope, attention {causal}, matmul, pointwise
    """

    name: ClassVar[str] = "tw-recover"

    def pipeline(self) -> str:
        return ",".join(PIPELINE)
