"""`Emitter`: what op handlers build with. It knows the node being imported, its location and the result that torch expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw import TensorInfo
from tilewright.frontend.torch import scalars
from tilewright.frontend.torch.dtypes import compute_type, dtype_name, number_dtype, result_type
from tilewright.frontend.torch.symbols import SymbolTable

Operand = ir.Value | Expr | bool | int | float
"""What an argument of a node becomes: a tensor, a symbolic size or a number (lists and None are seen by handlers only)."""


class Rejected(Exception):
    """A handler cannot import a node: `reason` says why, `remedy` what the user can do.

    `decomposable`: torch's decomposition of the op may still be importable.
    """

    def __init__(self, reason: str, remedy: str = "", decomposable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.decomposable = decomposable


class Emitter:
    """Builds `tw` ops at the current insertion point, all with the location of the current node."""

    def __init__(
        self,
        symbols: SymbolTable,
        inline: Callable[[torch.fx.GraphModule, Sequence[Any]], list[Any]],
        is_non_negative_constant: Callable[[str], bool],
    ) -> None:
        self.symbols = symbols
        self.inline = inline
        """Import a subgraph in place, given the values of its inputs; returns its outputs."""
        self.is_non_negative_constant = is_non_negative_constant
        """True when the placeholder of this name is a constant without negative elements."""
        self.node: torch.fx.Node
        self.loc: ir.Location

    # What torch says about the node

    def reject(self, reason: str, remedy: str = "") -> NoReturn:
        """Say that the current node cannot be imported, in whatever form."""
        raise Rejected(reason, remedy)

    def decompose(self, reason: str, remedy: str = "") -> NoReturn:
        """Leave the current node to torch's decomposition; `reason` is reported when there is none."""
        raise Rejected(reason, remedy, decomposable=True)

    def info_of(self, fake: torch.Tensor) -> TensorInfo:
        """Shape and element type of a fake tensor."""
        return TensorInfo(tuple(self.symbols.dim(d) for d in fake.shape), dtype_name(fake.dtype))

    @property
    def expected(self) -> TensorInfo:
        """Shape and element type that torch computed for the current node's (first) result."""
        fake = self.node.meta["val"]
        return self.info_of(fake if isinstance(fake, torch.Tensor) else fake[0])

    @property
    def dtype(self) -> str:
        """Element type of the current node's (first) result."""
        fake = self.node.meta["val"]
        return dtype_name(fake.dtype if isinstance(fake, torch.Tensor) else fake[0].dtype)

    def used_results(self) -> set[int]:
        """Which results of a node with several are read."""
        return {u.args[1] for u in self.node.users if u.users and len(u.args) == 2 and isinstance(u.args[1], int)}

    # Values

    def info(self, value: ir.Value) -> TensorInfo:
        """Shape and element type of a value."""
        return tw.tensor_info(value)

    def axis(self, dim: int, rank: int) -> int:
        """A dimension counted from the end, from the front."""
        return dim + rank if dim < 0 else dim

    def axes(self, dims: int | Sequence[int] | None, rank: int) -> list[int]:
        """Dimensions counted from the front, in order; all of them for None or none. A rank-0 tensor has none."""
        if rank == 0:
            return []
        if dims is None or (not isinstance(dims, int) and not dims):
            return list(range(rank))
        return sorted(self.axis(d, rank) for d in ([dims] if isinstance(dims, int) else dims))

    def build(self, name: str, *operands: Any, **attributes: Any) -> ir.Value:
        """One `tw` op with one result."""
        return tw.build(name, *operands, loc=self.loc, **attributes)

    def number(self, value: float, dtype: str) -> ir.Value:
        """A rank-0 constant."""
        return tw.constant(value, dtype, loc=self.loc)

    def tensor(self, operand: Operand, dtype: str | None = None) -> ir.Value:
        """An operand as a tensor: numbers and sizes become rank-0 tensors (of `dtype`, if given)."""
        if isinstance(operand, ir.Value):
            return operand if dtype is None else self.cast(operand, dtype)
        if isinstance(operand, Expr):
            size = self.build("dim", expr=operand)
            return size if dtype is None else self.cast(size, dtype)
        return self.number(operand, dtype or number_dtype(operand))

    def result_type(self, *operands: Operand) -> str:
        """The element type in which torch computes with these operands."""
        tensors: list[str] = []
        rank0: list[str] = []
        numbers: list[str] = []
        for operand in operands:
            if isinstance(operand, ir.Value):
                info = tw.tensor_info(operand)
                (tensors if info.rank else rank0).append(info.dtype)
            else:
                numbers.append("i64" if isinstance(operand, Expr) else number_dtype(operand))
        return result_type(tensors, rank0, numbers)

    # Computation

    def map(
        self,
        function: Callable[..., ir.Value],
        *operands: Operand,
        compute: str | None = None,
        out: str | None = None,
        raw: bool = False,
        shape: Sequence[Dim] | None = None,
    ) -> ir.Value:
        """One `tw.pointwise`: `function` of scalars, one per operand, each converted to `compute` first.

        Numbers become constants of the region. `compute` is by default the type that torch computes in (f32 for half precision);
        `raw` hands tensors over unconverted. The result is converted to `out`, by default the node's own type.
        """
        out = out or self.dtype
        compute = compute or compute_type(self.result_type(*operands))
        values: list[ir.Value] = []
        sources: list[tuple[int | None, Operand]] = []
        for operand in operands:
            value = self.build("dim", expr=operand) if isinstance(operand, Expr) else operand
            if not isinstance(value, ir.Value):
                sources.append((None, value))
                continue
            if value not in values:
                values.append(value)
            sources.append((values.index(value), operand))

        def body(*arguments: ir.Value) -> ir.Value:
            given: list[ir.Value] = []
            for position, operand in sources:
                if position is None:
                    given.append(scalars.constant(operand, compute))
                else:
                    given.append(arguments[position] if raw else scalars.cast(arguments[position], compute))
            return scalars.cast(scalars.value_of(function(*given)), out)

        return tw.pointwise(values, body, loc=self.loc, shape=shape)

    def cast(self, value: ir.Value, dtype: str) -> ir.Value:
        """Convert the elements; the value itself when there is nothing to do."""
        if tw.tensor_info(value).dtype == dtype:
            return value
        return tw.pointwise([value], lambda x: scalars.cast(x, dtype), loc=self.loc)

    def reduce(self, value: ir.Value, dims: Sequence[int], kind: str, keep_dims: bool = False) -> ir.Value:
        """`tw.reduce` in f32 for half precision; no op for no dimensions."""
        if not dims:
            return value
        dtype = tw.tensor_info(value).dtype
        wide = self.cast(value, compute_type(dtype)) if kind in ("add", "mul") else value
        return self.cast(self.build("reduce", wide, dims=tuple(dims), kind=kind, keep_dims=keep_dims), dtype)

    def full(self, shape: Sequence[Dim], value: Operand, dtype: str) -> ir.Value:
        """A tensor of equal elements."""
        return self.broadcast(self.tensor(value, dtype), shape)

    def iota(self, size: Dim, rank: int = 1, dim: int = 0) -> ir.Value:
        """0, 1, ... along `dim`, i64, of size 1 in all other dimensions."""
        return self.build("iota", shape=tuple(size if i == dim else 1 for i in range(rank)), dim=dim, dtype="i64")

    # Movement

    def reshape(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        shape = tuple(shape)
        return value if tw.tensor_info(value).shape == shape else self.build("reshape", value, shape=shape)

    def broadcast(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        shape = tuple(shape)
        return value if tw.tensor_info(value).shape == shape else self.build("broadcast", value, shape=shape)

    def transpose(self, value: ir.Value, permutation: Sequence[int]) -> ir.Value:
        if list(permutation) == list(range(len(permutation))):
            return value
        return self.build("transpose", value, permutation=tuple(permutation))

    def unsqueeze(self, value: ir.Value, dim: int) -> ir.Value:
        shape = list(tw.tensor_info(value).shape)
        shape.insert(self.axis(dim, len(shape) + 1), 1)
        return self.reshape(value, shape)

    def slice(self, value: ir.Value, dim: int, start: Dim, size: Dim, step: int = 1) -> ir.Value:
        """`size` elements from `start` along `dim`, all of the other dimensions."""
        shape = tw.tensor_info(value).shape
        if start == 0 and step == 1 and shape[dim] == size:
            return value
        starts = tuple(start if i == dim else 0 for i in range(len(shape)))
        sizes = tuple(size if i == dim else d for i, d in enumerate(shape))
        steps = tuple(step if i == dim else 1 for i in range(len(shape)))
        return self.build("slice", value, starts=starts, sizes=sizes, steps=steps)

    def split(self, value: ir.Value, sizes: Sequence[Dim], dim: int) -> list[ir.Value]:
        """Consecutive pieces along `dim`."""
        pieces: list[ir.Value] = []
        start: Dim = 0
        for size in sizes:
            pieces.append(self.slice(value, dim, start, size))
            start = simplify_dim(to_expr(start) + size)
        return pieces

    def concat(self, values: Sequence[ir.Value], dim: int) -> ir.Value:
        return values[0] if len(values) == 1 else self.build("concat", list(values), dim=dim)
