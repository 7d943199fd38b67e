"""Rewriting of `tw` programs: a worklist over the ops of one function, with the queries that patterns ask most, cached.

```python
patterns = PatternSet()

@patterns.on("transpose")
def identity(rw: Rewriter, op: ir.Operation) -> bool:
    if rw.attribute(op, "permutation") != tuple(range(rw.info(op.results[0]).rank)):
        return False
    rw.replace(op, [op.operands[0]])
    return True

changed = Rewriter(function, patterns).run()
```
A pattern returns True when it changed the program. It creates ops through the rewriter (they stand before the op it was called
with) and never changes attributes in place, which keeps the caches right. Ops without effect and without uses disappear by themselves.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.core.diagnostics import PassError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.constants import MAX_ELEMENTS
from tilewright.passes.scalars import Scalar, ScalarTable, emit_region, read_region

Pattern = Callable[["Rewriter", ir.Operation], bool]

_VISITS_PER_OP = 64
"""A program in which ops are visited more often than this on average is being rewritten in a circle."""


class PatternSet:
    """Patterns by the short name of the op at which they look."""

    def __init__(self, *others: PatternSet) -> None:
        self.by_op: dict[str, list[Pattern]] = {}
        for other in others:
            for name, patterns in other.by_op.items():
                self.by_op.setdefault(name, []).extend(patterns)

    def on(self, *names: str) -> Callable[[Pattern], Pattern]:
        """Decorator: try the pattern at these ops, after those that were added before."""

        def add(pattern: Pattern) -> Pattern:
            for name in names:
                self.by_op.setdefault(name, []).append(pattern)
            return pattern

        return add

    def __or__(self, other: PatternSet) -> PatternSet:
        return PatternSet(self, other)


class Rewriter:
    """Rewrites the entry block of one function until no pattern applies."""

    def __init__(self, function: ir.OpView, patterns: PatternSet | None = None) -> None:
        self.function = function
        self.block: ir.Block = function.operation.regions[0].blocks[0]
        self.ranges = tw.symbols_of(function)
        self.scalars = ScalarTable()
        self.patterns = patterns or PatternSet()
        self.current: ir.Operation | None = None
        self.facts: dict[tuple[str, ir.Value], Any] = {}
        """Memo of analyses by their name and a value; forgotten whenever an op is replaced or erased."""
        self._infos: dict[ir.Type, tw.TensorInfo] = {}
        # Ops are known by their first result: the hash of an op changes with its operands, and the handle of an erased one is unusable.
        self._attributes: dict[ir.Value, dict[str, Any]] = {}
        self._yields: dict[ir.Value, tuple[Scalar, ...]] = {}
        self._queue: deque[int] = deque()
        self._tickets: dict[ir.Value, int] = {}
        self._waiting: dict[int, ir.Operation] = {}
        self._issued = 0
        self._applied: Counter[str] = Counter()

    # Queries

    def info(self, value: ir.Value) -> tw.TensorInfo:
        """Shape and element type of a tensor."""
        mlir_type = value.type
        found = self._infos.get(mlir_type)
        if found is None:
            found = self._infos[mlir_type] = tw.tensor_info(mlir_type)
        return found

    def shape(self, value: ir.Value) -> tuple[Dim, ...]:
        return self.info(value).shape

    def attributes(self, op: ir.Operation) -> dict[str, Any]:
        """Attributes of an op as Python values, defaults filled in."""
        key = op.results[0]
        found = self._attributes.get(key)
        if found is None:
            found = self._attributes[key] = tw.attributes_of(op)
        return found

    def attribute(self, op: ir.Operation, name: str) -> Any:
        return self.attributes(op)[name]

    def groups(self, op: ir.Operation) -> dict[str, Any]:
        """Operands by name: a value, None for an absent optional, a tuple for a variadic."""
        return tw.operand_groups(op)

    def producer(self, value: ir.Value, *names: str) -> ir.Operation | None:
        """The op that defines a value when it is one of these `tw` ops (any op when no name is given)."""
        owner = value.owner
        if isinstance(owner, ir.Block):
            return None
        op = owner.operation
        return op if not names or tw.short_name(op) in names else None

    def yields(self, op: ir.Operation) -> tuple[Scalar, ...]:
        """The scalar functions of an op's region, over its arguments: of a `tw.pointwise` one per result, over its operands."""
        key = op.results[0]
        found = self._yields.get(key)
        if found is None:
            found = self._yields[key] = read_region(self.scalars, op)
        return found

    def has_one_use(self, value: ir.Value) -> bool:
        uses = iter(value.uses)
        return next(uses, None) is not None and next(uses, None) is None

    def at_least(self, larger: Dim, smaller: Dim, margin: int = 0) -> bool:
        """True when `larger >= smaller + margin` for all values of the symbols."""
        return (to_expr(larger) - smaller).bounds(self.ranges)[0] >= margin

    # Changes

    def build(self, name: str, *operands: Any, loc: ir.Location | None = None, **attributes: Any) -> ir.Value:
        """A new op before the current one, at its location; returns its single result."""
        return self.build_many(name, *operands, loc=loc, **attributes)[0]

    def build_many(
        self, name: str, *operands: Any, loc: ir.Location | None = None, region: ir.Block | None = None, **attributes: Any
    ) -> list[ir.Value]:
        """Like `build`, for ops with several results."""
        op = self._anchor()
        loc = loc or op.location
        with ir.InsertionPoint(op), loc:
            values = tw.build_many(name, *operands, loc=loc, region=region, **attributes)
        self.push(values[0].owner.operation)
        return values

    def rebuild(self, op: ir.Operation, groups: Mapping[str, Any] | None = None, **attributes: Any) -> None:
        """Replace an op by one with other operands, by name, and attributes. What is not given stays; a region moves over."""
        operands = {**self.groups(op), **(groups or {})}
        region = tw.body(op) if len(op.regions) else None
        values = {**self.attributes(op), **attributes}
        self.replace(op, self.build_many(tw.short_name(op) or "", *operands.values(), region=region, **values))

    def reshape(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        """The value under another shape; the value itself when it has that shape."""
        return value if self.shape(value) == tuple(shape) else self.build("reshape", value, shape=tuple(shape))

    def broadcast(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        return value if self.shape(value) == tuple(shape) else self.build("broadcast", value, shape=tuple(shape))

    def pointwise(
        self, operands: Sequence[ir.Value], yields: Sequence[Scalar], shape: Sequence[Dim], loc: ir.Location | None = None
    ) -> list[ir.Value]:
        """A `tw.pointwise` of scalar functions over `operands`, before the current op."""
        op = self._anchor()
        with ir.InsertionPoint(op):
            created = emit_region(operands, yields, tuple(shape), loc or op.location)
        self._yields[created.results[0]] = tuple(yields)
        self.push(created)
        return list(created.results)

    def map(self, function: Callable[..., Scalar], *operands: ir.Value) -> ir.Value:
        """A `tw.pointwise` with one result: `function` of one scalar per operand, at the shape to which the operands broadcast."""
        scalars = [self.scalars.argument(i, self.info(v).dtype) for i, v in enumerate(operands)]
        shape = tw.broadcast_shapes([self.shape(v) for v in operands])
        if shape is None:
            raise PassError("operands of a pointwise op do not broadcast", why=", ".join(str(self.info(v)) for v in operands))
        return self.pointwise(operands, [function(*scalars)], shape)[0]

    def cast(self, value: ir.Value, dtype: str) -> ir.Value:
        """The tensor in another element type (see `ScalarTable.cast`)."""
        return value if self.info(value).dtype == dtype else self.map(lambda x: self.scalars.cast(x, dtype), value)

    def constant(self, number: bool | int | float, info: tw.TensorInfo) -> ir.Value:
        """A tensor whose elements are all `number`: a `tw.constant` when small and static, else a `tw.pointwise` without operands."""
        elements = info.elements
        if isinstance(elements, int) and elements <= MAX_ELEMENTS:
            shape = [d for d in info.shape if isinstance(d, int)]
            return self.build("constant", value=np.full(shape, number, tw.numpy_dtype(info.dtype)))
        return self.pointwise([], [self.scalars.constant(number, info.dtype)], info.shape)[0]

    def replace(self, op: ir.Operation, values: Sequence[ir.Value]) -> None:
        """Give the uses of an op's results to `values` and erase the op. Raises PassError when a type would change."""
        for result, value in zip(op.results, values):
            if result == value:
                continue
            if result.type != value.type:
                raise PassError(
                    f"a rewrite of {tw.op_name(op)} would change its type",
                    where=tw.location_text(op.location),
                    why=f"from {result.type} to {value.type}",
                )
            for use in result.uses:
                self.push(use.owner.operation)
            result.replace_all_uses_with(value)
        self.erase(op)

    def erase(self, op: ir.Operation) -> None:
        """Remove an op without uses. What its operands are now dead or used by one op only is visited again."""
        operands = list(op.operands)
        if self.facts:
            self.facts = {}
        if len(op.results):
            key = op.results[0]
            ticket = self._tickets.pop(key, None)
            if ticket is not None:
                del self._waiting[ticket]
            self._attributes.pop(key, None)
            self._yields.pop(key, None)
        op.erase()
        for value in operands:
            producer = self.producer(value)
            if producer is None:
                continue
            uses = iter(value.uses)
            first = next(uses, None)
            if first is None:
                self.push(producer)
            elif next(uses, None) is None:
                self.push(first.owner.operation)

    def push(self, op: ir.Operation) -> None:
        """Visit an op (again). Ops without results, which only end blocks, are not visited."""
        if len(op.results) and op.results[0] not in self._tickets:
            self._issued += 1
            self._tickets[op.results[0]] = self._issued
            self._waiting[self._issued] = op
            self._queue.append(self._issued)

    # Driving

    def run(self, ops: Iterable[ir.Operation] | None = None) -> bool:
        """Visit `ops` (all when None) and everything that changes; returns whether anything did.

        Raises PassError, naming the patterns, when the rewriting does not come to an end.
        """
        for op in self.block.operations if ops is None else ops:
            self.push(op.operation)
        budget = _VISITS_PER_OP * (len(self._queue) + 16)
        changed = False
        with self.function.location:
            while self._queue:
                op = self._waiting.pop(self._queue.popleft(), None)
                if op is None:
                    continue
                del self._tickets[op.results[0]]
                budget -= 1
                if budget < 0:
                    why = "most applied: " + ", ".join(name for name, _ in self._applied.most_common(3))
                    raise PassError("the rewriting does not come to an end", where=tw.location_text(op.location), why=why)
                changed = self._visit(op) or changed
        self.current = None
        return changed

    def _visit(self, op: ir.Operation) -> bool:
        name = tw.short_name(op)
        if name is None:
            return False
        if is_dead(op):
            self.erase(op)
            return True
        self.current = op
        for pattern in self.patterns.by_op.get(name, ()):
            if pattern(self, op):
                self._applied[pattern.__name__] += 1
                return True
        return False

    def _anchor(self) -> ir.Operation:
        if self.current is None:
            raise PassError("a rewriter builds ops only while it visits one")
        return self.current


def has_effect(op: ir.Operation) -> bool:
    """True for ops that do more than compute their results: they write state, or may contain ops that do."""
    name = tw.short_name(op)
    if name == "kernel":
        return any(has_effect(inner.operation) for inner in tw.body(op).operations if tw.short_name(inner) not in (None, "yield"))
    return name in (None, "state_update", "launch", "yield")


def is_dead(op: ir.Operation) -> bool:
    """True for an op that may be removed: no effect and no uses."""
    return all(next(iter(r.uses), None) is None for r in op.results) and not has_effect(op)


def defined_functions(module: ir.Module) -> Iterator[ir.OpView]:
    """The functions of a module that have a body."""
    return (function for function in tw.functions(module) if len(function.operation.regions[0].blocks))


def rewrite(module: ir.Module, patterns: PatternSet, *, users_first: bool = False) -> bool:
    """Rewrite every function of a module until no pattern applies; returns whether anything changed.

    `users_first` visits the ops from the end, so that patterns which look at producers find the largest match first.
    """
    changed = False
    for function in defined_functions(module):
        rw = Rewriter(function, patterns)
        ops = [op.operation for op in rw.block.operations]
        changed = rw.run(ops[::-1] if users_first else ops) or changed
    return changed
