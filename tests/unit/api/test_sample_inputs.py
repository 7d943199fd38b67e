"""Inputs for measuring: random ones that programs accept, and those of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tilewright.api.sample_inputs import random_inputs, read_inputs
from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.frontend.program import Program

LOOKUP = """
!ids = tensor<?x?xi32, "s0, s1">
!wide = tensor<?x?xi64, "s0, s1">
!mask = tensor<?x?xi1, "s0, s1">
!rows = tensor<?x4xf32, "s0, 4">
!found = tensor<?x?x4xf32, "s0, s1, 4">
func.func @main(%ids: !ids, %mask: !mask, %kinds: !wide, %x: !rows) -> (!found, !mask, !wide, !rows)
    attributes {tw.symbols = {s0 = array<i64: 1, 8>, s1 = array<i64: 20, 512>}} {
  %table = "tw.weight"() {name = "table"} : () -> tensor<10x4xf32>
  %wide = "tw.pointwise"(%ids) ({
    ^bb0(%i: i32):
      %w = arith.extsi %i : i32 to i64
      "tw.yield"(%w) : (i64) -> ()
  }) : (!ids) -> !wide
  %found = "tw.gather"(%table, %wide) {axes = array<i64: 0>} : (tensor<10x4xf32>, !wide) -> !found
  return %found, %mask, %kinds, %x : !found, !mask, !wide, !rows
}
"""


@pytest.fixture
def program() -> Program:
    context = new_context()
    tw.load(context)
    with context:
        module = ir.Module.parse(LOOKUP)
        tw.verify(module)
    return Program(module, context, {}, ["ids", "mask", "kinds", "x"], ["a", "b", "c", "d"], None, None)


def test_random_inputs_fit_the_program(program: Program) -> None:
    inputs = random_inputs(program)
    assert inputs.source == "random inputs (seed 0, s0=8, s1=20)"
    ids, mask, kinds, x = (inputs.kwargs[name] for name in program.input_names)
    assert ids.shape == (8, 20) and ids.dtype == np.int32 and ids.min() >= 0 and ids.max() == 9
    assert mask.dtype == bool and mask.all() and (kinds == 1).all()
    assert x.shape == (8, 4) and x.dtype == np.float32 and 0.3 < x.std() < 3
    again = random_inputs(program).kwargs
    assert all((again[name] == inputs.kwargs[name]).all() for name in again)


def test_inputs_of_a_file(program: Program, tmp_path: Path) -> None:
    arrays = random_inputs(program).kwargs
    path = tmp_path / "batch.npz"
    np.savez(path, **arrays)
    inputs = read_inputs(path, program)
    assert inputs.source == "batch.npz" and set(inputs.kwargs) == set(arrays)
    np.savez(path, ids=arrays["ids"], extra=np.ones(1))
    with pytest.raises(InputError, match=r"(?s)does not hold the inputs.*it holds extra, ids; the inputs are ids, mask, kinds, x"):
        read_inputs(path, program)
    np.save(tmp_path / "x.npy", np.ones(2))
    with pytest.raises(InputError, match="one array without a name"):
        read_inputs(tmp_path / "x.npy", program)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match="cannot be read"):
        read_inputs(tmp_path / "text.npz", program)
