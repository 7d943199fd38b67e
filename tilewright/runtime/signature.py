"""Checking a call's arguments against an entry point, and the sizes that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tilewright.runtime.errors import ArtifactError, CallError
from tilewright.runtime.expression import Evaluator, compile_expression
from tilewright.runtime.manifest import ELEMENT_BYTES, EntryPoint, Port

MAX_BYTES = 1 << 46
Shape = tuple[int, ...]


class Signature:
    """The inputs, outputs and symbols of an entry point with their size expressions compiled.

    A symbol is bound by the first input dimension that is exactly that symbol; every other dimension is checked.
    Raises ArtifactError for expressions that cannot be compiled and for symbols that no input binds.
    """

    def __init__(self, entry: EntryPoint) -> None:
        self.entry = entry
        self.names = tuple(port.name for port in entry.inputs)
        self.positions = {symbol.name: i for i, symbol in enumerate(entry.symbols)}
        self.input_sizes = [self._compile_port(port) for port in entry.inputs]
        self.output_sizes = [self._compile_port(port) for port in entry.outputs]
        self.binders: dict[str, tuple[int, int]] = {}
        for i, port in enumerate(entry.inputs):
            for axis, text in enumerate(port.shape):
                if text in self.positions:
                    self.binders.setdefault(text, (i, axis))
        unbound = [name for name in self.positions if name not in self.binders]
        if unbound:
            raise ArtifactError(f"no input of {entry.name!r} determines the symbol {unbound[0]!r}")

    def compile(self, text: str) -> Evaluator:
        """An expression over the entry point's symbols."""
        try:
            return compile_expression(text, self.positions)
        except ValueError as error:
            raise ArtifactError(f"a size in the manifest cannot be read: {error}") from error

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Positional and named arguments in the order of the inputs."""
        if len(args) > len(self.names):
            raise CallError(f"{len(args)} positional arguments were given", f"there are {len(self.names)} inputs: {self._listed()}")
        values: dict[str, Any] = dict(zip(self.names, args))
        for name, value in kwargs.items():
            if name not in self.names:
                raise CallError(f"there is no input {name!r}", f"the inputs are {self._listed()}")
            if name in values:
                raise CallError(f"input {name!r} was given twice", "by position and by name")
            values[name] = value
        missing = [name for name in self.names if name not in values]
        if missing:
            raise CallError(f"input {missing[0]!r} is missing", f"the inputs are {self._listed()}")
        return [values[name] for name in self.names]

    def check(self, shapes: Sequence[Shape], dtypes: Sequence[str]) -> list[int]:
        """The values of the symbols. Raises CallError naming the input, what was expected and what came."""
        for port, shape, dtype in zip(self.entry.inputs, shapes, dtypes, strict=True):
            raw_bits = port.dtype == "bf16" and dtype == "ui16"
            if dtype != port.dtype and not raw_bits:
                raise CallError(f"input {port.name!r}: expected {port.dtype}, got {dtype if dtype != '?' else 'an unknown dtype'}")
            if len(shape) != len(port.shape):
                raise CallError(
                    f"input {port.name!r}: expected {len(port.shape)} dimensions [{', '.join(port.shape)}], got {len(shape)} {list(shape)}"
                )
        values = [shapes[i][axis] for i, axis in (self.binders[s.name] for s in self.entry.symbols)]
        for symbol, value in zip(self.entry.symbols, values, strict=True):
            if not symbol.minimum <= value <= symbol.maximum:
                i, axis = self.binders[symbol.name]
                raise CallError(
                    f"input {self.names[i]!r}, dimension {axis} ({symbol.name}): expected {symbol.minimum} to {symbol.maximum}, got {value}"
                )
        for i, (port, shape, sizes) in enumerate(zip(self.entry.inputs, shapes, self.input_sizes, strict=True)):
            for axis, (size, evaluate) in enumerate(zip(shape, sizes, strict=True)):
                expected = _evaluate(evaluate, values)
                if size != expected:
                    raise CallError(f"input {port.name!r}, dimension {axis}: expected {self._explain(port, i, axis, expected)}, got {size}")
        return values

    def output_shapes(self, values: Sequence[int]) -> list[Shape]:
        """The outputs' shapes for values of the symbols. Raises ArtifactError for sizes that cannot be."""
        shapes: list[Shape] = []
        for port, sizes in zip(self.entry.outputs, self.output_sizes, strict=True):
            shape = tuple(_evaluate(evaluate, values) for evaluate in sizes)
            total = ELEMENT_BYTES[port.dtype]
            for size in shape:
                total *= size
                if size < 0 or total > MAX_BYTES:
                    raise ArtifactError(f"output {port.name!r} would have the shape {list(shape)}")
            shapes.append(shape)
        return shapes

    def nbytes(self, evaluate: Evaluator, values: Sequence[int], what: str) -> int:
        """A size in bytes. Raises ArtifactError when it is negative or absurd."""
        size = _evaluate(evaluate, values)
        if not 0 <= size <= MAX_BYTES:
            raise ArtifactError(f"{what} would have {size} bytes")
        return size

    def _compile_port(self, port: Port) -> list[Evaluator]:
        return [self.compile(text) for text in port.shape]

    def _explain(self, port: Port, index: int, axis: int, expected: int) -> str:
        text = port.shape[axis]
        if text.isdigit():
            return text
        source = self.binders.get(text)
        if source is not None and source != (index, axis):
            return f"{text} = {expected} as in input {self.names[source[0]]!r}, dimension {source[1]}"
        return f"{text} = {expected}"

    def _listed(self) -> str:
        return ", ".join(f"{p.name}: {p.dtype}[{', '.join(p.shape)}]" for p in self.entry.inputs) or "none"


def _evaluate(evaluate: Evaluator, values: Sequence[int]) -> int:
    try:
        return evaluate(values)
    except ZeroDivisionError as error:
        raise ArtifactError("a size in the manifest divides by zero") from error
