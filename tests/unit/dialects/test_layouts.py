"""Stored layouts of weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.dialects.tw import numpy_dtype
from tilewright.dialects.tw.layouts import apply_layout, pack_panels, panels_shape, unpack_panels


@given(
    st.integers(0, 13), st.integers(1, 21), st.integers(1, 8), st.integers(1, 5), st.sampled_from(["f32", "bf16", "i8"]), st.booleans(),
)  # fmt: skip
def test_panels_hold_every_element_and_zeros(k: int, n: int, nr: int, group: int, dtype: str, transposed: bool) -> None:
    matrix = (np.arange(k * n).reshape(k, n) % 100 + 1).astype(numpy_dtype(dtype))
    stored = np.ascontiguousarray(matrix.T) if transposed else matrix
    panels = pack_panels(stored, transposed=transposed, nr=nr, group=group)
    assert panels.shape == panels_shape(k, n, nr, group) and panels.dtype == matrix.dtype
    padded = np.zeros((-(-k // group) * group, -(-n // nr) * nr), matrix.dtype)
    padded[:k, :n] = matrix
    for (p, i, j, t), value in np.ndenumerate(panels.reshape(-(-n // nr), -(-k // group), nr, group)):
        assert value == padded[i * group + t, p * nr + j]
    np.testing.assert_array_equal(unpack_panels(panels, transposed=transposed, n=n, k=k), stored)


@pytest.mark.parametrize("transposed", [False, True])
def test_matrices_need_not_be_contiguous(transposed: bool) -> None:
    matrix = np.arange(12 * 10, dtype=np.int8).reshape(12, 10)[::2, 1:9]
    same = pack_panels(np.ascontiguousarray(matrix), transposed=transposed, nr=3, group=2)
    np.testing.assert_array_equal(pack_panels(matrix, transposed=transposed, nr=3, group=2), same)


@pytest.mark.parametrize(("shape", "nr", "group"), [((4,), 2, 1), ((4, 4), 0, 1), ((4, 4), 2, 0)])
def test_what_cannot_be_packed(shape: tuple[int, ...], nr: int, group: int) -> None:
    with pytest.raises(ValueError, match=r"cannot pack an array of shape \(4,.*\) into panels"):
        pack_panels(np.zeros(shape, np.float32), transposed=False, nr=nr, group=group)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("k", "n"), [(7, 10), (8, 4), (1, 1), (0, 3)])
def test_sums_of_columns_lie_behind_each_panel(k: int, n: int, transposed: bool) -> None:
    matrix = np.random.default_rng(0).integers(-128, 128, (k, n)).astype(np.int8)
    stored = np.ascontiguousarray(matrix.T) if transposed else matrix
    layout = {"kind": "panels", "nr": "4", "group": "4", "lhs_offset": "128", "transposed": "true" if transposed else "false"}
    panels = apply_layout(stored, layout)
    assert panels.shape == panels_shape(k, n, 4, 4, 128)
    sums = np.ascontiguousarray(panels[:, -1]).view(np.int32).reshape(-1)
    np.testing.assert_array_equal(sums[:n], -128 * matrix.astype(np.int32).sum(axis=0))
    assert not sums[n:].any()
    np.testing.assert_array_equal(unpack_panels(panels, transposed=transposed, n=n, k=k, lhs_offset=128), stored)


def test_sums_are_for_quads_of_i8() -> None:
    for dtype, group in ((np.int8, 2), (np.float32, 4)):
        with pytest.raises(ValueError, match="cannot store sums of columns behind panels"):
            pack_panels(np.zeros((4, 4), dtype), transposed=False, nr=4, group=group, lhs_offset=128)


def test_casts_round_to_nearest_even() -> None:
    # The bits that bf16 keeps end between the two written as 1.0 and 1.0 + 2^-7.
    values = np.array([[1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -np.inf, np.nan]], np.float32)
    cast = apply_layout(values, {"kind": "plain", "dtype": "bf16"})
    assert cast.dtype.name == "bfloat16"
    np.testing.assert_array_equal(cast.astype(np.float32), np.array([[1, 1 + 2**-6, 1 + 2**-7, -np.inf, np.nan]], np.float32))


def test_a_weight_is_cast_before_it_is_packed() -> None:
    weight = np.random.default_rng(1).standard_normal((9, 7)).astype(np.float32)
    stored = apply_layout(weight, {"kind": "panels", "nr": "4", "group": "2", "transposed": "true", "dtype": "bf16"})
    assert stored.shape == (3, 4, 4, 2)
    np.testing.assert_array_equal(unpack_panels(stored, transposed=True, n=9, k=7), weight.astype(numpy_dtype("bf16")))
    with pytest.raises(ValueError, match="unknown weight layout"):
        apply_layout(weight, {"kind": "spiral"})


@pytest.mark.parametrize("axis", [0, 1])
def test_a_part_of_a_weight_is_taken_before_it_is_packed(axis: int) -> None:
    weight = np.random.default_rng(1).standard_normal((9, 7)).astype(np.float32)
    part = {"axis": str(axis), "start": "2", "size": "4"}
    expected = weight[2:6] if axis == 0 else weight[:, 2:6]
    np.testing.assert_array_equal(apply_layout(weight, {"kind": "plain", **part}), expected)
    stored = apply_layout(weight, {"kind": "panels", "nr": "4", "transposed": "true", **part})
    np.testing.assert_array_equal(unpack_panels(stored, transposed=True, n=expected.shape[0]), expected)
