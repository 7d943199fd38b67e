"""Which matrix instructions multiply which element types, and how each wants its operands to lie in memory."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.symbolic import Dim
from tilewright.targets import MatrixInstruction, Target

FMA = "fma"
"""The name under which a schedule means the target's fused multiply-add of f32, to which narrower floats are widened."""


@dataclass(frozen=True)
class OperandLayout:
    """How the operands of an instruction lie in memory, and what it adds up.

    `lhs` is the element type of rows, `panels` that of panels which the compiler packs, `copied` that of panels packed when the kernel
    runs, `acc` that of the sums. `group` neighbours along k lie side by side in a panel. Values of rows are stored with `lhs_offset`
    added (for instructions that read them as unsigned); panels then carry the i32 sums that take it back. k must be known to be a
    multiple of `whole_k`.

    `rhs_registers` is how many registers a vector of columns fills once it is loaded, `conversions` how many instructions each of them
    takes besides the load, and `spare_registers` how many constants and intermediate values there are. A product takes `instructions`
    of them: where there are two, the second adds it up.
    """

    lhs: str
    panels: str
    copied: str
    acc: str
    group: int = 1
    whole_k: int = 1
    lhs_offset: int = 0
    rhs_registers: int = 1
    conversions: int = 0
    spare_registers: int = 0
    instructions: int = 1


LAYOUTS: dict[str, dict[str, OperandLayout]] = {
    "f32": {FMA: OperandLayout("f32", "f32", "f32", "f32")},
    "bf16": {
        "tdpbf16ps": OperandLayout("bf16", "bf16", "bf16", "f32", 2, whole_k=32),
        "vdpbf16ps": OperandLayout("bf16", "bf16", "bf16", "f32", 2),
        "bfmmla": OperandLayout("bf16", "bf16", "bf16", "f32", 4),
        "bfdot": OperandLayout("bf16", "bf16", "bf16", "f32", 2),
        # The halves of pairs are taken apart by a shift and a mask.
        FMA: OperandLayout("f32", "bf16", "bf16", "f32", 2, rhs_registers=2, conversions=1, spare_registers=1),
    },
    "f16": {FMA: OperandLayout("f32", "f16", "f32", "f32", conversions=2, spare_registers=2)},
    "i8": {
        "tdpbssd": OperandLayout("i8", "i8", "i8", "i32", 4, whole_k=64),
        "vpdpbusd": OperandLayout("i8", "i8", "i8", "i32", 4, lhs_offset=128),
        "smmla": OperandLayout("i8", "i8", "i8", "i32", 8),
        "sdot": OperandLayout("i8", "i8", "i8", "i32", 4),
        "vpmaddwd": OperandLayout("i16", "i8", "i16", "i32", 2, conversions=1, spare_registers=1, instructions=2),
        "mla": OperandLayout("i32", "i8", "i32", "i32", conversions=2, spare_registers=2),
    },
}
"""Element type of a matmul's operands, name of an instruction: its layout. An instruction that is not here is not used."""


def find_record(target: Target, name: str) -> MatrixInstruction | None:
    """The record of `target` that a schedule's `instruction` names."""
    if name == FMA:
        return target.matrix_instruction("f32", "f32", "f32")
    return next((record for record in target.matrix_instructions if record.name == name), None)


def best_instruction(dtype: str, k: Dim, target: Target, tiles: bool = True) -> str | None:
    """The instruction for `k` pairs of operands of `dtype` that does most products in a cycle of `target`, with or without `tiles`; None
    where there is none.
    """
    best: tuple[float, str] | None = None
    for name, layout in LAYOUTS.get(dtype, {}).items():
        record = find_record(target, name)
        if record is None or why_unfit(name, dtype, k) is not None or (record.tile and not tiles):
            continue
        rate = record.flops * (record.per_cycle or target.fma_units) / layout.instructions
        if best is None or rate > best[0]:
            best = (rate, name)
    return None if best is None else best[1]


def why_unfit(name: str, dtype: str, k: Dim) -> str | None:
    """Why instruction `name` cannot multiply `k` pairs of operands of `dtype`; None if it can."""
    known = LAYOUTS.get(dtype, {})
    if name in known:
        whole = known[name].whole_k
        fits = whole == 1 or (isinstance(k, int) and k % whole == 0 and k > 0)
        return None if fits else f"instruction {name!r} multiplies {whole} neighbours along k at a time, which do not divide {k}"
    return f"instruction {name!r} does not multiply {dtype}" + (f" ({', '.join(known)} do)" if known else "")
