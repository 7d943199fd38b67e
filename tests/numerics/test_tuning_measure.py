"""Timing of candidates: what is wrong, crashes or hangs is reported, and the others are timed all the same."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from tilewright.codegen.link import link_shared
from tilewright.codegen.llvm_object import compile_object
from tilewright.core.diagnostics import WorkerError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.lowering.program_interface import Port, ProgramInterface, WeightUse
from tilewright.lowering.to_llvm import lower_to_llvm, translate
from tilewright.targets import host_target
from tilewright.tuning.candidate_program import CandidateProgram
from tilewright.tuning.measure import Measurer
from tilewright.tuning.subject import Case, Subject

CALL = "!llvm.struct<(ptr, ptr, ptr)>"
STORE = f"""
  %call = llvm.load %arg : !llvm.ptr -> {CALL}
  %outputs = llvm.extractvalue %call[1] : {CALL}
  %output = llvm.load %outputs : !llvm.ptr -> !llvm.ptr
  %value = llvm.mlir.constant(VALUE : f32) : f32
  llvm.store %value, %output : f32, !llvm.ptr
"""
BODIES = {
    "good": STORE.replace("VALUE", "1.0"),
    "also good": STORE.replace("VALUE", "1.00001"),
    "wrong": STORE.replace("VALUE", "1.5"),
    "silent": "",
    "crashing": '"llvm.intr.trap"() : () -> ()',
    "hanging": 'llvm.br ^loop\n^loop:\n  llvm.inline_asm has_side_effects "", "" : () -> ()\n  llvm.br ^loop\n^end:',
}


@functools.cache
def program(kind: str, weights: int = 0) -> CandidateProgram:
    """A program of one f32 result and `weights` weights that does what BODIES says."""
    end = "%zero = llvm.mlir.constant(0 : i32) : i32\n  llvm.return %zero : i32"
    text = f"llvm.func @tw_main(%arg: !llvm.ptr) -> i32 {{\n{BODIES[kind]}\n  {end}\n}}"
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        lower_to_llvm(module)
        code = link_shared([compile_object(translate(module), host_target()).object], host_target())
    uses = tuple(WeightUse(f"argument{i}", "f32", (4, 4), "") for i in range(weights))
    interface = ProgramInterface((Port("x", "f32", ("d0",)),), (Port("y", "f32", ("1",)),), (("d0", 1, 9),), uses, (), "64*d0", "0")
    return CandidateProgram({"kind": kind}, code, "tw_main", interface, (None,) * weights)


def measurer(path: Path, **settings: Any) -> Measurer:
    weights = {"argument0": tw.TensorInfo((4, 4), "f32")}
    cases = (Case({"d0": 3}, 2, 0), Case({"d0": 1}, 1, 1))
    return Measurer(Subject("k", "", "", "", weights, {}, cases, 1), host_target(), path, 1, 1 << 12, **settings)


def test_good_candidates_are_timed(tmp_path: Path) -> None:
    first, second = measurer(tmp_path).measure([program("good", 1), program("also good", 1)], 0.02, rounds=5)
    assert first.problem is None and second.problem is None and first.reference == first.totals
    assert len(second.totals) == 2 and len(second.totals[0]) >= 3 and min(map(min, second.totals)) > 0
    assert second.totals[0][0] > second.totals[1][0] * 0.5, "two calls in the first set of sizes, one in the second"


@pytest.mark.parametrize(
    ("kind", "problem"), [("wrong", "differs from that of the rule's schedule by 5.0e-01"), ("silent", "not written or NaN")]
)
def test_wrong_results_are_reported(tmp_path: Path, kind: str, problem: str) -> None:
    measured = measurer(tmp_path).measure([program("good"), program(kind), program("also good")], 0.01, rounds=3)
    assert [m.problem is None for m in measured] == [True, False, True]
    assert problem in str(measured[1].problem) and measured[1].score == float("inf")


@pytest.mark.parametrize(("kind", "problem"), [("crashing", "died of signal 4 (SIGILL"), ("hanging", "did not finish within")])
def test_a_candidate_that_ends_its_process(tmp_path: Path, kind: str, problem: str) -> None:
    measured = measurer(tmp_path, allowance_s=3.0).measure([program("good"), program(kind), program("also good")], 0.01, rounds=3)
    assert [m.problem is None for m in measured] == [True, False, True]
    assert problem in str(measured[1].problem)


def test_a_reference_that_ends_its_process(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="timing the kernel @k made its process stop: it died of signal 4"):
        measurer(tmp_path).measure([program("crashing"), program("good")], 0.01)
