"""Which instruction multiplies which element types on which target, and that the tiles of each are legal."""

from __future__ import annotations

import dataclasses

import pytest

from tilewright.core.symbolic import symbol
from tilewright.passes.schedules.matmul import check_matmul_schedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, best_instruction, find_record, why_unfit
from tilewright.passes.schedules.matmul_rule import dense_schedule
from tilewright.targets import MatrixInstruction, find, list_targets

K = 100


@pytest.mark.parametrize(
    ("target", "bf16", "f16", "i8"),
    [
        ("x86-64-v3", "fma", "fma", "vpmaddwd"), ("x86-64-v4", "fma", "fma", "vpmaddwd"), ("alderlake", "fma", "fma", "vpdpbusd"),
        ("icelake-server", "fma", "fma", "vpdpbusd"), ("znver5", "vdpbf16ps", "fma", "vpdpbusd"),
        ("sapphirerapids-avx512", "fma", "fma", "vpdpbusd"), ("aarch64", "fma", "fma", "mla"), ("neoverse-n1", "fma", "fma", "sdot"),
        ("neoverse-v1", "bfmmla", "fma", "smmla"),
    ],
)  # fmt: skip
def test_the_fastest_instruction_of_the_target(target: str, bf16: str, f16: str, i8: str) -> None:
    found = [best_instruction(dtype, K, find(f"cpu:{target}")) for dtype in ("f32", "bf16", "f16", "i8")]
    assert found == ["fma", bf16, f16, i8]


def test_what_no_instruction_multiplies() -> None:
    assert all(best_instruction(dtype, K, find("cpu:znver5")) is None for dtype in ("f64", "i16", "i32", "i64"))
    assert why_unfit("fma", "f64", K) == "instruction 'fma' does not multiply f64"
    assert "(vpdpbusd" in (why_unfit("fma", "i8", K) or "").replace("tdpbssd, ", "")


@pytest.mark.parametrize("dtype", LAYOUTS)
def test_tiles_of_every_instruction_are_legal(dtype: str) -> None:
    for target in (t for t in list_targets() if t.kind == "cpu"):
        for name, layout in LAYOUTS[dtype].items():
            record = find_record(target, name)
            if record is None or record.m > 1:
                continue
            for rows in (1, 16, symbol("d0")):
                for columns in (1, 100, 384):
                    schedule = dataclasses.replace(dense_schedule(rows, columns, target, {}, layout=layout), instruction=name)
                    assert check_matmul_schedule(schedule, target) is None, (target.name, schedule)


def test_groups_fill_what_an_instruction_reads_of_a_column() -> None:
    records = {i.name: i for t in list_targets() for i in t.matrix_instructions if t.kind == "cpu"}
    for layouts in LAYOUTS.values():
        for name, layout in layouts.items():
            if name in records and records[name].broadcast:
                record = records[name]
                assert layout.group == record.k and record.k * MatrixInstruction.bits[record.rhs] == 32
