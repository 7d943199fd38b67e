"""`torch.nn.attention.flex_attention`: its functions of scores become the region of a `tw.attention`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.dtypes import dtype_name
from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.ops.indexing import wrapped_index
from tilewright.frontend.torch.private import propagate_types
from tilewright.frontend.torch.registry import imports


@imports("flex_attention")
def flex_attention(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    score_mod: torch.fx.GraphModule,
    block_mask: Sequence[Any],
    scale: float,
    kernel_options: object,
    score_captures: Sequence[ir.Value] = (),
    mask_captures: Sequence[ir.Value] = (),
) -> list[ir.Value | None]:
    """Output, log2 of the normalizer and (not supported) the largest score.

    Of the block mask only its function counts, as in torch's own CPU implementation: the blocks say again what it says.
    """
    shape, dtype = tw.tensor_info(q).shape, tw.tensor_info(q).dtype
    if 2 in emit.used_results():
        emit.reject("the largest scores of flex_attention", "compute them from the scores; return_lse=True is supported")
    k, v = (emit.broadcast(x, (shape[0], *tw.tensor_info(x).shape[1:])) for x in (k, v))
    functions = _ScoreFunctions(emit, (*shape[:3], tw.tensor_info(k).shape[2]))
    score = functions.inline(_in_f32(score_mod), functions.stand_ins, score_captures)
    visible = functions.inline(block_mask[-1], functions.stand_ins[1:], mask_captures)
    inputs, region = functions.region(score, None if _is_true(visible) else visible)
    if region is not None and dtype == "f64":
        emit.reject("flex_attention of float64 with a score_mod or mask_mod", "scores are changed in float32: convert q, k and v")
    logsumexp = 1 in emit.used_results()
    no_options = (None,) * 7
    results: list[ir.Value | None] = [
        *tw.build_many(
            "attention", q, k, v, *no_options, inputs, loc=emit.loc, region=region, scale=float(scale), logsumexp=logsumexp
        )
    ]  # fmt: skip
    functions.erase_unused()
    if logsumexp:
        inverse = 1 / math.log(2.0)
        results[1] = emit.map(lambda x: sc.mul(x, sc.like(x, inverse)), results[1], compute="f32", out="f32")  # type: ignore[arg-type]
    return [*results, None, None][:3]


@imports("flat_apply")
def flat_apply(emit: Emitter, function: object, structure: object, name: object, *leaves: Any) -> ir.Value:
    """What tracing a score_mod makes of `tensor[index, ...]`: the tensor and its indices follow the name of a class."""
    if name != "torch._dynamo._trace_wrapped_higher_order_op.ModIndex":
        emit.reject(f"a call of {name} that export did not look into", "write it with torch ops")
    table, *indices = leaves
    nodes = emit.node.args[4:]
    extents = tw.tensor_info(table).shape
    values = [wrapped_index(emit, i, node, extent) for i, node, extent in zip(indices, nodes, extents)]
    return emit.build("gather", table, values, axes=tuple(range(len(values))))


def _in_f32(score_mod: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """A score_mod with the types that it has for an f32 score: it is traced with a score of the type of q, but called with f32."""
    placeholders = [n for n in score_mod.graph.nodes if n.op == "placeholder"]
    fakes = [n.meta["val"] for n in placeholders]
    if fakes[0].dtype in (torch.float32, torch.float64):
        return score_mod
    with fakes[0].fake_mode:
        score = torch.empty((), dtype=torch.float32)
    return propagate_types(score_mod, [score, *fakes[1:]])


def _is_true(value: ir.Value) -> bool:
    return _number(value) is True


def _number(value: ir.Value) -> bool | int | float | None:
    """The number that a constant of rank 0 is."""
    owner = value.owner
    if isinstance(owner, ir.Block) or tw.short_name(owner.operation) != "constant":
        return None
    return tw.elements_to_array(tw.attributes_of(owner.operation)["value"]).item()


class _ScoreFunctions:
    """Imports functions of (score, b, h, q, k) on tensors of rank 0 that stand for these, and makes a region of what that built.

    Whatever handlers build of pointwise ops becomes scalar ops. A captured tensor at computed indices becomes a score input, looked up for
    all indices on which it depends at once: bias[h, q - k] is `[1, H, Q, K]`, slopes[h] is `[1, H, 1, 1]`.
    """

    def __init__(self, emit: Emitter, sizes: Sequence[Dim]) -> None:
        self.emit = emit
        self.sizes = sizes
        self.block = ir.InsertionPoint.current.block
        self.first = len(self.block.operations)
        self.stand_ins = [emit.number(0, "f32"), *(emit.number(0, "i32") for _ in range(4))]
        self._depends: dict[ir.Value, bool] = {}
        self._lifted: dict[ir.Value, ir.Value] = {}

    def inline(self, function: torch.fx.GraphModule, indices: Sequence[ir.Value], captures: Sequence[ir.Value]) -> ir.Value:
        """The result of a function, rank 0. Indices get the type with which the function was traced."""
        placeholders = [n for n in function.graph.nodes if n.op == "placeholder"]
        traced = [dtype_name(n.meta["val"].dtype) for n in placeholders]
        given = [
            x if tw.tensor_info(x).dtype == t or i is self.stand_ins[0] else self.emit.cast(x, t)
            for i, x, t in zip(indices, indices, traced)
        ]
        (result,) = self.emit.inline(function, [*given, *captures])
        return self.emit.tensor(result)

    def region(self, score: ir.Value, visible: ir.Value | None) -> tuple[tuple[ir.Value, ...], ir.Block | None]:
        """The score inputs and the region; no region for one that would change nothing."""
        results = [score] if visible is None else [score, visible]
        if results == self.stand_ins[:1]:
            return (), None
        inputs: dict[ir.Value, ir.Value] = {}
        for value in results:
            self._collect(value, inputs)

        def body(score: ir.Value, *scalars: ir.Value) -> list[ir.Value]:
            known = dict(zip(inputs, scalars[4:]))
            known[self.stand_ins[0]] = score
            known |= {x: sc.cast(s, "i32") for x, s in zip(self.stand_ins[1:], scalars)}
            first, *rest = [self._scalar(value, known) for value in results]
            return [sc.cast(first, "f32"), *rest]

        given = tuple(inputs.values())
        return given, tw.score_region(given, body, loc=self.emit.loc)

    def erase_unused(self) -> None:
        """Erase what was built to stand for scalars."""
        for op in list(self.block.operations)[self.first :][::-1]:
            if all(next(iter(r.uses), None) is None for r in op.operation.results) and tw.short_name(op) != "attention":
                op.operation.erase()

    def _collect(self, value: ir.Value, inputs: dict[ir.Value, ir.Value]) -> None:
        """Find the score inputs of a value: the tensor of rank 0 that a scalar of the region stands for, and the tensor to read it from."""
        if value in self.stand_ins or value in inputs or _number(value) is not None:
            return
        op = value.owner.operation if self._dependent(value) else None
        if op is None:
            inputs[value] = value
        elif tw.short_name(op) == "pointwise":
            for operand in op.operands:
                self._collect(operand, inputs)
        else:
            inputs[value] = self._lift(value)

    def _scalar(self, value: ir.Value, known: dict[ir.Value, ir.Value]) -> ir.Value:
        """The scalar for a tensor of rank 0, built at the insertion point."""
        if value not in known:
            number = _number(value)
            if number is not None:
                known[value] = sc.constant(number, tw.tensor_info(value).dtype)
            else:
                op = value.owner.operation
                results = _cloned(op, [self._scalar(x, known) for x in op.operands])
                known |= dict(zip(op.results, results))
        return known[value]

    def _dependent(self, value: ir.Value) -> bool:
        """True when a value depends on the score or on an index."""
        if value not in self._depends:
            owner = value.owner
            inside = not isinstance(owner, ir.Block)
            self._depends[value] = value in self.stand_ins or (inside and any(self._dependent(x) for x in owner.operation.operands))
        return self._depends[value]

    def _lift(self, value: ir.Value) -> ir.Value:
        """The tensor of a value for all indices on which it depends: `[B, H, Q, K]` with size 1 for those on which it does not."""
        if not self._dependent(value):
            return value
        if value not in self._lifted:
            self._lifted[value] = self._lift_new(value)
        return self._lifted[value]

    def _lift_new(self, value: ir.Value) -> ir.Value:
        emit = self.emit
        if value in self.stand_ins:
            number = self.stand_ins.index(value) - 1
            if number < 0:
                emit.reject("a tensor that is indexed by the score, in a score_mod", "index captured tensors by b, h, q_idx and kv_idx")
            return emit.cast(emit.iota(self.sizes[number], rank=4, dim=number), "i32")
        op = value.owner.operation
        name = tw.short_name(op)
        if name == "pointwise":
            operands = [self._lift(x) for x in op.operands]
            results = tw.pointwise(operands, lambda *scalars: _cloned(op, scalars), loc=emit.loc)
            return results[list(op.results).index(value)]
        if name != "gather":
            emit.reject(
                f"tw.{name} of something that depends on the indices of a score, in a score_mod or mask_mod",
                "index captured tensors by one scalar for each of their dimensions, and compute pointwise with what is found",
            )
        table, indices = self._table(op)
        return emit.build("gather", table, [self._lift(i) for i in indices], axes=tuple(range(len(indices))))

    def _table(self, op: ir.Operation) -> tuple[ir.Value, list[ir.Value]]:
        """The table of a gather and an index for each of its first dimensions: `t[h][q]` is `t[h, q]`."""
        table, *indices = op.operands
        if tw.attributes_of(op)["axes"] != tuple(range(len(indices))):
            self.emit.reject(
                "a captured tensor that is not indexed from its first dimension on, in a score_mod or mask_mod", "move its dimensions"
            )
        if not self._dependent(table):
            return table, indices
        inner = table.owner.operation
        if tw.short_name(inner) != "gather":
            self.emit.reject(
                "a captured tensor that a score_mod or mask_mod changes before it indexes it", "change it before flex_attention"
            )
        outer, first = self._table(inner)
        return outer, [*first, *indices]


def _cloned(op: ir.Operation, operands: Sequence[ir.Value]) -> list[ir.Value]:
    """The scalar ops of a `tw.pointwise` on other scalars, at the insertion point; returns what the region yields."""
    block = op.regions[0].blocks[0]
    known: dict[ir.Value, ir.Value] = dict(zip(block.arguments, operands))
    for inner in block.operations:
        operation = inner.operation
        if operation.name == "tw.yield":
            return [known[x] for x in operation.operands]
        clone = operation.clone()
        for i, x in enumerate(operation.operands):
            clone.operation.operands[i] = known[x]
        known |= dict(zip(operation.results, clone.operation.results))
    return []
