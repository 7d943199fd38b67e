"""The scalar function of a `tw.pointwise` region as interned expressions.

Equal expressions of one table are the same object, so common subexpressions are shared by construction, and regions are compared by
identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw

ARGUMENT = "argument"
CONSTANT = "constant"

COMMUTATIVE = frozenset(
    f"arith.{name}"
    for name in ("addf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf", "addi", "muli", "andi", "ori", "xori", "maxsi", "minsi")
)

_DEFAULT_ATTRIBUTES = {"#arith.fastmath<none>", "#arith.overflow<none>"}


class Scalar:
    """A node: an argument (`index`), a constant (`value`), or the op `name` applied to `args`. Compared by identity.

    `attributes` are the op's MLIR attributes that are not at their default (the predicate of a comparison, fast-math flags).
    """

    __slots__ = ("args", "attributes", "dtype", "index", "name", "value")

    def __init__(
        self, name: str, args: tuple[Scalar, ...], dtype: str, attributes: tuple[tuple[str, ir.Attribute], ...], value: Any, index: int
    ) -> None:
        self.name = name
        self.args = args
        self.dtype = dtype
        self.attributes = attributes
        self.value = value
        self.index = index

    @property
    def is_constant(self) -> bool:
        return self.name == CONSTANT

    @property
    def is_argument(self) -> bool:
        return self.name == ARGUMENT

    @property
    def predicate(self) -> int:
        """The predicate of `arith.cmpi` or `arith.cmpf`."""
        return ir.IntegerAttr(dict(self.attributes)["predicate"]).value

    def is_number(self, value: float) -> bool:
        """True for the constant `value`."""
        return self.name == CONSTANT and self.value == value

    def __repr__(self) -> str:
        if self.name == CONSTANT:
            return f"{self.value}:{self.dtype}"
        if self.name == ARGUMENT:
            return f"%{self.index}"
        return f"{self.name.rpartition('.')[2]}({', '.join(map(repr, self.args))})"


class ScalarTable:
    """Interns scalars."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Scalar] = {}
        self.simplified: dict[Scalar, Scalar] = {}
        """Memo of the scalar simplifier: valid for as long as the table lives, because rules look at nothing but the expression."""

    def argument(self, index: int, dtype: str) -> Scalar:
        return self._intern((ARGUMENT, index, dtype), ARGUMENT, (), dtype, index=index)

    def constant(self, value: bool | int | float, dtype: str) -> Scalar:
        """A number, rounded to the dtype (-0.0 and 0.0 differ)."""
        typed: bool | int | float
        if dtype in tw.FLOATS:
            with np.errstate(over="ignore"):
                typed = float(np.asarray(value).astype(tw.numpy_dtype(dtype)))
        else:
            typed = bool(value) if dtype == "i1" else int(value)
        return self._intern((CONSTANT, dtype, repr(typed)), CONSTANT, (), dtype, value=typed)

    def apply(
        self, name: str, args: Sequence[Scalar], dtype: str | None = None, attributes: tuple[tuple[str, ir.Attribute], ...] = ()
    ) -> Scalar:
        """The op `name` on `args`; the dtype is that of the first argument unless given. Constants of commutative ops come last."""
        ordered = tuple(args)
        if name in COMMUTATIVE and len(ordered) == 2 and ordered[0].is_constant and not ordered[1].is_constant:
            ordered = (ordered[1], ordered[0])
        dtype = dtype or ordered[0].dtype
        return self._intern((name, tuple(map(id, ordered)), dtype, attributes), name, ordered, dtype, attributes)

    def compare(self, predicate: int, lhs: Scalar, rhs: Scalar) -> Scalar:
        """`arith.cmpi` (or `arith.cmpf` on floats) with a predicate number."""
        attribute = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), predicate)
        name = "arith.cmpf" if lhs.dtype in tw.FLOATS else "arith.cmpi"
        return self.apply(name, (lhs, rhs), "i1", (("predicate", attribute),))

    def arith(self, name: str, *args: Scalar) -> Scalar:
        """`arith.<name>` on operands of one type; a select has the type of its second operand."""
        return self.apply(f"arith.{name}", args, args[1].dtype if name == "select" else None)

    def math(self, name: str, *args: Scalar) -> Scalar:
        """`math.<name>` on operands of one type."""
        return self.apply(f"math.{name}", args)

    def cast(self, scalar: Scalar, dtype: str) -> Scalar:
        """The conversion to another type: between floats, between signed integers (the low bits), from these and i1 to floats."""
        if scalar.dtype == dtype:
            return scalar
        if scalar.dtype not in tw.FLOATS and dtype not in tw.FLOATS:
            wider = tw.BYTES[dtype] > tw.BYTES[scalar.dtype]
            return self.apply(("arith.extui" if scalar.dtype == "i1" else "arith.extsi") if wider else "arith.trunci", (scalar,), dtype)
        if scalar.dtype not in tw.FLOATS:
            return self.apply("arith.uitofp" if scalar.dtype == "i1" else "arith.sitofp", (scalar,), dtype)
        source, target = tw.BYTES[scalar.dtype], tw.BYTES[dtype]
        if source == target:  # f16 and bf16
            return self.cast(self.cast(scalar, "f32"), dtype)
        return self.apply("arith.extf" if source < target else "arith.truncf", (scalar,), dtype)

    def substitute(self, scalar: Scalar, arguments: Mapping[Scalar, Scalar], memo: dict[Scalar, Scalar] | None = None) -> Scalar:
        """The expression with subexpressions (usually arguments) replaced."""
        memo = {} if memo is None else memo
        known = memo.get(scalar)
        if known is not None:
            return known
        replaced = arguments.get(scalar)
        if replaced is None:
            args = tuple(self.substitute(a, arguments, memo) for a in scalar.args)
            same = all(a is b for a, b in zip(args, scalar.args))
            replaced = scalar if same else self.apply(scalar.name, args, scalar.dtype, scalar.attributes)
        memo[scalar] = replaced
        return replaced

    def _intern(
        self,
        key: tuple[Any, ...],
        name: str,
        args: tuple[Scalar, ...],
        dtype: str,
        attributes: tuple[tuple[str, ir.Attribute], ...] = (),
        value: Any = None,
        index: int = -1,
    ) -> Scalar:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Scalar(name, args, dtype, attributes, value, index)
        return found


