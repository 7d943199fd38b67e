"""Finding ptxas, reading what it reports, and what is said when it is missing or refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.codegen import ptxas
from tilewright.codegen.ptxas import KernelResources, assemble, find_ptxas, read_resources
from tilewright.core.diagnostics import InputError, PassError, ToolchainError
from tilewright.targets import find

LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'layer_norm' for 'sm_90a'
ptxas info    : Function properties for layer_norm
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 0 barriers
ptxas info    : Compile time = 9.1 ms
ptxas info    : Compiling entry function 'soft$max.1' for 'sm_90a'
ptxas info    : Function properties for soft$max.1
    24 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 24 bytes cumulative stack size, 128 bytes smem, 380 bytes cmem[0]
"""


def test_resources_of_several_kernels() -> None:
    assert read_resources(LOG) == {
        "layer_norm": KernelResources(registers=40),
        "soft$max.1": KernelResources(registers=255, stack=24, spill_stores=12, spill_loads=16, shared=128),
    }
    assert read_resources(LOG)["soft$max.1"].spills == 28


def test_a_log_without_kernels_or_registers() -> None:
    assert read_resources("ptxas info    : 0 bytes gmem\n") == {}
    with pytest.raises(ValueError, match="no registers for k"):
        read_resources("ptxas info    : Compiling entry function 'k' for 'sm_80'\n")


def test_a_wanted_ptxas_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_PTXAS", "/nowhere/ptxas")
    with pytest.raises(ToolchainError, match="'/nowhere/ptxas' of TILEWRIGHT_PTXAS does not exist"):
        find_ptxas()


def test_no_ptxas_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TILEWRIGHT_PTXAS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setattr(ptxas, "SYSTEM_CUDA", str(tmp_path))
    monkeypatch.setattr(ptxas.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match="no ptxas was found") as caught:
        find_ptxas()
    assert "nvidia-cuda-nvcc" in caught.value.remedy


def test_the_order_of_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("path", "home/bin"):
        (tmp_path / folder).mkdir(parents=True)
    _program(tmp_path / "home/bin/ptxas", "")
    monkeypatch.delenv("TILEWRIGHT_PTXAS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    assert find_ptxas() == tmp_path / "home/bin/ptxas"
    _program(tmp_path / "path/ptxas", "")
    assert find_ptxas() == tmp_path / "path/ptxas"
    _program(tmp_path / "mine", "")
    monkeypatch.setenv("TILEWRIGHT_PTXAS", str(tmp_path / "mine"))
    assert find_ptxas() == tmp_path / "mine"


def test_what_ptxas_says_reaches_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TILEWRIGHT_PTXAS", str(_program(tmp_path / "ptxas", "echo 'ptxas fatal: Unexpected instruction' >&2; exit 255")))
    with pytest.raises(PassError, match="ptxas rejects the PTX for cuda:sm_90") as caught:
        assemble(".version 8.0", find("cuda:sm_90"))
    assert "Unexpected instruction" in caught.value.why


def test_a_ptxas_that_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "ptxas"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    monkeypatch.setenv("TILEWRIGHT_PTXAS", str(broken))
    with pytest.raises(ToolchainError, match="ptxas could not be run"):
        assemble(".version 8.0", find("cuda:sm_90"))


def test_a_cpu_has_no_ptx() -> None:
    with pytest.raises(InputError, match="cpu:x86-64-v3 has no PTX"):
        assemble("", find("cpu:x86-64-v3"))


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
