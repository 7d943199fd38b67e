"""Target records, their names and the detection of this machine."""

from __future__ import annotations

import dataclasses

import pytest

from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.targets import MatrixInstruction, Target, find, host_target, list_targets
from tilewright.targets.detect import HostCpu, best_record, override_host, parse_cpuinfo
from tilewright.targets.registry import derived_targets

V3 = find("cpu:x86-64-v3")
EVERY = (*list_targets(), *derived_targets())


@pytest.mark.parametrize("target", EVERY, ids=lambda t: t.name)
def test_records_are_consistent(target: Target) -> None:
    assert find(target.name) is target
    assert target.vector_lanes(32) * 32 == target.vector_bits
    assert target.is_gpu == (target.kind == "cuda")
    assert target.requires and target.summary and target.triple.partition("-")[0] in ("x86_64", "aarch64", "nvptx64")
    for instruction in target.matrix_instructions:
        assert instruction.flops > 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        target.name = "other"  # type: ignore[misc]


def test_names_are_unique() -> None:
    assert len({t.name for t in EVERY}) == len(EVERY)


def test_capabilities() -> None:
    zen5, n1 = find("cpu:znver5"), find("cpu:neoverse-n1")
    assert (zen5.vector_lanes(32), V3.vector_lanes(32), n1.vector_lanes(16)) == (16, 8, 8)
    assert zen5.has("avx512bf16") and not V3.has("avx512f") and find("cuda:sm_90").has("wgmma")
    assert zen5.has_mask_registers and zen5.has_masked_memory and V3.has_masked_memory and not V3.has_mask_registers
    assert not n1.has_masked_memory
    assert V3.feature_string.startswith("+cx16,") and "+fma" in V3.feature_string
    best = zen5.matrix_instruction("bf16", "bf16", "f32")
    assert best is not None and best.name == "vdpbf16ps" and best.flops == 64
    assert V3.matrix_instruction("bf16", "bf16", "f32") is None


def test_tiles_of_amx() -> None:
    amx, hidden = find("cpu:sapphirerapids"), find("cpu:sapphirerapids-avx512")
    assert (amx.tile_registers, hidden.tile_registers, find("cpu:cooperlake").tile_registers) == (8, 0, 0)
    assert hidden.tune_cpu == "sapphirerapids" and set(amx.requires) - set(hidden.requires) == {"amx_tile", "amx_bf16", "amx_int8"}
    for lhs, rhs, name, flops in [
        ("bf16", "bf16", "tdpbf16ps", 16384),
        ("si8", "si8", "tdpbssd", 32768),
        ("ui8", "si8", "tdpbusd", 32768),
        ("f32", "f32", "vfmadd231ps", 32),
    ]:
        best = amx.matrix_instruction(lhs, rhs, "si32" if "i8" in lhs else "f32")
        assert best is not None and (best.name, best.flops) == (name, flops)
    fallback = hidden.matrix_instruction("bf16", "bf16", "f32")
    assert fallback is not None and fallback.name == "vdpbf16ps"
    assert hidden.matrix_instruction("si8", "si8", "si32") is None
    assert all(find(f"cpu:{name}").has("amx-bf16") for name in ("emeraldrapids", "graniterapids"))


@pytest.mark.parametrize(
    ("target", "lhs", "names"),
    [
        ("cpu:neoverse-n1", "si8", ["sdot"]),
        ("cpu:neoverse-v1", "si8", ["sdot", "smmla"]),
        ("cpu:neoverse-v1", "ui8", ["usdot", "usmmla"]),
        ("cpu:neoverse-v1", "bf16", ["bfdot", "bfmmla"]),
        ("cpu:alderlake", "ui8", ["vpdpbusd"]),
    ],
)
def test_narrow_matrix_instructions(target: str, lhs: str, names: list[str]) -> None:
    found = [i for i in find(target).matrix_instructions if i.lhs == lhs]
    assert [i.name for i in found] == names
    assert all(i.register_bits == find(target).vector_bits for i in found)
    assert [i.flops for i in found] == sorted(i.flops for i in found)


