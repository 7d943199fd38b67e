"""The artifact file: a header, sections aligned to pages, and a JSON manifest that describes them (docs/artifact.md).

Nothing in the file is trusted: every offset is checked against the file's size before it is used, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import struct
import weakref
from pathlib import Path
from typing import Any

from tilewright.runtime.errors import ArtifactError
from tilewright.runtime.manifest import ELEMENT_BYTES, FORMAT_VERSION, Manifest, Section, Weight, parse_manifest

MAGIC = b"TILEWRT\n"
HEADER = struct.Struct("<8sII QQ 32s")
"""Magic, format version, reserved (0), offset and length of the manifest, its SHA-256."""
PAGE = 4096
WEIGHT_ALIGNMENT = 64
MAX_MANIFEST_BYTES = 1 << 30


class Artifact:
    """An open, memory-mapped artifact. Opening checks the header and the manifest's hash; `verify` checks all the rest.

    Raises ArtifactError for a file that is truncated, damaged, of another version, or no artifact at all.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ArtifactError(f"cannot open {self.path}", why=error.strerror or str(error)) from error
        self._close_file = weakref.finalize(self, os.close, self._file)
        self.mapped = self._map()
        try:
            self.manifest = self._read_manifest()
            self._check_sections()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unmap the file. No view into it may be in use."""
        self.mapped.close()
        self._close_file()

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the file's bytes from `offset` on, not through the mapping, whose pages would count as memory of the process.

        Raises ArtifactError when the file ends before.
        """
        while buffer:
            try:
                count = os.preadv(self._file, [buffer], offset)
            except OSError as error:
                raise self._error("cannot be read", error.strerror or str(error)) from error
            if not count:
                raise self._error("is truncated", f"it ends at byte {offset}, since it was opened")
            buffer, offset = buffer[count:], offset + count

    def manifest_json(self) -> Any:
        """The manifest as it stands in the file."""
        _, _, _, offset, length, _ = HEADER.unpack_from(self.mapped)
        return json.loads(self.mapped[offset : offset + length])

    def bytes_of(self, section: Section) -> memoryview:
        """The bytes of a section, not copied."""
        return memoryview(self.mapped)[section.offset : section.offset + section.nbytes]

    def check(self, section: Section, what: str) -> None:
        """Raises ArtifactError when the bytes of `section` do not have the hash that the manifest gives."""
        with self.bytes_of(section) as data:
            found = hashlib.sha256(data).hexdigest()
        if found != section.sha256:
            raise self._error(f"is damaged: {what} does not have its recorded hash", f"expected {section.sha256}, found {found}")

    def verify(self) -> None:
        """Check the hash of every section. Reads the whole file."""
        for code in self.manifest.code:
            self.check(code.section, f"the code for {code.target}")
        checked: set[tuple[int, int]] = set()
        for weight in self.manifest.weights:
            extent = (weight.section.offset, weight.section.nbytes)
            if extent not in checked:
                checked.add(extent)
                self.check(weight.section, f"the weight {weight.name}")

    def _map(self) -> mmap.mmap:
        state = os.fstat(self._file)
        if not stat.S_ISREG(state.st_mode):
            raise ArtifactError(f"cannot open {self.path}", why="it is not a regular file")
        self.size = state.st_size
        if self.size < HEADER.size:
            raise self._error("is not an artifact", f"it has {self.size} bytes, a header alone has {HEADER.size}")
        try:
            return mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ArtifactError(f"cannot open {self.path}", why=error.strerror or str(error)) from error

    def _error(self, what: str, why: str = "", remedy: str = "") -> ArtifactError:
        return ArtifactError(f"{self.path} {what}", why, remedy)

    def _read_manifest(self) -> Manifest:
        magic, version, _, offset, length, digest = HEADER.unpack_from(self.mapped, 0)
        if magic != MAGIC:
            raise self._error("is not an artifact", f"it starts with {magic!r}, not with {MAGIC!r}")
        if version != FORMAT_VERSION:
            newer = version > FORMAT_VERSION
            raise self._error(
                f"has format version {version}",
                f"this runtime reads version {FORMAT_VERSION}",
                "install a newer tilewright" if newer else "compile the model again",
            )
        if not HEADER.size <= offset <= self.size or length > min(self.size - offset, MAX_MANIFEST_BYTES):
            raise self._error("is truncated or damaged", f"its manifest would end at byte {offset + length}, the file has {self.size}")
        data = bytes(self.mapped[offset : offset + length])
        if hashlib.sha256(data).digest() != digest:
            raise self._error("is damaged: its manifest does not have its recorded hash", remedy="copy or compile it again")
        return parse_manifest(data)

    def _check_sections(self) -> None:
        for code in self.manifest.code:
            self._check_bounds(code.section, f"the code for {code.target}", 1)
        for weight in self.manifest.weights:
            self._check_bounds(weight.section, f"the weight {weight.name}", WEIGHT_ALIGNMENT)
            if not weight.layout and weight.section.nbytes != _row_major_bytes(weight):
                raise self._error(f"has a wrong size for the weight {weight.name}")

    def _check_bounds(self, section: Section, what: str, alignment: int) -> None:
        if not HEADER.size <= section.offset <= self.size - section.nbytes:
            end = section.offset + section.nbytes
            raise self._error("is truncated or damaged", f"{what} would end at byte {end}, the file has {self.size}")
        if section.offset % alignment:
            raise self._error(f"is damaged: {what} is not aligned")


def _row_major_bytes(weight: Weight) -> int:
    total = ELEMENT_BYTES[weight.dtype]
    for size in weight.shape:
        total *= size
    return total
