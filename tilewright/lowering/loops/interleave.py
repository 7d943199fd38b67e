"""The order of the ops in the body of an unrolled loop: those of the vectors of one step alternate.

A vector of a long function is one chain of dependent ops. Written one vector after the other, the chains of a step do not fit in the
scheduler of the machine together, so it waits for the latency of each op; written in turns, every op has independent neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir

_LOADS = ("vector.load", "vector.maskedload", "vector.gather", "memref.load")
_STORES = ("vector.store", "vector.maskedstore", "memref.store")
_FREE = ("arith.constant", "vector.broadcast")


def interleave(block: ir.Block) -> None:
    """Sort the ops of every innermost block inside `block` by their distance from the inputs of the block.

    Loads stay next to the first op that needs them, so that no register holds a value for long. Loads and stores of one memref keep
    their order; different memrefs of a kernel do not overlap (docs/levels.md).
    """
    innermost = True
    for view in list(block.operations):
        for region in view.operation.regions:
            for inner in region.blocks:
                innermost = False
                interleave(inner)
    if innermost:
        _sort(block)


def _sort(block: ir.Block) -> None:
    ops = [view.operation for view in block.operations]
    if len(ops) < 3:
        return
    *body, terminator = ops
    if not all(_is_known(op) for op in body):
        return
    levels = _levels(body)
    order = sorted(range(len(body)), key=lambda i: (levels[i], i))
    if order != list(range(len(body))):
        for i in order:
            body[i].move_before(terminator)


def _is_known(op: ir.Operation) -> bool:
    return op.name.startswith(("arith.", "math.", "vector.")) or op.name in (*_LOADS, *_STORES, "memref.prefetch", "llvm.call_intrinsic")


def _levels(body: Sequence[ir.Operation]) -> list[float]:
    """The step at which each op stands. An op is at least one step behind the ops it waits for; what is free or loaded stands half a
    step before its first user."""
    position: dict[ir.Value, int] = {result: i for i, op in enumerate(body) for result in op.results}
    waits = [_predecessors(i, op, position) for i, op in enumerate(body)]
    memory = _memory_order(body)
    levels = [0.0] * len(body)
    for i, op in enumerate(body):
        cost = 0 if op.name in _FREE or _is_index(op) else 1
        levels[i] = max((levels[p] for p in (*waits[i], *memory[i])), default=0.0) + cost
    first_use = [float("inf")] * len(body)
    for i in range(len(body) - 1, -1, -1):
        op = body[i]
        if (op.name in _LOADS or op.name in _FREE or _is_index(op)) and first_use[i] != float("inf"):
            levels[i] = max(levels[i], first_use[i] - 0.5) if op.name in _LOADS else first_use[i]
        for p in (*waits[i], *memory[i]):
            first_use[p] = min(first_use[p], levels[i])
    return levels


def _predecessors(i: int, op: ir.Operation, position: dict[ir.Value, int]) -> list[int]:
    return [position[v] for v in op.operands if v in position]


def _is_index(op: ir.Operation) -> bool:
    return len(op.results) == 1 and isinstance(op.results[0].type, ir.IndexType)


def _memory_order(body: Sequence[ir.Operation]) -> list[list[int]]:
    """For each op, the earlier ones on the same memref that it has to follow."""
    earlier: dict[ir.Value, list[int]] = {}
    before: list[list[int]] = []
    for i, op in enumerate(body):
        own: list[int] = []
        if op.name in _LOADS or op.name in _STORES:
            memref = next(v for v in op.operands if isinstance(v.type, ir.MemRefType))
            seen = earlier.setdefault(memref, [])
            own = [p for p in seen if op.name in _STORES or body[p].name in _STORES]
            seen.append(i)
        before.append(own)
    return before
