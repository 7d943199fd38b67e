"""What an fx graph needs before it is imported: which nodes matter, what mutates, and torch's decompositions."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch.export import ExportedProgram

from tilewright.frontend.torch.private import OpOverload, returns_alias, writes_to_arguments
from tilewright.frontend.torch.registry import HANDLERS, target_name

_BLOCK_MASK = 4
"""The position of the block mask among the arguments of `flex_attention`."""

_ASSERTIONS = ("aten._assert_scalar.default",)


def arguments_read(node: torch.fx.Node) -> tuple[Any, ...]:
    """The positional arguments of a node, with None for tensors that no handler reads.

    `flex_attention` is told which blocks of scores its mask function hides; only the function itself (the last entry) counts.
    """
    if target_name(node.target) != "flex_attention":
        return node.args
    blocks: Any = node.args[_BLOCK_MASK]
    return (
        *node.args[:_BLOCK_MASK],
        (*(None if isinstance(b, torch.fx.Node) else b for b in blocks[:-1]), blocks[-1]),
        *node.args[_BLOCK_MASK + 1 :],
    )


def inputs_read(node: torch.fx.Node) -> list[torch.fx.Node]:
    """The nodes that a node depends on."""
    if target_name(node.target) != "flex_attention":
        return node.all_input_nodes
    found: list[torch.fx.Node] = []
    torch.fx.map_arg((arguments_read(node), node.kwargs), found.append)
    return found


def live_nodes(graph: torch.fx.Graph) -> set[torch.fx.Node]:
    """Nodes that a result or an assertion about sizes depends on."""
    pending = [n for n in graph.nodes if n.op == "output" or target_name(n.target) in _ASSERTIONS]
    live: set[torch.fx.Node] = set()
    while pending:
        node = pending.pop()
        if node not in live:
            live.add(node)
            pending += inputs_read(node)
    return live


def all_nodes(module: torch.fx.GraphModule) -> Iterator[torch.fx.Node]:
    """Calls in a graph and in its subgraphs."""
    for child in module.modules():
        if isinstance(child, torch.fx.GraphModule):
            yield from (n for n in child.graph.nodes if n.op == "call_function")


def mutates(program: ExportedProgram) -> bool:
    """True when some op writes to one of its arguments, so that the order of ops would matter.

    Writing to a tensor that the program made and that no result depends on does not count.
    """
    live = live_nodes(program.graph)
    return any(
        isinstance(n.target, OpOverload)
        and writes_to_arguments(n.target)
        and str(n.target) not in HANDLERS
        and (n.graph is not program.graph or _shares_memory(n.args[0], live))
        for n in all_nodes(program.graph_module)
    )


def _shares_memory(node: Any, live: Collection[torch.fx.Node]) -> bool:
    """True unless a tensor was surely made by an op, and neither it nor what shares its memory is in `live`."""
    made = node
    while isinstance(made, torch.fx.Node) and isinstance(made.target, OpOverload) and returns_alias(made.target):
        made = made.args[0]
    if not isinstance(made, torch.fx.Node) or not isinstance(made.target, OpOverload):
        return True
    pending, sharing = [made], {made}
    while pending:
        aliases = {u for u in pending.pop().users if isinstance(u.target, OpOverload) and returns_alias(u.target)} - sharing
        sharing |= aliases
        pending += aliases
    return any(n in live for n in sharing)


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
