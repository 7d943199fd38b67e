"""Copies into scratch for packing loaders: strided dimensions made contiguous, blocks transposed in registers, values converted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.transpose import transpose_block


def copy_steps(context: LoaderContext, source: Index, sizes: Sequence[Dim], strides: Sequence[Dim], to: Flat, target: Index) -> None:
    """Copy a dimension that is split into steps to contiguous memory: vectors along a contiguous innermost step, else elements."""
    index, lanes = context.index, context.lanes
    if not sizes:
        to.store(context.load(source), target)
        return
    if len(sizes) > 1:
        inner: Index = 1
        for size in sizes[1:]:
            inner = index.mul(inner, index.dim(size))

        def outer(step: ir.Value, _: list[ir.Value]) -> None:
            at = index.add(source, index.mul(step, index.dim(strides[0])))
            copy_steps(context, at, sizes[1:], strides[1:], to, index.add(target, index.mul(step, inner)))

        for_loop(index, 0, index.dim(sizes[0]), 1, outer)
        return
    size, stride = index.dim(sizes[0]), index.dim(strides[0])
    whole = index.mul(index.div(size, lanes), lanes) if stride == 1 else 0

    def vectors(k: ir.Value, _: list[ir.Value]) -> None:
        to.store_vector(context.load_vector(index.add(source, k)), index.add(target, k))

    def elements(k: ir.Value, _: list[ir.Value]) -> None:
        to.store(context.load(index.add(source, index.mul(k, stride))), index.add(target, k))

    if whole != 0:
        for_loop(index, 0, whole, lanes, vectors)
    if whole != size:
        for_loop(index, whole, size, 1, elements)


def copy_transposed(
    context: LoaderContext, offset: Callable[[Index], Index], k_end: Index, rows: Index, to: Flat, row_length: Index
) -> None:
    """Copy `to[row, k] = source[offset(k) + row]` by blocks transposed in registers."""
    index, lanes = context.index, context.lanes
    whole_k = index.mul(index.div(k_end, lanes), lanes)
    whole_rows = index.mul(index.div(rows, lanes), lanes)

    def by_element(row_start: Index, row_end: Index, k: Index) -> None:
        at = offset(k)

        def element(row: ir.Value, _: list[ir.Value]) -> None:
            to.store(context.load(index.add(at, row)), index.add(index.mul(row, row_length), k))

        for_loop(index, row_start, row_end, 1, element)

    def block_of_k(k: ir.Value, _: list[ir.Value]) -> None:
        columns = [offset(index.add(k, step)) for step in range(lanes)]

        def block(row: ir.Value, _: list[ir.Value]) -> None:
            loaded = [context.load_vector(index.add(column, row)) for column in columns]
            for step, value in enumerate(transpose_block(loaded)):
                to.store_vector(value, index.add(index.mul(index.add(row, step), row_length), k))

        for_loop(index, 0, whole_rows, lanes, block)
        for_loop(index, 0, lanes, 1, lambda step, _: by_element(whole_rows, rows, index.add(k, step)))

    for_loop(index, 0, whole_k, lanes, block_of_k)
    for_loop(index, whole_k, k_end, 1, lambda k, _: by_element(0, rows, k))


def interleave(rows: Sequence[ir.Value]) -> ir.Value:
    """One vector with lane i of every one of `rows` (vectors of a power of two in number) before lane i + 1 of any."""
    if len(rows) == 1:
        return rows[0]
    half = len(rows) // 2
    pairs: list[ir.Value] = []
    for first, second in zip(rows[:half], rows[half:], strict=True):
        lanes = ir.VectorType(first.type).shape[0]
        pairs.append(vector.shuffle(first, second, [i + which for i in range(lanes) for which in (0, lanes)]))
    return interleave(pairs)
