"""Lower a level 2 attention kernel to level 3."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, ceildiv, product
from tilewright.dialects import tw
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.kernel import AttentionLoops
from tilewright.lowering.templates.attention.pair_softmax import PairSoftmax
from tilewright.lowering.templates.attention.problem import AttentionProblem
from tilewright.lowering.templates.attention.products import select_products
from tilewright.lowering.templates.attention.recognize import recognize_attention
from tilewright.lowering.templates.attention.rows import QueryRows
from tilewright.lowering.templates.attention.scores import ScoreStage
from tilewright.lowering.templates.attention.softmax import OnlineSoftmax
from tilewright.lowering.templates.attention.visibility import Visibility
from tilewright.lowering.templates.bf16_expansion import expand_bf16
from tilewright.lowering.templates.kernel_function import KernelBody, emit_kernel_function
from tilewright.lowering.templates.legal_schedule import read_legal_schedule
from tilewright.lowering.templates.memory import Flat, Scratch
from tilewright.lowering.templates.tile_registers import TILE_ROWS
from tilewright.lowering.templates.views import times
from tilewright.passes.schedules.attention import AttentionSchedule, check_attention_schedule
from tilewright.targets import Target


def lower_attention_kernel(function: ir.OpView, target: Target) -> ir.OpView:
    """Replace a kernel function whose `tw.schedule` has kind "attention" by its level 3 form, in place.

    Raises UnsupportedError for a kernel that is not one attention that the template covers with movement around it, and VerifyError
    for a schedule that is not legal on `target`.
    """
    name = ir.StringAttr(function.operation.attributes["sym_name"]).value
    schedule = read_legal_schedule(function, target, AttentionSchedule.from_attributes, check_attention_schedule)
    kernel = recognize_attention(function, target)
    problem = kernel.problem

    def emit(body: KernelBody) -> tuple[Dim, Dim]:
        context = _context(problem, schedule, target, body)
        _loops(context, body.outputs).emit(body.lo, body.hi)
        tiles = ceildiv(times(problem.queries, problem.group), context.rows.tile)
        return product([problem.batch, problem.kv_heads, tiles]), context.scratch.bytes

    with ir.InsertionPoint(function), function.location:
        lowered = emit_kernel_function(name, kernel.inputs, kernel.outputs, list(tw.symbols_of(function)), emit)
    expand_bf16(lowered, target)
    function.operation.erase()
    return lowered


def _context(problem: AttentionProblem, schedule: AttentionSchedule, target: Target, body: KernelBody) -> KernelContext:
    lanes = target.vector_lanes(32)
    return KernelContext(
        problem=problem,
        schedule=schedule,
        target=target,
        index=body.index,
        rows=QueryRows(problem, body.index, lanes, schedule.vectors),
        lanes=Lanes(ir.VectorType.get([lanes], ir.F32Type.get()), target),
        inputs=body.inputs,
        scratch_pointer=body.scratch,
        scratch=Scratch(),
    )


def _loops(context: KernelContext, outputs: list[Flat]) -> AttentionLoops:
    """The parts of a kernel, put together. The order of regions in scratch is that in which they are reserved here."""
    problem, block, tile = context.problem, context.schedule.block, context.rows.tile
    # Sums have room for whole tiles of dimensions, whatever multiplies them.
    scores, sums = context.region(block * tile), context.region(-(-problem.value_size // TILE_ROWS) * TILE_ROWS * tile)
    stage = ScoreStage(context, Visibility(context))
    products = select_products(context, stage.query_scale, scores, sums)
    out = outputs[problem.out.buffer]
    logsumexp = None if problem.logsumexp is None else outputs[problem.logsumexp.buffer]
    remaining, factors = products.remaining_scale, context.region(tile)
    if not products.keeps_pairs:
        softmax = OnlineSoftmax(context, scores, sums, factors, logsumexp)
        return AttentionLoops(context, stage, products, softmax, out, remaining)
    # A scale that cannot overflow what stands for hidden keys is left to the softmax, where it costs nothing.
    deferred = remaining if stage.only_hides and 0 < remaining <= 1 else 1.0
    softmax = PairSoftmax(context, scores, sums, factors, logsumexp, deferred)
    return AttentionLoops(context, stage, products, softmax, out, remaining / deferred)
