"""The compile cache: results of compilation by the hash of all that they depend on.

Each entry is a file whose name is the key: 32 bytes of SHA-256 over the rest, the length of a JSON record, the record, and a blob.
Files are written whole and renamed, so readers never see a part; damaged ones count as absent and are removed. Reading an entry
marks it as used; when the cache outgrows its limit, the entries unused for longest go first.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilewright.core.diagnostics import ToolchainError
from tilewright.version import __version__

DEFAULT_LIMIT_BYTES = 2 << 30
_LENGTH = struct.Struct("<Q")
_DIGEST_BYTES = 32
_COMPILER_FOLDERS = ("core", "targets", "dialects", "passes/schedules", "lowering", "codegen")


@dataclass(frozen=True)
class CacheSummary:
    """What `tilewright cache` shows. Sizes in bytes."""

    directory: Path
    entries: int
    nbytes: int
    limit_bytes: int


class CompileCache:
    """A cache in `directory` of at most `limit_bytes`. A cache that cannot be written to behaves as an empty one."""

    def __init__(self, directory: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.directory = directory
        self.limit_bytes = limit_bytes
        self.hits = 0
        self.misses = 0
        self.stored = 0

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        """The record and blob stored under `key`, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            self.misses += 1
            return None
        entry = _decode(data)
        if entry is None:
            self.misses += 1
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        self.hits += 1
        return entry

    def put(self, key: str, record: dict[str, Any], blob: bytes) -> None:
        """Store a JSON record and a blob."""
        path = self._path(key)
        text = json.dumps(record).encode()
        body = _LENGTH.pack(len(text)) + text + blob
        # Without a writable directory, compilation works all the same and every lookup misses.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(body).digest())
                    file.write(body)
                os.replace(temporary, path)
                self.stored += 1
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def trim(self) -> int:
        """Remove the entries unused for longest until the cache fits its limit. Returns how many went."""
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime)
        total = sum(status.st_size for _, status in entries)
        removed = 0
        for path, status in entries:
            if total <= self.limit_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
            total -= status.st_size
        return removed

    def show(self) -> CacheSummary:
        """How much is stored."""
        sizes = [status.st_size for _, status in self._entries()]
        return CacheSummary(self.directory, len(sizes), sum(sizes), self.limit_bytes)

    def clear(self) -> int:
        """Remove everything. Returns how many entries there were."""
        count = sum(1 for _ in self._entries())
        shutil.rmtree(self.directory / "objects", ignore_errors=True)
        return count

    def _path(self, key: str) -> Path:
        return self.directory / "objects" / key[:2] / key[2:]

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in (self.directory / "objects").glob("*/*"):
            with contextlib.suppress(OSError):
                yield path, path.stat()


def cache_key(*parts: str | bytes) -> str:
    """The hash of `parts`, each with its length, so that no two lists of parts run together."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(_LENGTH.pack(len(data)))
        digest.update(data)
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)
def toolchain_fingerprint() -> str:
    """Identifies everything that turns a kernel into code: our own sources, the MLIR bindings and llvmlite.

    Raises ToolchainError where llvmlite is not installed.
    """
    parts = [__version__, _llvmlite_version()]
    package = Path(__file__).parents[1]
    files = [path for folder in _COMPILER_FOLDERS for path in (package / folder).rglob("*.py")]
    bindings = importlib.util.find_spec("mlir")
    for folder in (bindings.submodule_search_locations or []) if bindings else []:
        files += Path(folder, "_mlir_libs").glob("*.so*")
    for path in sorted(files):
        status = path.stat()
        parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
    return cache_key(*parts)


def _llvmlite_version() -> str:
    try:
        return importlib.metadata.version("llvmlite")
    except importlib.metadata.PackageNotFoundError as missing:
        raise ToolchainError(
            "the compiler is not installed", why="there is no llvmlite: this is an install of the runtime alone",
            remedy='pip install "tilewright[torch]" for PyTorch models, "tilewright[compiler]" for MLIR',
        ) from missing  # fmt: skip


def _decode(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    body = data[_DIGEST_BYTES:]
    if len(body) < _LENGTH.size or hashlib.sha256(body).digest() != data[:_DIGEST_BYTES]:
        return None
    (size,) = _LENGTH.unpack_from(body)
    try:
        record = json.loads(body[_LENGTH.size : _LENGTH.size + size])
    except ValueError:
        return None
    return record, body[_LENGTH.size + size :]
