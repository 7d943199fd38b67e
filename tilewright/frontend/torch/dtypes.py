"""Element types: torch's names, `tw` names, and torch's rules for which type an operation is computed in.

The rules are those of `torch.result_type`: categories bool < integer < float; a tensor with dimensions outweighs a rank-0 tensor,
which outweighs a Python number, unless the lighter one is of a higher category.
"""

from __future__ import annotations

import functools

import torch

from tilewright.core.diagnostics import UnsupportedError

NAMES: dict[torch.dtype, str] = {
    torch.float32: "f32",
    torch.float64: "f64",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.bool: "i1",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
}
TORCH: dict[str, torch.dtype] = {name: dtype for dtype, name in NAMES.items()}
DEFAULT_FLOAT = "f32"
_FLOATS = ("f16", "bf16", "f32", "f64")
_INTEGERS = ("i1", "i8", "i16", "i32", "i64")


def dtype_name(dtype: torch.dtype) -> str:
    """The `tw` name of a torch dtype. Raises UnsupportedError for complex, unsigned, quantized and 8-bit float dtypes."""
    name = NAMES.get(dtype)
    if name is None:
        what = "complex numbers are" if dtype.is_complex else f"the element type {dtype} is"
        raise UnsupportedError(f"{what} not supported", remedy=f"supported: {', '.join(str(d) for d in NAMES)}")
    return name


def is_float(dtype: str) -> bool:
    """True for floating point types."""
    return dtype in _FLOATS


def category(dtype: str) -> int:
    """0 bool, 1 integer, 2 floating point."""
    return 2 if dtype in _FLOATS else 0 if dtype == "i1" else 1


def promote(lhs: str, rhs: str) -> str:
    """The smallest type that both convert to, by `torch.promote_types`."""
    if lhs == rhs:
        return lhs
    if category(lhs) != category(rhs):
        return lhs if category(lhs) > category(rhs) else rhs
    if is_float(lhs):
        return "f32" if {lhs, rhs} == {"f16", "bf16"} else max(lhs, rhs, key=_FLOATS.index)
    return max(lhs, rhs, key=_INTEGERS.index)


def number_dtype(value: bool | int | float) -> str:
    """The type that a Python number stands for."""
    return "i1" if isinstance(value, bool) else "i64" if isinstance(value, int) else DEFAULT_FLOAT


def result_type(tensors: list[str], scalar_tensors: list[str], numbers: list[str]) -> str:
    """The type of a computation on tensors with dimensions, rank-0 tensors and Python numbers (at least one of them)."""
    lighter = _combine(_promote_all(scalar_tensors), _promote_all(numbers))
    result = _combine(_promote_all(tensors), lighter)
    assert result is not None
    return result


def _promote_all(dtypes: list[str]) -> str | None:
    return functools.reduce(promote, dtypes) if dtypes else None


def _combine(heavier: str | None, lighter: str | None) -> str | None:
    if heavier is None or lighter is None:
        return heavier or lighter
    if category(heavier) < category(lighter) and (category(heavier) == 0 or category(lighter) == 2):
        return promote(heavier, lighter)
    return heavier


def compute_type(dtype: str) -> str:
    """The type in which arithmetic on `dtype` is done: half precision computes in f32 and rounds once at the end."""
    return "f32" if dtype in ("f16", "bf16") else dtype
