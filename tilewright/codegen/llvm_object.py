"""LLVM IR text to a position-independent object file, by llvmlite, for any target that LLVM knows."""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass, field

from tilewright.codegen.elf import undefined_symbols
from tilewright.codegen.function_attributes import add_function_attributes, target_attributes
from tilewright.codegen.llvm_binding import llvm
from tilewright.codegen.masked_stores import store_single_lanes
from tilewright.core.diagnostics import InputError, UnsupportedError, VerifyError
from tilewright.targets import Target

ALLOWED_UNDEFINED = frozenset({"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"})
"""What an object may leave to the C library: the block moves that LLVM itself introduces."""

_MNEMONIC = re.compile(r"^\t([a-z][a-z0-9_.]*)(?:\s|$)")


@dataclass(frozen=True)
class CompiledObject:
    """A relocatable ELF object. `instruction_mix` counts each mnemonic in the text section."""

    object: bytes
    assembly: str | None = None
    optimized_ir: str | None = None
    instruction_mix: dict[str, int] = field(default_factory=dict)


@functools.lru_cache(maxsize=1)
def initialize_llvm() -> None:
    """Make LLVM's targets known, once in a process."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.lru_cache(maxsize=16)
def target_machine(triple: str, cpu: str, features: str, opt_level: int) -> llvm.TargetMachine:
    """The LLVM target machine (position-independent code, small code model). Raises UnsupportedError for an unknown triple."""
    initialize_llvm()
    try:
        machine = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        raise UnsupportedError(f"LLVM has no back end for {triple}", why=str(error)) from error
    return machine.create_target_machine(cpu=cpu, features=features, opt=opt_level, reloc="pic", codemodel="small")


def compile_object(
    llvm_ir: str,
    target: Target,
    *,
    opt_level: int = 3,
    want_assembly: bool = False,
    want_mix: bool = True,
    vectorize_loops: bool = False,
    allowed_undefined: frozenset[str] = frozenset(),
) -> CompiledObject:
    """Optimize `llvm_ir` and emit an object for `target`.

    The loop vectorizer, the SLP vectorizer and the unroller are off unless `vectorize_loops`: kernels come vectorized and
    unrolled, and those passes cost time and made them slower. `allowed_undefined` are symbols that other objects define.
    Raises VerifyError for IR that LLVM rejects and UnsupportedError when the object calls a function that nothing defines
    (typically a math function that should have been expanded inline).
    """
    if target.is_gpu:
        raise InputError(f"{target.name} has no object files", remedy="compile GPU kernels to PTX instead")
    machine = target_machine(target.triple, target.llvm_cpu, target.feature_string, opt_level)
    module = parse_and_verify(add_function_attributes(llvm_ir, target_attributes(target)))
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    _optimize(module, machine, opt_level, vectorize_loops)
    module = store_single_lanes(module)
    assembly = None
    if want_assembly or want_mix:
        # Emission changes the module, and a second emission of the changed module is wrong or crashes.
        assembly = machine.emit_assembly(module.clone())
    optimized = str(module) if want_assembly else None
    data = machine.emit_object(module)
    _check_undefined(data, target, allowed_undefined | ALLOWED_UNDEFINED)
    return CompiledObject(data, assembly if want_assembly else None, optimized, instruction_mix(assembly) if assembly else {})


def parse_and_verify(llvm_ir: str) -> llvm.ModuleRef:
    """The module that IR text stands for. Raises VerifyError for text that LLVM rejects."""
    try:
        module = llvm.parse_assembly(llvm_ir)
        module.verify()
    except RuntimeError as error:
        raise VerifyError("LLVM rejects the translated IR", why=str(error), remedy="this is a defect of a lowering; report it") from error
    return module


def _optimize(module: llvm.ModuleRef, machine: llvm.TargetMachine, opt_level: int, vectorize_loops: bool) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=opt_level)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = vectorize_loops
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _check_undefined(data: bytes, target: Target, allowed: frozenset[str]) -> None:
    unknown = [name for name in undefined_symbols(data) if name not in allowed]
    if unknown:
        raise UnsupportedError(
            f"the code for {target.name} calls {', '.join(unknown)}, which nothing defines",
            why="an operation has no instruction on this target and LLVM replaced it by a library call",
            remedy="expand the operation inline before lowering to the llvm dialect",
        )


def instruction_mix(assembly: str) -> dict[str, int]:
    """How often each instruction occurs in assembly text, most frequent first."""
    counts: Counter[str] = Counter()
    for line in assembly.splitlines():
        match = _MNEMONIC.match(line)
        if match:
            counts[match[1]] += 1
    return dict(counts.most_common())
