"""Which attention is lowered by the template for few queries, how it is tiled, and what is not legal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from tw_programs import Rewritten, make_program, typed

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.passes.schedules.attention_decode import (
    AttentionDecodeSchedule,
    attention_decode_supports,
    check_attention_decode_schedule,
    decode_schedule,
    is_decode,
    why_no_template,
)
from tilewright.passes.schedules.legality import why_illegal
from tilewright.targets import find

pytestmark = pytest.mark.usefixtures("context")

V4, AMX, V3 = find("cpu:x86-64-v4"), find("cpu:sapphirerapids"), find("cpu:x86-64-v3")


@contextmanager
def attention(q: str, k: str, q_dtype: str = "f32", k_dtype: str | None = None, **attributes: Any) -> Generator[ir.Operation, None, None]:
    """The op, in a program that lives as long, over caches in one piece, with scales where keys are integers."""
    k_dtype = k_dtype or q_dtype
    infos = [typed(q, q_dtype), typed(k, k_dtype), typed(k, k_dtype)]
    if k_dtype == "i8":
        infos += [typed(k.rpartition(",")[0])] * 2

    def body(q: ir.Value, k: ir.Value, v: ir.Value, *scales: ir.Value) -> list[ir.Value]:
        return tw.build_many("attention", q, k, v, None, None, None, None, None, *scales, scale=1.0, **attributes)

    program = Rewritten(make_program(infos, body))
    yield program.find("attention")


@pytest.mark.parametrize(
    ("q", "k", "q_dtype", "k_dtype", "expected"),
    [
        ("s0, 8, 1, 64", "s0, 2, s1, 64", "f32", "f32", True),
        ("s0, 8, 4, 64", "s0, 2, s1, 64", "f32", "f32", True),
        ("s0, 8, 5, 64", "s0, 2, s1, 64", "f32", "f32", False),
        ("s0, 8, 3, 64", "s0, 2, s1, 64", "bf16", "bf16", False),
        ("s0, 8, 2, 64", "s0, 2, s1, 64", "bf16", "bf16", True),
        ("s0, 8, s1, 64", "s0, 2, s1, 64", "f32", "f32", False),
        ("s0, 8, s1, 64", "s0, 2, s1, 64", "f32", "bf16", True),
        ("s0, 8, s1, 64", "s0, 2, s1, 64", "f32", "i8", True),
        ("s0, 8, s1, 768", "s0, 2, s1, 768", "f32", "f32", True),
        ("s0, 8, 1, 2048", "s0, 2, s1, 2048", "f32", "f32", False),
        ("s0, 8, 1, 64", "s0, 2, s1, 64", "f64", "f64", False),
    ],
)
def test_choice(q: str, k: str, q_dtype: str, k_dtype: str, expected: bool) -> None:
    """Few rows for each key and value head, caches that the other template does not read, and head sizes that it does not take."""
    with attention(q, k, q_dtype, k_dtype) as op:
        assert is_decode(op, AMX) == expected


def test_what_is_not_covered_is_named() -> None:
    with attention("1, 8, 1, 64", "1, 2, s1, 64") as op:
        assert "not a CPU" in (attention_decode_supports(op, find("cuda:sm_90")) or "")
    with attention("1, 8, 1, 64", "1, 2, s1, 64", "f64") as op:
        assert "f64" in (attention_decode_supports(op, V4) or "")
    with attention("1, 8, 1, 2048", "1, 2, s1, 2048") as op:
        assert "head size D = 2048" in (why_no_template(op, V4) or "")


@pytest.mark.parametrize(("rows", "tile", "at_once"), [(1, 1, 1), (4, 4, 4), (5, 6, 3), (6, 6, 3), (7, 8, 4), (9, 9, 3), (16, 16, 4)])
def test_rows_are_dealt_out_evenly(rows: int, tile: int, at_once: int) -> None:
    with attention(f"1, {rows}, 1, 64", "1, 1, s1, 64") as op:
        schedule = decode_schedule(op, V4)
    assert (schedule.tile, schedule.rows) == (tile, at_once)
    assert check_attention_decode_schedule(schedule, V4) is None


def test_fewer_registers_hold_fewer_rows() -> None:
    with attention("1, 8, 1, 64", "1, 1, s1, 64") as op:
        schedule = decode_schedule(op, V3)
    assert schedule.rows == 2 and check_attention_decode_schedule(schedule, V3) is None


@pytest.mark.parametrize(("size", "target", "expected"), [(64, AMX, "tdpbssd"), (48, AMX, "fma"), (64, V4, "fma")])
def test_tiles_multiply_integers(size: int, target: Any, expected: str) -> None:
    with attention(f"1, 8, 1, {size}", f"1, 2, s1, {size}", "f32", "i8") as op:
        assert decode_schedule(op, target).products == expected


GOOD = AttentionDecodeSchedule(tile=4, rows=4, block=32, prefetch=32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": 5, "tile": 5}, "accumulators"),
        ({"rows": 0}, "accumulators"),
        ({"tile": 6}, "not made of"),
        ({"block": 24}, "vectors of"),
        ({"prefetch": 16}, "less than a block"),
        ({"products": "tdpbssd"}, "no instruction called 'tdpbssd'"),
        ({"products": "dot"}, "no instruction called 'dot'"),
    ],
)
def test_schedules_that_are_not_legal(changes: dict[str, Any], reason: str) -> None:
    assert why_illegal(GOOD.attributes(), V4) is None
    assert reason in (why_illegal({**GOOD.attributes(), **changes}, V4) or "")


def test_tiles_for_what_is_no_tile() -> None:
    """A schedule that is legal on the target, and does not fit the kernel."""
    q, k = typed("1, 4, 1, 48"), typed("1, 1, s1, 48")
    module = make_program([q, k, k], lambda q, k, v: tw.build("attention", q, k, v, scale=1.0))
    run_pipeline(module, "tw-fuse,tw-outline,tw-select-schedule{target=cpu:sapphirerapids}")
    kernel = next(f for f in tw.functions(module) if "tw.schedule" in f.operation.attributes)
    kernel.operation.attributes["tw.schedule"] = ir.Attribute.parse(
        '{kind = "attention-decode", tile = 4 : i64, rows = 4 : i64, block = 32 : i64, prefetch = 32 : i64, products = "tdpbssd"}'
    )
    with pytest.raises(VerifyError) as caught:
        run_pipeline(module, "tw-lower-templates{target=cpu:sapphirerapids}")
    assert "48 x f32" in str(caught.value)
