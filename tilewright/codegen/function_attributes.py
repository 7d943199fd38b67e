"""Attributes that every function of a target's code carries, put into LLVM IR text.

llvmlite has no call for string attributes, so the group is added to the text. It is done on whole lines that start with
`define`, with the parameter list skipped by counting parentheses, and the result is parsed and verified afterwards.
"""

from __future__ import annotations

import re

from tilewright.targets import Target

_GROUP_ID = 99999
_NAME = re.compile(r'@(?:[-\w$.]+|"[^"]*")\(')


def target_attributes(target: Target) -> dict[str, str]:
    """The string attributes for `target`: which instructions, which scheduling, and that full-width vectors are legal and wanted.

    `stackrealign` makes spill slots of 64-byte vectors aligned although callers keep the stack aligned to 16 bytes only.
    """
    attributes = {
        "target-cpu": target.llvm_cpu,
        "target-features": target.feature_string,
        "prefer-vector-width": str(target.vector_bits),
        "min-legal-vector-width": str(target.vector_bits),
        "no-trapping-math": "true",
    }
    if target.tune_cpu:
        attributes["tune-cpu"] = target.tune_cpu
    if target.vector_bits > 128:
        attributes["stackrealign"] = ""
    return attributes


def add_function_attributes(llvm_ir: str, attributes: dict[str, str]) -> str:
    """`llvm_ir` with `attributes` (string attributes; an empty value is a flag) and `nounwind` on every definition."""
    lines = llvm_ir.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("define "):
            lines[i] = _insert_after_parameters(line, f" #{_GROUP_ID}")
    body = " ".join(f'"{key}"="{value}"' if value else f'"{key}"' for key, value in attributes.items())
    return "\n".join([*lines, f"attributes #{_GROUP_ID} = {{ nounwind {body} }}", ""])


def hide_definitions(llvm_ir: str, exports: frozenset[str]) -> str:
    """`llvm_ir` with every external definition that is not in `exports` made hidden: callable within the shared object only."""
    lines = llvm_ir.split("\n")
    for i, line in enumerate(lines):
        if not line.startswith("define ") or line.startswith(("define internal", "define private", "define hidden")):
            continue
        match = _NAME.search(line)
        if match is not None and match[0][1:-1].strip('"') not in exports:
            lines[i] = f"define hidden {line.removeprefix('define ')}"
    return "\n".join(lines)


def _insert_after_parameters(line: str, text: str) -> str:
    match = _NAME.search(line)
    if match is None:
        raise ValueError(f"not a function definition: {line[:80]}")
    depth, at = 1, match.end()
    while depth and at < len(line):
        depth += {"(": 1, ")": -1}.get(line[at], 0)
        at += 1
    for keyword in (" local_unnamed_addr", " unnamed_addr"):
        if line.startswith(keyword, at):
            at += len(keyword)
    return line[:at] + text + line[at:]
