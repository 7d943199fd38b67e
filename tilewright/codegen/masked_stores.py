"""Stores of one lane under a constant mask, made scalar before LLVM selects instructions.

The x86 back end of LLVM 22.1.0 folds a truncation of integers into a masked store and then, where a constant mask leaves one lane,
stores that lane's whole untruncated element: bytes behind it are overwritten (llvm/llvm-project issue 179489).
"""

from __future__ import annotations

import re

from tilewright.codegen.llvm_binding import llvm

_NARROW = re.compile(r"llvm\.masked\.store\.v\d+i(?:8|16|32)\.")
_STORE = re.compile(
    r"^ *(?:tail )?call void @llvm\.masked\.store\.v\d+(?P<element>i8|i16|i32)\.\w+\("
    r"(?P<vector><\d+ x i\d+>) (?P<value>%[-\w$.]+), ptr(?P<flags>(?: [a-z]+(?: \d+|\(\d+\))?)*) (?P<pointer>[%@][-\w$.]+), "
    r"<\d+ x i1> <(?P<mask>[^>]+)>\).*$",
    re.MULTILINE,
)
_ALIGN = re.compile(r"\balign (\d+)")


def store_single_lanes(module: llvm.ModuleRef) -> llvm.ModuleRef:
    """`module` with every masked store of one lane of integers replaced by a store of that lane; itself where there is none."""
    if not any(_NARROW.match(function.name) for function in module.functions if function.is_declaration):
        return module
    text = str(module)
    replaced = _STORE.sub(_single_lane, text)
    return module if replaced == text else llvm.parse_assembly(replaced)


def _single_lane(store: re.Match[str]) -> str:
    lanes = [i for i, lane in enumerate(store["mask"].split(",")) if lane.split() == ["i1", "true"]]
    if len(lanes) != 1:
        return store[0]
    element, align = store["element"], _ALIGN.search(store["flags"])
    name = f"%single.lane.{store.start()}"
    return "\n".join(
        [
            f"  {name} = extractelement {store['vector']} {store['value']}, i64 {lanes[0]}",
            f"  {name}.at = getelementptr {element}, ptr {store['pointer']}, i64 {lanes[0]}",
            f"  store {element} {name}, ptr {name}.at, align {_element_alignment(element, lanes[0], int(align[1]) if align else 1)}",
        ]
    )


def _element_alignment(element: str, lane: int, alignment: int) -> int:
    """Of a lane, where the vector has `alignment` (bytes)."""
    offset = lane * int(element[1:]) // 8
    return min(alignment, offset & -offset) if offset else alignment
