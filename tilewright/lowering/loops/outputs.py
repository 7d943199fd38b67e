"""The results of a step of a section: computed, then stored."""

from __future__ import annotations

from tilewright.core.symbolic import Dim, Expr, to_expr
from tilewright.lowering.loops import memory
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.graph import Node
from tilewright.lowering.loops.index_algebra import linearize
from tilewright.lowering.loops.plan import Section

Values = dict[str, Dim]


def store_outputs(emitter: Emitter, section: Section, values: Values, element: Element) -> None:
    """All outputs of a section at one element of its loops; every one is computed before the first is stored."""
    results = []
    for position, node in section.outputs:
        index = [emitter.space.simplify(e.substitute(values)) for e in output_index(section, node)]
        results.append((position, emitter.value(node, index, element)))
    for (position, value), (_, node) in zip(results, section.outputs, strict=True):
        memory.store(emitter, emitter.outputs[position], output_address(emitter, section, node, values), value, element)


def output_address(emitter: Emitter, section: Section, node: Node, values: Values) -> Expr:
    """Where an output is stored."""
    index = [emitter.space.simplify(e.substitute(values)) for e in output_index(section, node)]
    return emitter.space.simplify(linearize(index, node.shape))


def output_index(section: Section, node: Node) -> list[Expr]:
    """The index of an output over the loops of its section. Outputs may differ in where they have dimensions of size 1."""
    index = section.domain.index
    if len(index) == len(node.shape) and all((s == 1) == (e.constant() == 0) for s, e in zip(node.shape, index)):
        return list(index)
    proper = iter([e for e in index if e.constant() != 0])
    return [to_expr(0) if size == 1 else next(proper) for size in node.shape]
