"""The database of schedules: what is written is read, and what is damaged or illegal is refused with its place and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.database import Entry, ScheduleDatabase, read_database
from tilewright.passes.schedules.kernel_identity import kernel_digest, kernel_summary
from tilewright.passes.schedules.legality import why_illegal
from tilewright.targets import find

AVX512 = find("cpu:x86-64-v4")
SCHEDULE = {"kind": "matmul", "mr": 8, "nr": 48, "mb": 64}


def entry(kernel: str = "abc", target: str = AVX512.name, source: str = "tuned:d0=128", **changes: Any) -> Entry:
    return Entry(kernel, target, source, {**SCHEDULE, **changes}, {"name": "linear", "summary": "8 x 48 x 3", "threads": 1})


def damaged(path: Path, **changes: Any) -> Path:
    """A database of one entry, with some of the entry's values changed."""
    values = {"kernel": "abc", "target": AVX512.name, "source": "tuned:x", "schedule": SCHEDULE, **changes}
    path.write_text(json.dumps({"format": "tilewright schedules", "version": 1, "entries": [values]}))
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    database = ScheduleDatabase([entry(), entry("def"), entry(target="cpu:znver4"), entry(source="user:me", mr=4)])
    database.save(path)
    again = read_database(path)
    assert again.entries == database.entries and [e.kernel for e in again.entries] == ["abc", "def", "abc"]
    assert again.for_target(AVX512)["abc"].attributes == {**SCHEDULE, "mr": 4, "source": "user:me"}
    assert again.other_targets(AVX512) == {"cpu:znver4": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_an_entry_of_the_rule_decides_nothing() -> None:
    assert entry().decides and entry(source="user:x").decides and not entry(source="rule:dense").decides


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("{", "the schedules are not JSON", "line 1"),
        ("[]", "the file holds no schedules", "format"),
        ('{"format": "tilewright schedules", "version": 2, "entries": []}', "of version 2", "reads version 1"),
        ('{"format": "tilewright schedules", "version": 1}', "the schedules are damaged", "is no list"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, what: str, why: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        read_database(path)
    assert why in caught.value.why and caught.value.where == str(path) and "tilewright tune" in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kernel": 3}, '"kernel" is 3'),
        ({"source": "guess"}, "it begins with tuned:, user:, rule:"),
        ({"source": "tuned"}, "it begins with tuned:, user:, rule:"),
        ({"schedule": []}, '"schedule" is \\[\\], an object is expected'),
    ],
)
def test_damaged_entries(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=f"(?s)entry 0 of the schedules is damaged.*{why}"):
        read_database(damaged(tmp_path / "s.json", **changes))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)cannot be read.*No such file"):
        read_database(tmp_path / "s.json")
    with pytest.raises(InputError, match="cannot be written"):
        ScheduleDatabase().save(tmp_path / "none" / "s.json")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mr": 16}, "needs 52 vector registers"),
        ({"kind": "magic"}, "'magic' is no kind of schedule"),
        ({"speed": 11}, "'speed' is no field of a matmul schedule"),
        ({"mr": "8"}, "mr = '8' is not of type int"),
        ({"mr": True}, "mr = True is not of type int"),
    ],
)
def test_illegal_schedules(changes: dict[str, Any], why: str) -> None:
    illegal = entry(**changes)
    with pytest.raises(InputError, match=r"the schedule of linear \(8 x 48 x 3\), abc on cpu:x86-64-v4 is not legal") as caught:
        ScheduleDatabase([illegal], "s.json").for_target(AVX512)
    assert why in caught.value.why and caught.value.where == "s.json"
    assert ScheduleDatabase([illegal]).for_target(find("cpu:x86-64-v3")) == {}, "entries for other targets are not looked at"


def test_missing_fields() -> None:
    assert why_illegal({"kind": "matmul", "nr": 16}, AVX512) == "mr, mb are missing"
    assert why_illegal({"kind": "rows", "unroll": 4}, AVX512) is None


def kernel(name: str, ranges: str, columns: int = 48, weight: str = " {tw.weight}", schedule: str = "") -> ir.Module:
    matrix, result = f"tensor<64x{columns}xf32>", f'tensor<?x{columns}xf32, "d0, {columns}">'
    return ir.Module.parse(f"""
func.func private @{name}(%x: tensor<?x64xf32, "d0, 64">, %w: {matrix}{weight}) -> {result}
    attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: {ranges}>}}{schedule}}} {{
  %0 = "tw.matmul"(%x, %w) : (tensor<?x64xf32, "d0, 64">, {matrix}) -> {result} loc("model.py":3:1)
  return %0 : {result}
}}""")


def digest(module: ir.Module) -> str:
    return kernel_digest(next(iter(tw.functions(module))))


def test_the_digest_is_of_the_structure(context: ir.Context) -> None:
    own = digest(kernel("a", "1, 128"))
    assert digest(kernel("b", "1, 64", schedule=', tw.schedule = {kind = "matmul"}')) == own
    assert len({own, digest(kernel("a", "1, 128", columns=64)), digest(kernel("a", "1, 128", weight=""))}) == 3


def test_the_summary(context: ir.Context) -> None:
    module = kernel("a", "1, 128")
    assert kernel_summary(next(iter(tw.functions(module)))) == "d0 x 48 x 64, f32 x f32, matmul"
