"""The machine's limits, by kernels that are generated and compiled like all others: arithmetic peak and DRAM bandwidth.

The peak is a loop of independent matrix instructions on registers, the fastest that the target's description has for the dtypes.
The bandwidth is that of a loop that sums memory, in several forms, because machines differ in which is fastest.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.suite.ceilings_tiles import TILE_ACCUMULATORS, TILES, tile_body, tile_configuration
from tilewright.codegen.link import link_shared
from tilewright.codegen.llvm_object import compile_object
from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, func, ir, llvm, memref, new_context, scf, vector
from tilewright.lowering.to_llvm import lower_to_llvm, translate
from tilewright.runtime.loader import load_shared_object
from tilewright.runtime.tile_permission import require_tile_permission
from tilewright.targets import MatrixInstruction, Target

OPERANDS = {"f32": (("f32", "f32", "f32"),), "bf16": (("bf16", "bf16", "f32"),), "s8": (("si8", "si8", "si32"), ("ui8", "si8", "si32"))}
"""The operand and accumulator types in which a dtype can be multiplied exactly."""

INTRINSICS: dict[tuple[str, int], str] = {
    ("vdpbf16ps", 512): "llvm.x86.avx512bf16.dpbf16ps.512",
    ("vdpbf16ps", 256): "llvm.x86.avx512bf16.dpbf16ps.256",
    ("vpdpbusd", 512): "llvm.x86.avx512.vpdpbusd.512",
    ("vpdpbusd", 256): "llvm.x86.avx512.vpdpbusd.256",
    ("sdot", 128): "llvm.aarch64.neon.sdot.v4i32.v16i8",
    ("bfmmla", 128): "llvm.aarch64.neon.bfmmla",
    ("smmla", 128): "llvm.aarch64.neon.smmla.v4i32.v16i8",
}
"""(instruction, bits of a register) to the LLVM intrinsic `acc, lhs, rhs -> acc`. Fused multiply-adds are `vector.fma`."""
FMAS = ("vfmadd231ps", "fmla")
ACCUMULATORS = 12
VECTORS_AT_ONCE = 8
PREFETCH_BYTES = 4096


@dataclass(frozen=True)
class PeakLoop:
    """`run(n)` does `n * flops_per_iteration` operations with `instruction`."""

    instruction: MatrixInstruction
    flops_per_iteration: int
    run: Callable[[int], None]


def fastest_instruction(target: Target, dtype: str) -> MatrixInstruction:
    """The instruction with most operations in a cycle for matmuls of `dtype`. Those for f32 count too, because values can be widened."""
    allowed = {*OPERANDS[dtype], *OPERANDS["f32"]}
    found = [i for i in target.matrix_instructions if (i.lhs, i.rhs, i.acc) in allowed]
    return max(found, key=lambda i: i.flops * (i.per_cycle or target.fma_units))


def _function(name: str, types: Sequence[ir.Type], body: Callable[[list[ir.Value]], None]) -> ir.Module:
    module = ir.Module.create()
    with ir.InsertionPoint(module.body):
        function = func.FuncOp(name, (list(types), []))
        with ir.InsertionPoint(function.add_entry_block()):
            body(list(function.arguments))
            func.ReturnOp([])
    return module


def _compile(module: ir.Module, name: str, target: Target) -> Any:
    lower_to_llvm(module)
    compiled = compile_object(translate(module), target, want_mix=False)
    function = getattr(load_shared_object(link_shared([compiled.object], target), name), name)
    function.restype = None
    return function


def peak_loop(target: Target, dtype: str) -> PeakLoop:
    """The loop for the fastest instruction. Raises UnsupportedError for one that has no line here."""
    instruction = fastest_instruction(target, dtype)
    is_tile = instruction.name in TILES
    if not is_tile and instruction.name not in FMAS and (instruction.name, instruction.register_bits) not in INTRINSICS:
        raise UnsupportedError(f"no peak loop for {instruction.name}", where=target.name, remedy="add it to benchmarks/suite/ceilings.py")
    body, accumulators = (tile_body, TILE_ACCUMULATORS) if is_tile else (_peak_body, ACCUMULATORS)
    with new_context(), ir.Location.unknown():
        memory = ir.Type.parse("!llvm.ptr") if is_tile else ir.MemRefType.get([1024], ir.F32Type.get())
        module = _function("peak", [memory, ir.IndexType.get()], lambda arguments: body(instruction, *arguments))
        require_tile_permission(target.requires, target.name)
        function = _compile(module, "peak", target)
    data = np.zeros(1024, np.float32)
    if is_tile:
        data.view(np.uint8)[:64] = np.frombuffer(tile_configuration(), np.uint8)
    pointer = ctypes.c_void_p(data.ctypes.data)

    def run(iterations: int, keep: object = data) -> None:
        function(pointer, ctypes.c_int64(iterations))

    return PeakLoop(instruction, accumulators * instruction.flops, run)


def _peak_body(instruction: MatrixInstruction, memory: ir.Value, count: ir.Value) -> None:
    lanes = instruction.register_bits // 32
    stored = ir.VectorType.get([lanes], ir.F32Type.get())
    zero, one = (arith.constant(ir.IndexType.get(), n) for n in (0, 1))

    def load(element: str, at: int) -> ir.Value:
        loaded = vector.load(stored, memory, [arith.constant(ir.IndexType.get(), at)])
        bits = MatrixInstruction.bits[element]
        held = ir.VectorType.get([instruction.register_bits // bits], _scalar(element))
        return loaded if held == stored else vector.bitcast(held, loaded)

    lhs, rhs = load(instruction.lhs, 0), load(instruction.rhs, lanes)
    # Sums start from different memory: from equal values LLVM would compute one of them.
    sums = [load(instruction.acc, (2 + i) * lanes) for i in range(ACCUMULATORS)]
    loop = scf.ForOp(zero, count, one, sums)
    with ir.InsertionPoint(loop.body):
        scf.YieldOp([_multiply(instruction, lhs, rhs, acc) for acc in loop.inner_iter_args])
    for i, acc in enumerate(loop.results):
        as_stored = acc if acc.type == stored else vector.bitcast(stored, acc)
        vector.store(as_stored, memory, [arith.constant(ir.IndexType.get(), (2 + i) * lanes)])


def _scalar(element: str) -> ir.Type:
    floats: dict[str, Any] = {"f32": ir.F32Type, "bf16": ir.BF16Type}
    return floats[element].get() if element in floats else ir.IntegerType.get_signless(MatrixInstruction.bits[element])


def _multiply(instruction: MatrixInstruction, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
    if instruction.name in FMAS:
        return vector.fma(lhs, rhs, acc)
    name = INTRINSICS[instruction.name, instruction.register_bits]
    return llvm.call_intrinsic(acc.type, ir.StringAttr.get(name), [acc, lhs, rhs], [], [])


def read_loop(target: Target, nbytes: int, streams: int, locality: int | None) -> Callable[[int], None]:
    """A function that sums the `nbytes` (a multiple of 8192) at an address that is aligned to 64 bytes.

    It reads `streams` equal parts (a power of two up to 8) side by side, and prefetches with `locality` (0 to 3, None: not at all).
    """
    with new_context(), ir.Location.unknown():
        types = [ir.MemRefType.get([nbytes // 4], ir.F32Type.get()), ir.MemRefType.get([64], ir.F32Type.get())]
        module = _function("read", types, lambda arguments: _read_body(target, nbytes // 4, streams, locality, *arguments))
        function = _compile(module, "read", target)
    result = np.zeros(64, np.float32)
    pointer = ctypes.c_void_p(result.ctypes.data)

    def run(address: int, keep: object = result) -> None:
        function(ctypes.c_void_p(address), pointer)

    return run


def _read_body(target: Target, elements: int, streams: int, locality: int | None, memory: ir.Value, result: ir.Value) -> None:
    lanes = target.vector_lanes(32)
    held = ir.VectorType.get([lanes], ir.F32Type.get())
    vectors = VECTORS_AT_ONCE // streams
    zero, stop, step = (arith.constant(ir.IndexType.get(), n) for n in (0, elements // streams, vectors * lanes))
    nothing = arith.constant(held, ir.DenseElementsAttr.get_splat(held, ir.FloatAttr.get(ir.F32Type.get(), 0.0)))
    loop = scf.ForOp(zero, stop, step, [nothing] * VECTORS_AT_ONCE)
    with ir.InsertionPoint(loop.body):
        sums: list[ir.Value] = []
        for i, acc in enumerate(loop.inner_iter_args):
            offset = (i // vectors) * (elements // streams) + i % vectors * lanes
            at = arith.addi(loop.induction_variable, arith.constant(ir.IndexType.get(), offset))
            if locality is not None:
                ahead = arith.addi(at, arith.constant(ir.IndexType.get(), PREFETCH_BYTES // 4))
                memref.prefetch(memory, [ahead], False, locality, True)
            sums.append(arith.addf(acc, vector.load(held, memory, [at])))
        scf.YieldOp(sums)
    total = loop.results[0]
    for part in loop.results[1:]:
        total = arith.addf(total, part)
    vector.store(total, result, [zero])
