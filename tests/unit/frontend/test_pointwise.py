"""Elementwise ops against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, run

aten = torch.ops.aten
SPECIAL = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 1e-3, 30.0, -30.0, float("inf"), float("-inf"), float("nan")])

UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "exp": torch.exp, "exp2": torch.exp2, "expm1": torch.expm1, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "tanh": torch.tanh,
    "log": torch.log, "log2": torch.log2, "log10": torch.log10, "log1p": torch.log1p, "sin": torch.sin, "cos": torch.cos,
    "tan": torch.tan, "sinh": torch.sinh, "cosh": torch.cosh, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "erf": torch.erf, "erfc": torch.erfc, "sigmoid": torch.sigmoid, "silu": F.silu, "gelu": F.gelu, "mish": F.mish,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "relu": torch.relu, "relu6": F.relu6, "neg": torch.neg, "abs": torch.abs,
    "square": torch.square, "sign": lambda x: torch.sign(torch.nan_to_num(x)), "floor": torch.floor, "ceil": torch.ceil,
    "trunc": torch.trunc, "round": torch.round, "reciprocal": torch.reciprocal, "softplus": F.softplus, "elu": F.elu, "selu": F.selu,
    "softplus_beta": lambda x: F.softplus(x, 2.0, 5.0), "leaky_relu": F.leaky_relu, "hardtanh": F.hardtanh, "log_sigmoid": F.logsigmoid,
    "hardtanh_bounds": lambda x: F.hardtanh(x, -0.25, 0.75), "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
    "threshold": lambda x: F.threshold(x, 0.1, 20.0), "isnan": torch.isnan, "isinf": torch.isinf, "isfinite": torch.isfinite,
    "nan_to_num": torch.nan_to_num, "nan_to_num_values": lambda x: torch.nan_to_num(x, 1.0, 2.0, 3.0), "pow2": lambda x: x**2,
    "pow3": lambda x: x**3, "pow_half": lambda x: x**0.5, "pow_minus_half": lambda x: x**-0.5, "pow_minus_1": lambda x: x**-1,
    "pow_minus_2": lambda x: x**-2, "pow_2.5": lambda x: x**2.5, "pow_0": lambda x: x**0, "two_pow": lambda x: torch.pow(2.0, x),
    "clamp": lambda x: torch.clamp(x, -0.3, 0.7), "clamp_min": lambda x: torch.clamp(x, min=0.1),
    "clamp_max": lambda x: torch.clamp(x, max=0.1), "logical_not": torch.logical_not, "rsub": lambda x: 1 - x,
    "div_number": lambda x: x / 3, "add_alpha": lambda x: torch.add(x, x, alpha=3), "rsub_alpha": lambda x: torch.rsub(x, 2, alpha=3),
    "where_number": lambda x: torch.where(x > 0, x, -1.0), "masked_fill": lambda x: x.masked_fill(x > 0, float("-inf")),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary_on_special_values(name: str) -> None:
    # What torch's own kernels make of infinities here depends on the vector length.
    values = SPECIAL[SPECIAL.isfinite()] if name in ("gelu", "gelu_tanh", "mish", "silu", "hardswish") else SPECIAL
    check(UNARY[name], values, tolerance=5e-6)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu", "exp", "rsqrt", "pow3", "softplus", "add_alpha", "div_number"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_unary_in_other_precisions(name: str, dtype: torch.dtype) -> None:
    check(UNARY[name], torch.linspace(0.1, 3, 17).to(dtype))


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid", "neg", "abs", "square", "floor", "round", "relu", "sign", "pow2",
    "pow3", "clamp",
                                  "div_number", "where_number", "isnan", "isinf", "isfinite", "logical_not", "rsub"])  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_unary_on_integers(name: str, dtype: torch.dtype) -> None:
    inputs = torch.arange(0, 6, dtype=dtype) if name == "sqrt" else torch.arange(-3, 4, dtype=dtype)
    check(UNARY[name], inputs)


BINARY: dict[str, Callable[[Any, Any], torch.Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum,
    "fmod": torch.fmod, "remainder": torch.remainder, "div_floor": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "div_trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"), "floor_divide": torch.floor_divide, "eq": torch.eq,
    "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge, "logical_and": torch.logical_and,
    "logical_or": torch.logical_or, "logical_xor": torch.logical_xor, "fmax": torch.fmax, "fmin": torch.fmin,
    "rsub": torch.rsub, "clamp_tensor": lambda x, y: torch.clamp(x, min=y),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3), "addcmul": lambda x, y: torch.addcmul(x, y, y, value=0.5),
    "addcdiv": lambda x, y: torch.addcdiv(x, x, y, value=0.5), "where": lambda x, y: torch.where(x > y, x, y),
}  # fmt: skip
_FLOAT_ONLY = {"lerp", "addcmul", "addcdiv"}


@pytest.mark.parametrize("name", [*BINARY, "pow", "atan2", "copysign"])
def test_binary_on_floats(name: str) -> None:
    functions = BINARY | {"pow": torch.pow, "atan2": torch.atan2, "copysign": torch.copysign}
    x = torch.tensor([[-2.5, -1.0, 3.0, 7.25], [0.5, 1.5, -7.0, 4.0]])
    y = torch.tensor([2.0, -0.5, -1.25, 3.0])
    check(functions[name], x.abs() if name == "pow" else x, y)


@pytest.mark.parametrize("name", [n for n in BINARY if n not in _FLOAT_ONLY])
@pytest.mark.parametrize("dtypes", [(torch.int64, torch.int64), (torch.int32, torch.int64), (torch.int64, torch.float32)])
def test_binary_on_integers(name: str, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    x = torch.tensor([-7, -4, -1, 0, 3, 8, 9]).to(dtypes[0])
    y = torch.tensor([2, -3, 5, 7, -2, 4, -9]).to(dtypes[1])
    check(BINARY[name], x, y)


BITWISE: dict[str, Callable[[Any, Any], torch.Tensor]] = {
    "and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor, "dunder_and": lambda x, y: x & y,
    "dunder_or": lambda x, y: x | y, "not_xor": lambda x, y: ~x ^ y,
}  # fmt: skip


@pytest.mark.parametrize("name", BITWISE)
@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.int64])
def test_bitwise(name: str, dtype: torch.dtype) -> None:
    check(BITWISE[name], torch.tensor([0, 1, 0, 1]).to(dtype), torch.tensor([0, 0, 1, 1]).to(dtype))


def test_shifts() -> None:
    check(lambda x: (x << 2, x >> 1, torch.bitwise_left_shift(x, x)), torch.tensor([1, 2, 5]))


def test_arithmetic_of_truth_values() -> None:
    p, q = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    check(lambda p, q: (p + q, p * q, p | q, torch.maximum(p, q), torch.minimum(p, q), p < q, p >= q, p + 1, p * 2.5, ~p), p, q)


CASTS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.bool]


@pytest.mark.parametrize("source", CASTS, ids=str)
def test_casts(source: torch.dtype) -> None:
    x = torch.tensor([0, 1, 2, 3, 100]).to(source) if source is torch.bool else torch.tensor([0, 1, -2, 3.75, 100]).to(source)
    check(lambda x: tuple(x.to(d) for d in CASTS), x)


def test_cast_spellings() -> None:
    x = torch.tensor([1.5, -2.5])
    check(lambda x: (x.long(), x.int(), x.bool(), x.half(), x.double(), x.type_as(x.long()), x.to("cpu", torch.int64),
                     torch.ops.aten._to_copy(x, dtype=torch.int32), x.long().float()), x)  # fmt: skip


def test_bits_viewed_as_another_type() -> None:
    check(lambda x: x.view(torch.int32), torch.tensor([1.0, -0.5]))


def test_numbers_do_not_widen_half_precision() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16)
    check(lambda x: (x * 0.1, x + 1, x / 3, x > 0.1, x.float() * 0.1), x)


def test_operand_used_twice_and_broadcast() -> None:
    program = check(lambda x, y: (x * x, x + y, y * 2), torch.randn(3, 1, 4), torch.randn(5, 1))
    assert "tw.broadcast" not in str(program.module)


def test_dynamic_sizes_as_numbers() -> None:
    check(
        lambda x: (x * x.shape[0], x / x.shape[0], x + x.shape[0] * 3),
        torch.randn(5, 3),
        dynamic=[{0: batch()}],
        others=[[torch.randn(2, 3)]],
    )


def test_glu() -> None:
    check(lambda x: (F.glu(x), F.glu(x, 0)), torch.randn(4, 6))


def test_choices_among_numbers_and_rank_0_tensors() -> None:
    x = torch.randn(2, 3)
    check(lambda x: (torch.where(x > 0, 1.0, 0.0), torch.where(x > 0, 2, x), torch.where(x > 0, x, torch.tensor(7.0)),
                     x.masked_fill(x > 0, torch.tensor(-1.0)), torch.where(x > 0, 1, 0)), x)  # fmt: skip


def test_erfc_keeps_its_right_tail() -> None:
    program = check(torch.erfc, torch.tensor([-9.0, -0.1, 0.3, 3.93, 5.0]))
    assert "math.erfc" in str(program.module)
    tail = run(program, [torch.tensor([3.93, 5.0, 9.0, 0.1, 0.2])])
    torch.testing.assert_close(torch.from_numpy(tail[:3]), torch.erfc(torch.tensor([3.93, 5.0, 9.0])), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_division_with_large_quotients(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(500, generator=generator) * 10 ** (torch.rand(500, generator=generator) * 16 - 8) for _ in range(2))
    program = check(getattr(torch, name), x, y)
    if name != "floor_divide":
        rest = run(program, [x, y])
        assert (torch.from_numpy(rest).abs() <= y.abs()).all()
