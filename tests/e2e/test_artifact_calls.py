"""What goes into a call and what comes out: kinds of tensors, layouts, and arguments that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import pytest

from tilewright import runtime
from tilewright.runtime import session as session_module
from tilewright.runtime.tensors import as_tensor, kind_of


@pytest.fixture(scope="module")
def program(artifact_path: Path) -> Iterator[runtime.Program]:
    with runtime.load(artifact_path, threads=1) as program:
        yield program


X = np.random.default_rng(1).standard_normal((6, 16), np.float32)
Y = np.random.default_rng(2).standard_normal((6, 16), np.float32)


def assert_right(result: Any, kind: type = np.ndarray) -> None:
    outputs = [*result["pair"], *result["rest"]]
    assert all(type(o) is kind for o in outputs)
    for got, want in zip(outputs, artifacts.expected(X, Y), strict=True):
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-6)


def test_layouts_are_made_contiguous(program: runtime.Program) -> None:
    wide = np.zeros((6, 32), np.float32)
    wide[:, ::2] = X
    odd = np.zeros(6 * 16 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(6, 16)
    odd[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (wide[:, ::2], np.asfortranarray(X), odd, frozen, X[::-1][::-1]):
        assert_right(program(x, Y))


def test_contiguous_inputs_are_not_copied(program: runtime.Program) -> None:
    kind = kind_of(X)
    assert kind.read(X)[3] is X
    frozen = X.copy()
    frozen.flags.writeable = False
    assert kind.read(frozen)[3] is frozen


def test_torch(program: runtime.Program) -> None:
    torch = pytest.importorskip("torch")
    x, y = torch.from_numpy(X.copy()), torch.from_numpy(Y.copy())
    assert_right(program(x, y), torch.Tensor)
    assert_right(program(x, Y), torch.Tensor)
    assert_right(program(X, y), np.ndarray)
    assert_right(program(x.T.contiguous().T, y), torch.Tensor)
    assert_right(program(torch.nn.Parameter(x), y), torch.Tensor)
    with pytest.raises(runtime.CallError, match="input 'x': expected f32, got f64"):
        program(x.double(), y)
    with pytest.raises(runtime.CallError, match="input 'y'"):
        program(x, y.to("meta"))
    with pytest.raises(runtime.CallError, match=r"input 'x': .*got a tensor of layout torch.sparse_coo(.|\n)*to_dense"):
        program(x.to_sparse(), y)
    assert_right(program(x, y), torch.Tensor)


class Foreign:
    """A tensor of some other library: only DLPack, and its own namespace."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __array_namespace__(self) -> Any:
        return Namespace

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


class Namespace:
    @staticmethod
    def from_dlpack(array: Any) -> Foreign:
        return Foreign(np.from_dlpack(array))


def test_dlpack(program: runtime.Program) -> None:
    assert_right(program(Foreign(X.copy()), Foreign(Y.copy())), Foreign)
    assert_right(program(Foreign(np.asfortranarray(X)), Y), Foreign)
    with pytest.raises(runtime.CallError, match="expected f32, got i64"):
        program(Foreign(np.zeros((6, 16), np.int64)), Y)


def test_array_interface(program: runtime.Program) -> None:
    class Old:
        __array_interface__ = X.__array_interface__

    assert_right(program(Old(), Y))


@pytest.mark.parametrize(
    ("value", "dtype", "result"),
    [
        (3, "i64", "int64"),
        (3, "f32", "float32"),
        (2.5, "f32", "float32"),
        (2.5, "i64", "float64"),
        (True, "i1", "bool"),
        (1, "i1", "int64"),
    ],
)
def test_python_numbers(value: Any, dtype: str, result: str) -> None:
    assert as_tensor(value, dtype).dtype.name == result


BAD: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((X,), {}, r"input 'y' is missing\n  why: the inputs are x: f32\[s0, 16\], y: f32\[s0, 16\]"),
    ((X, Y, X), {}, r"3 positional arguments were given"),
    ((X, Y), {"z": X}, r"there is no input 'z'"),
    ((X, Y), {"x": X}, r"input 'x' was given twice"),
    ((X.astype(np.float64), Y), {}, r"input 'x': expected f32, got f64"),
    ((X.astype(">f4"), Y), {}, r"input 'x': expected f32, got >f4"),
    ((X.astype(complex), Y), {}, r"input 'x': expected f32, got complex128"),
    ((X[0], Y), {}, r"input 'x': expected 2 dimensions \[s0, 16\], got 1 \[16\]"),
    ((X[:, :8], Y), {}, r"input 'x', dimension 1: expected 16, got 8"),
    ((X, Y[:5]), {}, r"input 'y', dimension 0: expected s0 = 6 as in input 'x', dimension 0, got 5"),
    ((np.zeros((129, 16), np.float32),) * 2, {}, r"input 'x', dimension 0 \(s0\): expected 1 to 128, got 129"),
    ((np.zeros((0, 16), np.float32),) * 2, {}, r"expected 1 to 128, got 0"),
    (("text", Y), {}, r"input 'x': expected f32\[s0, 16\], got str"),
    ((None, Y), {}, r"got NoneType"),
    (([[1.0]], Y), {}, r"got list"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs", "message"), BAD, ids=[b[2][:24] for b in BAD])
def test_arguments_that_do_not_fit(program: runtime.Program, args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(runtime.CallError, match=message):
        program(*args, **kwargs)
    assert_right(program(X, Y))


def test_call_errors_are_value_errors(program: runtime.Program) -> None:
    with pytest.raises(ValueError, match="input 'x'"):
        program("x", Y)


def test_entry_points_by_name(program: runtime.Program) -> None:
    assert_right(program.entry("main")(X, Y))
    with pytest.raises(KeyError, match="no entry point 'decode'; there are main"):
        program.entry("decode")


def test_closing(artifact_path: Path) -> None:
    program = runtime.load(artifact_path, threads=1)
    program.close()
    program.close()
    with pytest.raises(runtime.RuntimeFailure, match="closed"):
        program(X, Y)


def test_threads_without_an_openmp_runtime(artifact_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "find_openmp", lambda: None)
    with pytest.raises(runtime.ThreadsError, match="2 threads were asked for, but there is no OpenMP runtime") as caught:
        runtime.load(artifact_path, threads=2)
    assert "libgomp1" in caught.value.remedy
    monkeypatch.delenv("TILEWRIGHT_NUM_THREADS", raising=False)
    with runtime.load(artifact_path) as program:
        assert_right(program(X, Y))


def test_threads_by_the_environment(artifact_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_NUM_THREADS", "2")
    with runtime.load(artifact_path) as program:
        assert program.threads == 2
        assert_right(program(X, Y))
