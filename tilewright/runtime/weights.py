"""Where the weights of a loaded program lie: in the mapped file, or in memory of their own on huge pages.

Mapped weights load in no time and are shared by all processes that run the artifact. A copy belongs to the process: it cannot be
evicted with the page cache, takes one TLB entry for 2 MB, and each part of a weight lies on the NUMA node of the thread that reads it,
because Linux places a page on the node of the thread that touches it first.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Callable, Iterable
from typing import Literal, get_args

import numpy as np

from tilewright.runtime.artifact import WEIGHT_ALIGNMENT, Artifact
from tilewright.runtime.errors import RuntimeFailure
from tilewright.runtime.manifest import Section
from tilewright.runtime.openmp import OpenMP

WeightPlacement = Literal["map", "copy"]
HUGE_PAGE = 2 << 20
_PAGES_PER_THREAD = 4
"""A weight with fewer huge pages for each thread is split by bytes: whole pages would leave some threads without work."""


class MappedWeights:
    """The weights in the artifact's mapping."""

    def __init__(self, artifact: Artifact) -> None:
        self._mapped = np.frombuffer(artifact.mapped, np.uint8)
        self._base: int = self._mapped.__array_interface__["data"][0]

    def address(self, section: Section) -> int:
        """Where the bytes of `section` are."""
        return self._base + section.offset

    def close(self) -> None:
        """Let go of the mapping."""
        del self._mapped


class CopiedWeights:
    """Copies of `sections` in anonymous memory.

    With `openmp`, `threads` threads of its pool do the copying, each the contiguous share of every weight that `thread_share` gives it
    when the program runs. Raises RuntimeFailure when memory is short, ArtifactError when the file ends early.
    """

    def __init__(self, artifact: Artifact, sections: Iterable[Section], threads: int, openmp: OpenMP | None) -> None:
        nbytes: dict[int, int] = {}
        for section in sections:  # Equal weights share their bytes in the file.
            nbytes[section.offset] = max(section.nbytes, nbytes.get(section.offset, 0))
        total = sum(_aligned(size, WEIGHT_ALIGNMENT) for size in nbytes.values())
        self._memory = huge_page_memory(total + HUGE_PAGE)
        # Keeps the memory from being unmapped while its address is in use.
        self._anchor: ctypes.c_char | None = ctypes.c_char.from_buffer(self._memory)
        base = ctypes.addressof(self._anchor)
        self._addresses: dict[int, int] = {}
        at = _aligned(base, HUGE_PAGE)
        for offset in sorted(nbytes):  # In the order of the file, which a disk likes best.
            self._addresses[offset] = at
            at += _aligned(nbytes[offset], WEIGHT_ALIGNMENT)

        def fill(thread: int, count: int) -> None:
            with memoryview(self._memory) as view:
                for offset, address in self._addresses.items():
                    lo, hi = copied_share(address, nbytes[offset], thread, count)
                    artifact.read_into(view[address - base + lo : address - base + hi], offset + lo)

        if openmp is None or threads == 1:
            fill(0, 1)
        else:
            _in_parallel(fill, threads, openmp)

    def address(self, section: Section) -> int:
        """Where the copy of `section` is."""
        return self._addresses[section.offset]

    def close(self) -> None:
        """Free the memory."""
        self._anchor = None
        self._memory.close()


def huge_page_memory(nbytes: int) -> mmap.mmap:
    """Fresh memory that no page has been placed for yet, on huge pages where the system has them. Raises RuntimeFailure without room."""
    try:
        memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, ValueError, OverflowError) as error:
        raise RuntimeFailure(
            f"no memory for a copy of the weights ({nbytes >> 20} MB)", why=str(error), remedy='load them with weights="map"'
        ) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # A kernel without transparent huge pages: small ones do as well.
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def copied_share(address: int, nbytes: int, thread: int, threads: int) -> tuple[int, int]:
    """The bytes of a weight at `address` that `thread` copies: even shares in order, cut at huge pages where the weight has enough."""
    page = HUGE_PAGE if nbytes >= threads * _PAGES_PER_THREAD * HUGE_PAGE else 1

    def bound(number: int) -> int:
        if number == threads:
            return nbytes
        return max(0, (address + nbytes * number // threads) // page * page - address)

    return bound(thread), bound(thread + 1)


def _in_parallel(work: Callable[[int, int], None], threads: int, openmp: OpenMP) -> None:
    """`work(thread, threads)` on the threads that later run the program's regions. Raises what the first failing one raised."""
    failures: list[BaseException] = []
    number = ctypes.CFUNCTYPE(ctypes.c_int)
    thread_num, num_threads = number(openmp.thread_num), number(openmp.num_threads)

    def body(_: int | None) -> None:
        try:
            work(thread_num(), num_threads())
        except BaseException as error:  # It must not cross the native frames between here and the caller.
            failures.append(error)

    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(body)
    parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)(openmp.parallel)
    parallel(ctypes.cast(callback, ctypes.c_void_p), None, threads, 0)
    if failures:
        raise failures[0]


def placement(name: str) -> WeightPlacement:
    """The placement called `name`. Raises RuntimeFailure when there is none."""
    for known in get_args(WeightPlacement):
        if name == known:
            return known
    raise RuntimeFailure(f"weights is {name!r}", why=f"{' or '.join(map(repr, get_args(WeightPlacement)))} is expected")


def _aligned(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
