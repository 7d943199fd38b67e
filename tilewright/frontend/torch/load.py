"""Getting an `ExportedProgram`: from a `.pt2` file or from a module.

A `.pt2` file is a zip of JSON (the graph) and raw bytes (weights), but torch also lets it hold pickles, and `torch.export.load` runs
them: example inputs always, weights and constants of unusual kinds when the file says so. A pickle can execute any code. So `load_pt2`
looks first: pickles are accepted only when torch's restricted unpickler (`weights_only=True`: tensors and plain containers) reads
them, and a file that needs more is refused, unless the caller trusts it.
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import warnings
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from tilewright.core.diagnostics import InputError
from tilewright.frontend.torch.private import is_known_container, register_container, schema_version

_EXPORT_HINT = "make the file by torch.export.save(torch.export.export(model, args), 'model.pt2')"


def load_pt2(path: str | os.PathLike[str], *, trusted: bool = False) -> ExportedProgram:
    """Read a program saved by `torch.export.save`.

    Raises InputError when the file does not exist, isn't a `.pt2` file, is damaged, was written by a newer torch, or holds pickled
    objects other than tensors (which `trusted` allows: loading them can execute any code).
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file '{file}'" if not file.exists() else f"'{file}' is a directory, not a .pt2 file")
    _check_archive(file, trusted)
    logged: list[BaseException] = []
    try:
        with _quiet() as logged:
            return torch.export.load(file)
    except Exception as error:
        raise InputError(
            "torch can't read the exported program",
            where=str(file),
            why=_first_cause(logged[0] if logged else error),
            remedy=f"export it again with torch {torch.__version__} (this one), or install the torch that wrote it",
        ) from error


def export_module(
    module: torch.nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    *,
    strict: bool = False,
) -> ExportedProgram:
    """Export a module for inference. `dynamic_shapes` as in `torch.export.export`.

    Raises InputError when torch can't export it, with torch's reason.
    """
    if module.training:
        raise InputError("the module is in training mode", remedy="call model.eval() first: dropout and batch norm differ in training")
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(module, tuple(args), dict(kwargs or {}), dynamic_shapes=dynamic_shapes, strict=strict)
    except Exception as error:
        raise InputError(
            f"torch.export can't export {type(module).__name__}",
            why=_first_cause(error),
            remedy="see https://docs.pytorch.org/docs/stable/export.html; an ExportedProgram, made with strict=True, can be compiled too",
        ) from error


def _check_archive(file: Path, trusted: bool) -> None:
    """Refuse what isn't a readable `.pt2` archive, and pickles that could execute code."""
    if not zipfile.is_zipfile(file):
        with file.open("rb") as stream:
            head = stream.read(4)
        why = (
            "the file is empty" if not head
            else "it begins like a zip archive but has no directory at its end: it is truncated" if head[:2] == b"PK"
            else "it is not a zip archive"
        )  # fmt: skip
        raise InputError("this is not a .pt2 file", where=str(file), why=why, remedy=_EXPORT_HINT)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            _check_kind(file, archive, names)
            for name in names:
                if "/models/" in name and name.endswith(".json"):
                    _check_graph(file, json.loads(archive.read(name)))
            if not trusted:
                _check_pickles(file, archive, names)
    except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError) as error:
        raise InputError("the .pt2 file is damaged", where=str(file), why=str(error), remedy="copy or export it again") from error


def _check_kind(file: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    format_file = next((n for n in names if n.endswith("archive_format")), None)
    if format_file is not None and archive.read(format_file) == b"pt2" and any("/models/" in n for n in names):
        return
    if format_file is not None and archive.read(format_file) == b"pt2":
        why = "it holds no exported program (a package of AOTInductor, perhaps)"
    elif any(n.endswith("constants.pkl") for n in names):
        why = "it is a TorchScript archive (torch.jit.save)"
    elif any(n.endswith("data.pkl") for n in names):
        why = "it is a checkpoint (torch.save): weights without a program"
    elif "serialized_exported_program.json" in names:
        why = "it has the format of torch 2.7 and older"
    else:
        why = f"it is a zip archive of something else ({', '.join(list(names)[:3]) or 'empty'})"
    raise InputError("this is not a .pt2 file", where=str(file), why=why, remedy=_EXPORT_HINT)


def _check_graph(file: Path, program: Mapping[str, Any]) -> None:
    """Refuse newer schemas; make output classes known that this process has not imported."""
    version = program.get("schema_version", {})
    major, minor = schema_version()
    if int(version.get("major", 0)) > major:
        raise InputError(
            "the file was written by a newer torch",
            where=str(file),
            why=f"its schema is {version.get('major')}.{version.get('minor')} (torch {program.get('torch_version', '?')}), "
            f"torch {torch.__version__} reads {major}.{minor}",
            remedy="install that torch, or export again with this one",
        )
    for entry in program.get("graph_module", {}).get("module_call_graph", ()):
        signature = entry.get("signature") or {}
        for key in ("in_spec", "out_spec"):
            if signature.get(key):
                _register_unknown_types(json.loads(signature[key])[1])


def _register_unknown_types(spec: Mapping[str, Any]) -> None:
    """Stand-ins for container classes of libraries that aren't imported: only their keys matter here.

    A library that registers its class later replaces the stand-in.
    """
    name = spec.get("type")
    if name is not None and not is_known_container(name):
        stand_in = type(name.rsplit(".", 1)[-1], (dict,), {})
        register_container(name, stand_in, lambda d: (list(d.values()), list(d)), lambda values, keys: dict(zip(keys or (), values)))
    for child in spec.get("children_spec", ()):
        _register_unknown_types(child)


def _check_pickles(file: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    for name in _pickled_members(archive, names):
        try:
            torch.load(io.BytesIO(archive.read(name)), weights_only=True, map_location="cpu")
        except (pickle.UnpicklingError, RuntimeError) as error:
            raise InputError(
                "the .pt2 file holds pickled objects, which could execute any code when they are read",
                where=f"{file}: {name}",
                why=str(error).splitlines()[0],
                remedy="export again with tensors only; or, if you trust its source, load it with trusted=True (--trust)",
            ) from error


def _pickled_members(archive: zipfile.ZipFile, names: Sequence[str]) -> Iterator[str]:
    """Members that `torch.export.load` unpickles."""
    for name in names:
        if "/data/sample_inputs/" in name:
            yield name
        if name.endswith("_config.json"):
            folder = name.rsplit("/", 1)[0]
            for entry in json.loads(archive.read(name)).get("config", {}).values():
                if entry.get("use_pickle"):
                    yield f"{folder}/{entry['path_name']}"


class _LoggedErrors(logging.Handler):
    """Keeps the exceptions that torch logs instead of raising."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


@contextmanager
def _quiet() -> Generator[list[BaseException]]:
    """Without torch's warnings about its own internals; yields the errors that torch logs meanwhile."""
    logger = logging.getLogger("torch.export")
    handler = _LoggedErrors()
    propagate, handlers = logger.propagate, logger.handlers
    logger.propagate, logger.handlers = False, [handler]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield handler.errors
    finally:
        logger.propagate, logger.handlers = propagate, handlers


def _first_cause(error: BaseException) -> str:
    """The message of the innermost exception of a chain, at most 12 lines."""
    while error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__):
        error = error.__cause__ or error.__context__ or error
    return "\n".join(f"{type(error).__name__}: {error}".splitlines()[:12])
