"""AArch64 code compiled here, and executed where qemu-user is installed."""

from __future__ import annotations

import aarch64_runner
import artifacts
import numpy as np
import pytest
from canned_lowering import LEVEL3
from level3_runner import compile_level3

from tilewright.codegen.compile_program import compile_program
from tilewright.codegen.elf import read_symbols
from tilewright.codegen.pool import WorkerPool
from tilewright.targets import find

REASON = aarch64_runner.missing()
executes = pytest.mark.skipif(REASON is not None, reason=str(REASON))
TARGETS = ["cpu:aarch64", "cpu:neoverse-n1", "cpu:neoverse-v1"]


@pytest.mark.skipif("linker" in str(REASON), reason=str(REASON))
@pytest.mark.parametrize("name", TARGETS)
def test_compiles(name: str, worker_pool: WorkerPool) -> None:
    code = compile_program(artifacts.parse(artifacts.PROGRAM), find(name), worker_pool, lower=artifacts.CANNED)
    assert code.shared_object[18:20] == b"\xb7\x00", "the ELF machine is AArch64"
    assert "tw_main" in {s.name for s in read_symbols(code.shared_object) if s.defined}
    assert code.kernels["multiply"].instruction_mix["fmul"] == 4, "16 floats are four vectors"


@executes
@pytest.mark.parametrize("name", TARGETS)
def test_a_kernel(name: str) -> None:
    target = find(name)
    random = np.random.default_rng(0)
    x, y, out = (random.standard_normal((7, 16), np.float32) for _ in range(3))
    before = out.copy()
    compiled = compile_level3(LEVEL3["multiply"], target).object
    aarch64_runner.run_kernel(compiled, "multiply", [x, y, out], 1, 0, [7, 1, 3], target)
    np.testing.assert_array_equal(out[2:6], (x * y)[2:6])
    np.testing.assert_array_equal(out[[0, 1, 6]], before[[0, 1, 6]])


@executes
def test_the_host_program_on_one_thread(worker_pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    target = find("cpu:aarch64")
    objects: list[bytes] = []

    def keep(parts: list[bytes], *_: object) -> bytes:
        objects.extend(parts)
        return b""

    monkeypatch.setattr("tilewright.codegen.compile_program.link_shared", keep)
    compile_program(artifacts.parse(artifacts.PROGRAM), target, worker_pool, lower=artifacts.CANNED)
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((5, 16), np.float32) for _ in range(2))
    wanted = artifacts.expected(x, y)
    stdin = x.tobytes() + y.tobytes() + artifacts.WEIGHT.tobytes()
    data = aarch64_runner.run_program(objects, _driver(x.nbytes, [w.nbytes for w in wanted]), stdin, target)
    for want in wanted:
        got, data = np.frombuffer(data[: want.nbytes], want.dtype).reshape(want.shape), data[want.nbytes :]
        np.testing.assert_allclose(got, want, rtol=1e-6)
    assert not data


def _driver(input_bytes: int, output_bytes: list[int]) -> str:
    """LLVM IR that fills in a `tw_call` for two inputs, one weight and the outputs, with one thread and no OpenMP."""
    sizes = {"x": input_bytes, "y": input_bytes, "w": artifacts.WEIGHT.nbytes, **{f"o{i}": n for i, n in enumerate(output_bytes)}}
    buffers = "".join(f"@{name} = internal global [{size} x i8] zeroinitializer, align 64\n" for name, size in sizes.items())
    outputs = ", ".join(f"ptr @o{i}" for i in range(len(output_bytes)))
    reads = "".join(f"  call void @transfer(i64 63, i64 0, ptr @{n}, i64 {sizes[n]})\n" for n in ("x", "y", "w"))
    writes = "".join(f"  call void @transfer(i64 64, i64 1, ptr @o{i}, i64 {n})\n" for i, n in enumerate(output_bytes))
    return f"""
{buffers}
@arena = internal global [4096 x i8] zeroinitializer, align 64
@scratch = internal global [4096 x i8] zeroinitializer, align 64
@inputs = internal global [2 x ptr] [ptr @x, ptr @y]
@outputs = internal global [{len(output_bytes)} x ptr] [{outputs}]
@weights = internal global [1 x ptr] [ptr @w]
@symbols = internal global [1 x i64] [i64 5]
@call = internal global {{ ptr, ptr, ptr, ptr, ptr, i64, ptr, i64, ptr, ptr, ptr, ptr }}
  {{ ptr @inputs, ptr @outputs, ptr @weights, ptr @arena, ptr @scratch, i64 64, ptr @symbols, i64 1,
     ptr null, ptr null, ptr null, ptr null }}
declare i32 @tw_main(ptr)
define void @run() {{
{reads}  %status = call i32 @tw_main(ptr @call)
{writes}  ret void
}}
"""
