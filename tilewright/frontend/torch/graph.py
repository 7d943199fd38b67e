"""What an fx graph needs before it is imported: which nodes matter, what mutates, and torch's decompositions."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch.export import ExportedProgram

from tilewright.frontend.torch.private import OpOverload, writes_to_arguments
from tilewright.frontend.torch.registry import HANDLERS, target_name

_ASSERTIONS = ("aten._assert_scalar.default",)


def live_nodes(graph: torch.fx.Graph) -> set[torch.fx.Node]:
    """Nodes that a result or an assertion about sizes depends on."""
    pending = [n for n in graph.nodes if n.op == "output" or target_name(n.target) in _ASSERTIONS]
    live: set[torch.fx.Node] = set()
    while pending:
        node = pending.pop()
        if node not in live:
            live.add(node)
            pending += node.all_input_nodes
    return live


def all_nodes(module: torch.fx.GraphModule) -> Iterator[torch.fx.Node]:
    """Calls in a graph and in its subgraphs."""
    for child in module.modules():
        if isinstance(child, torch.fx.GraphModule):
            yield from (n for n in child.graph.nodes if n.op == "call_function")


def mutates(program: ExportedProgram) -> bool:
    """True when some op writes to one of its arguments, so that the order of ops would matter."""
    return any(
        isinstance(n.target, OpOverload) and writes_to_arguments(n.target) and str(n.target) not in HANDLERS
        for n in all_nodes(program.graph_module)
    )


def decompose(program: ExportedProgram, without_handler: Collection[str] = ()) -> ExportedProgram:
    """The program without mutation, in ops of torch's core set and those with a handler.

    `without_handler` names ops that have a handler which rejected them: torch decomposes these too. Raises what torch raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table: Any = torch.export.default_decompositions()
        for op in list(table):
            if str(op) in HANDLERS and str(op) not in without_handler:
                del table[op]
        return program.run_decompositions(table)
