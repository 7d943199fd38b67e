"""The text of option values in a pipeline: `8`, `true`, `"two words"`, `a,b`, `none`.

A value is bare where it can be, else in double quotes with `\\"` and `\\\\`. A list has commas between its elements; `{}` is the
empty list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tilewright.core.passes import OptionValue, PassOption

_BARE = re.compile(r"[^\s{}()\[\]<>\"'\\,=]+")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


def encode(value: OptionValue) -> str:
    """The text that `decode` reads back as `value`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(_quote(element) for element in value) if value else "{}"
    if isinstance(value, str):
        return _quote(value)
    # By way of the plain type: an enum is an int with a repr of its own.
    return repr(int(value)) if isinstance(value, int) else repr(float(value))


def decode(text: str | None, option: PassOption) -> OptionValue:
    """The value of `text` (None for an option written without `=`). Raises ValueError that says what was expected."""
    if text is None:
        if option.kind == "bool":
            return True
        raise ValueError(f"needs a value: {option.name}=<{option.type_text}>")
    if option.optional and text == "none":
        return None
    if option.kind == "list":
        inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
        return tuple(_unquote(element) for element in split_list(inner)) if inner.strip() else ()
    plain = _unquote(text)
    if option.kind == "str":
        return plain
    if option.kind == "bool":
        if plain.lower() in _TRUE + _FALSE:
            return plain.lower() in _TRUE
        raise ValueError(f"is true or false, not {plain!r}")
    try:
        return int(plain, 0) if option.kind == "int" else float(plain)
    except ValueError:
        raise ValueError(f"is {'an integer' if option.kind == 'int' else 'a number'}, not {plain!r}") from None


def scan_value(text: str, start: int) -> int:
    """The end of the value that begins at `start`: at white space or a closing brace outside quotes and brackets.

    Raises ValueError where a quote or bracket is not closed.
    """
    depth: list[str] = []
    i = start
    while i < len(text):
        c = text[i]
        if c in "\"'":
            i = _scan_quoted(text, i)
            continue
        if c in "({[":
            depth.append({"(": ")", "{": "}", "[": "]"}[c])
        elif depth and c == depth[-1]:
            depth.pop()
        elif not depth and (c.isspace() or c == "}"):
            return i
        i += 1
    if depth:
        raise ValueError(f"missing {depth[-1]!r}")
    return i


def split_list(text: str) -> Sequence[str]:
    """Split at commas outside quotes and brackets."""
    parts: list[str] = []
    begin = depth = i = 0
    while i < len(text):
        c = text[i]
        if c in "\"'":
            i = _scan_quoted(text, i)
            continue
        depth += (c in "({[") - (c in ")}]")
        if c == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
        i += 1
    return [*parts, text[begin:].strip()]


def _scan_quoted(text: str, start: int) -> int:
    i = start + 1
    while i < len(text) and text[i] != text[start]:
        i += 2 if text[i] == "\\" else 1
    if i >= len(text):
        raise ValueError("missing closing quote")
    return i + 1


def _quote(text: str) -> str:
    # Quoted `none` is the text, bare `none` is the absence of a value.
    if _BARE.fullmatch(text) and text != "none":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text
