"""Lower a level 2 attention kernel with few queries to level 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, ceildiv, product
from tilewright.dialects import tw
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention_decode import tile_products
from tilewright.lowering.templates.attention_decode.cache import Cache
from tilewright.lowering.templates.attention_decode.fma_products import FmaProducts
from tilewright.lowering.templates.attention_decode.head_layout import HeadLayout
from tilewright.lowering.templates.attention_decode.kernel import DecodeBuffers, DecodeLoops
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem
from tilewright.lowering.templates.attention_decode.products import KeyProducts
from tilewright.lowering.templates.attention_decode.recognize import recognize_attention_decode
from tilewright.lowering.templates.attention_decode.rows import DecodeRows, RowBuffers
from tilewright.lowering.templates.attention_decode.scores import ScoreBuffers, Scores
from tilewright.lowering.templates.attention_decode.values import Values
from tilewright.lowering.templates.bf16_expansion import expand_bf16
from tilewright.lowering.templates.kernel_function import KernelBody, emit_kernel_function
from tilewright.lowering.templates.legal_schedule import read_legal_schedule
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.lowering.templates.tile_registers import CONFIGURATION_BYTES, TileRegisters
from tilewright.lowering.templates.views import times
from tilewright.passes.schedules.attention_decode import (
    FMA,
    KEYS,
    TILES,
    AttentionDecodeSchedule,
    accumulators,
    check_attention_decode_schedule,
    fits_tiles,
)
from tilewright.targets import Target


def lower_attention_decode_kernel(function: ir.OpView, target: Target) -> ir.OpView:
    """Replace a kernel function whose `tw.schedule` has kind "attention-decode" by its level 3 form, in place.

    Raises UnsupportedError for a kernel that is not one attention that the template covers with movement around it, and VerifyError
    for a schedule that is not legal on `target`.
    """
    name = ir.StringAttr(function.operation.attributes["sym_name"]).value
    schedule = read_legal_schedule(function, target, AttentionDecodeSchedule.from_attributes, check_attention_decode_schedule)
    kernel = recognize_attention_decode(function, target)
    if schedule.products == TILES and not fits_tiles(kernel.problem.k.dtype, kernel.problem.head_size):
        raise VerifyError(
            f"the schedule of kernel @{name} does not fit it",
            where=tw.location_text(function.location),
            why=f"{TILES} multiplies 8-bit integers along whole tiles, keys are {kernel.problem.head_size} x {kernel.problem.k.dtype}",
            remedy="remove tw.schedule and let tw-select-schedule choose one",
        )

    def emit(body: KernelBody) -> tuple[Dim, Dim]:
        scratch = Scratch()
        _loops(kernel.problem, schedule, target, body, scratch).emit(body.lo, body.hi)
        problem = kernel.problem
        tiles = ceildiv(times(problem.queries, problem.group), schedule.tile)
        return product([problem.batch, problem.kv_heads, tiles, problem.splits]), scratch.bytes

    with ir.InsertionPoint(function), function.location:
        lowered = emit_kernel_function(name, kernel.inputs, kernel.outputs, list(tw.symbols_of(function)), emit)
    expand_bf16(lowered, target)
    function.operation.erase()
    return lowered


def _loops(problem: DecodeProblem, schedule: AttentionDecodeSchedule, target: Target, body: KernelBody, scratch: Scratch) -> DecodeLoops:
    width = target.vector_lanes(32)
    lanes = Lanes(ir.VectorType.get([width], ir.F32Type.get()), target)
    keys_layout = HeadLayout(problem.head_size, problem.k.dtype, width)
    values_layout = HeadLayout(problem.value_size, problem.v.dtype, width)

    def region(elements: Dim, dtype: str = "f32") -> Flat:
        return scratch_view(body.scratch, scratch.reserve(elements, dtype), dtype, body.index)

    def argument(number: int | None) -> Flat | None:
        return None if number is None else body.inputs[number]

    def tensor(of: Strided | None) -> Flat | None:
        return None if of is None else body.inputs[of.buffer]

    def result(of: Strided | None) -> Flat | None:
        return None if of is None else body.outputs[of.buffer]

    cache = Cache(body.index, problem.pages, argument(None if problem.pages is None else problem.pages.table))
    row_buffers = RowBuffers(
        queries=region(schedule.tile * keys_layout.row),
        sums=region(schedule.tile * values_layout.row),
        maxima=region(schedule.tile),
        totals=region(schedule.tile * width),
    )
    rows = DecodeRows(problem, body.index, lanes, schedule.tile, keys_layout, values_layout, row_buffers)
    staging = {
        dtype: replace(region(width, "i8" if dtype == "i1" else dtype), dtype=dtype)
        for dtype in sorted({"f32", *(x.dtype for x in problem.score_inputs)})
    }
    score_buffers = ScoreBuffers(
        scores=region(schedule.tile * schedule.block),
        staging=staging,
        k_scale=tensor(problem.k_scale),
        mask=tensor(problem.mask),
        inputs=[body.inputs[x.buffer] for x in problem.score_inputs],
    )
    k = body.inputs[problem.k.buffer]
    products = _key_products(problem, schedule, body, lanes, cache, k, row_buffers.queries, region)
    scores = Scores(problem, body.index, lanes, target, keys_layout, cache, rows, products, score_buffers, schedule.rows, schedule.block)
    v = body.inputs[problem.v.buffer]
    values = Values(
        problem,
        body.index,
        lanes,
        values_layout,
        cache,
        v,
        score_buffers.scores,
        row_buffers.sums,
        schedule.rows,
        schedule.block,
        accumulators(target),
    )
    buffers = DecodeBuffers(
        q=body.inputs[problem.q.buffer],
        k=k,
        v=v,
        out=result(problem.out),
        logsumexp=result(problem.logsumexp),
        kv_len=argument(problem.kv_len),
        q_offset=argument(problem.q_offset),
        sinks=tensor(problem.sinks),
        v_scale=tensor(problem.v_scale),
    )
    return DecodeLoops(problem, schedule, body.index, lanes, cache, rows, scores, values, buffers)


def _key_products(
    problem: DecodeProblem,
    schedule: AttentionDecodeSchedule,
    body: KernelBody,
    lanes: Lanes,
    cache: Cache,
    k: Flat,
    queries: Flat,
    region: Callable[[Dim, str], Flat],
) -> KeyProducts:
    """What multiplies queries and keys; `region` reserves scratch."""
    if schedule.products == FMA:
        layout = HeadLayout(problem.head_size, problem.k.dtype, lanes.width)
        partial = region(schedule.block // KEYS * schedule.rows * lanes.width, "f32")
        return FmaProducts(body.index, lanes, layout, cache, k, problem.k, queries, partial, schedule.rows)
    sizes = tile_products.scratch_sizes(problem.head_size, schedule.tile // schedule.rows * tile_products.ROWS, schedule.block)
    regions = {name: region(elements, dtype) for name, (elements, dtype) in sizes.items()}
    return tile_products.TileProducts(
        body.index,
        lanes,
        cache,
        k,
        problem.k,
        tile_products.TileBuffers(queries=queries, **regions),
        TileRegisters(body.index, region(CONFIGURATION_BYTES, "i8")),
        problem.head_size,
        schedule.tile,
        schedule.rows,
    )
