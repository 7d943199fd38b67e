"""`tilewright inspect`. Needs the runtime alone."""

from __future__ import annotations

import json
from pathlib import Path

from tilewright.runtime.artifact import Artifact
from tilewright.runtime.errors import IncompatibleError
from tilewright.runtime.host import arch, cpu_flags
from tilewright.runtime.loader import select_code
from tilewright.runtime.manifest import Manifest, Port
from tilewright.tools.report import bytes_text, kernel_tables


def inspect_artifact(path: Path, *, verify: bool, as_json: bool) -> None:
    """Print what an artifact holds. Raises ArtifactError for a damaged one; with `verify` every byte is checked."""
    artifact = Artifact(path)
    try:
        if verify:
            artifact.verify()
        manifest = artifact.manifest
        if as_json:
            print(json.dumps(artifact.manifest_json(), indent=1))
        else:
            print(describe(manifest, path.name, artifact.size), end="")
            if verify:
                print(f"verified: {len(manifest.code)} code sections and {len(manifest.weights)} weights have their recorded hashes")
    finally:
        artifact.close()


def describe(manifest: Manifest, name: str, size: int) -> str:
    """The text form of a manifest."""
    lines = [f"{name}: {bytes_text(size)}, made by {manifest.producer}"]
    for entry in manifest.entry_points:
        lines.append(f"\n{entry.name}({', '.join(_port(p) for p in entry.inputs)})")
        lines += [f"  -> {_port(p)}" for p in entry.outputs]
        lines += [f"  {s.name}: {s.minimum} to {s.maximum}" for s in entry.symbols]
    lines.append("\ncode")
    chosen = _chosen(manifest)
    for code in manifest.code:
        lines.append(f"  {code.target}: {bytes_text(code.section.nbytes)}{', runs here' if code.target == chosen else ''}")
    total = sum({w.section.offset: w.section.nbytes for w in manifest.weights}.values())
    lines.append(f"\nweights: {len(manifest.weights)}, {bytes_text(total)}\n")
    text = "\n".join(lines)
    return text + (kernel_tables(manifest.report) if isinstance(manifest.report, dict) else "")


def _port(port: Port) -> str:
    return f"{port.name}: {port.dtype}[{', '.join(port.shape)}]"


def _chosen(manifest: Manifest) -> str | None:
    try:
        return select_code(manifest.code, arch(), cpu_flags()).target
    except IncompatibleError:
        return None
