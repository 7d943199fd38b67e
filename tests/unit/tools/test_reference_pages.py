"""The generated pages of docs/ are what the code says, and every pass has a lit test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.tools import reference_pages
from tilewright.tools.reference_pages import DOCS, PAGES, own_passes

LIT = Path(__file__).resolve().parents[2] / "lit"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: python -m tilewright.tools.reference_pages"


def test_check_reports_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reference_pages, "DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["reference_pages", "--check"])
    assert reference_pages.main() == 1
    assert "docs/dialect.md is not what the code says" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["reference_pages"])
    assert reference_pages.main() == 0 and (tmp_path / "dialect.md").exists()
    monkeypatch.setattr("sys.argv", ["reference_pages", "--check"])
    assert reference_pages.main() == 0


def test_every_pass_has_a_lit_test() -> None:
    run_lines = [
        line for path in LIT.rglob("*.*") if path.suffix in (".mlir", ".test") for line in path.read_text().splitlines() if "RUN:" in line
    ]
    missing = [name for name in own_passes() if not any(runs(line, name) for line in run_lines)]
    assert not missing, f"no RUN line in tests/lit names {', '.join(missing)}"


def runs(line: str, name: str) -> bool:
    """Whether a RUN line names a pass: `tw-fuse` is not in `tw-fuse-reductions`."""
    before, found, after = line.partition(name)
    while found:
        if not after[:1].isalnum() and after[:1] not in ("-", "_") and before[-1:] not in ("-", "_"):
            return True
        before, found, after = after.partition(name)
    return False
