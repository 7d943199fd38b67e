"""Writing artifacts: alignment, sharing, and nothing left behind when it fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tilewright.codegen.artifact_writer import ArtifactWriter
from tilewright.core.diagnostics import InputError
from tilewright.runtime.artifact import PAGE, Artifact
from tilewright.targets import find


def test_sections(tmp_path: Path) -> None:
    path = tmp_path / "a.tw"
    arrays = [np.arange(5, dtype=np.int8), np.arange(12, dtype=np.float32).reshape(3, 4).T, np.zeros((0, 4), np.float32)]
    with ArtifactWriter(path) as writer:
        for i, array in enumerate(arrays):
            dtype = "i8" if array.dtype == np.int8 else "f32"
            assert writer.add_weight(f"w{i}", dtype, array.shape, "", array) == i
        assert writer.add_weight("w1", "f32", (4, 3), "", arrays[1]) == 1, "known already"
        assert writer.add_weight("w1", "f32", (4, 3), "tiled", arrays[1]) == 3, "another layout"
        writer.add_code(find("cpu:znver5"), b"\x7fELF", [], [])
        writer.add_entry_point("main", [], [], [])
        writer.finish({"any": ["report"]})
    artifact = Artifact(path)
    artifact.verify()
    weights = artifact.manifest.weights
    assert weights[0].section.offset == PAGE and all(w.section.offset % 64 == 0 for w in weights)
    for array, weight in zip(arrays, weights):
        assert bytes(artifact.bytes_of(weight.section)) == np.ascontiguousarray(array).tobytes()
    (code,) = artifact.manifest.code
    assert code.section.offset % PAGE == 0 and code.requires == find("cpu:znver5").requires and code.arch == "x86_64"
    assert artifact.manifest.report == {"any": ["report"]}
    artifact.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.tw"]


def test_without_finish_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.tw"
    path.write_text("the old one")
    with pytest.raises(RuntimeError, match="stop"), ArtifactWriter(path) as writer:
        writer.add_weight("w", "f32", (4,), "", np.zeros(4, np.float32))
        raise RuntimeError("stop")
    assert path.read_text() == "the old one" and len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write") as caught:
        ArtifactWriter(tmp_path / "no" / "such" / "folder.tw")
    assert "No such file" in caught.value.why


def test_same_content_same_file(tmp_path: Path) -> None:
    for name in ("a.tw", "b.tw"):
        with ArtifactWriter(tmp_path / name) as writer:
            writer.add_weight("w", "f32", (4,), "", np.arange(4, dtype=np.float32))
            writer.add_entry_point("main", [], [], [])
            writer.finish()
    assert (tmp_path / "a.tw").read_bytes() == (tmp_path / "b.tw").read_bytes()
