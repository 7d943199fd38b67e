"""NVIDIA's assembler: PTX to a cubin, and what it says about each kernel. A driver takes PTX text too, so ptxas is optional."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tilewright.core.diagnostics import InputError, PassError, ToolchainError
from tilewright.core.options import environment
from tilewright.targets import Target

SYSTEM_CUDA = "/usr/local/cuda"
_TIMEOUT_S = 120.0
_ENTRY = re.compile(r"(?:Compiling entry function|Function properties for) '?([\w$.]+)'?")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


@dataclass(frozen=True)
class KernelResources:
    """What one thread, and for shared memory one block, of a kernel takes. Everything but `registers` (of 32 bits) in bytes."""

    registers: int
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0

    @property
    def spills(self) -> int:
        """Bytes that are stored to and loaded from local memory for lack of registers."""
        return self.spill_stores + self.spill_loads


@dataclass(frozen=True)
class Assembled:
    """A cubin and the resources of its kernels by name."""

    cubin: bytes
    resources: dict[str, KernelResources]


def find_ptxas() -> Path:
    """The first ptxas of: $TILEWRIGHT_PTXAS, PATH, $CUDA_HOME/bin, /usr/local/cuda/bin, the Python package nvidia-cuda-nvcc.

    Raises ToolchainError that lists what was looked for.
    """
    wanted = environment().ptxas
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise ToolchainError(f"the ptxas {wanted!r} of TILEWRIGHT_PTXAS does not exist", remedy="correct or unset the variable")
        return Path(found)
    on_path = shutil.which("ptxas")
    places = [Path(on_path)] if on_path else []
    places += [Path(home, "bin", "ptxas") for home in (os.environ.get("CUDA_HOME"), SYSTEM_CUDA) if home]
    package = importlib.util.find_spec("nvidia")
    for folder in (package.submodule_search_locations or []) if package is not None else []:
        places += sorted(Path(folder).glob("*/bin/ptxas"), reverse=True)
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place
    raise ToolchainError(
        "no ptxas was found",
        why="looked in PATH, $CUDA_HOME/bin, /usr/local/cuda/bin and the Python package nvidia-cuda-nvcc",
        remedy="`pip install nvidia-cuda-nvcc`, or set TILEWRIGHT_PTXAS; PTX alone needs no ptxas",
    )


def assemble(ptx: str, target: Target, opt_level: int = 3) -> Assembled:
    """Assemble PTX for `target`. Raises ToolchainError without a ptxas that runs, and PassError with ptxas' own words."""
    if not target.is_gpu:
        raise InputError(f"{target.name} has no PTX")
    program = find_ptxas()
    with tempfile.TemporaryDirectory(prefix="tilewright-ptxas-") as folder:
        source, output = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        command = [str(program), "-v", f"-arch={target.llvm_cpu}", f"-O{opt_level}", str(source), "-o", str(output)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolchainError("ptxas could not be run", where=str(program), why=str(error)) from error
        log = done.stdout + done.stderr
        if done.returncode:
            raise PassError(
                f"ptxas rejects the PTX for {target.name}",
                where=str(program),
                why=log.strip()[-2000:],
                remedy="this is a defect of a lowering, unless this ptxas is too old for the target; report it with the dumped PTX",
            )
        return Assembled(output.read_bytes(), read_resources(log))


def read_resources(log: str) -> dict[str, KernelResources]:
    """The resources of each kernel from what `ptxas -v` prints. Raises ValueError where a kernel has no register count."""
    found: dict[str, dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in log.splitlines():
        entry = _ENTRY.search(line)
        if entry is not None:
            current = found.setdefault(entry[1], {})
        frame = _FRAME.search(line)
        if frame is not None:
            current |= {"stack": int(frame[1]), "spill_stores": int(frame[2]), "spill_loads": int(frame[3])}
        used = _USED.search(line)
        if used is not None:
            shared = _SHARED.search(line)
            current |= {"registers": int(used[1]), "shared": int(shared[1]) if shared else 0}
    incomplete = [name for name, values in found.items() if "registers" not in values]
    if incomplete:
        raise ValueError(f"ptxas reported no registers for {', '.join(incomplete)}")
    return {name: KernelResources(**values) for name, values in found.items()}
