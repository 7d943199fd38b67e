"""What a matmul kernel computes, as data: one iteration space and the strides of every tensor in it.

The space is `batch... x m x n x k`. Its columns are one or several ranges with a right side and an epilogue of their own (query, key
and value projections of the same rows); a range may multiply the rows by several right sides at once (the gate and the value of a
gated product): `results[b, m, n] = epilogue(sum over k of lhs[b, m, k] * rhs_i[b, k, n] for each i, operands[b, m, n]...)`.
Leading dimensions are merged into rows as far as every tensor walks them evenly and no right side depends on them, so
`[batch, sequence, features]` times weights is one tall matmul. What cannot be merged stays a batch dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.symbolic import Dim, product, simplify_dim, to_expr
from tilewright.lowering.templates.views import Piece, StridedView, coalesce, normalize, refine, times


@dataclass(frozen=True)
class Packed:
    """A right side packed at compile time: panels `[ceildiv(n, nr)][ceildiv(k, group)][nr][group]`, padded with zeros.

    With `lhs_offset` one more group behind each panel holds the sums of its columns (`dialects/tw/layouts.py`). Where there are `slices`,
    the matmul reads equal parts of the k rows of each panel, one for each element of its last batch dimension.
    """

    k: Dim
    n: Dim
    nr: int
    group: int = 1
    lhs_offset: int = 0
    slices: int = 1

    @property
    def slice_rows(self) -> Dim:
        """Rows that one slice has."""
        return simplify_dim(to_expr(self.k) // self.slices)


@dataclass(frozen=True)
class Access:
    """How one tensor lies in the iteration space: elements per step of each batch dimension, of m, and of the steps of n and k.

    `dtype` is the element type in memory.
    """

    buffer: int
    dtype: str
    batch: tuple[Dim, ...] = ()
    m: Dim = 0
    n: tuple[Dim, ...] = ()
    k: tuple[Dim, ...] = ()


@dataclass(frozen=True)
class Rhs:
    """One right side: where it lies, or the panels it was packed into."""

    access: Access
    packed: Packed | None = None


@dataclass(frozen=True)
class Columns:
    """A range of columns: its size in steps, its right sides, and what its epilogue reads and writes."""

    n_steps: tuple[Dim, ...]
    rhs: tuple[Rhs, ...]
    operands: tuple[Access, ...]
    results: tuple[Access, ...]

    @property
    def n(self) -> Dim:
        return product(self.n_steps)


@dataclass(frozen=True)
class MatmulProblem:
    """Sizes of the space and the access of each tensor. `n_steps` and `k_steps` are n and k split where some tensor needs it.

    `lhs_dtype` and `rhs_dtype` are the element types that are multiplied, to which values are rounded when memory holds others;
    `acc_dtype` is that of the sums.
    """

    batch: tuple[Dim, ...]
    m: Dim
    k_steps: tuple[Dim, ...]
    lhs: Access
    columns: tuple[Columns, ...]
    lhs_dtype: str = "f32"
    rhs_dtype: str = "f32"
    acc_dtype: str = "f32"

    @property
    def k(self) -> Dim:
        return product(self.k_steps)


@dataclass(frozen=True)
class Tensor:
    """A tensor seen from the matmul: `view` has the rank of the matmul's result (`[..., m, k]` for lhs, `[..., k, n]` for rhs)."""

    buffer: int
    dtype: str
    view: StridedView


@dataclass(frozen=True)
class PackedTensor:
    """A right side in panels, in buffer `buffer`."""

    buffer: int
    dtype: str
    packed: Packed


@dataclass(frozen=True)
class Product:
    """A range of columns before its dimensions are merged."""

    rhs: tuple[Tensor | PackedTensor, ...]
    operands: tuple[Tensor, ...]
    results: tuple[Tensor, ...]


