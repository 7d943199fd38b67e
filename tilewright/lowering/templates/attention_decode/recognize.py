"""From a level 2 kernel around an attention to its decode problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.attention import group_size, key_count
from tilewright.lowering.templates.attention.anchor import find_attention
from tilewright.lowering.templates.attention.operands import read_number, read_operand, read_optional, read_sinks
from tilewright.lowering.templates.attention.problem import Strided, single_strides, strided
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem, Pages
from tilewright.lowering.templates.tracing import trace_result
from tilewright.passes.schedules.attention_decode import attention_decode_supports
from tilewright.targets import Target


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
        group=group_size(heads, kv_heads),
        queries=q.shape[2],
        keys=keys,
        head_size=q.shape[3],
        value_size=v.shape[3],
        scale=arguments.scale,
        causal=arguments.causal,
        window=arguments.window,
        softcap=arguments.softcap,
        q=read_operand(operands["q"], "q"),
        k=read_operand(operands["k"], "k"),
        v=read_operand(operands["v"], "v"),
        out=results.out,
        logsumexp=results.logsumexp,
        splits=splits,
        slice_strides=results.slice_strides,
        pages=None if table is None else Pages(read_operand(table, "block_table").buffer, tw.tensor_info(table).shape[1], k.shape[2]),
        k_scale=read_optional(operands["k_scale"], "k_scale"),
        v_scale=read_optional(operands["v_scale"], "v_scale"),
        mask=read_optional(operands["mask"], "the mask", scores),
        kv_len=read_number(operands["kv_len"], "kv_len"),
        q_offset=read_number(operands["q_offset"], "q_offset"),
        sinks=read_sinks(operands["sinks"]),
        score=attention.regions[0].blocks[0] if len(attention.regions) else None,
        score_inputs=tuple(read_operand(value, "a score input", scores) for value in operands["score_inputs"]),
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
                remedy="keep it outside the kernel",
            )
        strides = single_strides(view, "the result")
        if split:
            slices[which], *strides = strides
        places[which] = strided(number, tw.tensor_info(computed).dtype, strides)
    dtypes = tuple(tw.tensor_info(value).dtype for value in returned)
    return _Results(places[0], places[1], (slices[0], slices[1]), dtypes)
