"""Schedules of attention with many queries: legal on every CPU, and the products that each element type is multiplied with."""

from __future__ import annotations

import pytest

from tilewright.passes.schedules.attention import ELEMENTS, check_attention_schedule, flash_schedule, uses_pairs, uses_tiles
from tilewright.targets import find, list_targets

GROUP = 32
"""Keys that tile registers take at once."""


def test_every_choice_is_legal() -> None:
    for target in (t for t in list_targets() if t.kind == "cpu"):
        for dtype in ELEMENTS:
            schedule = flash_schedule(target, dtype)
            assert check_attention_schedule(schedule, target) is None, (target.name, dtype)
            assert not uses_tiles(target, dtype) or schedule.block % GROUP == 0


@pytest.mark.parametrize(
    ("name", "tiles", "pairs"),
    [
        ("sapphirerapids", True, False),
        ("sapphirerapids-avx512", False, False),
        ("znver4", False, True),
        ("znver5", False, True),
        ("x86-64-v4", False, False),
        ("x86-64-v3", False, False),
        ("aarch64", False, False),
    ],
)
def test_bf16_is_multiplied_by_the_fastest_instruction(name: str, tiles: bool, pairs: bool) -> None:
    """On Sapphire Rapids without AMX, dot products are slower than multiply-adds of what was widened."""
    target = find(f"cpu:{name}")
    assert (uses_tiles(target, "bf16"), uses_pairs(target, "bf16")) == (tiles, pairs)
    assert not any(uses_tiles(target, dtype) or uses_pairs(target, dtype) for dtype in ("f32", "f16"))
