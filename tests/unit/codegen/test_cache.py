"""The compile cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tilewright.codegen.cache import CompileCache, cache_key, toolchain_fingerprint

KEY = cache_key("a")


def only_file(cache: CompileCache) -> Path:
    (path,) = (cache.directory / "objects").glob("*/*")
    return path


def test_round_trip(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    assert cache.get(KEY) is None
    cache.put(KEY, {"trip_count": "d0"}, b"\x7fELF")
    assert cache.get(KEY) == ({"trip_count": "d0"}, b"\x7fELF")
    assert (cache.hits, cache.misses) == (1, 1)


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 200])
def test_damaged_entries_are_ignored_and_removed(tmp_path: Path, damage: bytes) -> None:
    cache = CompileCache(tmp_path)
    cache.put(KEY, {}, b"data" * 50)
    path = only_file(cache)
    path.write_bytes(damage)
    assert cache.get(KEY) is None
    assert not path.exists()


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    cache.put(KEY, {"x": 1}, b"data" * 50)
    path = only_file(cache)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert cache.get(KEY) is None


def test_the_limit_removes_what_was_unused_longest(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path, limit_bytes=2500)
    keys = [cache_key(str(i)) for i in range(3)]
    for age, key in zip((300, 200, 100), keys):
        cache.put(key, {}, b"x" * 1000)
        path = cache.directory / "objects" / key[:2] / key[2:]
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    assert cache.get(keys[0]) is not None, "reading makes it recent"
    assert cache.trim() == 1
    assert [cache.get(key) is not None for key in keys] == [True, False, True]


def test_show_and_clear(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    assert cache.show().entries == 0 and cache.clear() == 0
    for i in range(3):
        cache.put(cache_key(str(i)), {}, b"x" * 10)
    summary = cache.show()
    assert summary.entries == 3 and summary.nbytes > 30 and summary.directory == tmp_path
    assert cache.clear() == 3 and cache.show().entries == 0


def test_a_directory_that_cannot_be_written_is_an_empty_cache(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a directory")
    cache = CompileCache(occupied)
    cache.put(KEY, {}, b"x")
    assert cache.get(KEY) is None


def test_keys_keep_parts_apart() -> None:
    assert cache_key("ab", "c") != cache_key("a", "bc") != cache_key("abc")
    assert cache_key("a", b"b") == cache_key(b"a", "b")


def test_the_fingerprint_is_stable() -> None:
    assert toolchain_fingerprint() == toolchain_fingerprint() and len(toolchain_fingerprint()) == 64
