"""`tilewright targets`."""

from __future__ import annotations

from tilewright.core.diagnostics import UnsupportedError
from tilewright.targets import Target, find
from tilewright.targets.registry import derived_targets
from tilewright.targets.registry import list_targets as known_targets
from tilewright.tools.report import text_table


def list_targets() -> None:
    """Print all targets; a star marks the one that `native` stands for."""
    try:
        native = find("native").name
    except UnsupportedError:
        native = ""
    rows = [_row(target, native) for target in known_targets()]
    print(text_table(("target", "vector", "registers", "what it is"), rows, right=(1, 2)), end="")
    others = [t.name for t in derived_targets()]
    if others:
        print(f"\nFurther CPU names: {', '.join(others)}.")
    print(f"* is this machine (`native`): {native}." if native else "This machine fits none of them.")


def _row(target: Target, native: str) -> tuple[str, ...]:
    star = "*" if target.name == native else " "
    bits = "-" if target.is_gpu else f"{target.vector_bits} bit"
    registers = "-" if target.is_gpu else str(target.vector_registers)
    return f"{star} {target.name}", bits, registers, target.summary
