"""Permission to use AMX. Linux keeps the tile registers from a process until it asks; their first use would end it by SIGILL.

The permission holds for the whole process and all its threads, and cannot be given back (Documentation/arch/x86/xstate.rst).
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Collection

from tilewright.runtime.errors import IncompatibleError

TILE_FLAG = "amx_tile"
"""The flag in /proc/cpuinfo that code with tile instructions requires."""

_SYS_ARCH_PRCTL = 158
_ARCH_REQ_XCOMP_PERM = 0x1023
_XFEATURE_XTILEDATA = 18


def require_tile_permission(requires: Collection[str], name: str) -> None:
    """Get the permission when code that needs the CPU flags `requires` uses tiles, before any of it runs. May be called often.

    `name` is the target in the message. Raises IncompatibleError when the system refuses.
    """
    if TILE_FLAG not in requires:
        return
    reason = refusal()
    if reason is not None:
        raise IncompatibleError(
            f"the code for {name} needs AMX, which this process may not use",
            why=reason,
            remedy="compile for a target without AMX as well, such as --target cpu:sapphirerapids-avx512",
        )


@functools.lru_cache(maxsize=1)
def refusal() -> str | None:
    """Ask the system for the permission, once in a process. None when it permits, else why it does not."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"it is known how to ask for it on Linux on x86-64, not on {platform.system()} on {platform.machine()}"
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    arguments = (_SYS_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA)
    if syscall(*map(ctypes.c_long, arguments)) == 0:
        return None
    return f"the system refused arch_prctl(ARCH_REQ_XCOMP_PERM): {os.strerror(ctypes.get_errno())} (Linux 5.16 or newer is needed)"
