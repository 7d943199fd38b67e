"""From an artifact to callable native code: choosing the code for this machine, and loading it."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import tempfile
from collections.abc import Sequence

from tilewright.runtime.artifact import Artifact
from tilewright.runtime.errors import ArtifactError, IncompatibleError
from tilewright.runtime.manifest import Code
from tilewright.runtime.tile_permission import require_tile_permission


def select_code(codes: Sequence[Code], arch: str, flags: frozenset[str]) -> Code:
    """The code that uses most of this machine. Raises IncompatibleError saying what each one misses."""
    fitting = [code for code in codes if code.arch == arch and set(code.requires) <= flags]
    if fitting:
        return max(fitting, key=lambda code: len(code.requires))
    reasons: list[str] = []
    for code in codes:
        if code.arch != arch:
            reasons.append(f"{code.target} is for {code.arch}, this machine is {arch}")
        else:
            reasons.append(f"{code.target} needs {', '.join(sorted(set(code.requires) - flags))}")
    raise IncompatibleError(
        "the artifact has no code that this machine can run",
        why="; ".join(reasons) or "it holds no code at all",
        remedy="compile it with --target for this machine as well (`tilewright compile --target cpu` on it)",
    )


class Library:
    """A shared object loaded from the artifact's bytes, after their hash was checked. It stays loaded until `close`."""

    def __init__(self, artifact: Artifact, code: Code) -> None:
        require_tile_permission(code.requires, code.target)
        artifact.check(code.section, f"the code for {code.target}")
        with artifact.bytes_of(code.section) as data:
            self._library = load_shared_object(data, code.target)

    def function(self, name: str) -> int:
        """The address of an exported function. Raises ArtifactError when there is none."""
        try:
            pointer = ctypes.cast(getattr(self._library, name), ctypes.c_void_p).value
        except AttributeError as error:
            raise ArtifactError(f"the code does not export {name!r}") from error
        return pointer or 0

    def close(self) -> None:
        """Unload. Nothing of it may be running or be called afterwards."""
        _ctypes.dlclose(self._library._handle)


def load_shared_object(data: bytes | memoryview, name: str) -> ctypes.CDLL:
    """Load a shared object from memory. Raises ArtifactError, which calls it `name`, when the system refuses it."""
    file = _executable_file()
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(file, remaining) :]
        return ctypes.CDLL(_unique_path(file))
    except OSError as error:
        raise ArtifactError(f"the code for {name} cannot be loaded", why=str(error)) from error
    finally:
        os.close(file)


def _unique_path(file: int) -> str:
    """A path to an open file that no other load uses.

    The loader takes a path that it knows for the library that it has, and numbers of files are used again. Slashes and dots
    between the parts of a path change nothing but the text.
    """
    distinct = format(int.from_bytes(os.urandom(8), "little"), "064b").replace("1", "/.").replace("0", "/")
    return f"/proc/self/fd{distinct}/{file}"


def _executable_file() -> int:
    """A file without a name to load the code from: in memory, or where the system forbids that, an unlinked temporary file."""
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("tilewright", os.MFD_CLOEXEC)
        except OSError:
            pass
    file, path = tempfile.mkstemp(prefix="tilewright-", suffix=".so")
    os.unlink(path)
    return file
