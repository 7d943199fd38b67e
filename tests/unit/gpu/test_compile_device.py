"""All kernels of a module for a device: what compiles, what is reported, the cache, the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_device import compile_device_kernels
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import InputError, PassError, ToolchainError, UnsupportedError
from tilewright.core.mlir import ir
from tilewright.targets import find

TARGET = find("cuda:sm_90")


def test_kernels_and_those_without_a_lowering(module: ir.Module) -> None:
    seen: list[tuple[str, int, int]] = []
    code = compile_device_kernels(module, TARGET, assemble=False, want_dumps=True, progress=lambda *a: seen.append(a))
    assert list(code.kernels) == ["add", "softmax"]
    assert sorted(name for name, _, _ in seen) == ["add", "softmax"] and [counts for _, *counts in seen] == [[1, 2], [2, 2]]
    add, softmax = code.kernels["add"], code.kernels["softmax"]
    assert (add.grid, add.block, add.symbols) == (("ceildiv(16*d0, 256)", "1", "1"), (256, 1, 1), ("d0",))
    assert (softmax.grid, softmax.block, softmax.symbols) == (("d2", "1", "1"), (128, 1, 1), ("d2", "d10"))
    assert ".target sm_90a" in add.ptx and ".entry add(" in add.ptx and "ld.global.nc.v4" in add.ptx
    # Two reductions, four warps, four bytes each.
    assert softmax.shared_bytes == 32 and add.shared_bytes == 0
    assert (add.cubin, add.registers, add.spills, add.cached) == (None, None, None, False)
    assert list(add.seconds) == ["read", "lower", "to-nvvm", "translate", "llvm"]
    assert set(add.dumps) == {"gpu.mlir", "level4.mlir", "llvm.ll", "ptx"}


def test_every_kernel_without_a_lowering_is_named(module: ir.Module) -> None:
    code = compile_device_kernels(module, TARGET, assemble=False)
    assert [(u.name, u.ops, u.locations) for u in code.unsupported] == [
        ("project", ("tw.matmul",), ("model.py:12:3",)),
        ("running_sum", ("tw.scan",), ("model.py:20:5", "model.py:21:5")),
    ]
    with pytest.raises(UnsupportedError, match="2 of 4 kernels have no lowering for cuda:sm_90") as caught:
        code.require_complete()
    assert caught.value.why.splitlines() == [
        "project: no lowering of tw.matmul for cuda:sm_90 (from model.py:12:3)",
        "running_sum: no lowering of tw.scan for cuda:sm_90 (from model.py:20:5, model.py:21:5)",
    ]


def test_a_complete_module_passes(module: ir.Module) -> None:
    for op in list(module.body.operations):
        if ir.StringAttr(op.operation.attributes["sym_name"]).value in ("project", "running_sum"):
            op.operation.erase()
    compile_device_kernels(module, TARGET, assemble=False).require_complete()


def test_workers_and_the_cache(module: ir.Module, tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    with WorkerPool(1, timeout_s=60, preload=()) as pool:
        first = compile_device_kernels(module, TARGET, pool, cache, assemble=False)
    second = compile_device_kernels(module, TARGET, None, cache, assemble=False)
    assert not any(k.cached for k in first.kernels.values()) and all(k.cached for k in second.kernels.values())
    for name, kernel in first.kernels.items():
        assert (kernel.ptx, kernel.grid, kernel.block) == ((again := second.kernels[name]).ptx, again.grid, again.block)
    assert second.unsupported == first.unsupported
    other = compile_device_kernels(module, find("cuda:sm_80"), None, cache, assemble=False)
    assert not any(k.cached for k in other.kernels.values()) and ".target sm_80" in other.kernels["add"].ptx


def test_figures_come_from_ptxas(module: ir.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ptxas"
    program.write_text(
        "#!/bin/sh\n"
        "name=$(sed -n 's/.*entry \\([a-z_]*\\)(.*/\\1/p' \"$4\")\n"
        "echo \"ptxas info : Compiling entry function '$name' for 'sm_90a'\"\n"
        "echo '    0 bytes stack frame, 8 bytes spill stores, 16 bytes spill loads'\n"
        "echo 'ptxas info : Used 33 registers, 48 bytes smem'\n"
        'printf cubin > "$6"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("TILEWRIGHT_PTXAS", str(program))
    add = compile_device_kernels(module, TARGET).kernels["add"]
    assert (add.cubin, add.registers, add.spills, add.shared_bytes) == (b"cubin", 33, 24, 48)
    program.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    with pytest.raises(PassError, match="ptxas rejects") as caught:
        compile_device_kernels(module, TARGET)
    assert "1 more kernels failed:\nsoftmax: ptxas rejects" in caught.value.why


def test_ptxas_is_required_only_when_asked_for(module: ir.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_PTXAS", "/nowhere/ptxas")
    for wanted in (True, None):
        with pytest.raises(ToolchainError, match="does not exist"):
            compile_device_kernels(module, TARGET, assemble=wanted)
    monkeypatch.delenv("TILEWRIGHT_PTXAS")

    def nothing() -> Path:
        raise ToolchainError("no ptxas was found")

    monkeypatch.setattr("tilewright.codegen.compile_device.find_ptxas", nothing)
    assert compile_device_kernels(module, TARGET).kernels["add"].cubin is None
    with pytest.raises(ToolchainError):
        compile_device_kernels(module, TARGET, assemble=True)


def test_a_cpu_is_no_device(module: ir.Module) -> None:
    with pytest.raises(InputError, match="cpu:x86-64-v3 is not a GPU"):
        compile_device_kernels(module, find("cpu:x86-64-v3"))
