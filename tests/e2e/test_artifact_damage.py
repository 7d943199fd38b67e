"""Files that are not what they seem: always an ArtifactError, never a crash."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilewright import runtime
from tilewright.runtime.artifact import HEADER, MAGIC, Artifact
from tilewright.runtime.loader import select_code
from tilewright.runtime.manifest import FORMAT_VERSION, Code, Section, parse_manifest
from tilewright.runtime.structure import compile_structure


def manifest_of(data: bytes) -> dict[str, Any]:
    _, _, _, offset, length, _ = HEADER.unpack_from(data)
    return json.loads(data[offset : offset + length])


def with_manifest(data: bytes, manifest: Any) -> bytes:
    """The same artifact with another, correctly hashed manifest."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    offset = HEADER.unpack_from(data)[3]
    header = HEADER.pack(MAGIC, FORMAT_VERSION, 0, offset, len(text), hashlib.sha256(text).digest())
    return header + data[HEADER.size : offset] + text


@pytest.fixture(scope="module")
def good(artifact_path: Path) -> bytes:
    return artifact_path.read_bytes()


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], runtime.Program]:
    def write_and_load(data: bytes) -> runtime.Program:
        path = tmp_path / "damaged.tw"
        path.write_bytes(data)
        return runtime.load(path, threads=1)

    return write_and_load


Load = Callable[[bytes], runtime.Program]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4096, 5000, -4097, -1])
def test_truncated(load: Load, good: bytes, size: int) -> None:
    with pytest.raises(runtime.ArtifactError, match=r"not an artifact|truncated"):
        load(good[:size])


def test_wrong_magic(load: Load, good: bytes) -> None:
    with pytest.raises(runtime.ArtifactError, match=r"damaged\.tw is not an artifact"):
        load(b"PK\x03\x04" + good[4:])


@pytest.mark.parametrize(("version", "advice"), [(FORMAT_VERSION + 1, "install a newer"), (0, "compile the model again")])
def test_other_versions(load: Load, good: bytes, version: int, advice: str) -> None:
    with pytest.raises(runtime.ArtifactError, match=f"format version {version}") as caught:
        load(good[:8] + version.to_bytes(4, "little") + good[12:])
    assert advice in caught.value.remedy


def flip(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x10
    return bytes(changed)


def test_flipped_byte_in_the_manifest(load: Load, good: bytes) -> None:
    with pytest.raises(runtime.ArtifactError, match="its manifest does not have its recorded hash"):
        load(flip(good, HEADER.unpack_from(good)[3] + 20))


def test_flipped_byte_in_the_code(load: Load, good: bytes) -> None:
    with pytest.raises(runtime.ArtifactError, match=r"the code for cpu:.* does not have its recorded hash"):
        load(flip(good, manifest_of(good)["code"][0]["offset"] + 200))


def test_flipped_byte_in_a_weight_is_found_by_verify(load: Load, good: bytes) -> None:
    program = load(flip(good, manifest_of(good)["weights"][0]["offset"] + 3))
    with program, pytest.raises(runtime.ArtifactError, match="the weight w does not have its recorded hash"):
        program.artifact.verify()


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(runtime.ArtifactError, match="cannot open") as caught:
        runtime.load(tmp_path / "absent.tw")
    assert "No such file" in caught.value.why
    with pytest.raises(runtime.ArtifactError, match="cannot open"):
        runtime.load(tmp_path)


Change = Callable[[dict[str, Any]], Any]


def _set(*path: Any) -> Change:
    """Set the item at `path[:-1]` to `path[-1]`."""

    def change(manifest: dict[str, Any]) -> None:
        at: Any = manifest
        for key in path[:-2]:
            at = at[key]
        at[path[-2]] = path[-1]

    return change


TWO_SYMBOLS = [{"name": name, "min": 1, "max": 2} for name in ("s0", "s9")]

CHANGES: list[tuple[str, Change]] = [
    (r"root\.producer of the manifest is missing", lambda m: m.pop("producer")),
    (r"has no entry points", _set("entry_points", [])),
    (r"root\.code of the manifest is not a list", _set("code", 3)),
    (r"root\.code\[0\] of the manifest is not an object", _set("code", [3])),
    (r"code\[0\]\.offset of the manifest is not an integer", _set("code", 0, "offset", -1)),
    (r"code\[0\]\.offset of the manifest is not an integer", _set("code", 0, "offset", True)),
    (r"the code for .* would end at byte", _set("code", 0, "nbytes", 2**60)),
    (r"the weight w would end at byte", _set("weights", 0, "offset", 2**40)),
    (r"the weight w is not aligned", _set("weights", 0, "offset", 4097)),
    (r"wrong size for the weight w", _set("weights", 0, "shape", [2**31, 2**31])),
    (r"is not an index", _set("weights", 0, "shape", [-16])),
    (r"weights\[0\]\.dtype of the manifest is 'f33'", _set("weights", 0, "dtype", "f33")),
    (r"uses weight 7, there are 1", _set("code", 0, "entry_points", 0, "weights", [7])),
    (r"lacks the entry point 'main'", _set("code", 0, "entry_points", 0, "name", "other")),
    (r"does not export 'tw_main2'", _set("code", 0, "entry_points", 0, "symbol", "tw_main2")),
    (r"no input of 'main' determines the symbol 's9'", _set("entry_points", 0, "symbols", TWO_SYMBOLS)),
    (r"unknown symbol 's7'", _set("entry_points", 0, "outputs", 0, "shape", ["s7"])),
    (r"a size in the manifest cannot be read", _set("code", 0, "entry_points", 0, "arena_bytes", "os.getpid()")),
    (r"output structure", _set("entry_points", 0, "output_structure", {"kind": "output", "index": 9})),
    (r"output structure", _set("entry_points", 0, "output_structure", {"kind": "pickle"})),
]  # fmt: skip


@pytest.mark.parametrize(("message", "change"), CHANGES, ids=lambda v: v[:30] if isinstance(v, str) else "")
def test_manifests_that_lie(load: Load, good: bytes, message: str, change: Change) -> None:
    manifest = manifest_of(good)
    change(manifest)
    with pytest.raises(runtime.ArtifactError, match=message):
        load(with_manifest(good, manifest))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"producer": 1}'])
