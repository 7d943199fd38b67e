"""The reference page of the dialect, `docs/dialect.md`, from the specs. `python -m tilewright.tools.reference_pages` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tilewright.dialects.tw.ops import __name__ as OPS_PACKAGE
from tilewright.dialects.tw.spec import Attribute, Operand, OpSpec, register_op

INTRODUCTION = """\
# The `tw` dialect

Generated from the op declarations in `tilewright/dialects/tw/ops/`. What the IR looks like at each level, and how symbolic sizes are
written, is in [levels.md](levels.md). Sizes in attributes are text: `"s0*s1, 384"`.

An op that breaks a constraint is rejected with the constraint's label, by the builder and by the verifier:
`tw.matmul: [M3] the contracted sizes are equal`.
"""


def dialect_page() -> str:
    """The page as Markdown: a table of all ops, then each op, by family."""
    families: dict[str, list[type[OpSpec]]] = {}
    for spec in register_op.specs.values():
        families.setdefault(spec.__module__.removeprefix(f"{OPS_PACKAGE}."), []).append(spec)
    parts = [INTRODUCTION, _overview(families)]
    for family, specs in sorted(families.items()):
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n")
        parts += [_section(spec) for spec in specs]
    return "\n".join(parts)


def _overview(families: dict[str, list[type[OpSpec]]]) -> str:
    rows = (
        (f"[{spec.name}](#tw{spec.name})", family.replace("_", " "), _summary(spec))
        for family, specs in sorted(families.items())
        for spec in specs
    )
    return _table(("op", "family", "what it does"), rows)


def _section(spec: type[OpSpec]) -> str:
    parts = [f"### `tw.{spec.name}`\n", f"{_documentation(spec)}\n"]
    if spec.operands:
        parts.append(_table(("operand", "what it is"), ((f"`{_arity(o)}`", o.doc) for o in spec.operands)))
    if spec.attributes:
        rows = ((f"`{a.name}`", a.kind.value, _default(a), a.doc) for a in spec.attributes)
        parts.append(_table(("attribute", "kind", "default", "what it is"), rows))
    if spec.constraints:
        parts.append(_table(("constraint", "rule"), ((c.label, c.text) for c in spec.constraints)))
    if spec.free_results:
        parts.append("Its result types are stated, not inferred.\n")
    parts.append(f"```mlir\n{spec.example}\n```\n")
    return "\n".join(parts)


def _documentation(spec: type[OpSpec]) -> str:
    first, *rest = (spec.__doc__ or "").strip().splitlines()
    return "\n".join([first, *(line.removeprefix("    ") for line in rest)])


def _summary(spec: type[OpSpec]) -> str:
    return _documentation(spec).partition("\n")[0]


def _arity(operand: Operand) -> str:
    return operand.name + ("..." if operand.variadic else "?" if operand.optional else "")


def _default(attribute: Attribute) -> str:
    if attribute.required:
        return "required"
    value = attribute.default
    if value is None:
        return "absent"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(_table_lines(header, rows)) + "\n"


def _table_lines(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (header, ("---",) * len(header), *rows):
        # A bar would end the cell, even in code.
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
