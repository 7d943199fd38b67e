"""Random matmul kernels with random legal schedules give what the interpreter gives, and the same bits however their units are divided.

Each runs in a child process, with all its buffers between pages that may not be touched: what reads or writes outside of them, crashes
or hangs is a failing example. `TILEWRIGHT_MATMUL_EXAMPLES=2000` looks at more of them, at new ones in each run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from forked import run_forked
from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st
from matmul_case import MatmulCase
from matmul_epilogues import STEPS

from tilewright.core.symbolic import Dim, parse
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, find_record, why_unfit
from tilewright.targets import Target, find
from tilewright.targets.detect import read_host

MORE = int(os.environ.get("TILEWRIGHT_MATMUL_EXAMPLES", "0"))
SECONDS = 120.0
NAMES = ("sapphirerapids", "sapphirerapids-avx512", "x86-64-v4", "x86-64-v3", "icelake-server", "alderlake", "neoverse-v1")
TARGETS = [t for t in (find(f"cpu:{name}") for name in NAMES) if set(t.requires) <= read_host().flags]
"""Those whose code this machine executes."""
IGNORED = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 97, 100, 128, 129)
ROUNDING = ("bf16", "f16")
"""Steps that come last: within a pointwise op, values are rounded at its end alone."""
NARROWER = {"f32": ("bf16", "f16"), "bf16": ("f32",), "f16": ("f32",), "i8": ()}
"""Element types that memory may hold where another one is multiplied."""


def sizes(largest: int) -> st.SearchStrategy[int]:
    """Edges of tiles and vectors, and anything else."""
    return st.sampled_from([e for e in EDGES if e <= largest]) | st.integers(1, largest)


@st.composite
def cases(draw: st.DrawFn) -> MatmulCase:
    """Kernels of every form with schedules that are legal on their targets."""
    target = draw(st.sampled_from(TARGETS))
    dtype = draw(st.sampled_from([d for d in LAYOUTS if any(find_record(target, name) for name in LAYOUTS[d])]))
    products = draw(st.sampled_from(["one", "one", "one", "gated", "ranges"]))
    weight = draw(st.booleans())
    slices = draw(st.sampled_from([1, 1, 1, 2, 3, 4])) if weight and products == "one" else 1
    k_steps = draw(st.sampled_from([1, 1, 1, 2, 3])) if slices == 1 else 1
    largest = draw(st.sampled_from([140] * 7 + [700]))
    k = draw(sizes(largest) | st.sampled_from([32, 64, 128, 192, 256]) | st.just(2 * largest))
    k = -(-k // (slices * k_steps)) * slices * k_steps
    n = draw(sizes(largest))
    widths = (n,)
    if products == "gated":
        widths = (n, n)
    elif products == "ranges":
        widths = (n, *(draw(st.lists(sizes(100) | st.just(n), min_size=1, max_size=2))))
    lhs_batch, rhs_batch = draw(batches(weight)) if slices == 1 else ((), ())
    dynamic = draw(dynamic_sizes(weight, slices * k_steps, lhs_batch, rhs_batch))
    steps = draw(st.lists(st.sampled_from([*(s for s in STEPS if s not in ROUNDING), "two"]), max_size=3))
    steps += draw(st.sampled_from([[], [], [], *([name] for name in ROUNDING)]))
    rank = max(len(lhs_batch), len(rhs_batch), int(slices > 1)) + 2
    any_size = st.integers(0, largest) | sizes(largest)
    ordered = st.sampled_from([False, False, True])
    wide = draw(st.sampled_from([True, True, True, False]))
    return MatmulCase(
        target.name,
        m=draw(sizes(largest)),
        k=k,
        widths=widths,
        dtype=dtype,
        lhs_memory=draw(st.sampled_from(("", "", *NARROWER[dtype]))),
        rhs_memory=draw(st.sampled_from(("", "", *NARROWER[dtype]))),
        lhs_batch=lhs_batch,
        rhs_batch=rhs_batch,
        weight=weight,
        transpose_lhs=draw(st.booleans()) if slices * k_steps == 1 else False,
        transpose_rhs=draw(st.booleans()),
        lhs_order=draw(orders(len(lhs_batch) + 2)) if slices * k_steps == 1 and draw(ordered) else (),
        rhs_order=draw(orders(len(rhs_batch) + 2)) if not weight and draw(ordered) else (),
        result_order=draw(orders(rank)) if draw(ordered) else (),
        k_steps=k_steps,
        slices=slices,
        gated=products == "gated",
        wide=wide,
        steps=tuple(steps),
        joined=draw(st.booleans()),
        dynamic=dynamic,
        more=tuple(draw(st.lists(st.tuples(any_size, any_size, any_size, st.integers(0, 4)), max_size=3))) if dynamic else (),
        splits=tuple(draw(st.lists(st.floats(0, 1), min_size=1, max_size=4))),
        schedule=draw(schedules(target, dtype, parse("d0") if "k" in dynamic else k // slices, 2 if products == "gated" else 1, weight)),
        seed=draw(st.integers(0, 9)),
    )


def orders(rank: int) -> st.SearchStrategy[tuple[int, ...]]:
    """In which dimensions lie in memory."""
    return st.permutations(range(rank)).map(tuple)


@st.composite
def batches(draw: st.DrawFn, weight: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Leading dimensions of the left and the right side, which broadcast."""
    result = draw(st.lists(st.integers(1, 4), max_size=2))
    if weight:
        return tuple(result), ()
    left, right = ([draw(st.sampled_from([size, size, 1])) for size in result] for _ in range(2))
    shorter = draw(st.sampled_from(["none", "none", "none", "lhs", "rhs"]))
    return tuple(left[shorter == "lhs" :]), tuple(right[shorter == "rhs" :])


