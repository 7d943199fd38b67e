"""Tensors from nothing: fills, sequences, identity matrices."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Expr
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.emitter import Emitter, Operand
from tilewright.frontend.torch.registry import imports


@imports("aten.full.default", "aten.full_like.default", "aten.new_full.default", "aten.fill.Scalar", "aten.fill.Tensor")
def full(emit: Emitter, shape_or_like: object, *args: Operand, **_: object) -> ir.Value:
    """`full(size, v)`, `full_like(x, v)`, `new_full(x, size, v)`, `fill(x, v)`: the value is the last positional argument."""
    return emit.full(emit.expected.shape, args[-1], emit.dtype)


@imports("aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default", "aten.zero.default", "aten.empty.memory_format",
         "aten.empty_like.default", "aten.new_empty.default", "aten.empty_strided.default", "aten.new_empty_strided.default",
         "aten.empty_permuted.default")  # fmt: skip
def zeros(emit: Emitter, *_: object, **__: object) -> ir.Value:
    """Fills by 0. What `empty` holds is not defined, so 0 will do."""
    return emit.full(emit.expected.shape, 0, emit.dtype)


@imports("aten.ones.default", "aten.ones_like.default", "aten.new_ones.default")
def ones(emit: Emitter, *_: object, **__: object) -> ir.Value:
    return emit.full(emit.expected.shape, 1, emit.dtype)


@imports("aten.scalar_tensor.default")
def scalar_tensor(emit: Emitter, value: Operand, **_: object) -> ir.Value:
    return emit.tensor(value, emit.dtype)


@imports("aten.arange.default", "aten.arange.start", "aten.arange.start_step", "prims.iota.default")
def arange(emit: Emitter, *args: Operand, start: Operand = 0, step: Operand = 1, **_: object) -> ir.Value:
    """`arange(end)`, `arange(start, end)`, `arange(start, end, step)`, `iota(length, start=, step=)`."""
    if len(args) > 1:
        start = args[0]
    if len(args) > 2:
        step = args[2]
    (size,) = emit.expected.shape
    index = emit.iota(size)
    if start == 0 and step == 1:
        return emit.cast(index, emit.dtype)
    exact = all(isinstance(v, int | Expr) or float(v).is_integer() for v in (start, step))
    compute = "i64" if exact else "f64" if emit.dtype == "f64" else "f32"
    return emit.map(lambda i, s, d: sc.add(sc.mul(i, d), s), index, start, step, compute=compute)


@imports("aten.linspace.default")
def linspace(emit: Emitter, start: Operand, end: Operand, steps: Operand, **_: object) -> ir.Value:
    if not (isinstance(start, int | float) and isinstance(end, int | float) and isinstance(steps, int)):
        emit.reject("linspace with bounds that are not numbers")
    index = emit.iota(steps)
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = max(1, steps // 2)

    def body(i: ir.Value) -> ir.Value:
        # From both ends toward the middle, so that the last element is `end` exactly.
        x = sc.cast(i, "f64")
        forward = sc.add(sc.mul(x, sc.like(x, step)), sc.like(x, start))
        backward = sc.sub(sc.like(x, end), sc.mul(sc.sub(sc.like(x, steps - 1), x), sc.like(x, step)))
        return sc.select(sc.compare("lt", i, sc.like(i, half)), forward, backward)

    return emit.map(body, index, compute="i64", raw=True)


@imports("aten.eye.default", "aten.eye.m")
def eye(emit: Emitter, *_: object, **__: object) -> ir.Value:
    rows, columns = emit.expected.shape
    row, column = emit.iota(rows, rank=2, dim=0), emit.iota(columns, rank=2, dim=1)
    return emit.map(lambda i, j: sc.compare("eq", i, j), row, column, compute="i64")
