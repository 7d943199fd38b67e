"""A matmul kernel from its problem, schedule and epilogues: the four seams put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.kernel_function import KernelBody, emit_kernel_function
from tilewright.lowering.templates.matmul.column_range import Buffers, ColumnRange
from tilewright.lowering.templates.matmul.conversion import Conversion
from tilewright.lowering.templates.matmul.epilogue import Epilogue, EpilogueStore
from tilewright.lowering.templates.matmul.lhs_loaders import select_lhs_loader
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.matmul.loops import MatmulLoops, block_sums, splits_k, unit_count
from tilewright.lowering.templates.matmul.problem import Access, Columns, MatmulProblem
from tilewright.lowering.templates.matmul.rhs_copied import select_rhs_loader
from tilewright.lowering.templates.matmul.select_kernel import select_micro_kernel
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.lowering.templates.tile_registers import CONFIGURATION_BYTES
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.targets import Target


def emit_matmul(
    name: str,
    problem: MatmulProblem,
    schedule: MatmulSchedule,
    epilogues: Sequence[Epilogue],
    target: Target,
    inputs: Sequence[str],
    outputs: Sequence[str],
    symbols: Sequence[str],
) -> ir.OpView:
    """The level 3 function `name`, with one of `epilogues` for each range of columns. `inputs` and `outputs` are the element types
    of its arguments; accesses of `problem` name them by position. Raises UnsupportedError where the schedule's instruction cannot be
    emitted for the target.
    """

    def emit(body: KernelBody) -> tuple[Dim, Dim]:
        index, scratch = body.index, Scratch()

        def configuration() -> Flat:
            return scratch_view(body.scratch, scratch.reserve(CONFIGURATION_BYTES, "i8"), "i8", index)

        kernel = select_micro_kernel(schedule, target, problem.rhs_dtype, index, configuration)
        layout, lanes = kernel.layout, kernel.lanes

        def context(buffer: int, conversion: Conversion) -> LoaderContext:
            return LoaderContext(problem, index, body.inputs[buffer], body.scratch, lanes, conversion)

        left = context(problem.lhs.buffer, Conversion(problem.lhs.dtype, problem.lhs_dtype, layout.lhs, layout.lhs_offset))
        lhs = select_lhs_loader(left, scratch, schedule.mb, kernel.k_multiple, schedule.copy_lhs)
        ranges: list[ColumnRange] = []
        for alike in _alike(problem.columns, epilogues):
            columns, epilogue = problem.columns[alike[0]], epilogues[alike[0]]
            buffers = [_buffers(problem.columns[number], body) for number in alike]
            store = EpilogueStore(columns, epilogue, index, buffers[0].operands, buffers[0].results, schedule.nr, lanes)
            sides = [
                select_rhs_loader(
                    context(r.access.buffer, Conversion(r.access.dtype, problem.rhs_dtype, layout.copied)),
                    r,
                    columns,
                    scratch,
                    schedule.nr,
                    layout,
                    kernel.store_sums,
                )
                for r in columns.rhs
            ]
            size = 0
            if splits_k(problem, schedule):
                panels = schedule.panels if all(side.keeps_panels for side in sides) else 1
                size = panels * block_sums(problem, schedule, columns)
            elif not (kernel.in_registers and store.in_registers):
                size = schedule.mr * len(columns.rhs) * schedule.nr
            tile = scratch_view(body.scratch, scratch.reserve(size, layout.acc), layout.acc, index) if size else None
            ranges.append(ColumnRange(columns, buffers, sides, store, tile))
        MatmulLoops(problem, schedule, index, kernel, lhs, ranges).emit(body.lo, body.hi)
        return unit_count(problem, schedule), scratch.bytes

    return emit_kernel_function(name, inputs, outputs, symbols, emit)


def _alike(ranges: Sequence[Columns], epilogues: Sequence[Epilogue]) -> list[list[int]]:
    """The numbers of the ranges of columns, those together that differ in their buffers alone."""
    groups: dict[tuple[Columns, str], list[int]] = {}
    for number, (columns, epilogue) in enumerate(zip(ranges, epilogues, strict=True)):
        form = Columns(
            columns.n_steps,
            tuple(dataclasses.replace(r, access=_anywhere(r.access)) for r in columns.rhs),
            tuple(_anywhere(access) for access in columns.operands),
            tuple(_anywhere(access) for access in columns.results),
        )
        groups.setdefault((form, epilogue.form), []).append(number)
    return list(groups.values())


def _anywhere(access: Access) -> Access:
    return dataclasses.replace(access, buffer=0)


def _buffers(columns: Columns, body: KernelBody) -> Buffers:
    return Buffers(
        [body.inputs[r.access.buffer] for r in columns.rhs],
        [body.inputs[access.buffer] for access in columns.operands],
        [body.outputs[access.buffer] for access in columns.results],
    )
