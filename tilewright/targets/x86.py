"""x86-64 machines. The cache sizes and unit counts are those of the vendors' optimization guides."""

from __future__ import annotations

from dataclasses import replace

from tilewright.targets.target import Caches, MatrixInstruction, Target

KIB, MIB = 1024, 1024 * 1024
TRIPLE = "x86_64-unknown-linux-gnu"

CPUINFO_FLAG: dict[str, str] = {
    "cx16": "cx16",
    "sahf": "lahf_lm",
    "popcnt": "popcnt",
    "sse3": "pni",
    "ssse3": "ssse3",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "avx": "avx",
    "avx2": "avx2",
    "bmi": "bmi1",
    "bmi2": "bmi2",
    "f16c": "f16c",
    "fma": "fma",
    "lzcnt": "abm",
    "movbe": "movbe",
    "avxvnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512bw": "avx512bw",
    "avx512cd": "avx512cd",
    "avx512dq": "avx512dq",
    "avx512vl": "avx512vl",
    "avx512vnni": "avx512_vnni",
    "avx512bf16": "avx512_bf16",
    "avx512fp16": "avx512_fp16",
    "avx512vbmi": "avx512vbmi",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512bitalg": "avx512_bitalg",
    "avx512ifma": "avx512ifma",
    "avx512vpopcntdq": "avx512_vpopcntdq",
    "gfni": "gfni",
    "amx-tile": "amx_tile",
    "amx-bf16": "amx_bf16",
    "amx-int8": "amx_int8",
}
"""LLVM feature name to the flag in /proc/cpuinfo."""

