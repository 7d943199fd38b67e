"""The benchmarks of what stands between matmuls and of launches, and what all suites share. No system is run."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from benchmarks.launches import steps
from benchmarks.launches.cases import Case as Launch
from benchmarks.launches.suite import SUITE as LAUNCHES
from benchmarks.launches.suite import per_step
from benchmarks.pointwise import operands
from benchmarks.pointwise.cases import KINDS, Case, full, short
from benchmarks.suite.cases import Bar
from benchmarks.suite.command import select
from benchmarks.suite.definition import find_suite
from benchmarks.suite.driver import Result
from benchmarks.suite.rating import make_row, rate
from benchmarks.suite.resident_memory import CLEAR, peak_growth
from benchmarks.suite.systems import NotApplicable


@pytest.mark.parametrize("name", ["matmul", "attention", "pointwise", "launches"])
def test_every_suite_is_complete(name: str) -> None:
    suite = find_suite(name)
    assert suite.name == name and "tilewright" in suite.systems
    cases = suite.full()
    assert set(suite.short()) <= set(cases) and all(isinstance(c, suite.case) for c in cases)
    assert all(set(bar.peers) <= set(suite.peers) for c in cases for bar in c.bars)
    assert all(suite.case.from_json(c.to_json()) == c for c in cases)


def test_pointwise_cases() -> None:
    cases = full()
    assert {c.kind for c in cases} == KINDS.keys() and {c.group for c in short()} == {c.group for c in cases}
    rows = next(c for c in cases if c.kind == "add_rms_silu" and c.dtype == "bf16")
    assert rows.moved_bytes == (4 * 512 * 4096 + 4096) * 2
    gather = next(c for c in cases if c.kind == "gather_layer_norm")
    assert gather.moved_bytes == (2 * 8 * 128 * 384 + 512 * 384 + 2 * 384) * 4


@pytest.mark.parametrize("kind", KINDS)
def test_references_have_the_shape_they_should(kind: str) -> None:
    case = Case("g", "f32", kind, (3, 5))
    exact = operands.reference(case, operands.make(case))
    assert exact.shape == case.shape(KINDS[kind].output) and exact.dtype == np.float64 and np.isfinite(exact).all()


def xla_results() -> dict[str, np.ndarray]:
    """What XLA computes for each kind. For a process of its own: JAX starts threads, beside which a process should not fork."""
    from benchmarks.pointwise.systems.xla_system import forms

    jax: Any = importlib.import_module("jax")
    results: dict[str, np.ndarray] = {}
    for kind, function in forms(jax).items():
        arrays = operands.make(Case("g", "f32", kind, (3, 5)))
        results[kind] = np.asarray(function(*(jax.numpy.asarray(arrays[name]) for name in KINDS[kind].inputs)))
    return results


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is in the extra `bench`")
def test_xla_computes_the_same() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = pool.submit(xla_results).result(timeout=120)
    assert results.keys() == KINDS.keys()
    for kind, result in results.items():
        case = Case("g", "f32", kind, (3, 5))
        np.testing.assert_allclose(result, operands.reference(case, operands.make(case)), atol=1e-5, err_msg=kind)


def chain(name: str, seconds: float, work: float) -> dict[str, Any]:
    return {
        "name": name,
        "work": work,
        "error": 0.0,
        "peak_bytes": 0,
        "means": [seconds] * 7,
        "minima": [seconds * 0.9] * 7,
        "cpus": [1.0] * 7,
    }


def test_a_launch_is_the_difference_of_two_chains() -> None:
    variants = per_step(Launch("launches", "f32"), [chain("64 kernels", 10e-6, 64), chain("128 kernels", 26e-6, 128)])
    case = Launch("launches", "f32", bars=(Bar("seconds", 0.3e-6),))
    row = make_row(case, {"tilewright": Result(variants)})
    (verdict,) = rate(row)
    assert verdict.passes and verdict.text == "0.25 us (0.22 us of minima), 0.30 us allowed"
    with pytest.raises(NotApplicable, match="disturbed"):
        per_step(case, [chain("64 kernels", 10e-6, 64), chain("128 kernels", 9e-6, 128)])


def test_long_chains_have_one_result() -> None:
    x = steps.make()
    np.testing.assert_allclose(steps.reference(x, 64), steps.reference(x, 128), rtol=1e-12)
    assert LAUNCHES.derive is per_step


def test_a_group_is_selected_by_its_name_alone() -> None:
    cases = find_suite("attention").full()
    assert {c.group for c in select(cases, ["f32"])} == {"f32"}
    assert {c.group for c in select(cases, ["h12 s128"])} > {"f32", "bf16"}
    with pytest.raises(SystemExit, match="groups: f32, bf16, masks"):
        select(cases, ["no such case"])


@pytest.mark.skipif(not os.access(CLEAR, os.W_OK), reason="this kernel cannot reset the peak of resident memory")
def test_the_peak_of_memory_is_measured() -> None:
    def call() -> None:
        np.ones(32 << 20, np.uint8).sum()

    assert 30 << 20 <= peak_growth(call) < 40 << 20
