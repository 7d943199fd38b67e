"""What a tuner tries: legal, deterministic, few, and covering every field of a matmul schedule."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.candidates import STAGES, candidates
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_rule import choose_matmul_schedule
from tilewright.targets import find, list_targets

KERNEL = """
func.func private @linear(%x: tensor<?x{k}xf32, "d0, {k}">, %w: tensor<{k}x{n}xf32> {{tw.weight}}) -> tensor<?x{n}xf32, "d0, {n}">
    attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: 1, 4096>}}}} {{
  %0 = "tw.matmul"(%x, %w) : (tensor<?x{k}xf32, "d0, {k}">, tensor<{k}x{n}xf32>) -> tensor<?x{n}xf32, "d0, {n}">
  return %0 : tensor<?x{n}xf32, "d0, {n}">
}}
"""
CPUS = [target for target in list_targets() if not target.is_gpu]
DECIDED_BY_THE_KERNEL = {"rhs", "sides", "source"}
"""Fields that no stage varies."""


def propose(
    context: ir.Context, target: Any, stage: str, rows: int, n: int, k: int, **changes: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rule's schedule of a kernel, changed, and what `stage` makes of it."""
    module = ir.Module.parse(KERNEL.format(n=n, k=k))
    function = next(iter(tw.functions(module)))
    rule = choose_matmul_schedule(function, target)
    assert rule is not None
    rule |= changes
    return rule, candidates(function, rule, target, stage, [{"d0": rows}])


@pytest.mark.parametrize("target", CPUS, ids=lambda t: t.name)
@pytest.mark.parametrize(("rows", "n", "k"), [(1, 384, 384), (7, 1000, 333), (128, 1536, 384), (512, 1, 64)])
def test_candidates_are_legal_few_and_new(context: ir.Context, target: Any, rows: int, n: int, k: int) -> None:
    for stage in STAGES:
        rule, found = propose(context, target, stage, rows, n, k)
        assert len(found) <= 32 and rule not in found
        assert len({tuple(sorted(c.items())) for c in found}) == len(found)
        for candidate in found:
            assert check_matmul_schedule(MatmulSchedule.from_attributes(candidate), target) is None
            assert candidate.keys() == rule.keys()
        assert propose(context, target, stage, rows, n, k)[1] == found


def test_tiles_are_no_taller_than_the_matmul(context: ir.Context) -> None:
    _, found = propose(context, find("cpu:x86-64-v4"), "tile", 2, 384, 384)
    assert {c["mr"] for c in found} == {1, 2} and len({c["nr"] for c in found}) >= 3
    _, found = propose(context, find("cpu:x86-64-v4"), "tile", 512, 384, 384)
    assert all(c["mb"] % c["mr"] == 0 for c in found) and max(c["mr"] for c in found) > 8


def test_blocks_are_not_larger_than_the_matmul(context: ir.Context) -> None:
    _, found = propose(context, find("cpu:x86-64-v4"), "block", 100, 384, 384, mb=512)
    assert {c["mb"] for c in found} == {32, 64, 512} and {c["k_block"] for c in found} == {0, 128, 256}


def test_every_field_is_varied_or_decided_by_the_kernel(context: ir.Context) -> None:
    """A new field of the schedule needs a stage, or a reason."""
    varied: set[str] = set()
    for stage in STAGES:
        rule, found = propose(context, find("cpu:x86-64-v4"), stage, 512, 1536, 4096)
        varied |= {name for c in found for name in c if c[name] != rule[name]}
    names = {f.name for f in dataclasses.fields(MatmulSchedule)}
    assert varied | DECIDED_BY_THE_KERNEL | {"instruction"} == names


def test_other_kinds_have_no_candidates(context: ir.Context) -> None:
    module = ir.Module.parse(KERNEL.format(n=8, k=8))
    function = next(iter(tw.functions(module)))
    assert candidates(function, {"kind": "rows", "source": "rule:loops"}, find("cpu:x86-64-v4"), "tile", [{"d0": 4}]) == []