def test_this_machine() -> None:
    assert find("cpu") is find("native") is find(" cpu:native ") is host_target()


@pytest.mark.parametrize(
    ("name", "near"), [("cpu:znver6", "cpu:znver5"), ("znver5", "did you mean cpu:znver5?"), ("cuda:sm_91", "cuda:sm_90"), ("gpu", "")]
)
def test_unknown_names_list_near_ones(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"unknown target '{name}'") as caught:
        find(name)
    assert near in caught.value.remedy and "tilewright targets" in caught.value.remedy


def test_old_processors_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="'cpu:nehalem' is not supported") as caught:
        find("cpu:nehalem")
    assert "AVX2" in caught.value.why and "x86-64-v3" in caught.value.remedy


def host(vendor: str, *extra: str, like: str = "cpu:x86-64-v3") -> HostCpu:
    return HostCpu("x86-64", vendor, frozenset({*find(like).requires, *extra}))


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        (host("amd"), "cpu:x86-64-v3"),
        (host("intel", like="cpu:x86-64-v4"), "cpu:x86-64-v4"),
        (host("amd", like="cpu:znver4"), "cpu:znver4"),
        (host("amd", like="cpu:znver5"), "cpu:znver5"),
        (host("intel", like="cpu:znver5"), "cpu:icelake-server"),
        (host("intel", like="cpu:sapphirerapids"), "cpu:sapphirerapids"),
        (host("intel", like="cpu:sapphirerapids-avx512"), "cpu:sapphirerapids-avx512"),
        (host("intel", "amx_tile", "amx_int8", like="cpu:sapphirerapids-avx512"), "cpu:sapphirerapids-avx512"),
        (host("", like="cpu:sapphirerapids"), "cpu:x86-64-v4"),
        (HostCpu("aarch64", "arm", frozenset({"fp", "asimd"})), "cpu:aarch64"),
        (HostCpu("aarch64", "arm", frozenset(find("cpu:neoverse-v1").requires)), "cpu:neoverse-v1"),
    ],
)
def test_detection(cpu: HostCpu, expected: str) -> None:
    assert best_record(cpu).name == expected


def test_a_machine_without_a_target() -> None:
    with pytest.raises(UnsupportedError, match="no target fits") as caught:
        best_record(HostCpu("x86-64", "intel", frozenset({"avx", "pni"})))
    assert "avx2" in caught.value.why


def test_cpuinfo_of_both_architectures() -> None:
    x86 = parse_cpuinfo("processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t: fpu\n", "x86-64")
    assert x86 == HostCpu("x86-64", "amd", frozenset({"fpu", "avx2"}))
    arm = parse_cpuinfo("processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n", "aarch64")
    assert arm == HostCpu("aarch64", "arm", frozenset({"fp", "asimd"}))


def test_override() -> None:
    before = host_target()
    with override_host(V3):
        assert find("native") is V3
    assert host_target() is before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 8}, "rhs has 256 bits"),
        ({"lhs": "f31"}, "unknown element type 'f31'"),
        ({"registers": (1, 1, 0)}, "must be in registers"),
        ({"k": 3, "lhs": "f32", "rhs": "f32"}, "bits"),
    ],
)
def test_matrix_instructions_check_their_arithmetic(changes: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {
        "name": "fma",
        "m": 1,
        "n": 16,
        "k": 1,
        "lhs": "f32",
        "rhs": "f32",
        "acc": "f32",
        "register_bits": 512,
        "registers": (1, 1, 1),
        "broadcast": True,
    }
    MatrixInstruction(**fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        MatrixInstruction(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "gpu:x"}, "does not start with its kind"),
        ({"kind": "cuda", "name": "cuda:x"}, "GPU limits"),
        ({"features": ()}, "needs the feature"),
    ],
)
def test_targets_check_themselves(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(V3, **changes)  # type: ignore[arg-type]
