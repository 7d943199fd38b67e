"""Stores past the caches, for rows that no cache would keep until they are read.

An ordinary store reads the line it is going to overwrite. A kernel that touches several times what the caches of a core hold finds
neither its rows there nor leaves them: writing whole lines straight to memory then saves a part of its traffic (a fifth where three
tensors are read, a third where one is). Smaller results stay in a cache for the kernel that reads them next.
"""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, memref, scf
from tilewright.core.symbolic import Expr, product, to_expr
from tilewright.dialects.tw.types import BYTES
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.graph import Node
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.math.lanes import call_intrinsic

CACHES_TOUCHED = 4
"""How often a kernel's tensors fill the caches of a core when its results bypass them."""
LINE = 64


def may_stream(emitter: Emitter, section: Section) -> bool:
    """Whether the results of a section are whole rows of vectors, and may be large enough to bypass the caches."""
    if emitter.target.arch != "x86-64" or section.kind != "rows" or section.lane is None or section.inner or section.cuts:
        return False
    if emitter.width == 1 or any(BYTES[node.dtype] not in (2, 4) or node.dtype == "i1" for _, node in section.outputs):
        return False
    return _touched(emitter, section).bounds(emitter.graph.size_ranges)[1] >= _threshold(emitter)


def emit_flag(emitter: Emitter, section: Section) -> ir.Value:
    """At the start of the function: whether the tensors are large, and every row of the results starts a cache line."""
    scopes = emitter.scopes
    with scopes.at(scopes.stack[0]):
        touched, limit = scopes.index(_touched(emitter, section)), scopes.index(_threshold(emitter))
        flag = arith.CmpIOp(arith.CmpIPredicate.sge, touched, limit).result
        for position, node in section.outputs:
            base = memref.ExtractAlignedPointerAsIndexOp(emitter.outputs[position].view).result
            row = scopes.index(_row_bytes(section, node))
            misaligned = arith.AndIOp(arith.OrIOp(base, row).result, scopes.index(LINE - 1)).result
            aligned = arith.CmpIOp(arith.CmpIPredicate.eq, misaligned, scopes.index(0)).result
            flag = arith.AndIOp(flag, aligned).result
    return flag


def emit_fence(flag: ir.Value) -> None:
    """Make the stores visible to whoever is told, by an ordinary store, that the rows are there."""
    branch = scf.IfOp(flag)
    with ir.InsertionPoint(branch.then_block):
        call_intrinsic("llvm.x86.sse.sfence", [], [])
        scf.YieldOp([])


def _threshold(emitter: Emitter) -> int:
    caches = emitter.target.caches
    return CACHES_TOUCHED * (caches.l2 + caches.l3)


def _touched(emitter: Emitter, section: Section) -> Expr:
    """Bytes of the results, and of the inputs of their shape."""
    shape = _significant(section.outputs[0][1])
    alike = [a for a in emitter.graph.arguments if _significant(a) == shape]
    nodes = [node for _, node in section.outputs] + alike
    total = to_expr(0)
    for node in nodes:
        total = total + to_expr(product(node.shape)) * BYTES[node.dtype]
    return total


def _significant(node: Node) -> tuple[str, ...]:
    return tuple(str(d) for d in node.shape if d != 1)


def _row_bytes(section: Section, node: Node) -> Expr:
    """Distance of the first lanes of two units of work; 0 where the lanes of all units follow each other in steps of whole lines."""
    assert section.lane is not None
    if section.lane_in_unit and not section.units:
        return to_expr(0)
    return to_expr(section.lane.size) * BYTES[node.dtype]
