"""docs/attention.md names a test for each variant of attention, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_variant_has_a_test() -> None:
    page = (ROOT / "docs" / "attention.md").read_text()
    table = page.split("## Variants")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 25
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
        assert named, f"no test in the row {row}"
        for file, function in named:
            assert re.search(rf"^def {function}\(", (ROOT / "tests" / "numerics" / file).read_text(), re.MULTILINE), (
                f"{file} has no {function}"
            )


def test_every_optional_operand_and_attribute_is_a_variant() -> None:
    from tilewright.dialects.tw.ops.attention import AttentionOp

    page = (ROOT / "docs" / "attention.md").read_text()
    optional = [operand.name for operand in AttentionOp.operands if operand.optional or operand.variadic]
    attributes = [attribute.name for attribute in AttentionOp.attributes if attribute.name not in ("scale", "splits")]
    for name in (*optional, *attributes):
        assert f"`{name}`" in page, f"docs/attention.md does not say how to ask for {name}"
