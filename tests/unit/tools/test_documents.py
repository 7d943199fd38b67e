"""The hand-written pages agree with the code where a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tilewright
from tilewright.core import diagnostics
from tilewright.core.diagnostics import TilewrightError
from tilewright.core.options import VARIABLES
from tilewright.runtime.errors import RuntimeFailure
from tilewright.runtime.host import THREADS_VARIABLE
from tilewright.tools.cli import EPILOG

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    kinds = [c for c in vars(diagnostics).values() if isinstance(c, type) and issubclass(c, TilewrightError) and c is not TilewrightError]
    for kind in (*kinds, RuntimeFailure):
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in page


def test_every_environment_variable_is_documented() -> None:
    variables = {*VARIABLES, THREADS_VARIABLE}
    page = (ROOT / "docs" / "environment.md").read_text()
    assert set(re.findall(r"^\| `(TILEWRIGHT_\w+)` \|", page, re.MULTILINE)) == variables
    assert set(re.findall(r"TILEWRIGHT_\w+", EPILOG)) == variables
    assert "(docs/environment.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_layout_names_folders_that_exist() -> None:
    text = (ROOT / "docs" / "layout.md").read_text()
    package = Path(str(tilewright.__file__)).parent
    named = re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)*)/`", text)
    for folder in named:
        assert any((base / folder).is_dir() for base in (package, package / "dialects" / "tw", ROOT)), f"docs/layout.md names {folder}/"
    tops = {path.name for path in package.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert tops <= {folder.split("/")[0] for folder in named}


@pytest.mark.parametrize("folder", sorted(p for p in Path(str(tilewright.__file__)).parent.rglob("*") if p.is_dir()), ids=str)
def test_every_package_says_what_it_is(folder: Path) -> None:
    if folder.name != "__pycache__" and any(folder.glob("*.py")):
        first = (folder / "__init__.py").read_text().lstrip()
        assert first.startswith('"""'), f"{folder}/__init__.py has no docstring"
