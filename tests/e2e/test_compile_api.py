"""`tilewright.compile`: which target it takes, and what it refuses before anything is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import Dim

import tilewright
from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.options import CompileOptions
from tilewright.runtime import ArtifactError


class Returns(torch.nn.Module):
    """Returns what a function makes of the input."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


X = torch.randn(3, 4)


@pytest.fixture
def next_row() -> torch.nn.Module:
    return Returns(lambda x: x + 1).eval()


def test_target_and_options_together(next_row: torch.nn.Module) -> None:
    def target_of(**arguments: Any) -> str:
        return tilewright.compile(next_row, (X,), **arguments).code.target

    assert target_of(target="cpu:x86-64-v3", options=CompileOptions(jobs=1)) == "cpu:x86-64-v3"
    assert target_of(options=CompileOptions(targets=("cpu:x86-64-v3",))) == "cpu:x86-64-v3"
    with pytest.raises(InputError, match="two lists of targets"):
        target_of(target="native", options=CompileOptions(targets=("cpu:x86-64-v3",)))


def test_an_output_that_is_a_directory(next_row: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a directory"):
        tilewright.compile(next_row, (X,), output=tmp_path)


def test_a_tensor_in_place_of_the_arguments(next_row: torch.nn.Module) -> None:
    with pytest.raises(InputError, match=r"(?s)are one tensor.*\(x,\)"):
        tilewright.compile(next_row, X)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x + 1, x.shape[0]), "returns the size s0 as a number"),
        (lambda x: {1: x + 1}, "the key 1"),
    ],
)
def test_outputs_without_a_form_are_refused_before_compiling(function: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.api.compiler.generate_code", lambda *_, **__: pytest.fail("something was compiled"))
    with pytest.raises(UnsupportedError, match=message):
        tilewright.compile(Returns(function).eval(), (X,), dynamic_shapes={"x": {0: Dim("batch", min=1, max=8)}})


def test_options_that_are_no_options(next_row: torch.nn.Module) -> None:
    options: Any = {"jobs": 2}
    with pytest.raises(InputError, match=r"options is of type dict.*CompileOptions") as caught:
        tilewright.compile(next_row, (X,), options=options)
    assert "CompileOptions(jobs=2)" in caught.value.remedy


@pytest.mark.parametrize("path", [None, 3, b"model.tw"])
def test_loading_what_is_no_path(path: Any) -> None:
    with pytest.raises(ArtifactError, match=f"load takes the path of an artifact, got {type(path).__name__}"):
        tilewright.load(path)


@pytest.mark.parametrize("name", ["attention", "softmax", "exp"])
def test_float64_without_code_is_refused_before_lowering(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.api.compiler.generate_code", None)
    functions = {
        "attention": lambda x: torch.nn.functional.scaled_dot_product_attention(x, x, x),
        "softmax": lambda x: x.log_softmax(-1),
        "exp": torch.exp,
    }
    x = torch.randn(1, 2, 4, 8, dtype=torch.float64)
    with pytest.raises(UnsupportedError, match=name) as caught:
        tilewright.compile(Returns(functions[name]).eval(), (x,))
    records: list[dict[str, Any]] = vars(caught.value)["records"]
    assert len(records) == 1 and records[0]["count"] == 1 and "float64" in records[0]["reason"]


def test_float64_with_code_still_compiles() -> None:
    x = torch.rand(3, 4, dtype=torch.float64) + 1
    module = Returns(lambda x: x**3 + x**0.5 + x.rsqrt()).eval()
    torch.testing.assert_close(torch.as_tensor(tilewright.compile(module, (x,))(x)), module(x))
