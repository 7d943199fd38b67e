"""What a matmul kernel computes, as data: one iteration space and the strides of every tensor in it.

The space is `batch... x m x n x k`: `result[b, m, n] = epilogue(sum over k of lhs[b, m, k] * rhs[b, k, n], operands[b, m, n]...)`.
Leading dimensions are merged into rows as far as every tensor walks them evenly and the right side does not depend on them, so
`[batch, sequence, features]` times weights is one tall matmul. What cannot be merged stays a batch dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.symbolic import Dim, product
from tilewright.lowering.templates.views import Piece, StridedView, coalesce, normalize, refine


@dataclass(frozen=True)
class Packed:
    """A right side packed at compile time into panels `[ceildiv(n, nr)][k][nr]`, padded with zeros."""

    k: Dim
    n: Dim
    nr: int


@dataclass(frozen=True)
class Access:
    """How one tensor lies in the iteration space: elements per step of each batch dimension, of m, and of the steps of n and k."""

    buffer: int
    dtype: str
    batch: tuple[Dim, ...] = ()
    m: Dim = 0
    n: tuple[Dim, ...] = ()
    k: tuple[Dim, ...] = ()


@dataclass(frozen=True)
class MatmulProblem:
    """Sizes of the space and the access of each tensor. `n_steps` and `k_steps` are n and k split where some tensor needs it."""

    batch: tuple[Dim, ...]
    m: Dim
    n_steps: tuple[Dim, ...]
    k_steps: tuple[Dim, ...]
    lhs: Access
    rhs: Access
    operands: tuple[Access, ...]
    results: tuple[Access, ...]
    packed: Packed | None = None

    @property
    def n(self) -> Dim:
        return product(self.n_steps)

    @property
    def k(self) -> Dim:
        return product(self.k_steps)


@dataclass(frozen=True)
class Tensor:
    """A tensor seen from the matmul: `view` has the rank of the matmul's result (`[..., m, k]` for lhs, `[..., k, n]` for rhs)."""

    buffer: int
    dtype: str
    view: StridedView


def build_problem(
    lhs: Tensor, rhs: Tensor | Packed, rhs_buffer: int, operands: Sequence[Tensor], results: Sequence[Tensor]
) -> MatmulProblem:
    """The problem in its fewest dimensions. Views must already be broadcast to a common batch shape.

    Raises UnsupportedError where the sizes of the views do not provably line up.
    """
    packed = rhs if isinstance(rhs, Packed) else None
    leading = len(lhs.view.dims) - 1
    elementwise = [*operands, *results]
    rows: list[tuple[Piece, ...]] = []
    for axis in range(leading):
        size = results[0].view.shape[axis]
        still = (Piece(size, 0),) if size != 1 else ()
        rhs_dim = rhs.view.dims[axis] if isinstance(rhs, Tensor) and axis < leading - 1 else still
        rows += _refined("rows", [lhs.view.dims[axis], rhs_dim, *(t.view.dims[axis] for t in elementwise)])
    rows = coalesce(rows)
    if not rows or rows[-1][1].stride != 0:
        rows.append(tuple(Piece(1, 0) for _ in range(2 + len(elementwise))))
    whole_n = normalize((Piece(packed.n, 1),)) if packed else ()
    rhs_n = whole_n if packed else rhs.view.dims[-1] if isinstance(rhs, Tensor) else ()
    rhs_k = normalize((Piece(packed.k, packed.nr),)) if packed else rhs.view.dims[-2] if isinstance(rhs, Tensor) else ()
    columns = coalesce(_refined("columns", [rhs_n, *(t.view.dims[-1] for t in elementwise)]))
    inner = coalesce(_refined("inner", [lhs.view.dims[-1], rhs_k]))

    def access(tensor: Tensor, row: int, column: int) -> Access:
        return Access(
            tensor.buffer,
            tensor.dtype,
            tuple(s[row].stride for s in rows[:-1]),
            rows[-1][row].stride,
            tuple(s[column].stride for s in columns),
        )

    rhs_batch = tuple(s[1].stride for s in rows[:-1])
    return MatmulProblem(
        batch=tuple(s[0].size for s in rows[:-1]),
        m=rows[-1][0].size,
        n_steps=tuple(s[0].size for s in columns),
        k_steps=tuple(s[0].size for s in inner),
        lhs=Access(lhs.buffer, lhs.dtype, tuple(s[0].stride for s in rows[:-1]), rows[-1][0].stride, k=tuple(s[0].stride for s in inner)),
        rhs=Access(
            rhs_buffer,
            lhs.dtype if packed else rhs.dtype if isinstance(rhs, Tensor) else "",
            rhs_batch,
            n=tuple(s[0].stride for s in columns),
            k=tuple(s[1].stride for s in inner),
        ),
        operands=tuple(access(t, 2 + i, 1 + i) for i, t in enumerate(operands)),
        results=tuple(access(t, 2 + len(operands) + i, 1 + len(operands) + i) for i, t in enumerate(results)),
        packed=packed,
    )


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
