"""Random kernels of movement, pointwise ops, reductions and gathers give what the interpreter gives, at several sizes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import loop_kernels
import numpy as np
import pytest
from level3_runner import run_level3

from tilewright.core.mlir import arith, ir, math, new_context
from tilewright.core.symbolic import Dim, product, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run
from tilewright.targets import find

INPUTS: list[tuple[tuple[int | str, ...], str]] = [
    (("d0", "d1"), "f32"), (("d1",), "f32"), (("d0", 1, 24), "f32"), ((24, "d1"), "f32"), (("d0", "d1"), "i64"), (("d0", 1), "i1"),
    (("d0", "d1"), "bf16"),
]  # fmt: skip
SIZES = [(3, 7), (20, 37), (1, 1), (2, 64), (3, 130)]
MAX_RANK = 4
MAX_ELEMENTS = 40000


class Grower:
    """A pool of values, to which each step adds one."""

    def __init__(self, seed: int, pool: list[ir.Value]) -> None:
        self.random = random.Random(seed)
        self.pool = pool

    def pick(self, accept: Callable[[tw.TensorInfo], bool]) -> ir.Value | None:
        fitting = [v for v in self.pool if accept(tw.tensor_info(v))]
        # The youngest are picked most often, which makes chains.
        return self.random.choice(fitting[-5:]) if fitting else None

    def grow(self, steps: int) -> list[ir.Value]:
        names = [n for n in dir(self) if n.startswith("make_")]
        count = len(self.pool)
        while steps:
            value = getattr(self, self.random.choice(names))()
            if value is not None and _largest(tw.tensor_info(value)) <= MAX_ELEMENTS:
                self.pool.append(value)
                steps -= 1
        return self.pool[count:]

    def make_transpose(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 2)
        if x is None:
            return None
        permutation = list(range(tw.tensor_info(x).rank))
        self.random.shuffle(permutation)
        return tw.build("transpose", x, permutation=permutation)

    def make_reshape(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        if x is None:
            return None
        shape: list[Dim] = list(tw.tensor_info(x).shape)
        at = self.random.randrange(len(shape))
        kind = self.random.randrange(4)
        if kind == 0 and len(shape) < MAX_RANK:
            shape.insert(at, 1)
        elif kind == 1 and shape[at] == 24 and len(shape) < MAX_RANK:
            shape[at : at + 1] = [4, 6]
        elif kind == 2 and at + 1 < len(shape):
            shape[at : at + 2] = [product(shape[at : at + 2])]
        else:
            shape = [d for d in shape if d != 1]
        return tw.build("reshape", x, shape=shape)

    def make_broadcast(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank < MAX_RANK)
        if x is None:
            return None
        wider = [24 if d == 1 and self.random.random() < 0.5 else d for d in tw.tensor_info(x).shape]
        return tw.build("broadcast", x, shape=[2, *wider] if self.random.random() < 0.3 else wider)

    def make_slice(self) -> ir.Value | None:
        x = self.pick(lambda i: any(isinstance(d, int) and d >= 4 for d in i.shape))
        if x is None:
            return None
        shape = tw.tensor_info(x).shape
        axis = self.random.choice([a for a, d in enumerate(shape) if isinstance(d, int) and d >= 4])
        starts: list[Dim] = [0] * len(shape)
        sizes, steps = list(shape), [1] * len(shape)
        starts[axis], steps[axis] = self.random.randrange(2), self.random.choice([1, 2])
        sizes[axis] = simplify_dim((to_expr(shape[axis]) - starts[axis]) // steps[axis])
        return tw.build("slice", x, starts=starts, sizes=sizes, steps=steps)

    def make_concat(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        y = None if x is None else self.pick(lambda i: i == tw.tensor_info(x))
        if x is None or y is None:
            return None
        return tw.build("concat", [x, y], dim=self.random.randrange(tw.tensor_info(x).rank))

    def make_pad(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype == "f32")
        if x is None:
            return None
        low, high = ([self.random.choice([0, 0, 1, 3]) for _ in tw.tensor_info(x).shape] for _ in range(2))
        return tw.build("pad", x, low=low, high=high, value=0.5)

    def make_reverse(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        return None if x is None else tw.build("reverse", x, dims=[self.random.randrange(tw.tensor_info(x).rank)])

    def make_unary(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "f32")
        functions = [arith.negf, math.tanh, math.absf, lambda a: arith.mulf(a, a)]
        return None if x is None else tw.pointwise([x], self.random.choice(functions))

    def make_binary(self) -> ir.Value | None:
        dtype, ops = self.random.choice([
            ("f32", [arith.addf, arith.mulf, arith.subf, arith.maximumf]), ("i64", [arith.addi, arith.subi, arith.minsi]),
            ("i1", [arith.andi, arith.ori, arith.xori]), ("bf16", [arith.maximumf]),
        ])  # fmt: skip
        x = self.pick(lambda i: i.dtype == dtype)
        y = None if x is None else self.pick(lambda i: i.dtype == dtype and _broadcasts(i, tw.tensor_info(x)))
        return None if x is None or y is None else tw.pointwise([x, y], self.random.choice(ops))

    make_more_binary = make_binary

    def make_cast(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype in ("bf16", "i64"))
        if x is None:
            return None
        f32 = ir.F32Type.get()
        cast = arith.extf if tw.tensor_info(x).dtype == "bf16" else arith.sitofp
        return tw.pointwise([x], lambda a: cast(f32, a))

    def make_select(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "f32")
        c = None if x is None else self.pick(lambda i: i.dtype == "i1" and _broadcasts(i, tw.tensor_info(x)))
        if x is None or c is None:
            return None
        return tw.pointwise([c, x], lambda b, a: arith.select(b, a, arith.constant(a.type, 0.25)))

    def make_compare(self) -> ir.Value | None:
        x = self.pick(lambda i: i.dtype == "i64")
        y = None if x is None else self.pick(lambda i: i.dtype == "i64" and _broadcasts(i, tw.tensor_info(x)))
        if x is None or y is None:
            return None
        return tw.pointwise([x, y], lambda a, b: arith.cmpi(arith.CmpIPredicate.sle, a, b))

    def make_reduce(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1)
        if x is None:
            return None
        info = tw.tensor_info(x)
        dims = sorted(self.random.sample(range(info.rank), self.random.randint(1, min(2, info.rank))))
        kind = self.random.choice(["and", "or"] if info.dtype == "i1" else ["max"] if info.dtype == "bf16" else ["add", "max", "min"])
        return tw.build("reduce", x, dims=dims, kind=kind, keep_dims=self.random.random() < 0.5)

    def make_softmax(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype == "f32")
        return None if x is None else tw.build("softmax", x, dim=self.random.randrange(tw.tensor_info(x).rank))

    def make_layer_norm(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype == "f32")
        return None if x is None else tw.build("layer_norm", x, eps=1e-2)

    def make_iota(self) -> ir.Value:
        shape = self.random.choice(["d1", "d0, 1", "d0, d1", "24"])
        return tw.build("iota", shape=tw.parse_shape(shape), dim=self.random.randrange(shape.count(",") + 1))

    def make_gather(self) -> ir.Value | None:
        x = self.pick(lambda i: 24 in i.shape and i.rank < MAX_RANK)
        ids = self.pick(lambda i: i.dtype == "i64" and 1 <= i.rank <= 2)
        if x is None or ids is None:
            return None
        inside = tw.pointwise([ids], lambda a: arith.minsi(arith.maxsi(a, arith.constant(a.type, 0)), arith.constant(a.type, 23)))
        shape = tw.tensor_info(x).shape
        if len(shape) + tw.tensor_info(ids).rank - 1 > MAX_RANK:
            return None
        return tw.build("gather", x, [inside], axes=[shape.index(24)])

    def make_scan(self) -> ir.Value | None:
        x = self.pick(lambda i: i.rank >= 1 and i.dtype == "i64")
        if x is None or self.random.random() < 0.8:
            return None
        return tw.build("scan", x, dim=self.random.randrange(tw.tensor_info(x).rank))


def _broadcasts(a: tw.TensorInfo, b: tw.TensorInfo) -> bool:
    shape = tw.broadcast_shapes([a.shape, b.shape])
    return shape is not None and len(shape) <= MAX_RANK


def _largest(info: tw.TensorInfo) -> int:
    return int(to_expr(info.elements).evaluate({"d0": 20, "d1": 64}))


def arrays(d0: int, d1: int) -> list[np.ndarray]:
    generator = np.random.default_rng(d0 * 100 + d1)
    result = []
    for shape, dtype in INPUTS:
        sizes = [d if isinstance(d, int) else {"d0": d0, "d1": d1}[d] for d in shape]
        if dtype in ("f32", "bf16"):
            result.append(generator.standard_normal(sizes).astype(tw.numpy_dtype(dtype)))
        else:
            result.append(generator.integers(0, 2 if dtype == "i1" else 20, sizes).astype(tw.numpy_dtype(dtype)))
    return result


@pytest.mark.parametrize(("seed", "target"), [(s, "native") for s in range(28)] + [(s, "cpu:x86-64-v3") for s in range(20, 36)])
def test_random_kernel(seed: int, target: str) -> None:
    machine = find(target)
    choice = random.Random(seed)
    steps, outputs = choice.randint(2, 9), choice.randint(1, 2)
    ranges = {"d0": (1, 64), "d1": (1, 512)}
    body = lambda *inputs: Grower(seed, list(inputs)).grow(steps)[-outputs:]  # noqa: E731
    kernel = loop_kernels.build("kernel", INPUTS, body, target=machine, ranges=ranges)
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        module = ir.Module.parse(kernel.level2)
        for d0, d1 in SIZES:
            inputs = arrays(d0, d1)
            with np.errstate(all="ignore"):
                expected = run(module, inputs, function="kernel")
            got = loop_kernels.empty_outputs(kernel, {"d0": d0, "d1": d1})
            run_level3(kernel.level3, "kernel", [*inputs, *got], symbols=[d0, d1], target=machine)
            for actual, wanted in zip(got, expected, strict=True):
                np.testing.assert_allclose(
                    actual.astype(np.float64), np.asarray(wanted).astype(np.float64), rtol=2e-3 if "bf16" in kernel.level2 else 1e-4,
                    atol=2e-4, err_msg=f"seed {seed} at {d0} x {d1}\n{kernel.level2}",
                )  # fmt: skip
