"""Matmul kernels as data: one value describes operands, movement, epilogue, schedule and sizes, and can be checked against the reference.

Printed, a case is the call that makes it, so that a failure found at random is reproduced by pasting it into a test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matmul_epilogues import STEPS, combine, operand_shape
from template_kernels import TemplateKernel, info

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.contraction import ACCUMULATE
from tilewright.dialects.tw.types import BYTES, numpy_dtype
from tilewright.targets import find

Sizes = dict[str, int]
"""Values of `m`, `k`, `n` and `b`, the first batch dimension."""
TOLERANCE = {"f32": 2e-5, "f16": 1e-3, "bf16": 8e-3, "i8": 0.0, "i32": 0.0}
"""By element type of a result, relative to the largest value."""


@dataclasses.dataclass(frozen=True)
class MatmulCase:
    """`widths` has the columns of each matmul: one, two of a gated product (`gated`), or those of several ranges.

    `lhs_batch` and `rhs_batch` are leading dimensions, which broadcast; `weight` says that right sides are constant matrices. `*_order` is
    the order in which the dimensions of an operand or a result lie in memory (empty: as they are), `k_steps` into how many parts k of the
    left side is split in memory, the outer part before all other dimensions. `slices` > 1 multiplies by slices of a weight along k,
    `wide` returns the sums without rounding. `steps` are names of `STEPS`, each a pointwise op, or all one where `joined`.
    `dynamic` names the sizes of m, k, n, b that the kernel does not know, to which `more` gives other values (m, k, n, b in each); b needs
    batches of one rank.
    """

    target: str
    m: int
    k: int
    widths: tuple[int, ...]
    dtype: str = "f32"
    lhs_memory: str = ""
    rhs_memory: str = ""
    lhs_batch: tuple[int, ...] = ()
    rhs_batch: tuple[int, ...] = ()
    weight: bool = False
    transpose_lhs: bool = False
    transpose_rhs: bool = False
    lhs_order: tuple[int, ...] = ()
    rhs_order: tuple[int, ...] = ()
    result_order: tuple[int, ...] = ()
    k_steps: int = 1
    slices: int = 1
    gated: bool = False
    wide: bool = True
    steps: tuple[str, ...] = ()
    joined: bool = False
    dynamic: tuple[str, ...] = ()
    more: tuple[tuple[int, int, int, int], ...] = ()
    splits: tuple[float, ...] = ()
    schedule: tuple[tuple[str, Any], ...] = ()
    seed: int = 0

    def kernel(self) -> TemplateKernel:
        """The kernel, to be lowered with the case's schedule."""
        symbols = {name: f"d{i}" for i, name in enumerate(self.dynamic)}
        sizes = {name: symbols.get(name, value) for name, value in self._sizes().items()}
        inputs = [info(", ".join(str(s) for s in shape), dtype) for shape, dtype in self._inputs(sizes)]
        weights = range(1, 1 + len(self.widths)) if self.weight else ()
        return TemplateKernel(inputs, self._body, frozenset(weights), dict(self.schedule))

    def check(self) -> str:
        """Results at all sizes are those of the reference, and the bits are the same however the units are divided.

        Returns why the kernel was refused, where the schedule does not fit it; else nothing.
        """
        kernel, target = self.kernel(), find(self.target)
        try:
            lowered = kernel.lower(target)
        except VerifyError as error:
            if "does not fit it" not in str(error) and "cannot be packed" not in str(error):
                raise
            return str(error)
        for sizes in [self._sizes(), *(self._sizes(more) for more in self.more)]:
            arrays = [self._array(shape, dtype, i) for i, (shape, dtype) in enumerate(self._inputs(sizes))]
            expected = kernel.reference(arrays)
            whole = kernel.run(arrays, target, lowered=lowered)
            for number, (one, other) in enumerate(zip(whole, expected, strict=True)):
                self._compare(one, other, f"result {number} at {sizes}")
            parts = kernel.run(arrays, target, splits=self.splits, lowered=lowered, at_end=False)
            for number, (one, other) in enumerate(zip(whole, parts, strict=True)):
                assert one.tobytes() == other.tobytes(), f"result {number} at {sizes} depends on how units are divided at {self.splits}"
        return ""

    def _sizes(self, values: Sequence[int] | None = None) -> Sizes:
        sizes = {"m": self.m, "k": self.k, "n": self.widths[0], "b": max([*self.lhs_batch[:1], *self.rhs_batch[:1], 1])}
        return sizes if values is None else {n: v if n in self.dynamic else sizes[n] for n, v in zip(sizes, values, strict=True)}

    def _inputs(self, sizes: dict[str, Any]) -> list[tuple[list[Any], str]]:
        """Shape in memory and element type of each argument."""
        m, k = sizes["m"], sizes["k"]
        shapes = [(self._lhs_shape(sizes), self.lhs_memory or self.dtype)]
        widths = self._widths(sizes)
        for n in widths:
            matrix = (n, k) if self.transpose_rhs else (k, n)
            shape = matrix if self.weight else (*self._batch(self.rhs_batch, sizes), *matrix)
            shapes.append((_ordered(shape, self.rhs_order), self.rhs_memory or self.dtype))
        for n in widths[:1] if self.gated else widths:
            result = [*self._result_batch(sizes), m, n]
            for step in self.steps:
                shape = operand_shape(step, result)
                if shape is not None:
                    shapes.append((shape, "i1" if step == "mask" else "f32"))
        return shapes

    def _lhs_shape(self, sizes: dict[str, Any]) -> list[Any]:
        m, k = sizes["m"], sizes["k"]
        if self.slices > 1:
            return [m, k]
        batch = self._batch(self.lhs_batch, sizes)
        if self.k_steps > 1:
            return [self.k_steps, *batch, m, k // self.k_steps]
        return _ordered((*batch, *((k, m) if self.transpose_lhs else (m, k))), self.lhs_order)

    def _result_batch(self, sizes: dict[str, Any]) -> list[Any]:
        if self.slices > 1:
            return [self.slices]
        left, right = (self._batch(b, sizes) for b in (self.lhs_batch, self.rhs_batch))
        rank = max(len(left), len(right))
        left, right = ([1] * (rank - len(b)) + b for b in (left, right))
        return [b if a == 1 else a for a, b in zip(left, right, strict=True)]

    def _batch(self, batch: tuple[int, ...], sizes: dict[str, Any]) -> list[Any]:
        return [sizes["b"] if i == 0 and size != 1 and "b" in self.dynamic else size for i, size in enumerate(batch)]

    def _widths(self, sizes: dict[str, Any]) -> list[Any]:
        return [sizes["n"] if n == self.widths[0] else n for n in self.widths]

    def _body(self, lhs: ir.Value, *arguments: ir.Value) -> list[ir.Value]:
        count = len(self.widths)
        left = self._read_lhs(lhs)
        products = [self._product(left, rhs) for rhs in arguments[:count]]
        columns = [[combine(*products)]] if self.gated else [[p] for p in products]
        rest = list(arguments[count:])
        results: list[ir.Value] = []
        for values in columns:
            for names in [self.steps] if self.joined and self.steps else [(name,) for name in self.steps]:
                operands = [rest.pop(0) for name in names if operand_shape(name, [1, 1]) is not None]
                values = self._step(values, names, operands)
            results += values
        return [_moved(value, self.result_order) for value in results]

    def _step(self, values: list[ir.Value], names: Sequence[str], operands: list[ir.Value]) -> list[ir.Value]:
        """`values` and then the last of them after one or several steps, all in one pointwise op."""
        if list(names) == ["two"]:
            return [*values, values[-1]]

        def compute(x: ir.Value, *others: ir.Value) -> list[ir.Value]:
            left, kept = list(others), []
            for name in names:
                if name == "two":
                    kept.append(x)
                else:
                    x = STEPS[name](x, *([left.pop(0)] if operand_shape(name, [1, 1]) is not None else []))
            return [*kept, x]

        made = tw.pointwise([values[-1], *operands], compute)
        return [*values[:-1], *(made if isinstance(made, list) else [made])]

    def _read_lhs(self, lhs: ir.Value) -> ir.Value:
        shape = tw.tensor_info(lhs).shape
        if self.slices > 1:
            parts = tw.build("reshape", lhs, shape=[shape[0], self.slices, self.k // self.slices])
            return self._cast(tw.build("transpose", parts, permutation=(1, 0, 2)))
        if self.k_steps > 1:
            inner = tw.build("transpose", lhs, permutation=(*range(1, len(shape) - 1), 0, len(shape) - 1))
            return self._cast(tw.build("reshape", inner, shape=[*shape[1:-1], self.k]))
        return self._cast(_moved(lhs, self.lhs_order, back=True))

    def _product(self, left: ir.Value, rhs: ir.Value) -> ir.Value:
        if self.slices > 1:
            shape, rows = tw.tensor_info(rhs).shape, self.k // self.slices
            split = [shape[0], self.slices, rows] if self.transpose_rhs else [self.slices, rows, shape[1]]
            right = tw.build("reshape", rhs, shape=split)
            right = self._cast(tw.build("transpose", right, permutation=(1, 0, 2)) if self.transpose_rhs else right)
        else:
            right = self._cast(_moved(rhs, self.rhs_order, back=True))
        accumulate = ACCUMULATE.get(self.dtype) if self.wide else None
        transposed = self.transpose_lhs and self.k_steps == 1 and self.slices == 1
        return tw.build("matmul", left, right, accumulate=accumulate, transpose_lhs=transposed, transpose_rhs=self.transpose_rhs)

    def _cast(self, value: ir.Value) -> ir.Value:
        dtype = tw.tensor_info(value).dtype
        if dtype == self.dtype:
            return value
        convert = arith.extf if BYTES[dtype] < BYTES[self.dtype] else arith.truncf
        return tw.pointwise([value], lambda x: convert(tw.element_type(self.dtype), x))

    def _array(self, shape: Sequence[int], dtype: str, position: int) -> np.ndarray:
        random = np.random.default_rng([self.seed, position, *shape])
        if dtype == "i1":
            return random.random(shape) < 0.7
        if dtype == "i8":
            return random.integers(-128, 128, shape).astype(np.int8)
        scale = (1.0 / max(1, self.k)) ** 0.25 if position <= len(self.widths) else 1.0
        return (random.standard_normal(shape) * scale).astype(numpy_dtype(dtype))

    def _compare(self, actual: np.ndarray, expected: np.ndarray, what: str) -> None:
        assert actual.shape == expected.shape and actual.dtype == expected.dtype, what
        if not actual.size:
            return
        exact = actual.dtype.kind in "ib"
        rounded = {{"float16": "f16", "bfloat16": "bf16"}.get(str(actual.dtype), "f32"), *(s for s in self.steps if s in TOLERANCE)}
        if not self.wide and self.dtype in ("bf16", "f16"):
            rounded.add(self.dtype)
        tolerance = 0.0 if exact else max(TOLERANCE[dtype] for dtype in rounded)
        one, other = actual.astype(np.float64), expected.astype(np.float64)
        finite = np.abs(other[np.isfinite(other)])
        scale = max(1.0, float(finite.max())) if finite.size else 1.0
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale, err_msg=what)


def _ordered(shape: Sequence[Any], order: Sequence[int]) -> list[Any]:
    return [shape[axis] for axis in order] if order else list(shape)


def _moved(value: ir.Value, order: Sequence[int], back: bool = False) -> ir.Value:
    """`value` with its dimensions in `order`, or, where it lies so, `back` in their own."""
    if not order:
        return value
    return tw.build("transpose", value, permutation=tuple(order.index(i) for i in range(len(order))) if back else tuple(order))
