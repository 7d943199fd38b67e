from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tilewright
from tilewright.core.diagnostics import InputError
from tilewright.core.options import CompileOptions, read_environment

PACKAGE = Path(tilewright.__file__).parent


def test_defaults() -> None:
    environment = read_environment({"XDG_CACHE_HOME": "/cache"})
    assert environment.cache_dir == Path("/cache/tilewright")
    assert environment.jobs >= 1
    assert environment.worker_timeout_s == 120
    assert environment.pass_modules == ()


def test_values() -> None:
    environment = read_environment(
        {"TILEWRIGHT_CACHE_DIR": "/c", "TILEWRIGHT_JOBS": "3", "TILEWRIGHT_WORKER_TIMEOUT": "0.5", "TILEWRIGHT_PASS_MODULES": "a, b.c,"}
    )
    assert environment.cache_dir == Path("/c")
    assert environment.jobs == 3
    assert environment.worker_timeout_s == 0.5
    assert environment.pass_modules == ("a", "b.c")


@pytest.mark.parametrize(
    ("name", "value"),
    [("TILEWRIGHT_JOBS", "many"), ("TILEWRIGHT_JOBS", "0"), ("TILEWRIGHT_JOBS", "1.5"), ("TILEWRIGHT_WORKER_TIMEOUT", "nan")],
)
def test_wrong_values_name_the_variable(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        read_environment({name: value})


def test_compile_options_are_checked() -> None:
    with pytest.raises(InputError, match="jobs"):
        CompileOptions(jobs=0)
    with pytest.raises(InputError, match="worker_timeout_s"):
        CompileOptions(worker_timeout_s=0)
    assert CompileOptions(jobs=2).effective_jobs == 2


def test_nothing_else_reads_our_variables() -> None:
    """`tilewright.runtime` has knobs of its own: it imports nothing of the compiler. PATH and the like are the system's."""
    offenders: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] == "runtime" or path.name == "options.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript | ast.Call) and _reads_our_variable(node):
                offenders.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert offenders == []


def _reads_our_variable(node: ast.Subscript | ast.Call) -> bool:
    if isinstance(node, ast.Subscript):
        target, key, stored = node.value, node.slice, isinstance(node.ctx, ast.Store)
    else:
        target, key, stored = node.func, node.args[0] if node.args else None, False
    if stored or ast.unparse(target) not in ("os.environ", "os.getenv", "os.environ.get"):
        return False
    return not isinstance(key, ast.Constant) or str(key.value).startswith("TILEWRIGHT_")
