"""The OpenMP runtime that parallel regions run in: the one that is already in the process (torch's, if torch is there).

A second runtime beside torch's would start its own threads and oversubscribe the machine. GCC's libgomp, LLVM's libomp and Intel's
libiomp5 all provide the GOMP_parallel interface that the host program calls.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass

_FALLBACKS = ("libgomp.so.1", "libomp.so.5", "libomp.so", "libiomp5.so")
_NAMES = ("libgomp", "libiomp5", "libomp")


@dataclass(frozen=True)
class OpenMP:
    """Addresses of the functions that the host program calls, and the library they are from."""

    path: str
    parallel: int
    barrier: int
    thread_num: int
    num_threads: int


def mapped_libraries(maps: Iterable[str]) -> list[str]:
    """Paths of OpenMP runtimes in lines of /proc/self/maps, torch's own first."""
    found: dict[str, None] = {}
    for line in maps:
        path = line[line.find("/") :].strip() if "/" in line else ""
        name = path.rpartition("/")[2]
        if ".so" in name and any(name.startswith((f"{n}.", f"{n}-")) for n in _NAMES):
            found[path] = None
    return sorted(found, key=lambda p: ("torch" not in p, [name in p for name in _NAMES].index(True)))


def find_openmp() -> OpenMP | None:
    """The runtime to use, or None when there is none. A torch that is imported later is noticed at the next call."""
    return _find(hasattr(sys.modules.get("torch"), "_C"))  # While torch is being imported its runtime may not be there yet.


@functools.lru_cache(maxsize=2)
def _find(torch_is_loaded: bool) -> OpenMP | None:
    try:
        with open("/proc/self/maps") as maps:
            candidates = mapped_libraries(maps)
    except OSError:
        candidates = []
    for path in (*candidates, *_FALLBACKS):
        try:
            library = ctypes.CDLL(path)
            functions = [library.GOMP_parallel, library.GOMP_barrier, library.omp_get_thread_num, library.omp_get_num_threads]
        except (OSError, AttributeError):
            continue
        return OpenMP(path, *(ctypes.cast(f, ctypes.c_void_p).value or 0 for f in functions))
    return None
