"""`flex_attention`: score_mod and mask_mod as regions, against torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flex_modules import CASES, Attention, qkv
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError


@pytest.mark.parametrize("name", CASES)
def test_becomes_one_op(name: str) -> None:
    program = check(CASES[name](), *qkv())
    assert str(program.module).count('"tw.attention"') == 1


@pytest.mark.parametrize("name", ["documents", "relative_positions"])
def test_core_form(name: str) -> None:
    check(CASES[name](), *qkv(), core=True)


@pytest.mark.parametrize("name", ["alibi", "documents"])
def test_dynamic_lengths(name: str) -> None:
    length = batch("length", 2, 24)
    check(CASES[name](), *qkv(), dynamic=[{2: length}] * 3, others=[qkv(5), qkv(20)])


def test_more_keys_than_queries() -> None:
    check(CASES["causal"](), *qkv(5, 9))
    check(CASES["hiding_score"](), *qkv(9, 5))


def test_without_functions_there_is_no_region() -> None:
    assert "^bb0(" not in str(check(CASES["plain"](), *qkv()).module)


def test_blocks_of_the_mask_are_not_computed() -> None:
    text = str(check(CASES["causal"](), *qkv()).module)
    assert "tw.sort" not in text and "tw.scatter" not in text


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_scores_of_narrow_types_are_f32(dtype: torch.dtype) -> None:
    text = str(check(CASES["softcap"](), *(x.to(dtype) for x in qkv())).module)
    assert "arith.truncf" not in text


REFUSED: dict[str, tuple[Callable[[], Attention], torch.dtype, str]] = {
    "indexed_by_score": (lambda: Attention(lambda m, s, b, h, i, j: s + m.slopes[s.long()]), torch.float32, "indexed by the score"),
    "changed_row": (lambda: Attention(lambda m, s, b, h, i, j: s + m.table[h].sum()), torch.float32, "depends on the indices of a score"),
    "float64": (CASES["alibi"], torch.float64, "flex_attention of float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    module, dtype, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        import_function(module(), *(x.to(dtype) for x in qkv()))
