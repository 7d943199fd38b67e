"""Stores of one lane under a constant mask write that lane alone."""

from __future__ import annotations

import re

import pytest

from tilewright.codegen.llvm_binding import llvm
from tilewright.codegen.llvm_object import compile_object, initialize_llvm
from tilewright.codegen.masked_stores import store_single_lanes
from tilewright.targets import find

WIDTH = {"b": 8, "w": 16, "l": 32, "q": 64}


def truncating_store(lanes: int, wide: str, narrow: str, stored: set[int], align: int = 1) -> str:
    mask = ", ".join(f"i1 {'true' if lane in stored else 'false'}" for lane in range(lanes))
    name = f"@llvm.masked.store.v{lanes}{narrow}.p0"
    return f"""
declare void {name}(<{lanes} x {narrow}>, ptr, <{lanes} x i1>)
define void @f(ptr %p, ptr %q) {{
  %x = load <{lanes} x {wide}>, ptr %q, align 4
  %s = lshr <{lanes} x {wide}> %x, splat ({wide} 1)
  %t = trunc <{lanes} x {wide}> %s to <{lanes} x {narrow}>
  call void {name}(<{lanes} x {narrow}> %t, ptr align {align} %p, <{lanes} x i1> <{mask}>)
  ret void
}}
"""


@pytest.mark.parametrize("lane", [0, 3])
@pytest.mark.parametrize(("lanes", "wide", "narrow"), [(16, "i32", "i16"), (16, "i32", "i8"), (8, "i64", "i32"), (32, "i16", "i8")])
def test_one_lane_is_stored_with_its_own_width(lanes: int, wide: str, narrow: str, lane: int) -> None:
    done = compile_object(truncating_store(lanes, wide, narrow, {lane}), find("cpu:x86-64-v4"), want_assembly=True)
    (store,) = [line for line in (done.assembly or "").splitlines() if re.search(r"\(%rdi\)$", line)]
    width = int(narrow[1:])
    match = re.match(r"\t(?:mov|v?pextr)([bwlqd])\t.*?(\d*)\(%rdi\)$", store)
    assert match is not None, store
    assert {**WIDTH, "d": 32}[match[1]] == width and int(match[2] or 0) == lane * width // 8


@pytest.mark.parametrize(("lane", "align", "expected"), [(0, 64, 64), (1, 64, 2), (4, 64, 8), (4, 2, 2)])
def test_alignment_is_that_of_the_lane(lane: int, align: int, expected: int) -> None:
    initialize_llvm()
    text = str(store_single_lanes(llvm.parse_assembly(truncating_store(16, "i32", "i16", {lane}, align))))
    assert "call void" not in text and re.search(rf"store i16 .*, align {expected}$", text, re.MULTILINE)


@pytest.mark.parametrize("stored", [set(), {0, 1}, set(range(16))])
def test_other_masks_stay(stored: set[int]) -> None:
    initialize_llvm()
    module = llvm.parse_assembly(truncating_store(16, "i32", "i16", stored))
    assert store_single_lanes(module) is module
