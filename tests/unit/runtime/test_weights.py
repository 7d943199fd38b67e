"""Weights in memory of their own: who copies what, and what goes wrong."""

from __future__ import annotations

import ctypes
import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilewright.runtime.errors import ArtifactError, RuntimeFailure
from tilewright.runtime.manifest import Section
from tilewright.runtime.openmp import find_openmp
from tilewright.runtime.weights import HUGE_PAGE, CopiedWeights, copied_share, huge_page_memory, placement


class Source:
    """Stands in for an artifact: bytes, and a record of which thread read what."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int, int]] = []
        self.missing = len(data)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        if offset + len(buffer) > self.missing:
            raise ArtifactError("the file is truncated")
        buffer[:] = self.data[offset : offset + len(buffer)]
        self.reads.append((threading.get_native_id(), offset, len(buffer)))


def copied(source: Any, sections: list[Section], threads: int = 1) -> CopiedWeights:
    return CopiedWeights(source, sections, threads, find_openmp() if threads > 1 else None)


def section(offset: int, nbytes: int) -> Section:
    return Section(offset, nbytes, "")


@pytest.fixture(scope="module")
def data() -> bytes:
    return np.random.default_rng(0).bytes(36 << 20)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_copies_are_exact_and_aligned(data: bytes, threads: int) -> None:
    source = Source(data)
    sections = [section(4096, 100), section(4096 + 128, 33 << 20), section(64, 64), section(4096, 100)]
    weights = copied(source, sections, threads)
    for each in sections:
        address = weights.address(each)
        assert address % 64 == 0
        assert ctypes.string_at(address, each.nbytes) == data[each.offset : each.offset + each.nbytes]
    assert sum(length for _, _, length in source.reads) == 100 + (33 << 20) + 64, "equal sections are copied once"
    weights.close()


def test_every_thread_of_the_pool_copies_the_share_that_it_will_read(data: bytes) -> None:
    source = Source(data)
    copied(source, [section(0, 34 << 20)], 2).close()
    first, second = sorted(source.reads, key=lambda read: read[1])
    assert first[0] == threading.get_native_id() != second[0], "thread 0 of a region is the caller"
    assert (first[1], first[2]) == (0, 16 << 20) and second[1:] == (16 << 20, 18 << 20), "cut at a huge page near the middle"


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("nbytes", [1, 63, 4096, HUGE_PAGE, 3 * HUGE_PAGE + 5, 50 * HUGE_PAGE + 4096, 600 * HUGE_PAGE])
def test_shares_cover_a_weight_in_order(nbytes: int, threads: int) -> None:
    for address in (0, 64, HUGE_PAGE - 64, 5 * HUGE_PAGE + 4096):
        shares = [copied_share(address, nbytes, thread, threads) for thread in range(threads)]
        assert shares[0][0] == 0 and shares[-1][1] == nbytes
        assert all(before[1] == after[0] for before, after in itertools.pairwise(shares))
        assert all(lo <= hi for lo, hi in shares)
        for thread, (lo, _) in enumerate(shares[1:], 1):
            assert abs(lo - nbytes * thread / threads) <= HUGE_PAGE
            if nbytes > threads * 4 * HUGE_PAGE:
                assert (address + lo) % HUGE_PAGE == 0, "no huge page is shared by two threads"


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_thread_raises_reaches_the_caller(data: bytes, threads: int) -> None:
    source = Source(data)
    source.missing = 30 << 20
    with pytest.raises(ArtifactError, match="the file is truncated"):
        copied(source, [section(0, 34 << 20)], threads)
    source.missing = len(data)
    copied(source, [section(0, 34 << 20)], threads).close()


def test_memory_that_is_not_there() -> None:
    with pytest.raises(RuntimeFailure, match=r"no memory for a copy of the weights \(\d+ MB\)") as caught:
        huge_page_memory(1 << 62)
    assert 'weights="map"' in caught.value.remedy


def test_copies_ask_for_huge_pages(data: bytes) -> None:
    if not Path("/sys/kernel/mm/transparent_hugepage").exists():
        pytest.skip("this system has no transparent huge pages")
    weights = copied(Source(data), [section(0, 34 << 20)])
    flags = _flags_of_memory(weights.address(section(0, 34 << 20)))
    weights.close()
    assert "hg" in flags


def _flags_of_memory(address: int) -> list[str]:
    """The VmFlags of the mapping at `address`; hg is MADV_HUGEPAGE."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head, *rest = line.split()
        if "-" in head and not head.endswith(":"):
            start, end = (int(part, 16) for part in head.split("-"))
            inside = start <= address < end
        elif inside and head == "VmFlags:":
            return rest
    return []


def test_unknown_placements() -> None:
    assert placement("map") == "map" and placement("copy") == "copy"
    with pytest.raises(RuntimeFailure, match=r"weights is 'mmap'\n  why: 'map' or 'copy' is expected"):
        placement("mmap")
