"""AArch64 machines: NEON, 32 registers of 128 bits. The figures are from Arm's and Apple's optimization guides."""

from __future__ import annotations

from dataclasses import replace

from tilewright.targets.target import Caches, MatrixInstruction, Target

KIB, MIB = 1024, 1024 * 1024
TRIPLE = "aarch64-unknown-linux-gnu"

CPUINFO_FLAG: dict[str, str] = {
    "neon": "asimd",
    "fp-armv8": "fp",
    "lse": "atomics",
    "crc": "crc32",
    "rdm": "asimdrdm",
    "dotprod": "asimddp",
    "fullfp16": "asimdhp",
    "bf16": "bf16",
    "i8mm": "i8mm",
}
"""LLVM feature name to the flag in /proc/cpuinfo."""

V8_FEATURES = ("fp-armv8", "neon")
N1_FEATURES = (*V8_FEATURES, "crc", "lse", "rdm", "dotprod", "fullfp16")
V1_FEATURES = (*N1_FEATURES, "bf16", "i8mm")

FMLA = MatrixInstruction("fmla", 1, 4, 1, "f32", "f32", "f32", 128, (1, 1, 1), broadcast=True, feature="neon")
MLA = MatrixInstruction("mla", 1, 4, 1, "si32", "si32", "si32", 128, (1, 1, 1), broadcast=True, feature="neon")
SDOT = MatrixInstruction("sdot", 1, 4, 4, "si8", "si8", "si32", 128, (1, 1, 1), broadcast=True, feature="dotprod")
USDOT = MatrixInstruction("usdot", 1, 4, 4, "ui8", "si8", "si32", 128, (1, 1, 1), broadcast=True, feature="i8mm")
BFDOT = MatrixInstruction("bfdot", 1, 4, 2, "bf16", "bf16", "f32", 128, (1, 1, 1), broadcast=True, feature="bf16")
BFMMLA = MatrixInstruction("bfmmla", 2, 2, 4, "bf16", "bf16", "f32", 128, (1, 1, 1), feature="bf16")
SMMLA = MatrixInstruction("smmla", 2, 2, 8, "si8", "si8", "si32", 128, (1, 1, 1), feature="i8mm")
USMMLA = MatrixInstruction("usmmla", 2, 2, 8, "ui8", "si8", "si32", 128, (1, 1, 1), feature="i8mm")


def _cpu(
    name: str,
    features: tuple[str, ...],
    *,
    units: int,
    caches: Caches,
    summary: str,
    tune: str = "",
    instructions: tuple[MatrixInstruction, ...] = (),
) -> Target:
    return Target(
        name=f"cpu:{name}",
        kind="cpu",
        arch="aarch64",
        triple=TRIPLE,
        llvm_cpu="generic",
        tune_cpu=tune or name,
        features=features,
        vector_bits=128,
        vector_registers=32,
        fma_units=units,
        caches=caches,
        vendor="arm" if features != V8_FEATURES else "",
        matrix_instructions=(FMLA, MLA, *instructions),
        requires=tuple(CPUINFO_FLAG[f] for f in features),
        summary=summary,
    )


AARCH64 = _cpu(
    "aarch64",
    V8_FEATURES,
    units=2,
    caches=Caches(32 * KIB, 512 * KIB, 1 * MIB),
    tune="generic",
    summary="any 64-bit Arm with NEON",
)
NEOVERSE_N1 = _cpu(
    "neoverse-n1",
    N1_FEATURES,
    units=2,
    caches=Caches(64 * KIB, 1 * MIB, 1 * MIB),
    instructions=(SDOT,),
    summary="AWS Graviton 2, Ampere Altra",
)
NEOVERSE_V1 = _cpu(
    "neoverse-v1",
    V1_FEATURES,
    units=4,
    caches=Caches(64 * KIB, 1 * MIB, 1 * MIB),
    instructions=(SDOT, USDOT, SMMLA, USMMLA, BFDOT, BFMMLA),
    summary="AWS Graviton 3 (NEON only, SVE is not used)",
)

RECORDS: tuple[Target, ...] = (AARCH64, NEOVERSE_N1, NEOVERSE_V1)


def _like(record: Target, *names: str) -> dict[str, Target]:
    base = record.name.partition(":")[2]
    return {name: replace(record, name=f"cpu:{name}", tune_cpu=name, summary=f"compiled as {base}, scheduled for {name}") for name in names}


DERIVED: dict[str, Target] = {
    **_like(AARCH64, "cortex-a53", "cortex-a57", "cortex-a72", "cortex-a73"),
    **_like(NEOVERSE_N1, "cortex-a76", "cortex-a78", "apple-m1", "ampere1"),
    **_like(NEOVERSE_V1, "neoverse-n2", "neoverse-v2", "apple-m2", "apple-m3"),
}
"""Further LLVM cpu names, each described by the record whose code it runs."""
