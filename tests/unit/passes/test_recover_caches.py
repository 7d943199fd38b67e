"""Caches are read as they are: in pages, in narrow types, as integers with scales."""

from __future__ import annotations

import numpy as np
import pytest
from tw_programs import SIZES, Rewritten, check, random_inputs, reshape, typed

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

PIPELINE = "tw-simplify,tw-recover"
Q = typed("2, 4, 3, 8")
TABLE = typed("2, s1", "i64")
OPTIONAL = ("mask", "kv_len", "q_offset", "sinks", "block_table", "k_scale", "v_scale")


def moved(value: ir.Value, *permutation: int) -> ir.Value:
    return tw.build("transpose", value, permutation=permutation)


def wide(value: ir.Value) -> ir.Value:
    return tw.pointwise([value], lambda x: arith.extf(ir.F32Type.get(), x))


def scaled(value: ir.Value, scale: ir.Value) -> ir.Value:
    return tw.pointwise([value, scale], lambda x, s: arith.mulf(arith.sitofp(ir.F32Type.get(), x), s))


def operands_of(result: Rewritten) -> dict[str, tuple[str, str]]:
    """Shape and element type of each optional operand of the attention, and of its keys."""
    groups = tw.operand_groups(result.find("attention"))
    infos = {name: tw.tensor_info(groups[name]) for name in ("k", *OPTIONAL) if groups[name] is not None}
    return {name: (", ".join(map(str, info.shape)), info.dtype) for name, info in infos.items()}


def rows(pages: ir.Value, table: ir.Value, *order: int) -> ir.Value:
    """Rows `[2, Hkv, K, ..]` of pages `[P, T, Hkv, ..]` in the order of a table."""
    gathered = tw.build("gather", pages, (table,), axes=(0,))
    _, _, length, heads, *rest = tw.tensor_info(gathered).shape
    joined = reshape(gathered, ", ".join(map(str, (2, f"{length}*s1", heads, *rest))))
    return moved(joined, 0, 2, 1, *range(3, 3 + len(rest)))


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_narrow_inputs(dtype: str) -> None:
    cache = typed("2, s1, 2, 8", dtype)

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> ir.Value:
        return tw.build("attention", q, moved(wide(k), 0, 2, 1, 3), moved(wide(v), 0, 2, 1, 3), scale=0.5)

    assert operands_of(check([Q, cache, cache], body, PIPELINE, atol=1e-5)) == {"k": ("2, 2, s1, 8", dtype)}


def test_narrow_values_that_the_program_computes_are_written_in_f32() -> None:
    cache = typed("2, 2, s1, 8", "bf16")

    def body(q: ir.Value, k: ir.Value) -> ir.Value:
        doubled = tw.pointwise([k], lambda x: arith.addf(x, x))
        return tw.build("attention", q, wide(doubled), wide(k), scale=0.5)

    result = check([Q, cache], body, PIPELINE, rtol=2e-2, atol=2e-2)
    assert operands_of(result)["k"][1] == "f32"


def test_integers_with_scales() -> None:
    cache, scale = typed("2, s1, 2, 8", "i8"), typed("2, s1, 2, 1")

    def body(q: ir.Value, k: ir.Value, v: ir.Value, k_scale: ir.Value, v_scale: ir.Value) -> ir.Value:
        return tw.build("attention", q, *(moved(scaled(*x), 0, 2, 1, 3) for x in ((k, k_scale), (v, v_scale))), scale=0.01)

    result = check([Q, cache, cache, scale, scale], body, PIPELINE, rtol=1e-4, atol=1e-3)
    found = operands_of(result)
    assert found == {"k": ("2, 2, s1, 8", "i8"), "k_scale": ("2, 2, s1", "f32"), "v_scale": ("2, 2, s1", "f32")}


def test_integers_converted_and_scaled_by_different_ops() -> None:
    cache, scale = typed("2, 2, s1, 8", "i8"), typed("2, 2, s1, 1")

    def body(q: ir.Value, k: ir.Value, s: ir.Value) -> ir.Value:
        number = tw.pointwise([k], lambda x: arith.sitofp(ir.F32Type.get(), x))
        rows = tw.pointwise([s, number], arith.mulf)
        return tw.build("attention", q, rows, rows, scale=0.01)

    assert operands_of(check([Q, cache, scale], body, PIPELINE, rtol=1e-4, atol=1e-3))["k"][1] == "i8"


def test_a_scale_per_column_stays_in_the_program() -> None:
    cache, scale = typed("2, 2, s1, 8", "i8"), typed("8")
    body = lambda q, k, s: tw.build("attention", q, scaled(k, s), scaled(k, s), scale=0.01)  # noqa: E731
    assert operands_of(check([Q, cache, scale], body, PIPELINE, rtol=1e-4, atol=1e-3)) == {"k": ("2, 2, s1, 8", "f32")}


@pytest.mark.parametrize("dtype", ["f32", "bf16", "i8"])
def test_pages(dtype: str) -> None:
    pages, scales = typed("5, 3, 2, 8", dtype), [typed("5, 3, 2, 1")] * 2 if dtype == "i8" else []
    inputs = [Q, pages, pages, TABLE, *scales]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, table: ir.Value, *scale: ir.Value) -> ir.Value:
        k, v = rows(k, table), rows(v, table)
        if dtype == "bf16":
            k, v = wide(k), wide(v)
        if scale:
            k, v = (scaled(x, rows(s, table)) for x, s in ((k, scale[0]), (v, scale[1])))
        return tw.build("attention", q, k, v, scale=0.01)

    arrays = random_inputs(inputs, {**SIZES, "s1": 2})
    arrays[3] = np.array([[4, 1], [0, 3]])
    result = check(inputs, body, PIPELINE, arrays=arrays, sizes={**SIZES, "s1": 2}, rtol=1e-4, atol=1e-3)
    found = operands_of(result)
    expected = {"k": ("5, 2, 3, 8", dtype), "kv_len": ("2", "i64"), "block_table": ("2, s1", "i32")}
    if dtype == "i8":
        expected |= {"k_scale": ("5, 2, 3", "f32"), "v_scale": ("5, 2, 3", "f32")}
    assert found == expected
    assert "gather" not in result.ops


def test_pages_of_two_tables_are_gathered() -> None:
    pages = typed("5, 3, 2, 8")
    body = lambda q, k, v, one, other: tw.build("attention", q, rows(k, one), rows(v, other), scale=0.5)  # noqa: E731
    inputs = [Q, pages, pages, TABLE, TABLE]
    arrays = random_inputs(inputs, {**SIZES, "s1": 2})
    arrays[3], arrays[4] = np.array([[4, 1], [0, 3]]), np.array([[1, 1], [2, 3]])
    assert check(inputs, body, PIPELINE, arrays=arrays, sizes={**SIZES, "s1": 2}, atol=1e-5).ops["gather"] == 2
