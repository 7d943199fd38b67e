"""Iteration domains: the loops over the elements of a node, which may be split and merged against the node's own dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.core.symbolic import Dim, Expr, call, simplify_dim, symbol, to_expr
from tilewright.lowering.loops.graph import Reduced


@dataclass(frozen=True)
class Axis:
    """One loop: the name of its index and its extent."""

    name: str
    size: Dim

    @property
    def index(self) -> Expr:
        return symbol(self.name)


@dataclass(frozen=True)
class Domain:
    """Loops in order, outermost first, and each dimension of the node as an expression over their indices."""

    axes: tuple[Axis, ...]
    index: tuple[Expr, ...]

    def split(self, axis: Axis, inner_size: Dim) -> Domain:
        """`axis` becomes two loops, the inner one of `inner_size`, which divides the extent."""
        outer_size = to_expr(axis.size).divide_exactly(inner_size)
        if outer_size is None:
            raise ValueError(f"{inner_size} does not divide {axis.size}")
        outer, inner = Axis(f"{axis.name}o", simplify_dim(outer_size)), Axis(f"{axis.name}i", inner_size)
        position = self.axes.index(axis)
        axes = (*self.axes[:position], outer, inner, *self.axes[position + 1 :])
        return self._replaced(axes, {axis.name: outer.index * inner_size + inner.index})

    def merge(self, position: int) -> Domain:
        """The loops `position` and `position + 1` become one."""
        outer, inner = self.axes[position], self.axes[position + 1]
        merged = Axis(f"{outer.name}{inner.name}", simplify_dim(to_expr(outer.size) * inner.size))
        values = {
            outer.name: call("floordiv", merged.index, inner.size),
            inner.name: call("mod", merged.index, inner.size),
        }
        return self._replaced((*self.axes[:position], merged, *self.axes[position + 2 :]), values)

    def _replaced(self, axes: tuple[Axis, ...], values: dict[str, Dim]) -> Domain:
        return replace(self, axes=axes, index=tuple(e.substitute(values) for e in self.index))


def shape_domain(prefix: str, shape: tuple[Dim, ...]) -> Domain:
    """One loop for each dimension that is not 1."""
    axes = tuple(Axis(f"{prefix}{i}", size) for i, size in enumerate(shape) if size != 1)
    index = tuple(symbol(f"{prefix}{i}") if size != 1 else to_expr(0) for i, size in enumerate(shape))
    return Domain(axes, index)


def reduction_domain(node: Reduced) -> Domain:
    """The loops over the reduced dimensions of a reduction."""
    return shape_domain(f"r{node.number}_", tuple(node.stage.sizes[d] for d in node.stage.reduced))
