"""From a pass name to its class.

Passes live above `core`, so the registry knows packages by name only and imports their modules when a name is asked for:
first the module named like the pass (`tw-fuse-reductions` in `.../fuse_reductions.py` or `.../reductions/fuse.py`), then all of them.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tilewright.core.diagnostics import InputError
from tilewright.core.options import environment
from tilewright.core.passes import Pass
from tilewright.core.upstream_passes import ANCHORS as UPSTREAM_PASSES

PASS_PACKAGES: tuple[str, ...] = ("tilewright.passes", "tilewright.lowering")

PassClass = TypeVar("PassClass", bound=type[Pass])

_passes: dict[str, type[Pass]] = {}
_complete = False


def register_pass(cls: PassClass) -> PassClass:
    """Class decorator. Raises ValueError where the name is taken or the pass has no contract."""
    name: str | None = cls.__dict__.get("name")
    if not name:
        raise ValueError(f"{cls.__qualname__} needs `name: ClassVar[str]`")
    if not cls.contract():
        raise ValueError(f"pass {name} needs a docstring: its first line is the contract shown by --list-passes")
    if name in UPSTREAM_PASSES:
        raise ValueError(f"pass {name} of {cls.__module__} has the name of a pass of MLIR's")
    known = _passes.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"pass {name} is declared twice: {known.__module__}.{known.__qualname__}, {cls.__module__}.{cls.__qualname__}")
    _passes[name] = cls
    return cls


def find_pass(name: str) -> type[Pass] | None:
    """The pass called `name`, or None. Imports as little as it can."""
    if name in _passes:
        return _passes[name]
    if name in UPSTREAM_PASSES:
        return None
    for module in environment().pass_modules:
        _import(module)
    if name not in _passes and not _complete:
        wanted = frozenset(name.removeprefix("tw-").split("-"))
        for module in _pass_modules():
            if wanted in (_words(module.rpartition(".")[2]), _words(module.split(".", 2)[-1])):
                _import(module)
    if name not in _passes:
        load_all_passes()
    return _passes.get(name)


def lookup_pass(name: str) -> type[Pass]:
    """The pass called `name`. Raises InputError with near matches."""
    found = find_pass(name)
    if found is None:
        raise InputError(f"there is no pass called {name!r}", remedy=suggest(name, _passes) or "see `tilewright-opt --list-passes`")
    return found


def load_all_passes() -> dict[str, type[Pass]]:
    """Import every module that may hold passes. Returns all passes by name, sorted."""
    global _complete
    if not _complete:
        for module in (*environment().pass_modules, *_pass_modules()):
            _import(module)
        _complete = True
    return dict(sorted(_passes.items()))


def near_matches(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names in `known` that `name` may be a slip of, best first."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=limit, cutoff=0.6)
    # `fuse` is far from `tw-fuse` by edit distance, but is clearly meant.
    parts = [k for k in names if k not in close and name and name in k.split("-", 1)[-1:]]
    return [*parts, *close][:limit]


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean a, b?`, or the empty string."""
    close = near_matches(name, known)
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except (ImportError, SyntaxError, ValueError) as problem:
        remedy = "" if module.startswith("tilewright.") else "check TILEWRIGHT_PASS_MODULES"
        raise InputError(f"the module {module}, which may hold passes, cannot be imported", why=str(problem), remedy=remedy) from problem


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace(".", "_").split("_"))


def _pass_modules() -> Iterator[str]:
    for package_name in PASS_PACKAGES:
        try:
            package = importlib.import_module(package_name)
        except ModuleNotFoundError as missing:
            if missing.name != package_name:
                raise
            continue  # a distribution without that layer (the runtime alone)
        yield from _modules_in(package_name, list(package.__path__))


def _modules_in(package_name: str, paths: list[str]) -> Iterator[str]:
    # Unlike pkgutil.walk_packages this imports nothing.
    for found in pkgutil.iter_modules(paths):
        name = f"{package_name}.{found.name}"
        yield name
        if found.ispkg:
            yield from _modules_in(name, [os.path.join(path, found.name) for path in paths])
