"""Size expressions (`tilewright.core.symbolic`) as arith operations."""

from __future__ import annotations

from collections.abc import Mapping

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Atom, Dim, parse, to_expr
from tilewright.lowering.integer_division import ceil_divide, floor_divide, floor_modulo


class SizeEmitter:
    """Emits expressions over given symbol values, each distinct expression once.

    `symbols` maps names to values of `kind` (an integer or the index type). All results must dominate their uses: keep one
    emitter per straight-line region.
    """

    def __init__(self, symbols: Mapping[str, ir.Value], kind: ir.Type) -> None:
        self.kind = kind
        self._known: dict[str, ir.Value] = dict(symbols)

    def emit(self, size: Dim | str) -> ir.Value:
        """The value of `size`. Raises VerifyError when it uses a symbol that has no value."""
        expression = parse(size) if isinstance(size, str) else to_expr(size)
        key = str(expression)
        if key not in self._known:
            total: ir.Value | None = None
            for monomial, factor in expression.terms.items():
                term = self._term(monomial, factor)
                total = term if total is None else arith.addi(total, term)
            self._known[key] = self._constant(0) if total is None else total
        return self._known[key]

    def _term(self, atoms: tuple[Atom, ...], factor: int) -> ir.Value:
        product: ir.Value | None = self._constant(factor) if factor != 1 or not atoms else None
        for atom in atoms:
            value = self._atom(atom)
            product = value if product is None else arith.muli(product, value)
        assert product is not None
        return product

    def _constant(self, value: int) -> ir.Value:
        key = str(value)
        if key not in self._known:
            self._known[key] = arith.constant(self.kind, value)
        return self._known[key]

    def _atom(self, atom: Atom) -> ir.Value:
        key = str(atom)
        if key in self._known:
            return self._known[key]
        if not atom.args:
            raise VerifyError(f"the symbol {atom.name} has no value here", why=f"known: {', '.join(sorted(self._known)) or 'none'}")
        lhs, rhs = (self.emit(text) for text in atom.args)
        builders = {
            "floordiv": floor_divide,
            "mod": floor_modulo,
            "ceildiv": ceil_divide,
            "max": arith.maxsi,
            "min": arith.minsi,
        }
        self._known[key] = builders[atom.name](lhs, rhs)
        return self._known[key]
