"""`tw-fuse`: ops into `tw.kernel` regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.fusion.groups import Group, Grouping


@register_pass
@dataclass(frozen=True)
class Fuse(Pass):
    """Group the ops of every function into isolated `tw.kernel` regions, each of which is one launch.

    Pointwise chains, reductions and normalizations along the last dimension share a kernel with their producers and consumers; a
    matmul takes its pointwise epilogue; movement is folded into its consumer where the consumer can read or write by strides. What
    is cheap (constants, iota, unit reshapes) is copied into every kernel that uses it. Weights and other reshapes stay outside.

    Matmuls of one left side share a kernel, which reads it once, where their products meet in a pointwise op (a gated product), and
    where they compute the same from other weights (queries, keys and values), each with its own epilogue and result.

    Before: `%1 = "tw.matmul"(%x, %w)`, `%2 = "tw.pointwise"(%1, %b)`
    After: `%2 = "tw.kernel"(%x, %w, %b) ({ ...both, "tw.yield"(...) })`
    """

    name: ClassVar[str] = "tw-fuse"
    max_ops: int = option(48, help="largest number of ops in one kernel, those copied in not counted")

    def run(self, module: ir.Module) -> None:
        for function in tw.functions(module):
            if "tw.kernel" not in function.operation.attributes:
                fuse_block(function.operation.regions[0].blocks[0], self.max_ops)


def fuse_block(block: ir.Block, max_ops: int) -> None:
    """Replace the ops of a block by kernels, in an order in which every kernel follows what it depends on."""
    grouping = Grouping(block, max_ops)
    terminator = list(block.operations)[-1].operation
    builder = _KernelBuilder(grouping, terminator)
    for group in _topological(grouping.groups):
        builder.emit(group)
    builder.finish(block)


def _topological(groups: list[Group]) -> list[Group]:
    ordered: list[Group] = []
    done: set[Group] = set()
    waiting = list(groups)
    while waiting:
        rest: list[Group] = []
        for group in waiting:
            if group.ancestors <= done:
                ordered.append(group)
                done.add(group)
            else:
                rest.append(group)
        if len(rest) == len(waiting):
            raise RuntimeError("fusion made a cycle of kernels")
        waiting = rest
    return ordered


class _KernelBuilder:
    """Emits kernels in front of the terminator, then removes the ops they replace."""

    def __init__(self, grouping: Grouping, terminator: ir.Operation) -> None:
        self.grouping = grouping
        self.terminator = terminator
        self.replaced: dict[ir.Value, ir.Value] = {}

    def outside(self, value: ir.Value) -> ir.Value:
        """The value as it is available in front of the terminator; ops that stay outside are copied there when first used."""
        if value in self.replaced:
            return self.replaced[value]
        owner = value.owner
        if isinstance(owner, ir.Block):
            return value
        op = owner.operation
        clone = _clone(op, [self.outside(v) for v in op.operands], ir.InsertionPoint(self.terminator))
        self.replaced.update(zip(op.results, clone.results))
        return self.replaced[value]

    def emit(self, group: Group) -> None:
        ops = self._with_copies(group)
        members = set(ops)
        inputs: list[ir.Value] = []
        for op in ops:
            for value in op.operands:
                owner = value.owner
                inside = not isinstance(owner, ir.Block) and owner.operation in members
                if not inside and value not in inputs:
                    inputs.append(value)
        outputs = [r for op in group.ops for r in op.results if self._escapes(r, group)]
        location = ir.Location.fused([op.location for op in group.ops]) if len(group.ops) > 1 else group.ops[0].location
        arguments = [self.outside(v) for v in inputs]
        with ir.InsertionPoint(self.terminator), location:
            kernel = tw.kernel(arguments, [v.type for v in outputs], loc=location)
        block = kernel.regions[0].blocks[0]
        inside_values: dict[ir.Value, ir.Value] = dict(zip(inputs, block.arguments))
        for op in ops:
            clone = _clone(op, [inside_values[v] for v in op.operands], ir.InsertionPoint(block))
            inside_values.update(zip(op.results, clone.results))
        with ir.InsertionPoint(block):
            tw.yield_([inside_values[v] for v in outputs], loc=location)
        self.replaced.update(zip(outputs, kernel.results))

    def _with_copies(self, group: Group) -> list[ir.Operation]:
        """The group's ops and the inline and movement ops they use, in dependency order."""
        ordered: list[ir.Operation] = []
        seen: set[ir.Operation] = set()

        def visit(op: ir.Operation) -> None:
            if op in seen:
                return
            seen.add(op)
            for value in op.operands:
                owner = value.owner
                if isinstance(owner, ir.Block):
                    continue
                producer = owner.operation
                if self.grouping.member.get(producer) is group or (
                    producer in self.grouping.pending and producer not in self.grouping.member
                ):
                    visit(producer)
            ordered.append(op)

        for op in group.ops:
            visit(op)
        return ordered

    def _escapes(self, value: ir.Value, group: Group) -> bool:
        if value in self.grouping.returned:
            return True
        return any(self._escapes_through(use.owner.operation, group) for use in value.uses)

    def _escapes_through(self, user: ir.Operation, group: Group) -> bool:
        owner = self.grouping.member.get(user)
        if owner is not None:
            return owner is not group
        if user in self.grouping.pending:
            return any(
                r in self.grouping.returned or any(self._escapes_through(use.owner.operation, group) for use in r.uses)
                for r in user.results
            )
        return True

    def finish(self, block: ir.Block) -> None:
        """Redirect the terminator and erase what the kernels replace."""
        old = [op.operation for op in block.operations if op.operation != self.terminator]
        for i, value in enumerate(list(self.terminator.operands)):
            self.terminator.operands[i] = self.outside(value)
        created = {v.owner.operation for v in self.replaced.values() if not isinstance(v.owner, ir.Block)}
        for op in reversed(old):
            if op not in created and not any(True for r in op.results for _ in r.uses):
                op.erase()


def _clone(op: ir.Operation, operands: list[ir.Value], point: ir.InsertionPoint) -> ir.Operation:
    clone = op.clone(ip=point)
    for i, value in enumerate(operands):
        clone.operation.operands[i] = value
    return clone.operation
