"""The grammar of pass pipelines, the same for our passes and MLIR's.

```
pipeline ::= element (',' element)*
element  ::= name ('{' option* '}')?  |  anchor '(' pipeline ')'
option   ::= key ('=' value)?
```
`tw-fuse{max-ops=8},canonicalize,func.func(cse)` is a pipeline. The outermost anchor is `builtin.module`, which may be left out.
Parsing knows no passes: `tilewright.core.plan` resolves the names.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tilewright.core.diagnostics import InputError
from tilewright.core.option_text import decode, encode, scan_value
from tilewright.core.passes import Pass
from tilewright.core.registry import suggest

ROOT_ANCHOR = "builtin.module"

_NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True)
class OptionSpec:
    """`key=value` as written; `value` is None for a bare key. `position` is the offset of the key in the pipeline's text."""

    key: str
    value: str | None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PassSpec:
    """A pass as written."""

    name: str
    options: tuple[OptionSpec, ...] = ()
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        inner = " ".join(o.key if o.value is None else f"{o.key}={o.value}" for o in self.options)
        return f"{self.name}{{{inner}}}"


@dataclass(frozen=True)
class Nested:
    """A pipeline that runs on each op called `anchor`."""

    anchor: str
    body: tuple[Element, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.anchor}({print_elements(self.body)})"


Element = PassSpec | Nested


@dataclass(frozen=True)
class Pipeline:
    """A parsed pipeline. `text` is what it was parsed from, for messages."""

    elements: tuple[Element, ...]
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return print_elements(self.elements)

    def error(self, what: str, position: int, remedy: str = "") -> InputError:
        """An error that points at `position` of the text."""
        return point_at(self.text, position, what, remedy)


def print_elements(elements: tuple[Element, ...]) -> str:
    return ",".join(str(element) for element in elements)


def parse_pipeline(text: str) -> Pipeline:
    """Parse `text`. Raises InputError with a caret under the offending place."""
    parser = _Parser(text)
    elements = tuple(parser.elements()) if text.strip() else ()
    parser.expect_end()
    return Pipeline(elements, text)


def point_at(text: str, position: int, what: str, remedy: str = "") -> InputError:
    """An InputError whose reason is the line of `text` around `position`, with a caret under it."""
    begin = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[begin:] if end < 0 else text[begin:end]
    return InputError(what, where="pipeline", why=f"{line}\n{' ' * (position - begin)}^", remedy=remedy)


def build_pass(cls: type[Pass], spec: PassSpec, pipeline: Pipeline) -> Pass:
    """An instance of `cls` with the options of `spec`. Raises InputError for an unknown, repeated, missing or ill-typed option."""
    known = {option.name: option for option in cls.options()}
    values: dict[str, object] = {}
    help_text = f"see `tilewright-opt --help-pass {cls.name}`"
    for written in spec.options:
        option = known.get(written.key) or known.get(written.key.replace("_", "-"))
        if option is None:
            close = suggest(written.key, known)
            options = f"its options are {', '.join(known)}" if known else "it has no options"
            remedy = f"{close or options}\n{help_text}"
            raise pipeline.error(f"pass {cls.name!r} has no option {written.key!r}", written.position, remedy)
        if option.field in values:
            raise pipeline.error(f"option {option.name!r} is given twice", written.position)
        try:
            values[option.field] = decode(written.value, option)
        except ValueError as problem:
            raise pipeline.error(f"option {option.name!r} of pass {cls.name!r} {problem}", written.position, help_text) from None
    missing = [o.name for o in known.values() if o.required and o.field not in values]
    if missing:
        raise pipeline.error(f"pass {cls.name!r} needs the option {missing[0]!r}", spec.position, help_text)
    try:
        return cls(**values)
    except ValueError as problem:  # a check of the pass itself, in __post_init__
        raise pipeline.error(f"pass {cls.name!r}: {problem}", spec.position, help_text) from None


def spec_of(instance: Pass) -> PassSpec:
    """How to write `instance` in a pipeline: only the options that are not at their default."""
    written: list[OptionSpec] = []
    for option, declared in zip(instance.options(), dataclasses.fields(instance), strict=True):
        value = getattr(instance, declared.name)
        if option.required or value != option.default:
            written.append(OptionSpec(option.name, encode(value)))
    return PassSpec(instance.name, tuple(written))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def elements(self) -> Iterator[Element]:
        yield self.element()
        while self.accept(","):
            yield self.element()

    def element(self) -> Element:
        self.skip_space()
        position = self.position
        match = _NAME.match(self.text, position)
        if match is None:
            raise self.error("expected the name of a pass")
        self.position = match.end()
        if self.accept("("):
            body = tuple(self.elements())
            if not self.accept(")"):
                raise self.error(f"expected ',' or ')' in the pipeline of {match.group()!r}")
            return Nested(match.group(), body, position)
        return PassSpec(match.group(), tuple(self.options()) if self.accept("{") else (), position)

    def options(self) -> Iterator[OptionSpec]:
        while not self.accept("}"):
            position = self.position
            match = _NAME.match(self.text, position)
            if match is None:
                raise self.error("expected an option `key=value`, or '}'")
            self.position = match.end()
            value: str | None = None
            if self.text.startswith("=", self.position):
                begin = self.position + 1
                try:
                    self.position = scan_value(self.text, begin)
                except ValueError as problem:
                    self.position = begin
                    raise self.error(f"value of option {match.group()!r}: {problem}") from None
                value = self.text[begin : self.position]
                if not value:
                    raise self.error(f"option {match.group()!r} has no value after '='")
            elif not re.match(r"[\s}]|$", self.text[self.position :]):
                raise self.error("options are separated by spaces: `key=value key=value`")
            yield OptionSpec(match.group(), value, position)

    def expect_end(self) -> None:
        self.skip_space()
        if self.position < len(self.text):
            found = self.text[self.position]
            raise self.error("unmatched ')'" if found == ")" else f"expected ',' between passes, found {found!r}")

    def accept(self, token: str) -> bool:
        self.skip_space()
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        self.skip_space()
        return True

    def skip_space(self) -> None:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1

    def error(self, what: str) -> InputError:
        return point_at(self.text, self.position, what)
