"""Models by the kind of their attention: what `tw.attention` says of it, results, and what is not in memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import ATTENTION, case_of, exported
from test_models import leaves

import tilewright
from tilewright.api.compiler import compile_program
from tilewright.core.mlir import ir
from tilewright.core.options import CompileOptions
from tilewright.core.pass_manager import run_pipeline
from tilewright.core.symbolic import parse
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter
from tilewright.frontend.program import Program
from tilewright.frontend.torch import import_exported
from tilewright.passes import weight_values

BATCH, SEQUENCE = "s0", "s1"
PADDING = "[s0, 1, 1, s1]"

# The attentions of each model after recovery: attributes and the shapes of operands besides q, k and v, with how many there are.
CAUSAL = {"causal": True}
EXPECTED: dict[str, list[tuple[dict[str, Any], int]]] = {
    "gemma2": [({**CAUSAL, "softcap": 50.0}, 1), ({**CAUSAL, "softcap": 50.0, "window": 8}, 1)],
    "gpt_oss": [({**CAUSAL, "sinks": "[4]"}, 1), ({**CAUSAL, "sinks": "[4]", "window": 8}, 1)],
    "mistral_padded": [({**CAUSAL, "window": 8, "mask": PADDING}, 2)],
    "llama_padded_eager": [({"region": True, "score_inputs": PADDING}, 2)],
    "bloom": [({**CAUSAL, "mask": "[4, 1, s1]"}, 2)],
    "bloom_padded": [({"region": True, "score_inputs": f"{PADDING} [s0, 4, 1, s1]"}, 2)],
    "mpt": [({**CAUSAL, "mask": "[4, 1, s1]"}, 2)],
    "falcon_alibi": [({**CAUSAL, "mask": "[4, 1, s1]"}, 2)],
    "falcon_eager": [(CAUSAL, 2)],
    "gpt_neo": [(CAUSAL, 1), ({**CAUSAL, "window": 8}, 1)],
    "t5": [({"region": True, "score_inputs": f"{PADDING} [4, s1, s1]"}, 2), ({**CAUSAL, "mask": "[4, 7, 7]"}, 2), ({"mask": PADDING}, 2)],
    "bart": [({"mask": PADDING}, 4), (CAUSAL, 2)],
    "deepseek_v3": [(CAUSAL, 2)],
}  # fmt: skip

COMPILED = ("gemma2", "gpt_oss", "bloom_padded", "deepseek_v3")


def _shape(value: ir.Value) -> str:
    """Leading ones left out."""
    shape = list(map(str, tw.tensor_info(value).shape))
    while shape[0] == "1":
        del shape[0]
    return f"[{', '.join(shape)}]"


def _described(op: ir.Operation) -> dict[str, Any]:
    groups, attributes = tw.operand_groups(op), tw.attributes_of(op)
    found: dict[str, Any] = {name: value for name, value in attributes.items() if value and name != "scale"}
    found |= {name: _shape(value) for name, value in groups.items() if isinstance(value, ir.Value) and name not in "qkv"}
    if len(op.regions):
        found |= {"region": True, "score_inputs": " ".join(map(_shape, groups["score_inputs"]))}
    return found


def _recovered(name: str) -> Program:
    program = import_exported(exported(name))
    with program.context, ir.Location.unknown(), weight_values.provided(program.weights):
        run_pipeline(program.module, "tw-simplify,tw-recover")
    return program


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_recovered(name: str) -> None:
    """One op for each, with what its masks say as attributes or small operands; results equal torch's at another size."""
    program, case = _recovered(name), case_of(name)
    (function,) = tw.functions(program.module)
    ops = [o.operation for o in function.operation.regions[0].blocks[0].operations]
    found = [_described(op) for op in ops if tw.is_op(op, "attention")]
    expected = [description for description, count in EXPECTED[name] for _ in range(count)]
    key = lambda d: sorted(map(str, d.items()))  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)
    assert "softmax" not in Counter(tw.short_name(op) for op in ops)
    inputs = case.inputs(3, 11)
    with torch.no_grad():
        theirs = leaves(case.module(**inputs))
    ours = interpreter.run(program.module, [inputs[n].numpy() for n in program.input_names], program.weights)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_model_matches_pytorch(name: str, tmp_path: Path) -> None:
    """The arena grows as the sequence does: nothing in it has the size of the scores."""
    case = case_of(name)
    report = compile_program(import_exported(exported(name)), tmp_path / "model.tw", CompileOptions()).report
    loaded = tilewright.load(tmp_path / "model.tw")
    for batch, sequence in ((1, 16), (3, 77), (2, 2)):
        inputs = case.inputs(batch, sequence)
        with torch.no_grad():
            expected = leaves(case.module(**inputs))
        for ours, theirs in zip(leaves(loaded(**inputs)), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4, err_msg=f"{(batch, sequence)}")
    arena = parse(report["targets"][0]["arena_bytes"])
    small, large = (arena.evaluate({BATCH: 1, SEQUENCE: n}) for n in (1 << 20, 1 << 21))
    assert large < 2.01 * small
