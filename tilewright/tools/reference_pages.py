"""Writes the generated pages of `docs/`: `python -m tilewright.tools.reference_pages [--check]`.

With `--check` nothing is written; the exit code is 1 where a page on disk differs from what the code says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tilewright.core.option_text import encode
from tilewright.core.passes import CompositePass, Pass
from tilewright.core.registry import load_all_passes
from tilewright.dialects.tw.docs import dialect_page

DOCS = Path(__file__).resolve().parents[2] / "docs"

PASSES_INTRODUCTION = """\
# Passes

Generated from the pass declarations in `tilewright/passes/` and `tilewright/lowering/`. Any of them, and any pass of MLIR's, runs by
name: `tilewright-opt model.mlir -p 'tw-simplify,tw-fuse,canonicalize'`.
"""


def passes_page() -> str:
    """All our passes with their contracts and options, as Markdown."""
    passes = own_passes()
    rows = [f"| [{name}](#{name}) | {_cell(cls.contract())} |" for name, cls in passes.items()]
    overview = "\n".join(["| pass | contract |", "| --- | --- |", *rows])
    return "\n".join([PASSES_INTRODUCTION, overview + "\n", *(_pass_section(cls) for cls in passes.values())])


def own_passes() -> dict[str, type[Pass]]:
    """All passes of this package: TILEWRIGHT_PASS_MODULES may have registered others."""
    return {name: cls for name, cls in load_all_passes().items() if cls.__module__.startswith("tilewright.")}


def _pass_section(cls: type[Pass]) -> str:
    parts = [f"## `{cls.name}`\n", f"{cls.documentation()}\n"]
    options = cls.options()
    if options:
        rows = [
            f"| `{o.name}` | {o.type_text} | {'required' if o.required else f'`{encode(o.default)}`'} | {_cell(o.help)} |" for o in options
        ]
        parts.append("\n".join(["| option | type | default | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n")
    if issubclass(cls, CompositePass) and not any(o.required for o in options):
        parts.append(f"Stands for `{cls().pipeline()}`.\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {"dialect.md": dialect_page, "passes.md": passes_page}
"""File name in `docs/` to what makes its content."""


def main() -> int:
    """Write the pages, or with `--check` compare them. Returns the exit code."""
    different = [name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != page()]
    if "--check" in sys.argv[1:]:
        for name in different:
            print(f"docs/{name} is not what the code says: run python -m tilewright.tools.reference_pages", file=sys.stderr)
        return int(bool(different))
    for name in different:
        (DOCS / name).write_text(PAGES[name]())
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
