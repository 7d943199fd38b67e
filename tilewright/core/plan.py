"""From a parsed pipeline to the steps that run: names resolved, composites expanded, nesting checked before MLIR sees it.

MLIR answers some wrong nestings by aborting the process, so they are found here and answered with the corrected pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tilewright.core.diagnostics import InputError
from tilewright.core.passes import CompositePass, Pass
from tilewright.core.pipeline import (
    ROOT_ANCHOR,
    Element,
    Nested,
    PassSpec,
    Pipeline,
    build_pass,
    parse_pipeline,
    print_elements,
    spec_of,
)
from tilewright.core.registry import find_pass, load_all_passes, near_matches
from tilewright.core.upstream_passes import ANCHORS, FATAL

_FUNCTIONS = ("func.func", "llvm.func", "gpu.func", "spirv.func")
_MAX_DEPTH = 16


@dataclass(frozen=True)
class Step:
    """One pass to run. `text` is how to write it as a pipeline of its own; `instance` is None for a pass of MLIR's.

    `path` are the anchors around it, outermost first, without the root module; `parents` the composites it came from.
    """

    text: str
    name: str
    instance: Pass | None = None
    path: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """For people: the text, and the composites it came from."""
        return f"{self.text} of {' of '.join(reversed(self.parents))}" if self.parents else self.text

    @property
    def upstream_pipeline(self) -> str:
        """For `PassManager.parse`."""
        return f"{ROOT_ANCHOR}({self.text})"


def plan_pipeline(pipeline: str | Pipeline) -> tuple[Step, ...]:
    """Resolve a whole pipeline. Raises InputError for an unknown name or option, or a pass at the wrong nesting."""
    parsed = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    leaves = list(_leaves(parsed.elements))
    _check_nesting(leaves, parsed)
    return tuple(step for leaf in leaves for step in _steps(leaf, parsed, ()))


def print_steps(steps: tuple[Step, ...]) -> str:
    """The steps as one pipeline, without composites."""
    return ",".join(step.text for step in steps)


@dataclass(frozen=True)
class _Leaf:
    """A pass of a pipeline and the anchors around it."""

    spec: PassSpec
    path: tuple[str, ...]

    @property
    def anchor(self) -> str:
        return self.path[-1] if self.path else ROOT_ANCHOR


def _leaves(elements: tuple[Element, ...], path: tuple[str, ...] = ()) -> Iterator[_Leaf]:
    for element in elements:
        if isinstance(element, PassSpec):
            yield _Leaf(element, path)
        elif not path and element.anchor == ROOT_ANCHOR:
            # The root module named explicitly. One level of it: a module in the module is a nesting like any other.
            yield from _leaves(element.body, ()) if not _is_root(element.body) else _leaves(element.body, (ROOT_ANCHOR,))
        else:
            yield from _leaves(element.body, (*path, element.anchor))


def _is_root(body: tuple[Element, ...]) -> bool:
    return any(isinstance(e, Nested) and e.anchor == ROOT_ANCHOR for e in body)


def _check_nesting(leaves: list[_Leaf], pipeline: Pipeline) -> None:
    for leaf in leaves:
        wanted = _wanted_anchor(leaf)
        if wanted is None:
            continue
        corrected = print_elements(tuple(_regroup([_corrected(each) for each in leaves])))
        name = leaf.spec.name
        if leaf.anchor in FATAL.get(name, ()):
            what = f"MLIR's pass {name!r} kills the process when it runs on {leaf.anchor!r}"
        else:
            what = f"pass {name!r} runs on {_describe(wanted)}, but is placed on {leaf.anchor!r}"
        raise pipeline.error(what, leaf.spec.position, f"write -p '{corrected}'")


def _wanted_anchor(leaf: _Leaf) -> str | None:
    """What the pass must run on where that is not what it is placed on, else None."""
    name = leaf.spec.name
    if find_pass(name) is not None:
        return ROOT_ANCHOR if leaf.path else None
    wanted = ANCHORS.get(name, "")
    if leaf.anchor in FATAL.get(name, ()):
        return wanted or ROOT_ANCHOR
    if wanted == "function":
        return None if leaf.anchor in (*_FUNCTIONS, "any") else wanted
    return wanted if wanted not in ("", leaf.anchor) else None


def _describe(anchor: str) -> str:
    return "functions" if anchor == "function" else repr(anchor)


def _corrected(leaf: _Leaf) -> _Leaf:
    wanted = _wanted_anchor(leaf)
    if wanted is None:
        return leaf
    if wanted == ROOT_ANCHOR:
        return _Leaf(leaf.spec, ())
    target = "func.func" if wanted == "function" else wanted
    # From a function to a function: leave the wrong one. From a module (root or gpu.module): go down into it.
    outer = leaf.path[:-1] if leaf.anchor in _FUNCTIONS else leaf.path
    inner = outer if target == "func.func" else ()
    return _Leaf(leaf.spec, (*inner, target))


def _regroup(leaves: list[_Leaf], depth: int = 0) -> Iterator[Element]:
    """Elements for leaves, with neighbours of the same nesting under one anchor."""
    index = 0
    while index < len(leaves):
        leaf = leaves[index]
        if len(leaf.path) == depth:
            yield leaf.spec
            index += 1
            continue
        end = index
        while end < len(leaves) and leaves[end].path[: depth + 1] == leaf.path[: depth + 1]:
            end += 1
        yield Nested(leaf.path[depth], tuple(_regroup(leaves[index:end], depth + 1)))
        index = end


def _steps(leaf: _Leaf, pipeline: Pipeline, parents: tuple[str, ...]) -> Iterator[Step]:
    spec = leaf.spec
    if len(parents) > _MAX_DEPTH:
        raise InputError(f"composite pass {parents[0]!r} contains itself", why=" > ".join((*parents, spec.name)))
    found = find_pass(spec.name)
    if found is None:
        _check_upstream_name(spec, pipeline)
        text = str(spec)
        for anchor in reversed(leaf.path):
            text = f"{anchor}({text})"
        yield Step(text, spec.name, None, leaf.path, parents)
        return
    instance = build_pass(found, spec, pipeline)
    if isinstance(instance, CompositePass):
        inner = parse_pipeline(instance.pipeline())
        leaves = list(_leaves(inner.elements))
        _check_nesting(leaves, inner)
        for each in leaves:
            yield from _steps(each, inner, (*parents, spec.name))
    else:
        yield Step(str(spec_of(instance)), instance.name, instance, (), parents)


def _check_upstream_name(spec: PassSpec, pipeline: Pipeline) -> None:
    if spec.name in ANCHORS or _bindings_know(spec.name):
        return
    close = near_matches(spec.name, [*load_all_passes(), *ANCHORS])
    remedy = f"did you mean {' or '.join(repr(c) for c in close)}?" if close else "`tilewright-opt --list-passes=all` shows every pass"
    raise pipeline.error(f"there is no pass called {spec.name!r}", spec.position, remedy)


def _bindings_know(name: str) -> bool:
    """Whether bindings other than the scanned ones have the pass."""
    from tilewright.core.mlir import new_context, passmanager

    try:
        passmanager.PassManager.parse(f"any({name})", new_context())
    except ValueError as error:
        return "does not refer to a registered pass" not in str(error)
    return True
