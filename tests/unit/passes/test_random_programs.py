"""Random programs of movement, pointwise and row ops compute the same before and after simplification and recovery."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tw_programs import RANGES, SIZES, compare, make_program, random_inputs, typed

from tilewright.core.mlir import arith, ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.core.symbolic import Dim, product, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run

pytestmark = pytest.mark.usefixtures("context")

INPUTS = [typed("s0, s1"), typed("s1"), typed("s0, 1, 4"), typed("4, 2"), typed("s0, s1", "i64"), typed("s0, 1", "i1")]
MAX_RANK = 4
Draw = Callable[[st.SearchStrategy[object]], object]


class _Grower:
    """Grows a program: a pool of values, to which each step adds one."""

    def __init__(self, draw: st.DataObject, pool: list[ir.Value]) -> None:
        self.draw = draw.draw
        self.pool = pool

    def pick(self, accept: Callable[[tw.TensorInfo], bool] = lambda info: True) -> ir.Value | None:
        fitting = [v for v in self.pool if accept(tw.tensor_info(v))]
        # The youngest are picked most often, which makes chains.
        return self.draw(st.sampled_from(fitting[-6:])) if fitting else None

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def step(self) -> None:
        name = self.draw(st.sampled_from(["transpose", "reshape", "broadcast", "slice", "concat", "unary", "binary", "number", "reduce",
                                          "iota", "compare", "gather", "softmax", "fill", "select"]))  # fmt: skip
        value = getattr(self, f"_{name}")()
        if value is not None:
            self.pool.append(value)

    def _transpose(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 2)
        return None if x is None else tw.build("transpose", x, permutation=self.draw(st.permutations(range(tw.tensor_info(x).rank))))

    def _reshape(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        if x is None:
            return None
        shape: list[Dim] = list(tw.tensor_info(x).shape)
        kind, at = self.number(0, 2), self.number(0, len(shape) - 1)
        if kind == 0 and len(shape) < MAX_RANK:
            shape.insert(at, 1)
        elif kind == 1:
            shape = [d for d in shape if d != 1]
        elif len(shape) >= 2 and at + 1 < len(shape):
            shape[at : at + 2] = [product(shape[at : at + 2])]
        return tw.build("reshape", x, shape=shape)

    def _broadcast(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank < MAX_RANK)
        if x is None:
            return None
        wider = [typed("s0").shape[0] if d == 1 and self.number(0, 1) else d for d in tw.tensor_info(x).shape]
        return tw.build("broadcast", x, shape=[2, *wider] if self.number(0, 1) else wider)

    def _slice(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        if x is None:
            return None
        shape = tw.tensor_info(x).shape
        axis = self.number(0, len(shape) - 1)
        starts: list[Dim] = [0] * len(shape)
        sizes, steps = list(shape), [1] * len(shape)
        size = shape[axis]
        if isinstance(size, int) and size >= 2:
            starts[axis], sizes[axis], steps[axis] = self.number(0, 1), size // 2, self.number(1, 2)
            if self.number(0, 1):
                steps[axis], sizes[axis] = 1, size - 1
        elif str(size) == "s1":
            starts[axis], sizes[axis] = 1, simplify_dim(to_expr(size) - 1)
        return tw.build("slice", x, starts=starts, sizes=sizes, steps=steps)

    def _concat(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.shape[0] != 1)
        y = None if x is None else self.pick(lambda i: i == tw.tensor_info(x))  # type: ignore[arg-type]
        return None if x is None or y is None else tw.build("concat", [x, y], dim=self.number(0, tw.tensor_info(x).rank - 1))

    def _unary(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "f32")
        functions = [arith.negf, lambda a: arith.mulf(a, a), lambda a: arith.maximumf(a, arith.negf(a))]
        return None if x is None else tw.pointwise([x], self.draw(st.sampled_from(functions)))

    def _number(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype in ("f32", "i64"))
        if x is None:
            return None
        number = self.draw(st.sampled_from([0, 1, -1, 2]))
        if tw.tensor_info(x).dtype == "f32":
            op = self.draw(st.sampled_from([arith.addf, arith.mulf, arith.subf]))
            return tw.pointwise([x], lambda a: op(a, arith.constant(tw.element_type("f32"), float(number))))
        op = self.draw(st.sampled_from([arith.addi, arith.muli, arith.subi]))
        return tw.pointwise([x], lambda a: op(a, arith.constant(tw.element_type("i64"), number)))

    def _binary(self) -> ir.Value | None:
        dtype, ops = self.draw(st.sampled_from([
            ("f32", [arith.addf, arith.mulf, arith.subf, arith.maximumf]), ("i64", [arith.addi, arith.subi, arith.minsi]),
            ("i1", [arith.andi, arith.ori, arith.xori]),
        ]))  # fmt: skip
        x = self.pick(lambda i: i.dtype == dtype)
        y = None if x is None else self.pick(lambda i: i.dtype == dtype and _broadcasts(i, tw.tensor_info(x)))  # type: ignore[arg-type]
        return None if x is None or y is None else tw.pointwise([x, y], self.draw(st.sampled_from(ops)))

    def _select(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "f32")
        c = None if x is None else self.pick(lambda i: i.dtype == "i1" and _broadcasts(i, tw.tensor_info(x)))  # type: ignore[arg-type]
        if x is None or c is None:
            return None
        return tw.pointwise([c, x], lambda b, a: arith.select(b, a, arith.constant(tw.element_type("f32"), 0.0)))

    def _reduce(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype != "i1")
        if x is None:
            return None
        dim = self.number(0, tw.tensor_info(x).rank - 1)
        kind = self.draw(st.sampled_from(["add", "max"]))
        return tw.build("reduce", x, dims=(dim,), kind=kind, keep_dims=bool(self.number(0, 1)))

    def _softmax(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype == "f32")
        return None if x is None else tw.build("softmax", x, dim=tw.tensor_info(x).rank - 1)

    def _iota(self) -> ir.Value:
        shape = self.draw(st.sampled_from(["s1", "s0, 1", "1, s1", "s0, s1", "4"]))
        return tw.build("iota", shape=tw.parse_shape(shape), dim=self.number(0, shape.count(",")))

    def _compare(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "i64")
        y = None if x is None else self.pick(lambda i: i.dtype == "i64" and _broadcasts(i, tw.tensor_info(x)))  # type: ignore[arg-type]
        return None if x is None or y is None else compare(self.draw(st.sampled_from(["lt", "le", "eq", "ne"])), x, y)

    def _gather(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 2 and i.rank < MAX_RANK and [str(d) for d in i.shape[:2]] == ["s0", "s1"])
        if x is None:
            return None
        rows = tw.build("iota", shape=tw.parse_shape("s0, 1"), dim=0)
        columns = tw.build("iota", shape=tw.parse_shape("1, s1"), dim=1)
        if self.number(0, 1):
            columns = tw.constant(np.full((1, 1), self.number(0, 1), np.int64))
        return tw.build("gather", x, [rows, columns], axes=(0, 1))

    def _fill(self) -> ir.Value:
        number = float(self.number(-1, 2))
        return tw.build("broadcast", tw.constant(number, "f32"), shape=tw.parse_shape(self.draw(st.sampled_from(["4", "s1", "s0, s1"]))))


def _broadcasts(a: tw.TensorInfo, b: tw.TensorInfo) -> bool:
    shape = tw.broadcast_shapes([a.shape, b.shape])
    return shape is not None and len(shape) <= MAX_RANK


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_results_stay(context: ir.Context, data: st.DataObject) -> None:
    def body(*inputs: ir.Value) -> list[ir.Value]:
        grower = _Grower(data, list(inputs))
        for _ in range(data.draw(st.integers(1, 16))):
            grower.step()
        return grower.pool[len(inputs) :][-3:] or [inputs[0]]

    module = make_program(INPUTS, body, RANGES)
    arrays = [*random_inputs(INPUTS, SIZES), np.ones(tuple(SIZES.values()), bool)]
    text = str(module)
    expected = run(module, arrays)
    for pipeline in ("tw-simplify", "tw-recover"):
        run_pipeline(module, pipeline)
        tw.verify_program(module)
        for before, after in zip(expected, run(module, arrays), strict=True):
            np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5, err_msg=f"{pipeline}\n{text}\nbecame\n{module}")
    once = str(module)
    run_pipeline(module, "tw-simplify")
    assert str(module).count("tw.") == once.count("tw."), f"a second run changed\n{once}\ninto\n{module}"