V3_FEATURES = (
    "cx16",
    "sahf",
    "popcnt",
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "avx",
    "avx2",
    "bmi",
    "bmi2",
    "f16c",
    "fma",
    "lzcnt",
    "movbe",
)
V4_FEATURES = (*V3_FEATURES, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
ICELAKE_FEATURES = (
    *V4_FEATURES,
    "avx512vnni",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512bitalg",
    "avx512ifma",
    "avx512vpopcntdq",
    "gfni",
)
SAPPHIRE_RAPIDS_FEATURES = (*ICELAKE_FEATURES, "avx512bf16", "avx512fp16", "avxvnni")
AMX_FEATURES = ("amx-tile", "amx-bf16", "amx-int8")


def _fma(bits: int) -> MatrixInstruction:
    return MatrixInstruction("vfmadd231ps", 1, bits // 32, 1, "f32", "f32", "f32", bits, (1, 1, 1), broadcast=True, feature="fma")


def _dot(name: str, feature: str, bits: int, k: int, lhs: str, rhs: str, acc: str, per_cycle: float = 0.0) -> MatrixInstruction:
    return MatrixInstruction(name, 1, bits // 32, k, lhs, rhs, acc, bits, (1, 1, 1), broadcast=True, feature=feature, per_cycle=per_cycle)


def _tile(name: str, feature: str, k: int, lhs: str, rhs: str, acc: str) -> MatrixInstruction:
    """An AMX instruction on tiles of 16 rows of 64 bytes; `k` neighbours of a column of `rhs` lie together in groups of 32 bits."""
    return MatrixInstruction(name, 16, 16, k, lhs, rhs, acc, 16 * 64 * 8, (1, 1, 1), feature=feature, per_cycle=1 / 16)


def _madd(bits: int) -> MatrixInstruction:
    """Products of pairs of i16, added to each other; the addition to the sums is an instruction of its own."""
    return _dot("vpmaddwd", "avx512bw" if bits == 512 else "avx2", bits, 2, "si16", "si16", "si32")


VNNI_512 = _dot("vpdpbusd", "avx512vnni", 512, 4, "ui8", "si8", "si32")
VNNI_256 = _dot("vpdpbusd", "avxvnni", 256, 4, "ui8", "si8", "si32")
BF16_512 = _dot("vdpbf16ps", "avx512bf16", 512, 2, "bf16", "bf16", "f32")
BF16_512_INTEL = _dot("vdpbf16ps", "avx512bf16", 512, 2, "bf16", "bf16", "f32", per_cycle=0.5)
"""Measured on Sapphire Rapids: one every two cycles, so that widening to f32 is faster."""
AMX = (
    _tile("tdpbf16ps", "amx-bf16", 32, "bf16", "bf16", "f32"),
    _tile("tdpbssd", "amx-int8", 64, "si8", "si8", "si32"),
    _tile("tdpbsud", "amx-int8", 64, "si8", "ui8", "si32"),
    _tile("tdpbusd", "amx-int8", 64, "ui8", "si8", "si32"),
    _tile("tdpbuud", "amx-int8", 64, "ui8", "ui8", "si32"),
)


def _cpu(
    name: str,
    features: tuple[str, ...],
    *,
    bits: int,
    caches: Caches,
    summary: str,
    tune: str = "",
    vendor: str = "",
    instructions: tuple[MatrixInstruction, ...] = (),
) -> Target:
    return Target(
        name=f"cpu:{name}",
        kind="cpu",
        arch="x86-64",
        triple=TRIPLE,
        llvm_cpu="x86-64",
        tune_cpu=tune or name,
        features=features,
        vector_bits=bits,
        vector_registers=32 if bits == 512 else 16,
        fma_units=2,
        caches=caches,
        vendor=vendor,
        matrix_instructions=(_fma(bits), _madd(bits), *instructions),
        requires=tuple(CPUINFO_FLAG[f] for f in features),
        summary=summary,
    )


X86_64_V3 = _cpu(
    "x86-64-v3",
    V3_FEATURES,
    bits=256,
    caches=Caches(32 * KIB, 256 * KIB, 2 * MIB),
    tune="haswell",
    summary="AVX2 and FMA: Intel Haswell, AMD Zen and later",
)
X86_64_V4 = _cpu(
    "x86-64-v4",
    V4_FEATURES,
    bits=512,
    caches=Caches(32 * KIB, 1 * MIB, 2 * MIB),
    tune="skylake-avx512",
    summary="AVX-512 with BW, CD, DQ, VL: Intel Skylake-X, AMD Zen 4 and later",
)
ICELAKE_SERVER = _cpu(
    "icelake-server",
    ICELAKE_FEATURES,
    bits=512,
    caches=Caches(48 * KIB, 1280 * KIB, 1536 * KIB),
    vendor="intel",
    instructions=(VNNI_512,),
    summary="Intel Xeon, third generation",
)
SAPPHIRE_RAPIDS = _cpu(
    "sapphirerapids",
    (*SAPPHIRE_RAPIDS_FEATURES, *AMX_FEATURES),
    bits=512,
    vendor="intel",
    caches=Caches(48 * KIB, 2 * MIB, 1920 * KIB),
    instructions=(VNNI_512, BF16_512_INTEL, *AMX),
    summary="Intel Xeon, fourth generation, with AMX",
)
SAPPHIRE_RAPIDS_AVX512 = _cpu(
    "sapphirerapids-avx512",
    SAPPHIRE_RAPIDS_FEATURES,
    bits=512,
    tune="sapphirerapids",
    vendor="intel",
    caches=SAPPHIRE_RAPIDS.caches,
    instructions=(VNNI_512, BF16_512_INTEL),
    summary="the same without AMX, which virtual machines often hide and systems may refuse",
)
ZEN4 = _cpu(
    "znver4",
    (*ICELAKE_FEATURES, "avx512bf16"),
    bits=512,
    vendor="amd",
    caches=Caches(32 * KIB, 1 * MIB, 4 * MIB),
    instructions=(VNNI_512, BF16_512),
    summary="AMD EPYC 9004, Ryzen 7000",
)
ZEN5 = _cpu(
    "znver5",
    (*ICELAKE_FEATURES, "avx512bf16", "avxvnni"),
    bits=512,
    vendor="amd",
    caches=Caches(48 * KIB, 1 * MIB, 4 * MIB),
    instructions=(VNNI_512, BF16_512),
    summary="AMD EPYC 9005, Ryzen 9000",
)
ALDERLAKE = _cpu(
    "alderlake",
    (*V3_FEATURES, "avxvnni", "gfni"),
    bits=256,
    vendor="intel",
    caches=Caches(48 * KIB, 1280 * KIB, 3 * MIB),
    instructions=(VNNI_256,),
    summary="Intel Core, twelfth generation and later",
)

RECORDS: tuple[Target, ...] = (X86_64_V3, X86_64_V4, ICELAKE_SERVER, SAPPHIRE_RAPIDS, SAPPHIRE_RAPIDS_AVX512, ZEN4, ZEN5, ALDERLAKE)


def _like(record: Target, *names: str, **changes: tuple[str, ...]) -> dict[str, Target]:
    """Records for cpus that run the code of `record` and differ in scheduling (and in `features` if given)."""
    features = changes.get("features", record.features)
    requires = tuple(CPUINFO_FLAG[f] for f in features)
    kept = tuple(i for i in record.matrix_instructions if not i.feature or i.feature in features)
    return {
        name: replace(
            record,
            name=f"cpu:{name}",
            tune_cpu=name,
            features=features,
            requires=requires,
            matrix_instructions=kept,
            summary=f"compiled as {record.name.partition(':')[2]}, scheduled for {name}",
        )
        for name in names
    }


DERIVED: dict[str, Target] = {
    **_like(X86_64_V3, "haswell", "broadwell", "skylake", "znver1", "znver2", "znver3"),
    **_like(X86_64_V4, "skylake-avx512"),
    **_like(ICELAKE_SERVER, "cascadelake", features=(*V4_FEATURES, "avx512vnni")),
    **_like(ICELAKE_SERVER, "icelake-client", "tigerlake", "rocketlake"),
    **_like(SAPPHIRE_RAPIDS_AVX512, "cooperlake", features=(*V4_FEATURES, "avx512vnni", "avx512bf16")),
    **_like(SAPPHIRE_RAPIDS, "emeraldrapids", "graniterapids"),
    **_like(ALDERLAKE, "raptorlake", "meteorlake", "arrowlake", "lunarlake"),
}
"""Further LLVM cpu names, each described by the record whose code it runs."""

TOO_OLD: tuple[str, ...] = (
    "x86-64",
    "x86-64-v2",
    "nehalem",
    "westmere",
    "sandybridge",
    "ivybridge",
    "bdver1",
    "bdver2",
    "btver2",
    "k8",
    "core2",
    "silvermont",
    "goldmont",
    "tremont",
)
"""LLVM cpu names without AVX2 and FMA, for which there are no kernels."""
