"""The report of everything in a program that cannot be imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch_reference import export_function, import_function

from tilewright.core.diagnostics import UnsupportedError
from tilewright.frontend.torch import import_exported
from tilewright.frontend.torch.registry import HANDLERS, imports
from tilewright.frontend.torch.unsupported import ALTERNATIVES, alternative


class Several(torch.nn.Module):
    """Three kinds of op that have no handler, one of them twice, among ops that have one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        first = torch.sort(self.linear(x), -1).values
        second = torch.sort(first + 1, 0).values
        values, indices = torch.topk(torch.tanh(second), 2)
        return torch.special.i0(values), indices


def _error(function: Any, *inputs: Any, **options: Any) -> UnsupportedError:
    with pytest.raises(UnsupportedError) as caught:
        import_exported(export_function(function, *inputs), **options)
    return caught.value


def test_all_are_reported_at_once() -> None:
    error = _error(Several(), torch.randn(5, 4), origin="model.pt2")
    text = str(error)
    assert text.startswith("model.pt2: 3 kinds of operation in the program (4 nodes) can't be compiled")
    assert "aten.sort.default x2" in text
    assert "aten.topk.default x1" in text
    assert "instead: torch.argmax (k = 1)" in text
    assert text.index("aten.sort") < text.index("aten.topk")
    lines = Path(__file__).read_text().splitlines()
    for marker in ("torch.sort(self.linear", "torch.topk(", "torch.special.i0("):
        assert f"test_unsupported.py:{next(i for i, line in enumerate(lines, 1) if marker in line)}" in text


def test_records_are_machine_readable() -> None:
    import json

    records = getattr(_error(Several(), torch.randn(5, 4)), "records")  # noqa: B009
    assert (records[0]["op"], records[0]["count"]) == ("aten.sort.default", 2)
    assert set(records[0]) == {"op", "reason", "count", "sources", "alternative"}
    assert len(records[0]["sources"]) == 2
    assert json.loads(json.dumps(records)) == records


def test_reasons_of_handlers_and_missing_handlers_stand_together() -> None:
    def function(x: torch.Tensor) -> Any:
        return torch.topk(torch.nn.functional.dropout(x, 0.5, True), 1)

    text = str(_error(function, torch.randn(3, 4)))
    assert "2 kinds of operation" in text
    assert "dropout in training mode" in text
    assert "aten.topk" in text


def test_what_nobody_uses_does_not_count() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        torch.topk(x, 1)
        return x + 1

    import_function(function, torch.randn(3, 4))


def test_complex_numbers() -> None:
    text = str(_error(lambda x: torch.view_as_real(torch.polar(x, x) * 2), torch.randn(3)))
    assert "polar" in text
    assert "cos and sin on real tensors" in text


def test_unsigned_inputs() -> None:
    assert "uint8" in str(_error(lambda x: x + 1, torch.zeros(3, dtype=torch.uint8)))


@pytest.mark.parametrize(
    ("op", "expected"),
    [("aten.topk.default", "torch.argmax (k = 1)"), ("aten.tanhh.default", "tanh"), ("aten.embeding.default", "embedding"),
     ("aten.sum.no_such_overload", "another overload of sum: aten.sum.default"), ("aten.qqqq.default", "")],
)  # fmt: skip
def test_alternatives(op: str, expected: str) -> None:
    assert alternative(op).startswith(expected)
    assert bool(alternative(op)) == bool(expected)


def test_alternatives_are_for_ops_without_a_handler() -> None:
    handled = {h.split(".")[1] for h in HANDLERS if h.count(".") == 2}
    assert not handled & set(ALTERNATIVES)


def test_a_handler_is_registered_once() -> None:
    with pytest.raises(ValueError, match=r"aten\.tanh\.default has two handlers"):
        imports("aten.tanh.default")(lambda emit, x: x)
