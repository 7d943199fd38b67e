"""The report of everything in a graph that cannot be imported: one record per op and reason, with counts and source lines."""

from __future__ import annotations

import difflib

import torch

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.refusals import Refusals
from tilewright.frontend.torch.locations import describe
from tilewright.frontend.torch.registry import HANDLERS, target_name

# What to use instead, where the name alone doesn't show it.
ALTERNATIVES: dict[str, str] = {
    "topk": "torch.argmax (k = 1)",
    "sort": "torch.argmax or torch.amax, where the order itself isn't needed",
    "argsort": "torch.argmax or torch.amax, where the order itself isn't needed",
    "nonzero": "torch.where(mask, a, b): the result keeps the shape of its input",
    "masked_select": "torch.where(mask, a, b): the result keeps the shape of its input",
    "unique": "nothing: the size of the result depends on data; do it outside of the model",
    "_local_scalar_dense": "a tensor instead of .item()",
    "item": "a tensor instead of .item()",
    "cond": "torch.where on both results",
    "while_loop": "a loop of fixed length, which export unrolls",
    "rand": "a random tensor given as an input",
    "randn": "a random tensor given as an input",
    "rand_like": "a random tensor given as an input",
    "randn_like": "a random tensor given as an input",
    "bernoulli": "a random tensor given as an input",
    "multinomial": "sampling outside of the model",
    "polar": "cos and sin on real tensors",
    "view_as_complex": "the real and imaginary parts as separate tensors",
    "view_as_real": "the real and imaginary parts as separate tensors",
    "complex": "the real and imaginary parts as separate tensors",
    "histc": "torch.nn.functional.one_hot and a sum",
    "bincount": "torch.nn.functional.one_hot and a sum",
    "max_pool2d": "unfold and amax",
    "avg_pool2d": "unfold and mean",
}


class Report:
    """Collects what can't be imported while a graph is read."""

    def __init__(self) -> None:
        self.refusals = Refusals()
        self.decomposable_ops: set[str] = set()
        """Ops that torch may be able to express in others."""

    def __bool__(self) -> bool:
        return bool(self.refusals)

    def add(self, node: torch.fx.Node, reason: str, remedy: str = "", decomposable: bool = False) -> None:
        """Record that a node can't be imported."""
        op = target_name(node.target)
        self.refusals.add(op, reason, describe(node), remedy)
        if decomposable:
            self.decomposable_ops.add(op)

    def add_unknown(self, node: torch.fx.Node) -> None:
        """Record a node whose op has no handler."""
        self.add(node, "the op is not supported", alternative(target_name(node.target)), decomposable=True)

    def error(self, origin: str = "") -> UnsupportedError:
        """The error that names everything (see `Refusals.error`)."""
        remedy = "change the model at the lines above, or ask for the ops; nothing was compiled"
        return self.refusals.error("node", "compiled", remedy, origin)


def alternative(op: str) -> str:
    """What to use in place of an op: from the table, else the supported ops with the nearest names."""
    parts = op.split(".")
    name = parts[1] if len(parts) > 1 else parts[0]
    base = name.rstrip("_")
    if base in ALTERNATIVES:
        return ALTERNATIVES[base]
    known = sorted({h.split(".")[1] for h in HANDLERS if h.count(".") == 2})
    if base in known:
        return f"another overload of {base}: {', '.join(sorted(h for h in HANDLERS if h.split('.')[1:2] == [base]))}"
    near = difflib.get_close_matches(base, known, n=2, cutoff=0.75)
    return " or ".join(near)
