"""Configuration of the FileCheck tests: `lit tests/lit` (PyPI `lit` and `filecheck`), nothing needs to be installed or built."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import lit.formats

config: Any = globals()["config"]  # lit puts these two there
lit_config: Any = globals()["lit_config"]

here = Path(__file__).resolve().parent
repository = here.parent.parent
python = sys.executable

config.name = "tilewright"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".py"]
config.excludes = ["lit.cfg.py", "Inputs", "not.py"]
config.test_source_root = str(here)
config.test_exec_root = os.environ.get("TILEWRIGHT_LIT_OUTPUT", str(repository / "build" / "lit"))

# A tool's name counts where it stands alone as a word, not as a part of a path; `not` only in front of a command.
alone = r"(?<![-./\w]){}(?![-./\w])"
config.substitutions += [
    (alone.format("not") + r"(?= (?:--code \d+ )?(?:tilewright|filecheck|%python))", f"{python} {here / 'not.py'}"),
    (alone.format("tilewright-opt"), f"{python} -m tilewright.tools.opt"),
    (alone.format("tilewright"), f"{python} -m tilewright.tools.cli"),
    (alone.format("filecheck"), f"{python} -m filecheck --enable-var-scope"),
    ("%python", python),
    (r"%\{root\}", str(repository)),
]

for variable in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "TILEWRIGHT_PTXAS", "CUDA_HOME"):
    if variable in os.environ:
        config.environment[variable] = os.environ[variable]
config.environment["PYTHONPATH"] = str(repository)
# A crash test must not fill the directory for temporary files.
config.environment["TILEWRIGHT_REPRODUCER_DIR"] = str(Path(config.test_exec_root) / "reproducers")


def cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return {flag for line in text.splitlines() if line.startswith(("flags", "Features")) for flag in line.partition(":")[2].split()}


def has_ptxas() -> bool:
    if os.environ.get("TILEWRIGHT_PTXAS") or shutil.which("ptxas"):
        return True
    package = importlib.util.find_spec("nvidia")
    folders = list(package.submodule_search_locations or []) if package is not None else []
    folders += [home for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if home]
    return any(next(Path(folder).glob(pattern), None) for folder in folders for pattern in ("bin/ptxas", "*/bin/ptxas"))


features = {
    "ptxas": has_ptxas(),
    "qemu-aarch64": shutil.which("qemu-aarch64") is not None or shutil.which("qemu-aarch64-static") is not None,
    "avx2": "avx2" in cpu_flags(),
    "avx512": "avx512f" in cpu_flags(),
    "torch": importlib.util.find_spec("torch") is not None,
    "jax": importlib.util.find_spec("jax") is not None,
}
config.available_features |= {name for name, present in features.items() if present}
absent = [name for name, present in features.items() if not present]
lit_config.note(f"features: {', '.join(sorted(config.available_features)) or 'none'}; absent: {', '.join(absent) or 'none'}")
