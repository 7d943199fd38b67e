"""The only place of the compiler that looks at the machine it runs on."""

from __future__ import annotations

import functools
import platform
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tilewright.core.diagnostics import UnsupportedError
from tilewright.targets import aarch64, x86
from tilewright.targets.target import Target

_VENDORS = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}
_ARCHES = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True)
class HostCpu:
    """What the operating system says of its processor: `x86-64` or `aarch64`, the vendor, and the flags of /proc/cpuinfo."""

    arch: str
    vendor: str
    flags: frozenset[str]


def parse_cpuinfo(text: str, arch: str) -> HostCpu:
    """Read the text of /proc/cpuinfo (the first processor's entry; all are taken to be alike)."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", ""))
    return HostCpu(arch, _VENDORS.get(fields.get("vendor_id", ""), "arm" if arch == "aarch64" else ""), frozenset(flags.split()))


@functools.lru_cache(maxsize=1)
def read_host() -> HostCpu:
    """The processor of this machine. Raises UnsupportedError on systems other than Linux on x86-64 or AArch64."""
    arch = _ARCHES.get(platform.machine())
    cpuinfo = Path("/proc/cpuinfo")
    if arch is None or not cpuinfo.exists():
        raise UnsupportedError(
            "cannot tell which CPU this machine has",
            why=f"{platform.system()} on {platform.machine()} is not known here",
            remedy="name the target, such as --target cpu:x86-64-v3",
        )
    return parse_cpuinfo(cpuinfo.read_text(), arch)


def best_record(host: HostCpu) -> Target:
    """The described target that uses most of `host`: the widest vectors, then the most features, its own vendor's records only."""
    records = x86.RECORDS if host.arch == "x86-64" else aarch64.RECORDS
    fitting = [t for t in records if set(t.requires) <= host.flags and t.vendor in ("", host.vendor)]
    if not fitting:
        smallest = min(records, key=lambda t: len(t.requires))
        missing = sorted(set(smallest.requires) - host.flags)
        raise UnsupportedError(
            "no target fits the CPU of this machine",
            why=f"{smallest.name} needs {', '.join(missing)}, which it does not report",
            remedy="compile for another machine by --target",
        )
    return max(fitting, key=lambda t: (t.vector_bits, len(t.features), t.vendor == host.vendor))


_override: list[Target] = []


def host_target() -> Target:
    """The target that describes this machine best."""
    return _override[-1] if _override else best_record(read_host())


@contextmanager
def override_host(target: Target) -> Generator[None]:
    """Within the block, `target` passes for this machine (for tests)."""
    _override.append(target)
    try:
        yield
    finally:
        _override.pop()