def test_manifests_that_are_none(load: Load, good: bytes, text: bytes) -> None:
    with pytest.raises(runtime.ArtifactError):
        load(with_manifest(good, text))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


def paths_of(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths_of(inner, (*prefix, key))
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fuzzed_manifest_fields(good: bytes, tmp_path: Path, data: st.DataObject) -> None:
    manifest = copy.deepcopy(manifest_of(good))
    places = [p for p in paths_of(manifest) if p[0] != "report"]
    for _ in range(data.draw(st.integers(1, 3))):
        change = _set(*data.draw(st.sampled_from(places)), data.draw(json_values))
        # An earlier change may have removed the place.
        with contextlib.suppress(KeyError, IndexError, TypeError):
            change(manifest)
    path = tmp_path / "fuzzed.tw"
    path.write_bytes(with_manifest(good, manifest))
    with contextlib.suppress(runtime.ArtifactError, runtime.IncompatibleError):
        runtime.load(path, threads=1).close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fuzzed_bytes(good: bytes, tmp_path: Path, data: st.DataObject) -> None:
    changed = bytearray(good)
    manifest_at = HEADER.unpack_from(good)[3]
    regions = st.one_of(st.integers(0, HEADER.size - 1), st.integers(manifest_at, len(good) - 1), st.integers(0, len(good) - 1))
    for at in data.draw(st.lists(regions, min_size=1, max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    size = data.draw(st.one_of(st.just(len(good)), st.integers(0, len(good))))
    path = tmp_path / "fuzzed.tw"
    path.write_bytes(bytes(changed[:size]))
    with contextlib.suppress(runtime.ArtifactError):
        Artifact(path).verify()


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), json_values.map(lambda v: json.dumps(v).encode())))
def test_fuzzed_manifest_text(text: bytes) -> None:
    with contextlib.suppress(runtime.ArtifactError):
        parse_manifest(text)


@given(json_values)
def test_fuzzed_structures(value: Any) -> None:
    with contextlib.suppress(runtime.ArtifactError):
        compile_structure(value, 2)([1, 2])


def code(target: str, triple: str, *requires: str) -> Code:
    return Code(target, triple, requires, Section(0, 0, ""), (), ())


V3 = code("cpu:x86-64-v3", "x86_64-unknown-linux-gnu", "avx2", "fma")
V4 = code("cpu:x86-64-v4", "x86_64-unknown-linux-gnu", "avx2", "fma", "avx512f")
ARM = code("cpu:aarch64", "aarch64-unknown-linux-gnu", "asimd")


def test_selection() -> None:
    assert select_code([V3, V4, ARM], "x86_64", frozenset({"avx2", "fma"})) is V3
    assert select_code([V3, V4, ARM], "x86_64", frozenset({"avx2", "fma", "avx512f"})) is V4
    assert select_code([V3, V4, ARM], "aarch64", frozenset({"asimd"})) is ARM


def test_refusal_says_what_is_missing() -> None:
    with pytest.raises(runtime.IncompatibleError, match="no code that this machine can run") as caught:
        select_code([V4, ARM], "x86_64", frozenset({"avx2", "fma"}))
    assert "cpu:x86-64-v4 needs avx512f" in caught.value.why
    assert "cpu:aarch64 is for aarch64, this machine is x86_64" in caught.value.why
    assert "--target" in caught.value.remedy


def test_code_for_another_machine_is_refused_at_load(load: Load, good: bytes) -> None:
    manifest = manifest_of(good)
    manifest["code"][0]["requires"].append("avx1024")
    with pytest.raises(runtime.IncompatibleError, match="avx1024"):
        load(with_manifest(good, manifest))
