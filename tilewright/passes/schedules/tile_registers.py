"""How tiles of accumulators fit into the tile registers of AMX."""

from __future__ import annotations

from tilewright.targets import MatrixInstruction

ACCUMULATORS = 4
"""Tile registers that accumulate; of the others two hold rows and two columns, or one rows and three columns in turn."""


def why_no_fit(mr: int, nr: int, sides: int, record: MatrixInstruction) -> str | None:
    """Why `mr` x `nr` accumulators for each of `sides` right sides do not fit the tile registers of `record`; None if they do."""
    if mr not in (record.m, 2 * record.m) or nr % record.n:
        return f"a tile of {mr} x {nr} is not made of one or two tiles of {record.m} rows and of tiles of {record.n} columns"
    columns = nr // record.n * sides
    needed = mr // record.m * columns
    if needed > ACCUMULATORS:
        return f"a tile of {mr} x {nr} for {sides} right sides needs {needed} accumulators, there are {ACCUMULATORS}"
    return None
