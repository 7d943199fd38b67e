"""Relocatable objects to one shared object, by whatever ELF linker the machine or PyPI has."""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tilewright.core.diagnostics import ToolchainError
from tilewright.core.options import environment
from tilewright.targets import Target
from tilewright.targets.detect import read_host

_EMULATION = {"x86-64": "elf_x86_64", "aarch64": "aarch64linux"}
_GNU_PREFIX = {"x86-64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}
_LINK_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Linker:
    """A command that links. `driver` commands (cc, gcc, clang) take linker options behind `-Wl,` and bring start files."""

    command: tuple[str, ...]
    driver: bool = False

    def arguments(self, arch: str, objects: Sequence[str], output: str) -> list[str]:
        """The full command line that makes the shared object `output`."""
        # memcpy, memset and memmove stay undefined: any process that loads the object has them in its C library.
        options = ["--hash-style=gnu", "--no-eh-frame-hdr", "--build-id=none", "-z", "noexecstack", "-Bsymbolic"]
        if self.driver:
            return [*self.command, "-shared", "-nostdlib", "-o", output, *(f"-Wl,{o}" for o in _comma_joined(options)), *objects]
        return [*self.command, "-m", _EMULATION[arch], "-shared", "-o", output, *options, *objects]


def find_linker(target: Target) -> Linker:
    """The first linker that can link for `target`.

    Order: $TILEWRIGHT_LINKER, ld.lld, the GNU linker for the architecture, the C compiler (own architecture only), ziglang from
    PyPI. Raises ToolchainError that lists what was looked for.
    """
    return _find_linker(target.arch, environment().linker, os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=16)
def _find_linker(arch: str, wanted: str | None, path: str) -> Linker:
    native = arch == read_host().arch
    if wanted:
        command = tuple(shlex.split(wanted))
        if shutil.which(command[0], path=path) is None:
            raise ToolchainError(f"the linker {wanted!r} of TILEWRIGHT_LINKER does not exist", remedy="correct or unset the variable")
        return Linker(command, driver=Path(command[-1]).name in ("cc", "gcc", "clang"))
    looked_for: list[str] = []
    linkers = [("ld.lld", False), (f"{_GNU_PREFIX[arch]}ld", False)]
    if native:
        linkers += [("ld", False), ("cc", True), ("gcc", True), ("clang", True)]
    for name, driver in linkers:
        looked_for.append(name)
        found = shutil.which(name, path=path)
        if found:
            return Linker((found,), driver)
    looked_for.append("the Python package ziglang")
    if importlib.util.find_spec("ziglang") is not None:
        return Linker((sys.executable, "-m", "ziglang", "ld.lld"))
    raise ToolchainError(
        f"no linker for {arch} was found",
        why=f"looked for {', '.join(looked_for)}",
        remedy="`pip install ziglang`, or `apt-get install lld`, or set TILEWRIGHT_LINKER",
    )


def link_shared(objects: Sequence[bytes], target: Target) -> bytes:
    """Link objects (ELF, position-independent) into a shared object. Raises ToolchainError with the linker's own words."""
    linker = find_linker(target)
    with tempfile.TemporaryDirectory(prefix="tilewright-link-") as folder:
        paths = [os.path.join(folder, f"{i}.o") for i in range(len(objects))]
        for path, data in zip(paths, objects, strict=True):
            Path(path).write_bytes(data)
        output = os.path.join(folder, "code.so")
        command = linker.arguments(target.arch, paths, output)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LINK_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolchainError("the linker could not be run", where=linker.command[0], why=str(error)) from error
        if done.returncode:
            raise ToolchainError(
                f"the linker failed with exit code {done.returncode}",
                where=" ".join(linker.command),
                why=done.stderr.strip()[-2000:],
                remedy="try another one by TILEWRIGHT_LINKER",
            )
        return Path(output).read_bytes()


def _comma_joined(options: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for option in options:
        if joined and joined[-1] == "-z":
            joined[-1] = f"-z,{option}"
        else:
            joined.append(option)
    return joined
