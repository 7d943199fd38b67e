"""Our programs for what PyTorch's attention function cannot say: windows, changed scores, caches of pages and of integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.attention.cases import DECAY, PAGE, SOFTCAP, WINDOW, Case
from benchmarks.suite.tw_program import LARGEST, build_program
from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.frontend.program import Program

ELEMENTS = {"f32": "f32", "bf16": "bf16", "s8": "i8"}
ORDER = ("q", "k", "v", "mask", "kv_len", "table", "k_scale", "v_scale", "slopes")


def input_names(case: Case) -> Sequence[str]:
    """The program's inputs, by the names of the operands, in their order."""
    used = {"q", "k", "v"}
    if case.variant in ("padding", "mask"):
        used.add("mask")
    if case.variant == "alibi":
        used.add("slopes")
    if case.dtype == "s8":
        used |= {"k_scale", "v_scale"}
    if case.paged:
        used |= {"table", "kv_len"}
    return [name for name in ORDER if name in used]


def attention_program(case: Case) -> Program:
    """`@main` around one `tw.attention`. Batch, lengths and the number of pages are dynamic; one query stays one."""
    queries = "1" if case.is_decode else "s1"
    keys = "s2" if case.queries != case.keys else "s1"
    element, heads, size = ELEMENTS[case.dtype], case.kv_heads, case.size
    q_element = "f32" if case.dtype == "s8" else element
    rows = f"s3, {heads}, {PAGE}" if case.paged else f"s0, {heads}, {keys}"
    types = {
        "q": (f"s0, {case.heads}, {queries}, {size}", q_element),
        "k": (f"{rows}, {size}", element),
        "v": (f"{rows}, {size}", element),
        "mask": (f"s0, 1, 1, {keys}", "i1") if case.variant == "padding" else (f"s0, 1, {queries}, {keys}", "f32"),
        "kv_len": ("s0", "i64"),
        "table": ("s0, s2", "i32"),
        "k_scale": (rows, "f32"),
        "v_scale": (rows, "f32"),
        "slopes": (f"1, {case.heads}, 1, 1", "f32"),
    }
    names = input_names(case)
    infos = [tw.TensorInfo(tw.parse_shape(types[name][0]), types[name][1]) for name in names]
    used = ", ".join(types[name][0] for name in names)
    ranges = {symbol: (1, LARGEST) for symbol in ("s0", "s1", "s2", "s3") if symbol in used}

    def body(*values: ir.Value) -> ir.Value:
        return _attention(case, dict(zip(names, values, strict=True)))

    return build_program(infos, body, ranges, names)


def _attention(case: Case, given: Mapping[str, ir.Value]) -> ir.Value:
    slots = ("mask", "kv_len", "q_offset", "sinks", "table", "k_scale", "v_scale")
    score_inputs = [given["slopes"]] if "slopes" in given else []
    return tw.build(
        "attention",
        *(given[name] for name in ("q", "k", "v")),
        *(given.get(name) for name in slots),
        score_inputs,
        scale=case.size**-0.5,
        causal=case.causal,
        window=WINDOW if case.variant == "window" else 0,
        softcap=SOFTCAP if case.variant == "softcap" else 0.0,
        region=tw.score_region(score_inputs, _score) if case.variant in ("alibi", "score_mod") else None,
    )


def _score(score: ir.Value, batch: ir.Value, head: ir.Value, query: ir.Value, key: ir.Value, slope: ir.Value | None = None) -> ir.Value:
    """With a slope ALiBi, else a hundredth of the distance taken off. Neither looks at the batch element or the head itself."""
    distance = arith.sitofp(score.type, arith.subi(query, key))
    if slope is None:
        return arith.subf(score, arith.mulf(arith.constant(score.type, DECAY), math.absf(distance)))
    return arith.subf(score, arith.mulf(slope, distance))
