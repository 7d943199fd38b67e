"""A score region with its indices in 32 bits: half the vector registers, where 64 bits are not needed.

Indices of batch elements, heads, queries and keys are not negative and fit; so does what arithmetic makes of them, as long as intervals
say so. Everything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir

_LOWEST, _HIGHEST = -(1 << 31), (1 << 31) - 1
_DIVISIONS = ("arith.floordivsi", "arith.divsi", "arith.remsi")
_KNOWN = ("arith.select", "arith.maxsi", "arith.minsi", "arith.addi", "arith.subi", "arith.muli", *_DIVISIONS)
Interval = tuple[int, int]


def narrow_indices(block: ir.Block, sizes: Sequence[int]) -> ir.Block:
    """A detached copy of a score region whose four indices are i32; `sizes` are the largest sizes of the dimensions that they count."""
    i32 = ir.IntegerType.get_signless(32)
    arguments = list(block.arguments)
    types = [a.type for a in arguments]
    types[1:5] = [i32] * 4
    location = ir.Location.unknown()
    owner = ir.Operation.create("tw.detached", regions=1, loc=location, ip=False)
    narrowed = owner.regions[0].blocks.append(*types, arg_locs=[location] * len(types))
    narrowing = _Narrowing(dict(zip(arguments, narrowed.arguments, strict=True)))
    for argument, size in zip(arguments[1:5], sizes, strict=True):
        narrowing.intervals[argument] = (0, max(min(size, 1 << 31) - 1, 0))
    with ir.InsertionPoint(narrowed):
        for view in block.operations:
            with view.location:
                narrowing.emit(view.operation)
    return narrowed


class _Narrowing:
    """`values` are the copies; those of keys of `intervals` are i32 though the original is i64, and lie within the interval."""

    def __init__(self, values: dict[ir.Value, ir.Value]) -> None:
        self.values = values
        self.intervals: dict[ir.Value, Interval] = {}
        self.i32, self.i64 = (ir.IntegerType.get_signless(width) for width in (32, 64))

    def emit(self, op: ir.Operation) -> None:
        """Copy one op."""
        if op.name == "arith.constant" and op.results[0].type == self.i64:
            number = ir.IntegerAttr(op.attributes["value"]).value
            if _LOWEST <= number <= _HIGHEST:
                self.intervals[op.results[0]] = (number, number)
                self.values[op.results[0]] = arith.constant(self.i32, number)
                return
        interval = self._interval(op)
        if interval is not None and interval[0] >= _LOWEST and interval[1] <= _HIGHEST:
            self.intervals[op.results[0]] = interval
            self.values[op.results[0]] = self._narrow(op)
            return
        narrow_operands = [v for v in op.operands if v in self.intervals]
        if narrow_operands and self._reads_narrow(op):
            operands = [self.values[v] for v in op.operands]
            if op.name == "arith.trunci" and op.results[0].type == self.i32:
                self.values[op.results[0]] = operands[0]
                return
        else:
            operands = [self._wide(v) for v in op.operands]
        self._clone(op, operands, [r.type for r in op.results])

    def _narrow(self, op: ir.Operation) -> ir.Value:
        operands = [self.values[v] for v in op.operands]
        if op.name in ("arith.extsi", "arith.extui") and operands[0].type == self.i32:
            return operands[0]
        return self._create(op, operands, [self.i32])[0]

    def _wide(self, value: ir.Value) -> ir.Value:
        copy = self.values[value]
        return arith.extsi(self.i64, copy) if value in self.intervals else copy

    def _clone(self, op: ir.Operation, operands: Sequence[ir.Value], types: Sequence[ir.Type]) -> None:
        self.values.update(zip(op.results, self._create(op, operands, types), strict=True))

    @staticmethod
    def _create(op: ir.Operation, operands: Sequence[ir.Value], types: Sequence[ir.Type]) -> list[ir.Value]:
        names = [a if isinstance(a, str) else a.name for a in op.attributes]
        attributes = {name: op.attributes[name] for name in names}
        return list(ir.Operation.create(op.name, results=list(types), operands=list(operands), attributes=attributes).results)

    def _reads_narrow(self, op: ir.Operation) -> bool:
        """Whether an op whose result is not an index reads 32 bits as well as 64."""
        if op.name == "arith.cmpi":
            return all(v in self.intervals for v in op.operands)
        if op.name == "arith.uitofp":
            return self.intervals[op.operands[0]][0] >= 0
        return op.name in ("arith.sitofp", "arith.trunci")

    def _interval(self, op: ir.Operation) -> Interval | None:
        """What an op with an i64 result yields, if all operands are narrow; None if unknown."""
        if len(op.results) != 1 or op.results[0].type != self.i64:
            return None
        if op.name in ("arith.extsi", "arith.extui"):
            bits = ir.IntegerType(op.operands[0].type).width
            unsigned = op.name == "arith.extui"
            return (0, (1 << bits) - 1) if unsigned else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        operands = list(op.operands)[1:] if op.name == "arith.select" else list(op.operands)
        known = [self.intervals[v] for v in operands if v in self.intervals]
        if op.name not in _KNOWN or len(known) != 2:
            return None
        (a, b), (c, d) = known
        if op.name in _DIVISIONS:
            return (min(a, 0), max(b, 0)) if c == d and c > 0 else None
        combine: dict[str, Callable[[], Interval]] = {
            "arith.select": lambda: (min(a, c), max(b, d)),
            "arith.maxsi": lambda: (max(a, c), max(b, d)),
            "arith.minsi": lambda: (min(a, c), min(b, d)),
            "arith.addi": lambda: (a + c, b + d),
            "arith.subi": lambda: (a - d, b - c),
            "arith.muli": lambda: (min(a * c, a * d, b * c, b * d), max(a * c, a * d, b * c, b * d)),
        }
        return combine[op.name]()