@st.composite
def dynamic_sizes(draw: st.DrawFn, weight: bool, k_parts: int, lhs_batch: Sequence[int], rhs_batch: Sequence[int]) -> tuple[str, ...]:
    """Names of the sizes that the kernel is not told."""
    names = ["m"]
    if not weight:
        names += ["n"] + ["k"] * (k_parts == 1)
    alike = len(lhs_batch) == len(rhs_batch) or not rhs_batch
    if alike and {*lhs_batch[:1], *rhs_batch[:1]} - {1}:
        names.append("b")
    return tuple(sorted(draw(st.sets(st.sampled_from(names)))))


@st.composite
def schedules(draw: st.DrawFn, target: Target, dtype: str, k: Dim, sides: int, weight: bool) -> tuple[tuple[str, Any], ...]:
    """Nothing, which is the schedule of the rule, or all entries of a legal one."""
    if draw(st.sampled_from([True, False, False, False])):
        return ()
    fitting = [name for name in LAYOUTS[dtype] if find_record(target, name) and why_unfit(name, dtype, k) is None]
    instruction = draw(st.sampled_from(fitting))
    record, layout = find_record(target, instruction), LAYOUTS[dtype][instruction]
    assert record is not None
    lanes = record.n if record.tile else target.vector_lanes(32)
    mr = draw(st.sampled_from([record.m, 2 * record.m])) if record.tile else draw(st.integers(1, 8) | st.integers(1, 30))
    step = max(record.k, layout.group)
    values: dict[str, Any] = {
        "instruction": instruction,
        "mr": mr,
        "nr": lanes * draw(st.sampled_from([1, 2, 3]) | st.integers(1, 12)),
        "mb": mr * draw(st.integers(1, 4) | st.integers(1, 200)),
        "unroll": draw(st.sampled_from([1, 1, 2, 3, 4, 8])),
        "k_block": step * draw(st.sampled_from([0, 0, 1, 2, 3]) | st.integers(1, 40)),
        "panels": draw(st.sampled_from([1, 1, 2, 3, 100])),
        "prefetch_next": draw(st.booleans()),
        "prefetch_rhs": draw(st.sampled_from([0, 1, 8, 1000])),
        "prefetch_level": draw(st.sampled_from([1, 2])),
        "prefetch_results": draw(st.booleans()),
        "copy_lhs": draw(st.booleans()),
        "sides": sides + draw(st.sampled_from([0, 0, 0, 1])),
    }
    if weight and draw(st.sampled_from([False, False, True])):
        values["rhs"] = "plain"
    if check_matmul_schedule(MatmulSchedule.from_attributes(values), target) is not None:
        reject()
    return tuple(values.items())


@settings(max_examples=MORE or 25, derandomize=not MORE, database=None, deadline=None, suppress_health_check=IGNORED)
@given(cases())
def test_random_kernels(case: MatmulCase) -> None:
    refused = run_forked(case.check, SECONDS)
    if refused:
        event("the schedule does not fit the kernel")


FOUND = {
    "bf16 stored under a mask without instructions for bf16": MatmulCase(
        "cpu:x86-64-v4", m=2, k=3, widths=(17,), steps=("bf16",), dynamic=("m", "n")
    ),
    "bf16 rows copied without instructions for bf16": MatmulCase("cpu:alderlake", m=2, k=3, widths=(5,), dtype="bf16"),
    "last lane of bf16 stored alone": MatmulCase("cpu:x86-64-v4", m=5, k=3, widths=(17,), weight=True, steps=("bf16",)),
    "last lane of i8 stored alone": MatmulCase("cpu:icelake-server", m=5, k=3, widths=(33,), dtype="i8", weight=True, wide=False),
    "no sums where k is split": MatmulCase(
        "cpu:x86-64-v3",
        m=9,
        k=62,
        widths=(19,),
        dynamic=("k",),
        more=((9, 0, 19, 1),),
        schedule=(("mr", 3), ("nr", 24), ("mb", 9), ("k_block", 4)),
    ),
}
"""What random kernels have shown."""


@pytest.mark.parametrize("name", FOUND)
def test_found_before(name: str) -> None:
    case = FOUND[name]
    if find(case.target) not in TARGETS:
        pytest.skip(f"this machine does not execute the code of {case.target}")
    assert run_forked(case.check, SECONDS) == ""
