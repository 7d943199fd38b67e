"""Reading `.pt2` files: what is read, and what each kind of wrong file is answered with."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_reference import compare, export_function, run

from tilewright.core.diagnostics import InputError
from tilewright.frontend.torch import export_module, import_exported, load_pt2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    torch.manual_seed(0)
    torch.export.save(export_function(torch.nn.Linear(3, 2), torch.randn(2, 3)), path)
    return path


def _rewritten(source: Path, target: Path, edit: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of an archive with members edited (None: left out)."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = edit(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


def test_round_trip(saved: Path) -> None:
    exported = load_pt2(saved)
    x = torch.randn(2, 3)
    compare(run(import_exported(exported, origin=str(saved)), [x]), exported.module()(x).detach())


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda p: p.write_text("hello"), "not a zip archive"),
    "empty": (lambda p: p.write_bytes(b""), "the file is empty"),
    "checkpoint": (lambda p: torch.save({"w": torch.ones(2)}, p), r"a checkpoint \(torch.save\)"),
    "torchscript": (lambda p: _torchscript(p), "a TorchScript archive"),
    "zip": (lambda p: _zip(p, {"notes.txt": b"x"}), r"something else \(notes.txt\)"),
    "empty_zip": (lambda p: _zip(p, {}), r"something else \(empty\)"),
    "older": (lambda p: _zip(p, {"version": b"8.3", "serialized_exported_program.json": b"{}"}), "torch 2.7 and older"),
    "without_program": (lambda p: _zip(p, {"m/archive_format": b"pt2", "m/data/x": b""}), "no exported program"),
}


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _torchscript(path: Path) -> None:
    _zip(path, {"m/archive_format_x": b"", "m/data.pkl": b"", "m/constants.pkl": b"", "m/code/x.py": b""})


@pytest.mark.parametrize("kind", WRONG)
def test_other_files_are_refused(kind: str, tmp_path: Path) -> None:
    make, message = WRONG[kind]
    path = tmp_path / "model.pt2"
    make(path)
    with pytest.raises(InputError, match=f"(?s)model.pt2: this is not a .pt2 file.*{message}.*torch.export.save"):
        load_pt2(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file '.*nowhere.pt2'"):
        load_pt2(tmp_path / "nowhere.pt2")
    with pytest.raises(InputError, match="is a directory"):
        load_pt2(tmp_path)


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.98])
def test_a_truncated_file(saved: Path, tmp_path: Path, keep: float) -> None:
    data = saved.read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match="truncated"):
        load_pt2(path)


def test_a_flipped_byte_in_the_graph(saved: Path, tmp_path: Path) -> None:
    data = bytearray(saved.read_bytes())
    at = data.index(b'"graph_module"')
    data[at + 1] ^= 0x20
    path = tmp_path / "flipped.pt2"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged"):
        load_pt2(path)


def _edit_json(change: Callable[[dict[str, Any]], None]) -> Callable[[str, bytes], bytes]:
    def edit(name: str, data: bytes) -> bytes:
        if "/models/" not in name:
            return data
        program = json.loads(data)
        change(program)
        return json.dumps(program).encode()

    return edit


def test_a_file_of_a_newer_torch(saved: Path, tmp_path: Path) -> None:
    def change(program: dict[str, Any]) -> None:
        program["schema_version"]["major"] = 99
        program["torch_version"] = "9.0"

    path = _rewritten(saved, tmp_path / "newer.pt2", _edit_json(change))
    with pytest.raises(InputError, match=r"(?s)written by a newer torch.*99\.\d+ \(torch 9.0\)"):
        load_pt2(path)


def test_a_program_that_torch_cannot_read(saved: Path, tmp_path: Path) -> None:
    def change(program: dict[str, Any]) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.no_such_op.default"

    path = _rewritten(saved, tmp_path / "odd.pt2", _edit_json(change))
    with pytest.raises(InputError, match=r"(?s)torch can't read the exported program.*no_such_op"):
        load_pt2(path)


class _Payload:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (open, (self.target, "w"))


def test_pickles_that_could_run_code_are_refused(saved: Path, tmp_path: Path) -> None:
    evidence = tmp_path / "executed"
    example = tmp_path / "example.pt"
    torch.save(_Payload(str(evidence)), example)
    path = _rewritten(saved, tmp_path / "evil.pt2", lambda n, d: example.read_bytes() if "sample_inputs" in n else d)
    with pytest.raises(InputError, match=r"(?s)sample_inputs.*could execute any code.*trusted=True"):
        load_pt2(path)
    assert not evidence.exists()


def test_output_classes_of_libraries_that_are_not_imported(tmp_path: Path) -> None:
    """A model output of transformers is read in a process without transformers, by its keys."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=20
    )
    path = tmp_path / "bert.pt2"
    torch.export.save(export_module(transformers.BertModel(config).eval(), (torch.ones(1, 4, dtype=torch.long),)), path)
    script = f"""
import sys
from tilewright.frontend.torch import import_exported, load_pt2
program = import_exported(load_pt2({str(path)!r}))
print(program.output_structure["keys"], "transformers" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert result.stdout.split("\n")[0] == "['last_hidden_state', 'pooler_output'] False", result.stderr


def test_a_module_in_training_mode_is_refused() -> None:
    with pytest.raises(InputError, match=r"(?s)training mode.*model.eval\(\)"):
        export_module(torch.nn.Linear(3, 2), (torch.randn(2, 3),))


def test_a_module_that_torch_cannot_export() -> None:
    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("odd reason")

    with pytest.raises(InputError, match=r"(?s)can't export Odd.*odd reason"):
        export_module(Odd().eval(), (torch.randn(2, 3),))
    with pytest.raises(InputError, match="ExportedProgram, made with strict=True"):
        export_module(Odd().eval(), (torch.randn(2, 3),))
