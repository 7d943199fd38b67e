"""The matmul benchmark: operands and references, timers, what systems are told, IREE's program text."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.matmul import operands
from benchmarks.matmul.cases import EPILOGUES, Case
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.suite import SUITE
from benchmarks.matmul.systems.iree_program import build
from benchmarks.suite import arrays
from benchmarks.suite.cases import Bar
from benchmarks.suite.child import Child, Timer
from benchmarks.suite.driver import Driver, Spec, environment_of
from benchmarks.suite.systems import NotApplicable, SystemInfo, Variant


@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_operands_and_reference_go_through_files(epilogue: str, tmp_path: Path) -> None:
    case = Case("g", "f32", 3, 5, 7, epilogue)
    operands.save(case, tmp_path)
    own = operands.load(tmp_path)
    assert (own.gate is not None) == (epilogue == "swiglu") and (own.residual is not None) == (epilogue == "residual")
    exact = operands.reference(case, own)
    assert SUITE.error(case, exact, tmp_path) == 0
    assert SUITE.error(case, exact.astype(np.float32), tmp_path) < 1e-7
    assert SUITE.error(case, exact[:2], tmp_path) == np.inf
    assert SUITE.error(case, np.full_like(exact, np.nan), tmp_path) == np.inf


@pytest.mark.parametrize(("epilogue", "expected"), [("bias_gelu", 1.9544997), ("residual", 4.0), ("swiglu", -0.2384058)])
def test_epilogues_are_what_they_say(epilogue: str, expected: float) -> None:
    one, two = np.ones((1, 1), np.float32), np.full((1, 1), 2, np.float32)
    given = {"bias": one[0]} if epilogue != "swiglu" else {"gate": -one}
    own = Operands(two, one / 2, **given, residual=two if epilogue == "residual" else None)
    assert operands.reference(Case("g", "f32", 1, 1, 1, epilogue), own)[0, 0] == pytest.approx(expected)


def test_bf16_rounds_to_nearest_even() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.14159], np.float32)
    assert arrays.round_to_bf16(values).tolist() == [1.0, 1.0, 1.015625, 1.0078125, -3.140625]
    made = operands.make(Case("g", "bf16", 4, 4, 4)).x
    assert not (made.view(np.uint32) & 0xFFFF).any()


def test_a_timer_goes_through_all_copies() -> None:
    called: list[int] = []

    def call(i: int) -> Callable[[], None]:
        return lambda: (called.append(i), time.sleep(0.002))[1]

    calls = [call(i) for i in range(3)]
    timer = Timer(Variant("v", calls, None), budget=0.005, one_thread=False)
    mean, least, cpus = timer.turn()
    assert 0.002 <= least <= mean and cpus < 1
    assert called == [i % 3 for i in range(len(called))]


class _Echo:
    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        if case.dtype == "s8":
            raise NotApplicable("no s8 here")
        if case.dtype == "bf16":
            raise ValueError("broken")
        return [Variant("right", [lambda: operands.x @ operands.weight] * copies, lambda result: result)]


def test_a_child_answers_with_errors_or_reasons(tmp_path: Path) -> None:
    child = Child(SUITE, _Echo(), 1)

    def prepare(case: Case) -> dict[str, object]:
        operands.save(case, tmp_path)
        return child.prepare({"case": case.to_json(), "folder": str(tmp_path), "copies": 2, "budget": 0.001})

    assert prepare(Case("g", "s8", 4, 4, 4)) == {"refused": "no s8 here", "kind": "not applicable"}
    assert child.turn() == {"turns": []}
    assert prepare(Case("g", "bf16", 4, 4, 4)) == {"refused": "ValueError: broken", "kind": "failed"}
    answer = prepare(Case("g", "f32", 4, 4, 4))
    assert str(answer["variants"]).startswith("[{'name': 'right'")
    assert len(child.turn()["turns"]) == 1


def test_threads_and_instructions_reach_every_system() -> None:
    specs = (Spec("matmul", "torch", 1), Spec("matmul", "torch", 2), Spec("matmul", "torch", 1, "cpu:x86-64-v3"))
    one, two, old = map(environment_of, specs)
    assert one["OMP_NUM_THREADS"] == one["PJRT_NPROC"] == "1" and two["MKL_NUM_THREADS"] == "2"
    assert "multi_thread_eigen=false" in one["XLA_FLAGS"] and "multi_thread_eigen=true" in two["XLA_FLAGS"]
    assert old["MKL_ENABLE_INSTRUCTIONS"] == old["ONEDNN_MAX_CPU_ISA"] == "AVX2" and "ONEDNN_MAX_CPU_ISA" not in one


def test_systems_without_a_switch_are_left_out_for_older_machines() -> None:
    driver = Driver("matmul", ["tilewright", "torch", "iree", "ceilings"], 1, 1.0, 1.0, print)
    assert list(driver.specs(Case("g", "f32", 8, 8, 8, target="cpu:x86-64-v3"))) == ["tilewright", "torch", "ceilings"]
    specs = driver.specs(Case("g", "f32", 8, 8, 8, threads=2, bars=(Bar("speedup", 1.85),)))
    assert specs["one thread"] == Spec("matmul", "tilewright", 1) and specs["iree"] == Spec("matmul", "iree", 2)
    assert "one thread" not in driver.specs(Case("g", "f32", 8, 8, 8, threads=2))


def test_packages_that_are_missing_give_no_version() -> None:
    assert SystemInfo("None", "none", ("tilewright", "no-such-package")).version() is None
    assert SUITE.systems["tilewright"].version()


@pytest.mark.parametrize("case", [Case("g", "s8", 2, 3, 4), Case("g", "bf16", 2, 3, 4), *(Case("g", "f32", 2, 3, 4, e) for e in EPILOGUES)])
def test_programs_for_iree(case: Case) -> None:
    text = build(case, operands.make(case))
    assert text.count("linalg.matmul") == case.matmuls
    assert text.count("dense_resource<") == len(text.split("dialect_resources")[1].split('"0x4000')) - 1
    assert ("linalg.generic" in text) == (case.epilogue != "none" or case.dtype == "bf16")
