"""LLVM IR to PTX, and the ways in which it is refused."""

from __future__ import annotations

import pytest

from tilewright.codegen.ptx import compile_ptx
from tilewright.core.diagnostics import InputError, UnsupportedError, VerifyError
from tilewright.core.mlir import ir, new_context
from tilewright.lowering.gpu.launch import read_launch
from tilewright.lowering.gpu.to_nvvm import gpu_modules, lower_to_nvvm, translate
from tilewright.targets import find

TARGET = find("cuda:sm_90")
KERNEL = """
define ptx_kernel void @twice(ptr addrspace(1) %p) {
  %x = load float, ptr addrspace(1) %p
  %y = fadd float %x, %x
  store float %y, ptr addrspace(1) %p
  ret void
}
"""


def test_ptx_of_each_target() -> None:
    ptx = compile_ptx(KERNEL, TARGET)
    assert ptx.startswith(".version 8.0\n.target sm_90a\n.address_size 64") and ".visible .entry twice(" in ptx
    assert compile_ptx(KERNEL, find("cuda:sm_80")).startswith(".version 7.0\n.target sm_80\n")


def test_library_calls_are_refused() -> None:
    calls = KERNEL.replace("fadd float %x, %x", "call float @__nv_erff(float %x)") + "declare float @__nv_erff(float)"
    with pytest.raises(UnsupportedError, match="calls __nv_erff, which nothing defines"):
        compile_ptx(calls, TARGET)


def test_broken_ir() -> None:
    with pytest.raises(VerifyError, match="LLVM rejects"):
        compile_ptx("define void @f( {", TARGET)


def test_a_cpu_has_no_ptx() -> None:
    with pytest.raises(InputError, match="has no PTX"):
        compile_ptx(KERNEL, find("cpu:x86-64-v3"))


def test_what_the_translator_would_crash_on() -> None:
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse("gpu.module @m { gpu.func @k(%x: f32) kernel { %y = arith.addf %x, %x : f32 gpu.return } }")
        (kernels,) = gpu_modules(module)
        with pytest.raises(UnsupportedError, match="cannot be translated") as caught:
            translate(kernels)
        assert "gpu.func at" in caught.value.why and "arith.addf at" in caught.value.why
        lower_to_nvvm(module, TARGET)
        assert "define ptx_kernel void @k(float" in translate(gpu_modules(module)[0])


def test_unknown_intrinsics_are_refused() -> None:
    text = 'gpu.module @m { llvm.func @k(%x: f32) { %y = llvm.call_intrinsic "llvm.nowhere"(%x) : (f32) -> f32 llvm.return } }'
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        with pytest.raises(UnsupportedError) as caught:
            translate(gpu_modules(module)[0])
        assert 'the intrinsic "llvm.nowhere"' in caught.value.why


def test_a_kernel_without_a_launch() -> None:
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse("gpu.module @m { gpu.func @k() kernel { gpu.return } }")
        with pytest.raises(VerifyError, match=r"tw\.grid and tw\.block"):
            read_launch(gpu_modules(module)[0])
