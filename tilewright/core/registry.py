"""From a pass name to its class.

Passes live above `core`, so the registry knows packages by name only and imports their modules when a name is asked for:
first the module named like the pass (`tw-fuse-reductions` in `.../fuse_reductions.py`), then all of them.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tilewright.core.diagnostics import InputError
from tilewright.core.options import environment
from tilewright.core.passes import Pass

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
    known = _passes.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"pass {name} is declared twice: {known.__module__}.{known.__qualname__}, {cls.__module__}.{cls.__qualname__}")
    _passes[name] = cls
    return cls


def find_pass(name: str) -> type[Pass] | None:
    """The pass called `name`, or None. Imports as little as it can."""
    if name not in _passes:
        for module in _extra_modules():
            importlib.import_module(module)
    if name not in _passes and not _complete:
        stem = name.replace("-", "_")
        wanted = {stem, stem.removeprefix("tw_")}
        for module in _pass_modules():
            if module.rpartition(".")[2] in wanted:
                importlib.import_module(module)
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
        for module in (*_extra_modules(), *_pass_modules()):
            importlib.import_module(module)
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


def _extra_modules() -> tuple[str, ...]:
    return environment().pass_modules


def _pass_modules() -> Iterator[str]:
    for package_name in PASS_PACKAGES:
        try:
            package = importlib.import_module(package_name)
        except ModuleNotFoundError as missing:
            if missing.name != package_name:
                raise
            continue  # a distribution without that layer (the runtime alone)
        for found in pkgutil.walk_packages(package.__path__, package_name + "."):
            yield found.name
