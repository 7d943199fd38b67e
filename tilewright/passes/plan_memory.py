"""`tw-plan-memory`: results of launches into slots of one arena, by liveness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, Ranges, call, ceildiv, parse_dim, simplify_dim, symbol, to_expr
from tilewright.dialects import tw

ALIGNMENT = 64
"""Bytes to which weights, arena slots and scratch are aligned."""


@register_pass
@dataclass(frozen=True)
class PlanMemory(Pass):
    """Say where every launch result lives: in an output of the program, or in a slot of the arena shared by values never alive together.

    A slot is free again after the last launch that reads its value (through reshapes, which are aliases). A value takes the free slot that
    fits it most tightly, over the whole range of the symbols.

    Before: `%1 = "tw.launch"(%0) {callee = @f}`
    After: `%1 = "tw.launch"(%0) {buffers = ["slot:0"], callee = @f}` and `tw.slots = ["4*s0"]` on the function
    """

    name: ClassVar[str] = "tw-plan-memory"

    def run(self, module: ir.Module) -> None:
        for function in tw.functions(module):
            if "tw.kernel" not in function.operation.attributes:
                _Plan(function).apply()


class _Plan:
    """The plan of one function."""

    def __init__(self, function: ir.OpView) -> None:
        self.function = function.operation
        self.ranges = tw.symbols_of(function)
        self.ops = [op.operation for op in self.function.regions[0].blocks[0].operations]
        self.slots: list[Dim] = []
        self.free: list[int] = []

    def apply(self) -> None:
        outputs: dict[ir.Value, int] = {}
        for i, value in enumerate(self.ops[-1].operands):
            outputs.setdefault(_root(value), i)
        expires = self._last_uses()
        slot_of: dict[ir.Value, int] = {}
        for index, op in enumerate(self.ops):
            if not tw.is_op(op, "launch"):
                continue
            buffers: list[str] = []
            for result in op.results:
                if result in outputs:
                    buffers.append(f"output:{outputs[result]}")
                    continue
                slot_of[result] = self._take(tw.tensor_info(result).nbytes)
                buffers.append(f"slot:{slot_of[result]}")
            op.attributes["buffers"] = ir.ArrayAttr.get([ir.StringAttr.get(b) for b in buffers])
            for value, last in expires.items():
                if last == index and value in slot_of:
                    self.free.append(slot_of[value])
        self.function.attributes["tw.slots"] = ir.ArrayAttr.get([ir.StringAttr.get(str(s)) for s in self.slots])

    def _last_uses(self) -> dict[ir.Value, int]:
        last: dict[ir.Value, int] = {}
        for index, op in enumerate(self.ops):
            if tw.is_op(op, "launch"):
                for value in (*op.operands, *op.results):
                    last[_root(value)] = index
        return last

    def _take(self, size: Dim) -> int:
        fitting = [i for i in self.free if _dominates(self.slots[i], size, self.ranges)]
        if fitting:
            chosen = min(fitting, key=lambda i: self._upper(self.slots[i]))
        else:
            smaller = [i for i in self.free if _dominates(size, self.slots[i], self.ranges)]
            mixed = smaller or self.free
            if not mixed:
                self.slots.append(size)
                return len(self.slots) - 1
            chosen = max(mixed, key=lambda i: self._upper(self.slots[i]))
            self.slots[chosen] = size if smaller else simplify_dim(to_expr(call("max", self.slots[chosen], size)))
        self.free.remove(chosen)
        return chosen

    def _upper(self, size: Dim) -> int:
        return to_expr(size).bounds(self.ranges)[1]


def _root(value: ir.Value) -> ir.Value:
    """The value behind reshapes."""
    while not isinstance(value.owner, ir.Block) and tw.is_op(value.owner, "reshape"):
        value = value.owner.operation.operands[0]
    return value


def _dominates(large: Dim, small: Dim, ranges: Ranges) -> bool:
    """True when `large >= small` provably, for all symbols in their ranges.

    With each symbol written as its lower bound plus something not negative, no coefficient of the difference is negative.
    """
    shifted: dict[str, Dim] = {name: symbol(name) + low for name, (low, _) in ranges.items()}
    return all(factor >= 0 for factor in (to_expr(large) - small).substitute(shifted).terms.values())


def planned_slots(main: ir.Operation) -> list[Dim]:
    """The byte sizes in `tw.slots`. Raises VerifyError when memory is not planned."""
    if "tw.slots" not in main.attributes:
        raise VerifyError("@main has no tw.slots", why="memory is not planned yet", remedy="run tw-plan-memory before")
    return [parse_dim(ir.StringAttr(a).value) for a in ir.ArrayAttr(main.attributes["tw.slots"])]


def slot_offsets(slots: Iterable[Dim]) -> list[Dim]:
    """The offset in bytes of each slot in the arena, aligned; one more element at the end is the size of the arena."""
    offsets: list[Dim] = [0]
    for size in slots:
        offsets.append(simplify_dim(to_expr(offsets[-1]) + to_expr(ceildiv(size, ALIGNMENT)) * ALIGNMENT))
    return offsets
