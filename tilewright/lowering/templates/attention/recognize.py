"""From a level 2 attention kernel to its problem."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided, strided
from tilewright.lowering.templates.tracing import trace_result, trace_source
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
    found = [op.operation for op in operations if tw.is_op(op, "attention")]
    returned = list(operations[-1].operation.operands)
    if len(found) != 1 or len(returned) != 1:
        raise UnsupportedError(
            f"an attention kernel holds one tw.attention and returns it, this one {len(found)} and {len(returned)} results",
            where=tw.location_text(function.location),
            remedy="fuse one attention per kernel",
        )
    attention = found[0]
    reason = attention_template_supports(attention, target)
    if reason is not None:
        raise UnsupportedError(
            "the attention template does not cover this tw.attention",
            where=tw.location_text(attention.location),
            why=reason,
            remedy="decompose it",
        )
    value, view = trace_result(returned[0])
    if value != attention.results[0]:
        raise UnsupportedError(
            f"{tw.op_name(value.owner) if not isinstance(value.owner, ir.Block) else 'an argument'} does not fit into an attention kernel",
            where=tw.location_text(attention.location),
            why="only movement may follow the attention",
            remedy="keep it outside the kernel",
        )
    operands = tw.operand_groups(attention)
    q, k, v = (tw.tensor_info(operands[name]) for name in "qkv")
    heads, kv_heads, head_size, value_size = q.shape[1], k.shape[1], q.shape[3], v.shape[3]
    assert isinstance(head_size, int) and isinstance(value_size, int)
    group = heads // kv_heads if isinstance(heads, int) and isinstance(kv_heads, int) and kv_heads else 1
    mask = operands["mask"]
    scores = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    problem = AttentionProblem(
        batch=q.shape[0],
        kv_heads=kv_heads,
        group=group,
        queries=q.shape[2],
        keys=k.shape[2],
        head_size=head_size,
        value_size=value_size,
        scale=tw.get(attention, "scale"),
        causal=tw.get(attention, "causal"),
        q=_operand(operands["q"], "q"),
        k=_operand(operands["k"], "k"),
        v=_operand(operands["v"], "v"),
        out=strided(0, q.dtype, view, "the result"),
        mask=None if mask is None else _operand(mask, "the mask", scores),
        kv_len=_argument(operands["kv_len"], "kv_len"),
        q_offset=_argument(operands["q_offset"], "q_offset"),
    )
    return AttentionKernel(problem, tuple(tw.tensor_info(a).dtype for a in block.arguments), (q.dtype,))


def _operand(value: ir.Value, what: str, shape: tuple[object, ...] | None = None) -> Strided:
    source = trace_source(value)
    if source is None:
        raise UnsupportedError(
            f"{what} of an attention kernel is computed in it",
            where=tw.location_text(value.owner.location),
            remedy="keep the computation outside the kernel",
        )
    view = source.view if shape is None else source.view.broadcast_to(shape)  # type: ignore[arg-type]
    return strided(source.argument, source.dtype, view, what)


def _argument(value: ir.Value | None, what: str) -> int | None:
    if value is None:
        return None
    source = trace_source(value)
    if source is None:
        raise UnsupportedError(f"{what} of an attention kernel is computed in it", remedy="keep the computation outside the kernel")
    return source.argument
