"""From a level 2 kernel around an attention to its decode problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.attention import key_count
from tilewright.lowering.templates.attention.anchor import find_attention
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem, Pages
from tilewright.lowering.templates.tracing import trace_result, trace_source
from tilewright.lowering.templates.views import StridedView
from tilewright.passes.schedules.attention_decode import attention_decode_supports
from tilewright.targets import Target

_REMEDY = "keep it outside the kernel"


@dataclass(frozen=True)
class DecodeKernel:
    """A recognized kernel: the problem, and the element types of inputs and outputs."""

    problem: DecodeProblem
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def recognize_attention_decode(function: ir.OpView, target: Target) -> DecodeKernel:
    """Read a kernel function that holds one `tw.attention`, movement on its operands and on its results.

    Raises UnsupportedError, naming the op, for anything else.
    """
    block = function.operation.regions[0].blocks[0]
    operations = list(block.operations)
    attention = find_attention(function, target, "decode", attention_decode_supports)
    arguments = tw.arguments_of(attention)
    q, k, v = arguments.q, arguments.k, arguments.v
    operands = tw.operand_groups(attention)
    heads, kv_heads = q.shape[1], k.shape[1]
    table = operands["block_table"]
    keys = key_count(k, arguments.block_table)
    scores = (*q.shape[:3], keys)
    splits = max(arguments.splits, 1)
    results = _results(operations[-1].operation.operands, attention, arguments.splits > 0)
    problem = DecodeProblem(
        batch=q.shape[0],
        kv_heads=kv_heads,
        group=heads // kv_heads if isinstance(heads, int) and isinstance(kv_heads, int) and kv_heads else 1,
        queries=q.shape[2],
        keys=keys,
        head_size=q.shape[3],
        value_size=v.shape[3],
        scale=arguments.scale,
        causal=arguments.causal,
        window=arguments.window,
        softcap=arguments.softcap,
        q=_operand(operands["q"], "q"),
        k=_operand(operands["k"], "k"),
        v=_operand(operands["v"], "v"),
        out=results.out,
        logsumexp=results.logsumexp,
        splits=splits,
        slice_strides=results.slice_strides,
        pages=None if table is None else Pages(_operand(table, "block_table").buffer, tw.tensor_info(table).shape[1], k.shape[2]),
        k_scale=None if operands["k_scale"] is None else _operand(operands["k_scale"], "k_scale"),
        v_scale=None if operands["v_scale"] is None else _operand(operands["v_scale"], "v_scale"),
        mask=None if operands["mask"] is None else _operand(operands["mask"], "the mask", scores),
        kv_len=None if operands["kv_len"] is None else _operand(operands["kv_len"], "kv_len").buffer,
        q_offset=None if operands["q_offset"] is None else _operand(operands["q_offset"], "q_offset").buffer,
        sinks=None if operands["sinks"] is None else _sinks(operands["sinks"]),
        score=attention.regions[0].blocks[0] if len(attention.regions) else None,
        score_inputs=tuple(_operand(value, "a score input", scores) for value in operands["score_inputs"]),
    )
    return DecodeKernel(problem, tuple(tw.tensor_info(a).dtype for a in block.arguments), results.dtypes)


@dataclass(frozen=True)
class _Results:
    """Where the results go, and the element types of the kernel's outputs."""

    out: Strided | None
    logsumexp: Strided | None
    slice_strides: tuple[Dim, Dim]
    dtypes: tuple[str, ...]


def _results(returned: Sequence[ir.Value], attention: ir.Operation, split: bool) -> _Results:
    """Every result at most once, in any order."""
    places: list[Strided | None] = [None, None]
    slices: list[Dim] = [0, 0]
    for number, value in enumerate(returned):
        computed, view = trace_result(value)
        which = next((i for i, result in enumerate(attention.results) if result == computed), None)
        if which is None or places[which] is not None:
            what = "an argument" if isinstance(computed.owner, ir.Block) else tw.op_name(computed.owner)
            raise UnsupportedError(
                f"{what} does not fit into an attention kernel",
                where=tw.location_text(attention.location),
                why="only movement may follow the attention, and each of its results leaves once",
                remedy=_REMEDY,
            )
        strides = _single_strides(view, "the result")
        if split:
            slices[which], *strides = strides
        places[which] = _strided(number, tw.tensor_info(computed).dtype, strides)
    dtypes = tuple(tw.tensor_info(value).dtype for value in returned)
    return _Results(places[0], places[1], (slices[0], slices[1]), dtypes)


def _operand(value: ir.Value, what: str, shape: tuple[Dim, ...] | None = None) -> Strided:
    source = trace_source(value)
    if source is None:
        raise UnsupportedError(
            f"{what} of an attention kernel is computed in it", where=tw.location_text(value.owner.location), remedy=_REMEDY
        )
    view = source.view if shape is None else source.view.broadcast_to(shape)
    return _strided(source.argument, source.dtype, _single_strides(view, what))


def _sinks(value: ir.Value) -> Strided:
    traced = _operand(value, "sinks")
    return Strided(traced.buffer, traced.dtype, 0, traced.batch, 0, 0)


def _strided(buffer: int, dtype: str, strides: Sequence[Dim]) -> Strided:
    """Dimensions that there are not have the stride 0."""
    batch, head, row, column = [*strides, 0, 0, 0][:4]
    return Strided(buffer, dtype, batch, head, row, column)


def _single_strides(view: StridedView, what: str) -> list[Dim]:
    for pieces in view.dims:
        if len(pieces) > 1:
            shown = " x ".join(f"{p.size}:{p.stride}" for p in pieces)
            raise UnsupportedError(
                f"{what} of an attention kernel has a dimension without a single stride", why=f"size:stride {shown}", remedy=_REMEDY
            )
    return [pieces[0].stride if pieces else 0 for pieces in view.dims]
