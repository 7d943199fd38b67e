"""Element types and promotion against torch's own rules."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from tilewright.core.diagnostics import UnsupportedError
from tilewright.frontend.torch.dtypes import NAMES, TORCH, dtype_name, number_dtype, promote, result_type

_DTYPES = st.sampled_from(sorted(TORCH))
_NUMBERS: Any = st.sampled_from([True, 3, 2.5])


@given(lhs=_DTYPES, rhs=_DTYPES)
def test_promotion_of_two_types(lhs: str, rhs: str) -> None:
    assert TORCH[promote(lhs, rhs)] == torch.promote_types(TORCH[lhs], TORCH[rhs])


@settings(max_examples=300)
@given(lhs=_DTYPES, rhs=_DTYPES, lhs_rank=st.integers(0, 1), rhs_rank=st.integers(0, 1))
def test_result_type_of_two_tensors(lhs: str, rhs: str, lhs_rank: int, rhs_rank: int) -> None:
    operands = [(lhs, lhs_rank), (rhs, rhs_rank)]
    tensors, rank0 = [d for d, r in operands if r], [d for d, r in operands if not r]
    expected = torch.result_type(*(torch.zeros((2,) * r, dtype=TORCH[d]) for d, r in operands))
    assert TORCH[result_type(tensors, rank0, [])] == expected


@given(dtype=_DTYPES, rank=st.integers(0, 1), number=_NUMBERS)
def test_result_type_of_tensor_and_number(dtype: str, rank: int, number: float) -> None:
    tensors, rank0 = ([dtype], []) if rank else ([], [dtype])
    expected = torch.result_type(torch.zeros((2,) * rank, dtype=TORCH[dtype]), number)
    assert TORCH[result_type(tensors, rank0, [number_dtype(number)])] == expected


def test_names() -> None:
    assert all(dtype_name(t) == n for t, n in NAMES.items())


@pytest.mark.parametrize(
    ("dtype", "message"), [(torch.complex64, "complex numbers"), (torch.uint8, "uint8"), (torch.float8_e4m3fn, "float8")]
)
def test_types_without_a_name(dtype: torch.dtype, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        dtype_name(dtype)
