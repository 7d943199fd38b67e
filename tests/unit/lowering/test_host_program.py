"""The host program as text, and the modules it refuses."""

from __future__ import annotations

import artifacts
import pytest

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.lowering.host_program import build_host_program
from tilewright.lowering.program_interface import KernelInfo, Port, WeightUse, read_interface
from tilewright.lowering.to_llvm import lower_to_llvm, translate

SCRATCH = {"add_weight": "0", "multiply": "8*d0", "square": "64"}
KERNELS = {name: KernelInfo("ceildiv(d0, 2)", scratch, ("d0",)) for name, scratch in SCRATCH.items()}


def host_ir(text: str = artifacts.PROGRAM) -> str:
    module = build_host_program(artifacts.parse(text), KERNELS)
    with module.context, ir.Location.unknown():
        module.operation.verify()
        lower_to_llvm(module)
        return translate(module)


def function(llvm_ir: str, name: str) -> str:
    start = llvm_ir.index(f"@{name}(ptr", llvm_ir.index("define"))
    return llvm_ir[start : llvm_ir.index("\n}", start)]


def test_the_interface() -> None:
    interface = read_interface(artifacts.parse(artifacts.PROGRAM), KERNELS)
    assert interface.inputs == (Port("x", "f32", ("s0", "16")), Port("y", "f32", ("s0", "16")))
    assert [p.name for p in interface.outputs] == ["product", "flat", "again", "output3", "output4"]
    assert interface.weights == (WeightUse("w", "f32", (16,), ""),)
    assert interface.symbols == (("s0", 1, 128),)
    assert interface.arena_bytes == "128*s0"
    assert interface.scratch_bytes == "max(64, 8*s0)"


def test_slots_are_aligned() -> None:
    text = artifacts.PROGRAM.replace('["64*s0", "64*s0"]', '["4*s0", "64*s0"]')
    assert read_interface(artifacts.parse(text), KERNELS).arena_bytes == "64*ceildiv(4*s0, 64) + 64*s0"


def test_one_thread_does_not_touch_openmp() -> None:
    main = function(host_ir(), "tw_main")
    assert "call void @tw_run(ptr %0, i64 0, i64 1)" in main
    assert main.count("ptr @tw_body") == 1


def test_threads_wait_only_where_launches_depend() -> None:
    run = function(host_ir(), "tw_run")
    assert run.count("call void @") - run.count("@llvm.memcpy") == 3, "three launches"
    barriers = [line for line in run.splitlines() if line.strip().startswith("call void %")]
    assert len(barriers) == 2, "none between add_weight and square, which are independent; one before multiply, one before the copies"


def test_values_returned_twice_and_inputs_returned_are_copied() -> None:
    assert function(host_ir(), "tw_run").count("@llvm.memcpy") == 4, "flat, again, output3 and output4"


def test_a_write_after_a_read_waits() -> None:
    reuse = artifacts.PROGRAM.replace('buffers = ["output:0"]', 'buffers = ["slot:0"]').replace(
        '"tw.launch"(%0, %1)', '"tw.launch"(%1, %1)'
    )
    barriers = [line for line in function(host_ir(reuse), "tw_run").splitlines() if line.strip().startswith("call void %")]
    assert len(barriers) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("callee = @square", "callee = @circle", r"@circle is launched but was not compiled"),
        ('{d0 = "s0"}, buffers = ["slot:1"]', '{}, buffers = ["slot:1"]', r"the launch of @square binds no d0"),
        ('buffers = ["slot:1"]', 'buffers = ["slot:7"]', r"no such buffer: 'slot:7'"),
        ('buffers = ["slot:1"]', 'buffers = ["heap:1"]', r"no such buffer: 'heap:1'"),
        (', buffers = ["slot:1"]', "", r"@square has 1 results and 0 buffers"),
        ('{d0 = "s0"}, buffers = ["slot:1"]', '{d0 = "s4"}, buffers = ["slot:1"]', r"the symbol s4 has no value here"),
        ('"tw.reshape"(%0)', '"tw.softmax"(%0)', r"tw\.softmax is left in the entry function"),
        ("func.func @main", "func.func @other", r"there is no function @main"),
        (', tw.slots = ["64*s0", "64*s0"]', "", r"no tw\.slots"),
    ],
)
def test_modules_that_are_refused(old: str, new: str, message: str) -> None:
    assert old in artifacts.PROGRAM
    with pytest.raises(VerifyError, match=message):
        host_ir(artifacts.PROGRAM.replace(old, new))


def test_a_weight_must_be_static() -> None:
    text = artifacts.PROGRAM.replace(
        '%w = "tw.weight"() {name = "w"} : () -> tensor<16xf32>', f'%w = "tw.weight"() {{name = "w"}} : () -> {artifacts.ROWS}'
    ).replace("tensor<16xf32>) -> ", f"{artifacts.ROWS}) -> ", 1)
    with pytest.raises(VerifyError, match="the weight has a dynamic shape"):
        read_interface(artifacts.parse(text), KERNELS)


@pytest.mark.parametrize(
    "constant",
    [
        "dense<2.5> : tensor<f32>", "dense<[1.0, 2.0]> : tensor<2xbf16>", "dense<[[1, 2], [3, 4]]> : tensor<2x2xi64>",
        "dense<[true, false]> : tensor<2xi1>", "dense<1.0> : tensor<4xf16>", "dense<true> : tensor<i1>",
    ],
)  # fmt: skip
def test_constants_of_any_type(constant: str) -> None:
    kind = constant.partition(" : ")[2]
    text = artifacts.PROGRAM.replace("dense<[3, 1, 4]> : tensor<3xi64>", constant).replace("tensor<3xi64>", kind)
    assert "@tw_constant_0 = internal constant" in host_ir(text)
