"""The manifest: what is in an artifact and how to call it. Plain data read from JSON with every field checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tilewright.runtime.errors import ArtifactError
from tilewright.runtime.fields import Fields, read_index

FORMAT_VERSION = 1
ELEMENT_BYTES: dict[str, int] = {
    "i1": 1,
    "i8": 1,
    "ui8": 1,
    "i16": 2,
    "ui16": 2,
    "i32": 4,
    "ui32": 4,
    "i64": 8,
    "ui64": 8,
    "f16": 2,
    "bf16": 2,
    "f32": 4,
    "f64": 8,
}
"""Bytes of an element as stored, by dtype name."""


@dataclass(frozen=True)
class Port:
    """An input or output: name, dtype name and a size expression for each dimension."""

    name: str
    dtype: str
    shape: tuple[str, ...]


@dataclass(frozen=True)
class Symbol:
    """A named size and its inclusive range."""

    name: str
    minimum: int
    maximum: int


@dataclass(frozen=True)
class EntryPoint:
    """A callable of the program. `structure` is the JSON form of its outputs' nesting (None: one output, or a tuple of all)."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    symbols: tuple[Symbol, ...]
    structure: Any


@dataclass(frozen=True)
class Section:
    """A range of bytes of the file with its SHA-256 in hexadecimal."""

    offset: int
    nbytes: int
    sha256: str


@dataclass(frozen=True)
class Weight:
    """A constant tensor in the memory layout that its kernels expect (`layout` is empty for row-major)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str
    section: Section


@dataclass(frozen=True)
class EntryCode:
    """How one target's code runs an entry point: the exported symbol, sizes in bytes, and the weights in the order it expects."""

    name: str
    symbol: str
    arena_bytes: str
    scratch_bytes: str
    weights: tuple[int, ...]


@dataclass(frozen=True)
class Code:
    """A shared object for one target. `requires` are the flags in /proc/cpuinfo that the host must have."""

    target: str
    triple: str
    requires: tuple[str, ...]
    section: Section
    entry_points: tuple[EntryCode, ...]
    kernels: tuple[dict[str, Any], ...]

    @property
    def arch(self) -> str:
        """The first part of the triple, such as `x86_64`."""
        return self.triple.partition("-")[0]

    def entry(self, name: str) -> EntryCode:
        """The code of the entry point `name`."""
        for entry in self.entry_points:
            if entry.name == name:
                return entry
        raise ArtifactError(f"the code for {self.target} lacks the entry point {name!r}")


@dataclass(frozen=True)
class Manifest:
    """Everything but the bytes of code and weights. `report` is for people and tools; the runtime does not read it."""

    producer: str
    entry_points: tuple[EntryPoint, ...]
    weights: tuple[Weight, ...]
    code: tuple[Code, ...]
    report: Any


def parse_manifest(data: bytes) -> Manifest:
    """Read the manifest. Raises ArtifactError that names the wrong field."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArtifactError("the manifest is not JSON", why=str(error)[:200]) from error
    root = Fields(value, "root")
    manifest = Manifest(
        producer=root.text("producer"),
        entry_points=root.objects("entry_points", _entry_point),
        weights=root.objects("weights", _weight),
        code=root.objects("code", _code),
        report=root.optional("report"),
    )
    if not manifest.entry_points:
        raise ArtifactError("the manifest has no entry points")
    for code in manifest.code:
        for entry in code.entry_points:
            for index in entry.weights:
                if index >= len(manifest.weights):
                    raise ArtifactError(f"the code for {code.target} uses weight {index}, there are {len(manifest.weights)}")
    return manifest


def _entry_point(fields: Fields) -> EntryPoint:
    return EntryPoint(
        fields.text("name"),
        fields.objects("inputs", _port),
        fields.objects("outputs", _port),
        fields.objects("symbols", _symbol),
        fields.optional("output_structure"),
    )


def _port(fields: Fields) -> Port:
    return Port(fields.text("name"), _dtype(fields), fields.texts("shape"))


def _dtype(fields: Fields) -> str:
    dtype = fields.text("dtype")
    if dtype not in ELEMENT_BYTES:
        raise ArtifactError(f"{fields.path}.dtype of the manifest is {dtype[:40]!r}, which this runtime does not know")
    return dtype


def _symbol(fields: Fields) -> Symbol:
    return Symbol(fields.text("name"), fields.integer("min"), fields.integer("max"))


def _section(fields: Fields) -> Section:
    return Section(fields.integer("offset"), fields.integer("nbytes"), fields.text("sha256"))


def _weight(fields: Fields) -> Weight:
    return Weight(fields.text("name"), _dtype(fields), fields.items("shape", read_index), fields.text("layout"), _section(fields))


def _entry_code(fields: Fields) -> EntryCode:
    return EntryCode(
        fields.text("name"),
        fields.text("symbol"),
        fields.text("arena_bytes"),
        fields.text("scratch_bytes"),
        fields.items("weights", read_index),
    )


def _code(fields: Fields) -> Code:
    return Code(
        fields.text("target"),
        fields.text("triple"),
        fields.texts("requires"),
        _section(fields),
        fields.objects("entry_points", _entry_code),
        fields.objects("kernels", lambda f: f.value),
    )
