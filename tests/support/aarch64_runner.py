"""AArch64 code executed on any Linux machine that has qemu-user: a static program without a C library around the objects.

The program reads the input bytes from standard input, calls the code, and writes the output bytes to standard output.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tilewright.codegen.elf import read_symbols
from tilewright.codegen.link import find_linker
from tilewright.codegen.llvm_object import compile_object
from tilewright.targets import Target

QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


def missing() -> str | None:
    """Why AArch64 code cannot be executed here, or None."""
    if QEMU is None:
        return "qemu-aarch64 is not installed (apt-get install qemu-user)"
    if importlib.util.find_spec("ziglang") is None and shutil.which("ld.lld") is None and shutil.which("aarch64-linux-gnu-ld") is None:
        return "there is no linker for aarch64 (pip install ziglang)"
    return None


# llvmlite has no assembler for AArch64, so the system call is given as machine code: mov x8, x3; svc #0; ret.
_SYSTEM = """
@syscall = internal constant [3 x i32] [i32 -1442642968, i32 -738197503, i32 -698416192], section ".text.syscall", align 4
define internal void @transfer(i64 %number, i64 %file, ptr %at, i64 %size) noinline {
entry:
  br label %loop
loop:
  %done = phi i64 [0, %entry], [%next, %loop]
  %here = getelementptr i8, ptr %at, i64 %done
  %address = ptrtoint ptr %here to i64
  %left = sub i64 %size, %done
  %count = call i64 @syscall(i64 %file, i64 %address, i64 %left, i64 %number)
  %next = add i64 %done, %count
  %failed = icmp sle i64 %count, 0
  %full = icmp uge i64 %next, %size
  %stop = or i1 %failed, %full
  br i1 %stop, label %end, label %loop
end:
  ret void
}
"""

_BLOCK_MOVES = """
define ptr @memcpy(ptr %to, ptr %from, i64 %n) "no-builtins" {
entry:
  %empty = icmp eq i64 %n, 0
  br i1 %empty, label %end, label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %s = getelementptr i8, ptr %from, i64 %i
  %d = getelementptr i8, ptr %to, i64 %i
  %v = load volatile i8, ptr %s
  store volatile i8 %v, ptr %d
  %next = add i64 %i, 1
  %stop = icmp uge i64 %next, %n
  br i1 %stop, label %end, label %loop
end:
  ret ptr %to
}
define ptr @memset(ptr %to, i32 %byte, i64 %n) "no-builtins" {
entry:
  %v = trunc i32 %byte to i8
  %empty = icmp eq i64 %n, 0
  br i1 %empty, label %end, label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %d = getelementptr i8, ptr %to, i64 %i
  store volatile i8 %v, ptr %d
  %next = add i64 %i, 1
  %stop = icmp uge i64 %next, %n
  br i1 %stop, label %end, label %loop
end:
  ret ptr %to
}
"""


def run_program(objects: Sequence[bytes], driver: str, stdin: bytes, target: Target) -> bytes:
    """Link objects with `driver` (LLVM IR that defines `@run()` and may call `@transfer`), execute it, return what it writes."""
    start = "define void @_start() {\n  call void @run()\n  %x = call i64 @syscall(i64 0, i64 0, i64 0, i64 93)\n  unreachable\n}\n"
    names = frozenset(name for data in objects for name in _defined(data))
    whole = compile_object(_SYSTEM + driver + start, target, allowed_undefined=names).object
    moves = compile_object(_BLOCK_MOVES, target).object
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.o") for i in range(len(objects) + 2)]
        for path, data in zip(paths, [*objects, whole, moves]):
            path.write_bytes(data)
        program = Path(folder, "program")
        linker = find_linker(target)
        subprocess.run([*linker.command, "-static", "-o", str(program), *map(str, paths)], check=True, capture_output=True, timeout=120)
        done = subprocess.run([str(QEMU), str(program)], input=stdin, capture_output=True, timeout=120, check=True)
    return done.stdout


def run_kernel(
    compiled: bytes,
    name: str,
    arrays: Sequence[np.ndarray],
    outputs: int,
    scratch_bytes: int,
    numbers: Sequence[int],
    target: Target,
) -> None:
    """Call the kernel `name` of an object with all of `arrays`, of which the last `outputs` are written."""
    globals_, loads, stores, arguments = "", "", "", []
    for i, array in enumerate(arrays):
        globals_ += f"@a{i} = internal global [{max(array.nbytes, 1)} x i8] zeroinitializer, align 64\n"
        arguments.append(f"ptr @a{i}")
        loads += f"  call void @transfer(i64 63, i64 0, ptr @a{i}, i64 {array.nbytes})\n"
        if i >= len(arrays) - outputs:
            stores += f"  call void @transfer(i64 64, i64 1, ptr @a{i}, i64 {array.nbytes})\n"
    globals_ += f"@scratch = internal global [{max(scratch_bytes, 64)} x i8] zeroinitializer, align 64\n"
    arguments += ["ptr @scratch", *(f"i64 {n}" for n in numbers)]
    types = ", ".join(a.split()[0] for a in arguments)
    call = f"  call void @{name}({', '.join(arguments)})\n"
    driver = f"{globals_}declare void @{name}({types})\ndefine void @run() {{\n{loads}{call}{stores}  ret void\n}}\n"
    data = run_program([compiled], driver, b"".join(np.ascontiguousarray(a).tobytes() for a in arrays), target)
    for array in arrays[len(arrays) - outputs :]:
        array[...] = np.frombuffer(data[: array.nbytes], array.dtype).reshape(array.shape)
        data = data[array.nbytes :]


def _defined(data: bytes) -> list[str]:
    return [s.name for s in read_symbols(data) if s.defined and s.is_global]
