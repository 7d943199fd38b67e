"""What the machine is, for the record, and how much memory has to be rotated through to get past its caches."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from tilewright.targets import find

GB = 10**9
ROTATION_LIMIT = GB
_SUFFIX = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def cpu_name() -> str:
    """What /proc/cpuinfo calls the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def l3_bytes() -> int:
    """The last-level cache as the system reports it, else what the description of this machine says."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text().strip()
        return int(text[:-1]) * _SUFFIX[text[-1]]
    except (OSError, KeyError, ValueError):
        return find("native").caches.l3


def rotation_bytes() -> int:
    """One and a half last-level caches, at most 1 GB."""
    return min(l3_bytes() * 3 // 2, ROTATION_LIMIT)


def describe() -> dict[str, Any]:
    """CPU, target, number of CPUs, cache, kernel of the operating system, date."""
    return {
        "cpu": cpu_name(),
        "target": find("native").name,
        "cpus": len(os.sched_getaffinity(0)),
        "l3_bytes": l3_bytes(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
