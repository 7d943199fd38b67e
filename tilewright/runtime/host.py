"""What the runtime needs to know of the machine: instruction sets, and how many threads it may use."""

from __future__ import annotations

import functools
import math
import os
import platform
from pathlib import Path

from tilewright.runtime.errors import ThreadsError

THREADS_VARIABLE = "TILEWRIGHT_NUM_THREADS"
_ARCHES = {"AMD64": "x86_64", "arm64": "aarch64"}


@functools.lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """The flags of this machine's processor as in /proc/cpuinfo (`flags` on x86, `Features` on AArch64); empty where there is none."""
    try:
        return parse_cpu_flags(Path("/proc/cpuinfo").read_text())
    except OSError:
        return frozenset()


def parse_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The flags that all processors of the text have in common (big and little cores may differ)."""
    common: frozenset[str] | None = None
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = frozenset(value.split())
            common = flags if common is None else common & flags
    return common or frozenset()


def arch() -> str:
    """The architecture as triples spell it: `x86_64`, `aarch64`."""
    machine = platform.machine()
    return _ARCHES.get(machine, machine)


def cgroup_cpus(root: Path = Path("/")) -> float | None:
    """The CPU quota of this process's control group in CPUs (version 2, then 1), or None without a limit."""
    quotas = [quota for folder in _cgroup_folders(root) if (quota := _read_quota(folder)) is not None]
    return min(quotas, default=None)


def _cgroup_folders(root: Path) -> list[Path]:
    """The group of this process and its parents: a limit on any of them counts."""
    mount = root / "sys/fs/cgroup"
    folders = [mount, mount / "cpu", mount / "cpu,cpuacct"]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = mount / controllers if controllers else mount
        relative = Path(path.lstrip("/"))
        folders += [base / p for p in (relative, *relative.parents)]
    return folders


def _read_quota(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        cpus = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cpus if cpus > 0 else None


def available_threads() -> int:
    """CPUs in this process's affinity mask, limited by the control group's quota (rounded up)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpus()
    return max(1, min(count, math.ceil(quota))) if quota is not None else max(1, count)


def choose_threads(wanted: int | None) -> tuple[int, bool]:
    """How many threads to use and whether someone asked for that number: the argument, then $TILEWRIGHT_NUM_THREADS, then what is there."""
    text = os.environ.get(THREADS_VARIABLE)
    source = "threads" if wanted is not None else THREADS_VARIABLE
    if wanted is None and not text:
        return available_threads(), False
    try:
        count = int(text or "") if wanted is None else int(wanted)
    except ValueError:
        count = 0
    if not 1 <= count <= 4096:
        shown = wanted if wanted is not None else text
        raise ThreadsError(f"{source} is {shown!r}", why="a number from 1 to 4096 is expected")
    return count, True
