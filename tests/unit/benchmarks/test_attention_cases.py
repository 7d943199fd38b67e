"""The attention benchmark: cases, operands, references, our programs, masks of peers. No system is run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.attention import operands
from benchmarks.attention.cases import PAGE, TILE, VARIANTS, WINDOW, Case, full, short
from benchmarks.attention.suite import SUITE
from benchmarks.attention.tw_program import attention_program, input_names
from benchmarks.suite.arrays import load_arrays
from benchmarks.suite.driver import Result
from benchmarks.suite.rating import make_row, rate
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter

SMALL = Case("g", "f32", 4, 2, 6, 6, 8, causal=True)
DECODE = Case("decode", "f32", 4, 2, 1, 2 * PAGE, 8, batch=2)


def test_cases() -> None:
    cases = full()
    assert len(set(cases)) == len(cases) and set(short()) < set(cases)
    assert {c.group for c in short()} == {c.group for c in cases} - {"memory"}
    assert {c.variant for c in cases} == set(VARIANTS)
    assert all(c.bars for c in cases if c.group != "encoders")


@pytest.mark.parametrize("case", [full()[0], full()[-1], DECODE, replace(DECODE, paged=True, dtype="s8")], ids=lambda case: case.label)
def test_cases_survive_json(case: Case) -> None:
    assert Case.from_json(case.to_json()) == case


def test_work() -> None:
    case = Case("g", "f32", 16, 4, 1024, 1024, 64, batch=2)
    assert case.flops == 4 * 2 * 16 * 1024 * 1024 * 64 and replace(case, causal=True).flops == case.flops // 2
    windowed = replace(case, causal=True, variant="window")
    assert windowed.pairs == WINDOW * (WINDOW + 1) // 2 + (1024 - WINDOW) * WINDOW
    assert case.tiles == (1024 // TILE) ** 2 and windowed.plain.tiles == 16 * 17 // 2
    assert windowed.tiles == sum(min(i, WINDOW // TILE) + 1 for i in range(16))
    cache = 2 * 2 * 4 * 1024
    assert case.rotated_bytes == cache * 64 * 4 and replace(case, dtype="s8").rotated_bytes == cache * 68
    assert case.moved_bytes == case.rotated_bytes + 2 * 2 * 16 * 1024 * 64 * 4


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("causal", [True, False])
def test_our_programs_compute_the_reference(variant: str, causal: bool) -> None:
    check_program(replace(SMALL, variant=variant, causal=causal))


@pytest.mark.parametrize(("dtype", "paged"), [("f32", True), ("s8", False), ("s8", True), ("bf16", True)])
def test_our_programs_read_caches(dtype: str, paged: bool) -> None:
    check_program(replace(DECODE, dtype=dtype, paged=paged))


def check_program(case: Case) -> None:
    arrays = operands.make(case)
    given = dict(arrays)
    if case.paged:
        given |= {name: operands.in_pages(x, arrays["table"]) for name, x in arrays.items() if name in ("k", "v", "k_scale", "v_scale")}
    program = attention_program(case)
    if case.dtype == "bf16":
        given |= {name: given[name].astype(tw.numpy_dtype("bf16")) for name in "qkv"}
    with program.context:
        (result,) = interpreter.run(program.module, [given[name] for name in input_names(case)])
    exact = operands.reference(case, arrays)
    assert np.abs(result.astype(np.float64) - exact).max() / np.abs(exact).max() < case.tolerance


def test_reference_of_some_rows(tmp_path: Path) -> None:
    case = replace(SMALL, queries=100, keys=100, is_memory=True)
    operands.save(case, tmp_path)
    rows = operands.checked_rows(case)
    assert len(rows) == operands.CHECKED_ROWS and rows[0] == 0 and rows[-1] == 99
    every = operands.reference(replace(case, is_memory=False), load_arrays(tmp_path))
    assert SUITE.error(case, every, tmp_path) == 0
    assert SUITE.error(case, every[:, :1], tmp_path) == math.inf
    every[0, 0, 99, 0] += 1
    assert SUITE.error(case, every, tmp_path) > 0.1


def test_pages_hold_the_cache_in_any_order() -> None:
    table = np.array([[3, 0], [1, 2]], np.int32)
    rows = np.arange(2 * 2 * 2 * PAGE * 3).reshape(2, 2, 2 * PAGE, 3)
    pages = operands.in_pages(rows, table)
    assert pages.shape == (4, 2, PAGE, 3)
    assert (pages[3] == rows[0, :, :PAGE]).all() and (pages[2] == rows[1, :, PAGE:]).all()


@pytest.mark.parametrize("variant", ["plain", "padding", "mask", "window", "alibi", "softcap", "score_mod"])
def test_peers_compute_the_reference(variant: str) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.attention.systems.torch_forms import capped, mask_of

    case = replace(SMALL, variant=variant, causal=variant != "mask", kv_heads=4)
    arrays = operands.make(case)
    q, k, v = (torch.from_numpy(arrays[name]) for name in "qkv")
    if variant == "softcap":
        result = capped(case, q, k, v)
    else:
        mask = mask_of(case, arrays)
        result = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, is_causal=case.causal and mask is None)
    exact = operands.reference(case, arrays)
    assert np.abs(result.numpy() - exact).max() / np.abs(exact).max() < case.tolerance


def variant_of(name: str, seconds: float, work: float = 0.0, error: float | None = 1e-7, peak_bytes: int = 0) -> dict[str, object]:
    figures = {"means": [seconds] * 5, "minima": [seconds] * 5, "cpus": [1.0] * 5} if seconds else {"means": [], "minima": [], "cpus": []}
    return {"name": name, "work": work, "error": error, "peak_bytes": peak_bytes, **figures}


def test_masks_are_compared_for_the_same_work() -> None:
    case = next(c for c in full() if c.variant == "window" and c.keys == 1024)
    ours = Result([variant_of("session", 1.0, float(case.tiles)), variant_of("bare", 1.0, float(case.plain.tiles), None)])
    (verdict,) = rate(make_row(case, {"tilewright": ours}))
    assert verdict.measured == pytest.approx(case.tiles / case.plain.tiles)


def test_memory_is_rated_against_inputs_and_outputs() -> None:
    case = next(c for c in full() if c.is_memory)
    ours = Result([variant_of("session", 0.0, peak_bytes=case.moved_bytes * 11 // 10)])
    torch = Result([variant_of("sdpa", 0.0, peak_bytes=case.moved_bytes * 2)])
    (verdict,) = rate(make_row(case, {"tilewright": ours, "torch": torch}))
    assert verdict.passes and verdict.text == "1.10 of the 134 MB of inputs and outputs, 1.20 allowed; torch 2.00"
    wrong = make_row(case, {"tilewright": Result([variant_of("session", 0.0, error=1.0, peak_bytes=1)])})
    assert not rate(wrong)[0].passes and wrong.refused == {"tilewright": "its error is 1.0e+00"}


def test_errors_are_rated_against_those_of_a_peer() -> None:
    case = next(c for c in full() if c.dtype == "bf16" and c.keys == 128)
    results = {"tilewright": Result([variant_of("session", 1.0, error=2e-3)]), "torch": Result([variant_of("sdpa", 9.0, error=1e-3)])}
    ratio, accuracy = rate(make_row(case, results))
    assert ratio.passes and not accuracy.passes
    assert accuracy.text == "an error of 2.0e-03, that of torch is 0.50 of it, 0.80 needed"