def arguments_in(scalars: Iterable[Scalar]) -> set[int]:
    """Indices of the arguments that expressions use."""
    found: set[int] = set()
    for scalar in walk(scalars):
        if scalar.is_argument:
            found.add(scalar.index)
    return found


def walk(scalars: Iterable[Scalar]) -> list[Scalar]:
    """All nodes of expressions, operands first, each once."""
    ordered: list[Scalar] = []
    seen: set[Scalar] = set()

    def visit(scalar: Scalar) -> None:
        if scalar in seen:
            return
        seen.add(scalar)
        for argument in scalar.args:
            visit(argument)
        ordered.append(scalar)

    for scalar in scalars:
        visit(scalar)
    return ordered


def read_region(table: ScalarTable, op: ir.Operation) -> tuple[Scalar, ...]:
    """The yielded expressions of a scalar region, over the arguments of its block."""
    block = op.regions[0].blocks[0]
    known: dict[ir.Value, Scalar] = {a: table.argument(i, str(a.type)) for i, a in enumerate(block.arguments)}
    for inner in block.operations:
        operation = inner.operation
        name = operation.name
        if name == "tw.yield":
            return tuple(known[v] for v in operation.operands)
        result = operation.results[0]
        if name == "arith.constant":
            number: Any = operation.attributes["value"]
            known[result] = table.constant(number.value, str(result.type))
            continue
        present = operation.attributes
        attributes = tuple((n, present[n]) for n in sorted(present) if str(present[n]) not in _DEFAULT_ATTRIBUTES) if len(present) else ()
        known[result] = table.apply(name, [known[v] for v in operation.operands], str(result.type), attributes)
    return ()


def emit_region(operands: Sequence[ir.Value], yields: Sequence[Scalar], shape: tuple[Dim, ...], loc: ir.Location) -> ir.Operation:
    """Create a `tw.pointwise` of expressions over `operands` at the current insertion point."""
    results = [tw.tensor_type(tw.TensorInfo(shape, y.dtype)) for y in yields]
    op = ir.Operation.create("tw.pointwise", results=results, operands=list(operands), regions=1, loc=loc)
    types = [ir.RankedTensorType(v.type).element_type for v in operands]
    block = op.regions[0].blocks.append(*types, arg_locs=[loc] * len(types))
    with ir.InsertionPoint(block), loc:
        tw.yield_(emit_scalars(yields, list(block.arguments)), loc)
    return op


def emit_scalars(scalars: Sequence[Scalar], arguments: Sequence[ir.Value]) -> list[ir.Value]:
    """Scalar ops for expressions over `arguments`, at the current insertion point."""
    values: dict[Scalar, ir.Value] = {}
    for scalar in walk(scalars):
        values[scalar] = _emit(scalar, values, arguments)
    return [values[s] for s in scalars]


def _emit(scalar: Scalar, values: Mapping[Scalar, ir.Value], arguments: Sequence[ir.Value]) -> ir.Value:
    if scalar.is_argument:
        return arguments[scalar.index]
    element = tw.element_type(scalar.dtype)
    if scalar.is_constant:
        number = ir.FloatAttr.get(element, scalar.value) if scalar.dtype in tw.FLOATS else ir.IntegerAttr.get(element, scalar.value)
        return ir.Operation.create("arith.constant", results=[element], attributes={"value": number}).results[0]
    operands = [values[a] for a in scalar.args]
    return ir.Operation.create(scalar.name, results=[element], operands=operands, attributes=dict(scalar.attributes)).results[0]
