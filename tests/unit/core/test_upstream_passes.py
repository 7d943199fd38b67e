from __future__ import annotations

from tilewright.core.mlir import llvm_version
from tilewright.core.upstream_passes import ANCHORS, FATAL, SCANNED_VERSION
from tilewright.core.upstream_scan import candidate_names, scan


def test_table_is_what_a_scan_finds() -> None:
    assert llvm_version() == SCANNED_VERSION, "run `python -m tilewright.core.upstream_scan`"
    anchors, fatal = scan()
    assert (anchors, fatal) == (ANCHORS, FATAL)


def test_names_hidden_in_longer_strings_are_found() -> None:
    assert "cse" in candidate_names(b"\0symbol-dce-then-cse\0\x01\x02")
