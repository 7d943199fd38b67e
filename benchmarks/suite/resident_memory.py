"""The peak of this process's resident memory, as Linux counts it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What resets the peak to the present size when it is written to `clear_refs` (proc(5))."""


def peak_growth(call: Callable[[], object]) -> int:
    """By how many bytes `call` raises the resident memory at its peak, with what it leaves."""
    gc.collect()
    CLEAR.write_text(RESET_PEAK)
    before = _field("VmRSS")
    call()
    return _field("VmHWM") - before


def _field(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
