"""Source locations: the innermost line of the model's own code, named by the module path."""

from __future__ import annotations

import functools
import os
import re
from typing import Any

import torch

from tilewright.core.mlir import ir

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in ')
_TORCH = os.path.dirname(torch.__file__) + os.sep
_LIBRARY = f"{os.sep}torch{os.sep}"


@functools.lru_cache(maxsize=16384)
def source_line(stack_trace: str) -> tuple[str, int] | None:
    """File and line of the innermost frame that is not torch's own (of the innermost one, when all are torch's)."""
    frames = _FRAME.findall(stack_trace)
    if not frames:
        return None
    for file, line in reversed(frames):
        if not file.startswith(_TORCH) and f"site-packages{_LIBRARY}" not in file:
            return file, int(line)
    return frames[-1][0], int(frames[-1][1])


def module_path(nn_module_stack: dict[str, Any] | None) -> str:
    """The innermost module of a node: `encoder.layer.0.attention`; empty at the top."""
    if not nn_module_stack:
        return ""
    path = next(reversed(nn_module_stack.values()))[0]
    return path.split("@")[0]


def node_location(node: torch.fx.Node) -> ir.Location:
    """The MLIR location of a node: `loc("module.path"("file.py":12:0))`. Needs a current context."""
    place = source_line(node.meta.get("stack_trace") or "")
    path = module_path(node.meta.get("nn_module_stack"))
    inner = ir.Location.file(place[0], place[1], 0) if place else ir.Location.unknown()
    return ir.Location.name(path or node.name, inner) if (path or not place) else inner


def describe(node: torch.fx.Node) -> str:
    """`file:line (module.path)` for messages."""
    place = source_line(node.meta.get("stack_trace") or "")
    path = module_path(node.meta.get("nn_module_stack"))
    text = f"{place[0]}:{place[1]}" if place else ""
    return f"{text} ({path})".strip() if path else text or f"node {node.name}"
