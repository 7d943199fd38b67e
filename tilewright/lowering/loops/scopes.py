"""Where code goes: nested scopes of loops, each value emitted in the outermost scope that knows its loop indices."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Atom, Expr, parse, to_expr


@dataclass(eq=False)
class Cursor:
    """Where code goes in a block: before `anchor` (a loop in the block that is being filled), or at the end."""

    block: ir.Block
    anchor: ir.Operation | None = None

    def insertion_point(self) -> ir.InsertionPoint:
        return ir.InsertionPoint(self.anchor) if self.anchor is not None else ir.InsertionPoint(self.block)


@dataclass(eq=False)
class Scope:
    """Loop indices that are known in one place. Scopes of loops that take one step share the cursor of the scope around them."""

    cursor: Cursor
    depth: int
    values: dict[str, ir.Value] = field(default_factory=dict)
    memo: dict[object, object] = field(default_factory=dict)
    guarded: bool = False

    def insertion_point(self) -> ir.InsertionPoint:
        return self.cursor.insertion_point()


class Scopes:
    """The stack of open scopes, and index arithmetic placed in them."""

    def __init__(self, function_block: ir.Block) -> None:
        self.stack: list[Scope] = [Scope(Cursor(function_block), 0)]
        self.active = self.stack[0]
        """The scope that code goes to now."""

    @property
    def current(self) -> Scope:
        return self.stack[-1]

    @contextmanager
    def enter(self, block: ir.Block, values: dict[str, ir.Value], guarded: bool = False) -> Generator[Scope]:
        """Open a scope that defines loop indices; code inside goes to `block`."""
        scope = Scope(Cursor(block), len(self.stack), dict(values), guarded=guarded)
        self.stack.append(scope)
        try:
            with self.at(scope):
                yield scope
        finally:
            self.stack.pop()

    @contextmanager
    def enter_inline(self, home: Scope, values: dict[str, ir.Value]) -> Generator[Scope]:
        """Open a scope that defines loop indices but whose code goes where `home`'s goes: a loop of one step."""
        scope = Scope(home.cursor, len(self.stack), dict(values), guarded=home.guarded)
        self.stack.append(scope)
        try:
            with self.at(scope):
                yield scope
        finally:
            self.stack.pop()

    @contextmanager
    def at(self, scope: Scope) -> Generator[None]:
        """While inside, code goes to `scope`."""
        previous = self.active
        self.active = scope
        try:
            with scope.insertion_point():
                yield
        finally:
            self.active = previous

    @contextmanager
    def before(self, scope: Scope, op: ir.Operation) -> Generator[None]:
        """While inside, code that belongs to `scope` goes before `op`, which stands where the scope's code went until now."""
        previous = scope.cursor.anchor
        scope.cursor.anchor = op
        try:
            yield
        finally:
            scope.cursor.anchor = previous

    def home(self, names: frozenset[str] | set[str]) -> Scope:
        """The outermost scope in which all these symbols are known, but not outside a condition."""
        for scope in reversed(self.stack):
            if scope.guarded or any(n in scope.values for n in names):
                return scope
        return self.stack[0]

    def lookup(self, name: str) -> ir.Value:
        """The value of a symbol. Raises KeyError when no open scope defines it."""
        for scope in reversed(self.stack):
            if name in scope.values:
                return scope.values[name]
        raise KeyError(name)

    def index(self, expression: Expr | int) -> ir.Value:
        """The value of an index expression, emitted where it belongs; equal expressions are emitted once."""
        expression = to_expr(expression)
        constant = expression.constant()
        scope = self.home(expression.symbols())
        key = ("index", str(expression))
        for known in reversed(self.stack[: scope.depth + 1]):
            if key in known.memo:
                return known.memo[key]  # type: ignore[return-value]
        if constant is not None:
            with scope.insertion_point():
                value = arith.ConstantOp(ir.IndexType.get(), constant).result
        else:
            value = self._sum(expression, scope)
        scope.memo[key] = value
        return value

    def _sum(self, expression: Expr, scope: Scope) -> ir.Value:
        """Terms that outer scopes know are summed there; the constant is added last, where it folds into addresses."""
        terms = {m: c for m, c in expression.terms.items() if m}
        outer = {m: c for m, c in terms.items() if self._depth(m) < scope.depth}
        total = self.index(Expr(outer)) if outer else None
        for monomial, coefficient in terms.items():
            if monomial in outer:
                continue
            term = self._product(monomial, coefficient, scope)
            with scope.insertion_point():
                total = term if total is None else arith.AddIOp(total, term).result
        constant = expression.terms.get((), 0)
        if total is None:
            raise ValueError("an index expression without terms is a constant")
        if constant:
            offset = self.index(constant)
            with scope.insertion_point():
                total = arith.AddIOp(total, offset).result
        return total

    def _depth(self, monomial: tuple[Atom, ...]) -> int:
        return self.home({n for a in monomial for n in _atom_names(a)}).depth

    def _product(self, monomial: tuple[Atom, ...], coefficient: int, scope: Scope) -> ir.Value:
        """Factors that outer scopes know are multiplied there."""
        outer = tuple(a for a in monomial if self._depth((a,)) < scope.depth)
        inner = [a for a in monomial if a not in outer]
        scale = Expr({outer: coefficient})
        factors = [self._atom(a) for a in inner] + ([self.index(scale)] if scale != 1 else [])
        value = factors[0]
        with scope.insertion_point():
            for factor in factors[1:]:
                value = arith.MulIOp(value, factor).result
        return value

    def _atom(self, atom: Atom) -> ir.Value:
        if not atom.args:
            return self.lookup(atom.name)
        home = self.home({n for a in atom.args for n in parse(a).symbols()})
        key = ("atom", str(atom))
        if key not in home.memo:
            lhs, rhs = (self.index(parse(a)) for a in atom.args)
            with home.insertion_point():
                home.memo[key] = _call(atom.name, lhs, rhs)
        return home.memo[key]  # type: ignore[return-value]


def _atom_names(atom: Atom) -> set[str]:
    return Expr({(atom,): 1}).symbols() if atom.args else {atom.name}


def _call(name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Operands are sizes and indices, which are not negative; `max` and `min` may see negative values."""
    match name:
        case "floordiv":
            return arith.DivUIOp(lhs, rhs).result
        case "mod":
            return arith.RemUIOp(lhs, rhs).result
        case "ceildiv":
            return arith.CeilDivUIOp(lhs, rhs).result
        case "max":
            return arith.MaxSIOp(lhs, rhs).result
        case "min":
            return arith.MinSIOp(lhs, rhs).result
        case _:
            raise ValueError(f"unknown index function {name}")
