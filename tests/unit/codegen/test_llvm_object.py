"""LLVM IR to objects."""

from __future__ import annotations

import pytest

from tilewright.codegen.elf import read_symbols, undefined_symbols
from tilewright.codegen.function_attributes import add_function_attributes, hide_definitions
from tilewright.codegen.llvm_object import compile_object
from tilewright.core.diagnostics import InputError, UnsupportedError, VerifyError
from tilewright.targets import find, list_targets
from tilewright.targets.registry import derived_targets

FMA = """
define void @fma(ptr noalias align 64 %a, ptr %b) {
  %x = load <16 x float>, ptr %a
  %y = load <16 x float>, ptr %b
  %z = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %y, <16 x float> %y)
  store <16 x float> %z, ptr %a
  ret void
}
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
"""
EXP = """
define float @f(float %x) {
  %y = call float @llvm.exp.f32(float %x)
  ret float %y
}
declare float @llvm.exp.f32(float)
"""
CPUS = [t.name for t in (*list_targets(), *derived_targets()) if not t.is_gpu]


@pytest.mark.parametrize("name", CPUS)
def test_every_cpu_target_compiles_without_a_warning(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    target = find(name)
    done = compile_object(FMA, target, want_assembly=True)
    assert done.object.startswith(b"\x7fELF") and not undefined_symbols(done.object)
    assert [s.name for s in read_symbols(done.object) if s.is_global and s.defined] == ["fma"]
    assert any("fma" in i or "fmla" in i for i in done.instruction_mix)
    assert ("zmm" in (done.assembly or "")) == (target.vector_bits == 512)
    assert "not a recognized" not in capfd.readouterr().err


def test_same_input_same_object() -> None:
    target = find("cpu:znver5")
    assert compile_object(FMA, target, want_assembly=True).object == compile_object(FMA, target, want_mix=False).object


def test_spilled_wide_vectors_are_aligned() -> None:
    loads = "\n".join(f"  %v{i} = load volatile <16 x float>, ptr %p" for i in range(40))
    stores = "\n".join(f"  store volatile <16 x float> %v{i}, ptr %p" for i in range(40))
    llvm_ir = f"define void @f(ptr %p) {{\n{loads}\n{stores}\n  ret void\n}}\n"
    done = compile_object(llvm_ir, find("cpu:x86-64-v4"), want_assembly=True)
    assert "andq\t$-64, %rsp" in (done.assembly or "")


def test_library_calls_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="calls expf, which nothing defines"):
        compile_object(EXP, find("cpu:x86-64-v3"))
    assert compile_object(EXP, find("cpu:x86-64-v3"), allowed_undefined=frozenset({"expf"})).object


def test_block_moves_are_allowed() -> None:
    llvm_ir = """
define void @f(ptr %a, ptr %b, i64 %n) {
  call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %b, i64 %n, i1 false)
  ret void
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
    assert undefined_symbols(compile_object(llvm_ir, find("cpu:x86-64-v3")).object) == ["memcpy"]


@pytest.mark.parametrize("wrong", ["define void @f() {", "define i32 @f() {\n  ret void\n}", "nonsense"])
def test_wrong_ir_is_a_verify_error(wrong: str) -> None:
    with pytest.raises(VerifyError, match="LLVM rejects"):
        compile_object(wrong, find("cpu:x86-64-v3"))


def test_gpus_have_no_objects() -> None:
    with pytest.raises(InputError, match="cuda:sm_90 has no object files"):
        compile_object(FMA, find("cuda:sm_90"))


def test_attributes_go_behind_the_parameters() -> None:
    text = 'define void @"odd (name)"(ptr align(8) %0, i64 %1) local_unnamed_addr #0 !dbg !3 {'
    assert add_function_attributes(text, {"a": "b", "c": ""}).split("\n") == [
        'define void @"odd (name)"(ptr align(8) %0, i64 %1) local_unnamed_addr #99999 #0 !dbg !3 {',
        'attributes #99999 = { nounwind "a"="b" "c" }',
        "",
    ]


def test_hiding() -> None:
    text = "define void @a() {\ndefine i32 @b(ptr %0) {\ndefine internal void @c() {\ndeclare void @d()"
    assert hide_definitions(text, frozenset({"b"})).split("\n") == [
        "define hidden void @a() {",
        "define i32 @b(ptr %0) {",
        "define internal void @c() {",
        "declare void @d()",
    ]


def test_elf_reader_refuses_other_files() -> None:
    with pytest.raises(ValueError, match="not a 64-bit"):
        read_symbols(b"MZ\0\0\0\0\0\0")
