"""From a level 2 attention kernel to its problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.attention import group_size
from tilewright.lowering.templates.attention.anchor import find_attention
from tilewright.lowering.templates.attention.narrow_indices import narrow_indices
from tilewright.lowering.templates.attention.operands import read_number, read_operand, read_optional, read_sinks
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided, single_strides, strided
from tilewright.lowering.templates.tracing import trace_result
from tilewright.passes.schedules.attention import attention_template_supports
from tilewright.targets import Target


@dataclass(frozen=True)
class AttentionKernel:
    """A recognized kernel: the problem, and the element types of inputs and outputs."""

    problem: AttentionProblem
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def recognize_attention(function: ir.OpView, target: Target) -> AttentionKernel:
    """Read a kernel function that holds one `tw.attention`, movement on its operands and on its result.

    Raises UnsupportedError, naming the op, for anything else.
    """
    block = function.operation.regions[0].blocks[0]
    operations = list(block.operations)
    attention = find_attention(function, target, "attention", attention_template_supports)
    returned = list(operations[-1].operation.operands)
    out, logsumexp = _results(attention, returned)
    operands = tw.operand_groups(attention)
    q, k, v = (tw.tensor_info(operands[name]) for name in "qkv")
    heads, kv_heads, head_size, value_size = q.shape[1], k.shape[1], q.shape[3], v.shape[3]
    assert isinstance(head_size, int) and isinstance(value_size, int)
    scores = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    problem = AttentionProblem(
        batch=q.shape[0],
        kv_heads=kv_heads,
        group=group_size(heads, kv_heads),
        queries=q.shape[2],
        keys=k.shape[2],
        head_size=head_size,
        value_size=value_size,
        scale=tw.get(attention, "scale"),
        causal=tw.get(attention, "causal"),
        q=read_operand(operands["q"], "q"),
        k=read_operand(operands["k"], "k"),
        v=read_operand(operands["v"], "v"),
        out=out,
        mask=read_optional(operands["mask"], "the mask", scores),
        kv_len=read_number(operands["kv_len"], "kv_len"),
        q_offset=read_number(operands["q_offset"], "q_offset"),
        window=tw.get(attention, "window"),
        softcap=tw.get(attention, "softcap"),
        sinks=read_sinks(operands["sinks"]),
        logsumexp=logsumexp,
        score=_score_region(attention, scores, tw.symbols_of(function)),
        score_inputs=tuple(read_operand(value, "a score input", scores) for value in operands["score_inputs"]),
    )
    inputs, outputs = (tuple(tw.tensor_info(value).dtype for value in values) for values in (block.arguments, returned))
    return AttentionKernel(problem, inputs, outputs)


def _results(attention: ir.Operation, returned: Sequence[ir.Value]) -> tuple[Strided, Strided | None]:
    """Where the output goes, and the log of the normalizer where that is returned too."""
    places: list[Strided | None] = [None] * len(attention.results)
    for number, value in enumerate(returned):
        computed, view = trace_result(value)
        which = next((i for i, result in enumerate(attention.results) if result == computed), None)
        if which is None or places[which] is not None:
            raise UnsupportedError(
                f"{_producer(computed)} does not fit into an attention kernel",
                where=tw.location_text(attention.location),
                why="only movement may follow the attention, and each of its results leaves the kernel once",
                remedy="keep it outside the kernel",
            )
        places[which] = strided(number, tw.tensor_info(value).dtype, single_strides(view, "a result"))
    out, *statistics = places
    if out is None:
        raise UnsupportedError(
            "an attention kernel does not return what the attention computes",
            where=tw.location_text(attention.location),
            why="the values weighted by the probabilities are computed in any case",
            remedy="return the first result of the attention, or decompose it",
        )
    return out, next(iter(statistics), None)


def _score_region(attention: ir.Operation, shape: Sequence[Dim], symbols: Mapping[str, tuple[int, int]]) -> ir.Block | None:
    if not len(attention.regions):
        return None
    return narrow_indices(attention.regions[0].blocks[0], [to_expr(size).bounds(symbols)[1] for size in shape])


def _producer(value: ir.Value) -> str:
    return "an argument" if isinstance(value.owner, ir.Block) else tw.op_name(value.owner)
