"""Every op of the dialect is complete: documentation, an example that verifies, a reference, and lit tests of every constraint."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.dialects.tw.spec import OpSpec, register_op

LIT = Path(__file__).resolve().parents[2] / "lit" / "dialects" / "tw"
OPS = sorted(tw.SPECS)


@pytest.fixture(params=OPS)
def spec(request: pytest.FixtureRequest) -> type[OpSpec]:
    return tw.SPECS[request.param]


def test_documentation(spec: type[OpSpec]) -> None:
    assert spec.__doc__ and spec.__doc__.strip().endswith((".", "`"))
    for part in (*spec.operands, *spec.attributes):
        assert part.doc, f"{part.name} of {spec.name} has no documentation"
    for constraint in spec.constraints:
        assert constraint.text and re.fullmatch(r"[A-Z]\d+", constraint.label)


def test_labels_are_distinct(spec: type[OpSpec]) -> None:
    labels = [c.label for c in spec.constraints]
    assert len(set(labels)) == len(labels)


def test_variadic_operands_are_last(spec: type[OpSpec]) -> None:
    assert not any(o.variadic for o in spec.operands[:-1])


def test_example_verifies(spec: type[OpSpec], wrap: Callable[[str], str]) -> None:
    module = ir.Module.parse(wrap(spec.example))
    tw.verify(module)
    assert f'"tw.{spec.name}"' in str(module)


def test_example_survives_printing(spec: type[OpSpec], wrap: Callable[[str], str]) -> None:
    text = str(ir.Module.parse(wrap(spec.example)))
    assert str(ir.Module.parse(text)) == text


def test_reference_exists(spec: type[OpSpec]) -> None:
    assert spec.reference is not OpSpec.reference
    assert spec.infer is not OpSpec.infer


def test_lit_tests_exist(spec: type[OpSpec]) -> None:
    assert f"tw.{spec.name}" in (LIT / "valid" / f"{spec.name}.mlir").read_text()
    invalid = (LIT / "invalid" / f"{spec.name}.mlir").read_text()
    expected = " ".join(re.findall(r"expected-error.*", invalid))
    missing = [c.label for c in spec.constraints if f"tw.{spec.name}: [{c.label}]" not in expected]
    assert not missing, f"invalid/{spec.name}.mlir has no test of {missing}"


def test_lit_tests_name_ops_that_exist() -> None:
    stems = {path.stem for folder in ("valid", "invalid") for path in (LIT / folder).glob("*.mlir")}
    assert stems - set(OPS) <= {"program", "types"}


def test_an_op_is_declared_once() -> None:
    with pytest.raises(ValueError, match="op matmul is declared twice"):
        register_op(tw.SPECS["matmul"])


def test_an_op_needs_documentation() -> None:
    undocumented = type("Undocumented", (OpSpec,), {"name": "undocumented", "__doc__": None})
    with pytest.raises(ValueError, match="op undocumented has no documentation"):
        register_op(undocumented)
