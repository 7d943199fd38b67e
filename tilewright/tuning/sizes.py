"""The sizes at which kernels are tuned: what the user says of dynamic sizes, and defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.registry import suggest
from tilewright.dialects import tw
from tilewright.tuning.subject import main_function

DEFAULT_SIZE = 128
DEFAULT_BATCH = 1


@dataclass(frozen=True)
class DynamicSize:
    """A symbol with its range, the input dimensions that are exactly it (`ids.1`), and the size to tune for when none is given."""

    name: str
    smallest: int
    largest: int
    dimensions: tuple[str, ...]
    default: int

    def __str__(self) -> str:
        places = f" ({', '.join(self.dimensions)})" if self.dimensions else ""
        return f"{self.name}{places}: {self.smallest} to {self.largest}"


def dynamic_sizes(module: ir.Module) -> dict[str, DynamicSize]:
    """The symbols of `@main`, or of all kernels where there is none. Needs a current context.

    The default is 128; it is 1 for a batch: the first dimension of an input, in a program with other dynamic sizes.
    """
    main = main_function(module)
    ranges = tw.symbols_of(main) if main is not None else _kernel_ranges(module)
    dimensions = {} if main is None else _dimensions(main)
    batches = {name for name in ranges if dimensions.get(name) and all(d.endswith(".0") for d in dimensions[name])}
    if batches == set(ranges):
        batches = set()
    found: dict[str, DynamicSize] = {}
    for name, (low, high) in ranges.items():
        default = min(max(DEFAULT_BATCH if name in batches else DEFAULT_SIZE, low, 1), high)
        found[name] = DynamicSize(name, low, high, tuple(dimensions.get(name, ())), default)
    return found


def parse_size_sets(texts: Sequence[str], known: Mapping[str, DynamicSize]) -> list[dict[str, int]]:
    """Read `--sizes` options, `s0=1,ids.1=128` each: one set of sizes for each, or one of defaults. Raises InputError naming the part
    that is wrong."""
    return [_parse(text, known) for text in texts] or [{name: size.default for name, size in known.items()}]


def _parse(text: str, known: Mapping[str, DynamicSize]) -> dict[str, int]:
    by_place = {place: size.name for size in known.values() for place in (size.name, *size.dimensions)}
    values = {name: size.default for name, size in known.items()}
    for part in filter(None, (part.strip() for part in text.split(","))):
        place, _, number = (piece.strip() for piece in part.partition("="))
        listed = "\n".join(str(size) for size in known.values()) or "none: all sizes are static"
        if place not in by_place:
            raise InputError(
                f"there is no dynamic size called {place!r}", where=f"--sizes {text}", why=f"the dynamic sizes are\n{listed}",
                remedy=suggest(place, list(by_place)),
            )  # fmt: skip
        size = known[by_place[place]]
        if not number.isdecimal() or not max(size.smallest, 1) <= int(number) <= size.largest:
            raise InputError(
                f"{place} cannot be {number!r}", where=f"--sizes {text}", why=str(size), remedy="give a number of its range, above 0"
            )
        values[size.name] = int(number)
    return values


def _kernel_ranges(module: ir.Module) -> dict[str, tuple[int, int]]:
    ranges: dict[str, tuple[int, int]] = {}
    for function in tw.functions(module):
        for name, (low, high) in tw.symbols_of(function).items():
            known_low, known_high = ranges.get(name, (low, high))
            ranges[name] = max(low, known_low), min(high, known_high)
    return ranges


def _dimensions(main: ir.Operation) -> dict[str, list[str]]:
    named = ir.ArrayAttr(main.attributes["arg_attrs"]) if "arg_attrs" in main.attributes else []
    found: dict[str, list[str]] = {}
    for i, argument in enumerate(main.regions[0].blocks[0].arguments):
        marks = ir.DictAttr(named[i]) if i < len(named) else {}
        name = ir.StringAttr(marks["tw.name"]).value if "tw.name" in marks else f"input{i}"
        for axis, dim in enumerate(tw.tensor_info(argument).shape):
            if not isinstance(dim, int):
                found.setdefault(str(dim), []).append(f"{name}.{axis}")
    return found