def build_problem(lhs: Tensor, products: Sequence[Product], dtypes: tuple[str, str, str] = ("f32", "f32", "f32")) -> MatmulProblem:
    """The problem in its fewest dimensions. Views must already be broadcast to a common batch shape. `dtypes` are those of the left
    side, the right side and the sums.

    Raises UnsupportedError where the sizes of the views do not provably line up.
    """
    leading = len(lhs.view.dims) - 1
    rhs = [r for p in products for r in p.rhs]
    elementwise = [t for p in products for t in (*p.operands, *p.results)]
    rows: list[tuple[Piece, ...]] = []
    for axis in range(leading):
        size = elementwise[-1].view.shape[axis]
        sides = [_row_pieces(r, axis - leading, size) for r in rhs]
        rows += _refined("rows", [lhs.view.dims[axis], *sides, *(t.view.dims[axis] for t in elementwise)])
    rows = coalesce(rows)
    if not rows or any(piece.stride != 0 for piece in rows[-1][1 : 1 + len(rhs)]):
        rows.append(tuple(Piece(1, 0) for _ in range(1 + len(rhs) + len(elementwise))))
    inner = coalesce(_refined("inner", [lhs.view.dims[-1], *(_k_pieces(r) for r in rhs)]))
    batch = tuple(s[0].size for s in rows[:-1])
    columns: list[Columns] = []
    side, element = 1, 1 + len(rhs)
    for p in products:
        tensors = (*p.operands, *p.results)
        steps = coalesce(_refined("columns", [*(_n_pieces(r) for r in p.rhs), *(t.view.dims[-1] for t in tensors)]))
        sides = tuple(
            Rhs(
                Access(
                    r.buffer,
                    r.dtype,
                    tuple(s[side + i].stride for s in rows[:-1]),
                    n=tuple(s[i].stride for s in steps),
                    k=tuple(s[side + i].stride for s in inner),
                ),
                r.packed if isinstance(r, PackedTensor) else None,
            )
            for i, r in enumerate(p.rhs)
        )
        accesses = tuple(
            Access(
                t.buffer,
                t.dtype,
                tuple(s[element + i].stride for s in rows[:-1]),
                rows[-1][element + i].stride,
                tuple(s[len(p.rhs) + i].stride for s in steps),
            )
            for i, t in enumerate(tensors)
        )
        columns.append(Columns(tuple(s[0].size for s in steps), sides, accesses[: len(p.operands)], accesses[len(p.operands) :]))
        side, element = side + len(p.rhs), element + len(tensors)
    left = Access(lhs.buffer, lhs.dtype, tuple(s[0].stride for s in rows[:-1]), rows[-1][0].stride, k=tuple(s[0].stride for s in inner))
    return MatmulProblem(batch, rows[-1][0].size, tuple(s[0].size for s in inner), left, tuple(columns), *dtypes)


def _row_pieces(rhs: Tensor | PackedTensor, axis: int, size: Dim) -> tuple[Piece, ...]:
    """How a right side lies along a dimension of `size` that is not columns: -1 is m, those before are batch dimensions."""
    if isinstance(rhs, Tensor) and axis < -1:
        return rhs.view.dims[axis - 1]
    stride: Dim = 0
    if isinstance(rhs, PackedTensor) and axis == -2 and rhs.packed.slices > 1:
        stride = times(rhs.packed.slice_rows, rhs.packed.nr)
    return normalize((Piece(size, stride),))


def _k_pieces(rhs: Tensor | PackedTensor) -> tuple[Piece, ...]:
    return rhs.view.dims[-2] if isinstance(rhs, Tensor) else normalize((Piece(rhs.packed.slice_rows, rhs.packed.nr),))


def _n_pieces(rhs: Tensor | PackedTensor) -> tuple[Piece, ...]:
    return rhs.view.dims[-1] if isinstance(rhs, Tensor) else normalize((Piece(rhs.packed.n, 1),))


def _refined(what: str, dims: Sequence[tuple[Piece, ...]]) -> list[tuple[Piece, ...]]:
    steps = refine(dims)
    if steps is None:
        shown = "; ".join(" x ".join(f"{p.size}:{p.stride}" for p in pieces) or "1" for pieces in dims)
        raise UnsupportedError(
            f"the {what} of this matmul kernel have no common steps",
            why=f"size:stride of each tensor: {shown}",
            remedy="keep the movement ops outside the kernel",
        )
    return steps
