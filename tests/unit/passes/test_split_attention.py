"""Attention over slices of the keys, merged, means what attention means; and which attention is split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tw_programs import SIZES, Rewritten, check, make_program, random_inputs, typed

from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

SPLIT = "tw-split-attention{target=cpu:x86-64-v4 below=64 units=12}"
Q, K = typed("s0, 4, 1, 64"), typed("s0, 2, 4096, 64")


def attention(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value | None, **attributes: Any) -> list[ir.Value]:
    return tw.build_many("attention", q, k, v, *rest, scale=0.125, **attributes)


def splits(program: Rewritten) -> int:
    return tw.get(program.find("attention"), "splits")


def test_slices_are_merged() -> None:
    assert splits(check([Q, K, K], attention, SPLIT)) == 6


def test_logsumexp_and_sinks() -> None:
    """A sink counts once, and a row without visible keys stays 0 and minus infinity."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, sinks: ir.Value) -> list[ir.Value]:
        plain = attention(q, k, v, None, lengths, logsumexp=True)
        return [*plain, *attention(q, k, v, None, lengths, None, sinks, logsumexp=True)]

    arrays = random_inputs([Q, K, K, typed("s0", "i64"), typed("4")])
    arrays[3] = np.array([0, 4096, 100])
    result = check([Q, K, K, typed("s0", "i64"), typed("4")], body, SPLIT, arrays=arrays, atol=1e-5)
    assert result.ops["attention"] == 2


def test_results_keep_their_type() -> None:
    narrow = [info.with_dtype("bf16") for info in (Q, K, K)]
    result = check(narrow, attention, SPLIT, atol=1e-2)
    assert splits(result) == 4 and tw.tensor_info(result.returned[0]).dtype == "bf16"


def test_pages() -> None:
    shapes = [typed("s0, 4, 2, 64"), *[typed("s1, 2, 64, 64")] * 2, typed("s0", "i64"), typed("s0, 64", "i32")]
    arrays = random_inputs(shapes)
    arrays[3] = np.array([4096, 1, 900])

    def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, table: ir.Value) -> list[ir.Value]:
        return attention(q, k, v, None, lengths, None, None, table, causal=True)

    assert splits(check(shapes, body, SPLIT, arrays=arrays)) == 6


def test_regions_are_kept() -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        types = [ir.F32Type.get(), *[ir.IntegerType.get_signless(64)] * 4]
        block = ir.Operation.create("tw.detached", regions=1, ip=False).regions[0].blocks.append(*types)
        with ir.InsertionPoint(block):
            tw.yield_([block.arguments[0]])
        return tw.build_many("attention", q, k, v, region=block, scale=0.125)

    result = check([Q, K, K], body, SPLIT)
    assert splits(result) == 6 and len(result.find("attention").regions) == 1


@pytest.mark.parametrize(
    ("queries", "keys", "options", "expected"),
    [
        ("1, 8, 1, 128", "1, 1, 8192, 128", "", 8),
        ("1, 8, 1, 128", "1, 2, 8192, 128", "", 4),
        ("1, 8, 1, 128", "1, 4, 8192, 128", "", 0),
        ("1, 8, 1, 128", "1, 4, 8192, 128", " below=8", 2),
        ("1, 8, 1, 128", "1, 1, 8192, 128", " units=1", 0),
        ("1, 8, 1, 128", "1, 1, 8192, 128", " below=64 units=64", 16),
        ("1, 8, 1, 128", "1, 1, 512, 128", "", 2),
        ("1, 8, 1, 128", "1, 1, 256, 128", "", 0),
        ("s0, 8, 1, 128", "s0, 1, 8192, 128", "", 8),
        ("1, 8, s1, 128", "1, 1, 8192, 128", "", 0),
        ("1, 8, 1, 2048", "1, 1, 8192, 2048", "", 0),
    ],
)
def test_which_attention_is_split(queries: str, keys: str, options: str, expected: int) -> None:
    """Few units and a long cache; neither many queries nor what the decode template does not cover."""
    module = make_program([typed(queries), typed(keys), typed(keys)], attention)
    run_pipeline(module, f"tw-split-attention{{target=cpu:x86-64-v4{options}}}")
    tw.verify_program(module)
    assert splits(Rewritten(module)) == expected


def test_gpus_split_nothing() -> None:
    module = make_program([typed("1, 8, 1, 128"), *[typed("1, 1, 8192, 128")] * 2], attention)
    run_pipeline(module, "tw-split-attention{target=cuda:sm_90}")
    assert splits(Rewritten(module)) == 0


assert SIZES["s0"] == 3, "lengths above are for three batch elements"
