"""Matrix products against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, import_function, run

from tilewright.core.diagnostics import UnsupportedError


@pytest.mark.parametrize(
    "shapes",
    [((4, 3), (3, 5)), ((2, 4, 3), (3, 5)), ((2, 4, 3), (2, 3, 5)), ((3,), (3,)), ((4, 3), (3,)), ((3,), (3, 5)), ((2, 4, 3), (3,)),
     ((3,), (2, 3, 5)), ((2, 1, 4, 3), (5, 3, 2)), ((1, 3), (3, 1))],
    ids=str,
)  # fmt: skip
def test_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    check(torch.matmul, torch.randn(shapes[0]), torch.randn(shapes[1]))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(rank: int, bias: bool) -> None:
    torch.manual_seed(0)
    check(torch.nn.Linear(6, 5, bias=bias), torch.randn((2, 3, 6)[3 - rank :]))


def test_linear_is_one_matmul_with_its_weight_as_stored() -> None:
    program = check(torch.nn.Linear(6, 5), torch.randn(2, 3, 6), dynamic=[{0: batch()}], others=[[torch.randn(7, 3, 6)]])
    text = str(program.module)
    assert text.count("tw.matmul") == 1
    assert "transpose_rhs = true" in text
    assert "tw.transpose" not in text
    assert sorted(program.weights) == ["bias", "weight"]


FORMS: dict[str, Callable[..., Any]] = {
    "mm": lambda a, b, c: torch.mm(a, b),
    "bmm": lambda a, b, c: torch.bmm(a.unsqueeze(0), b.unsqueeze(0)),
    "addmm": lambda a, b, c: torch.addmm(c, a, b),
    "addmm_scaled": lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2.0),
    "addmm_without_bias": lambda a, b, c: torch.addmm(c * float("nan"), a, b, beta=0),
    "baddbmm": lambda a, b, c: torch.baddbmm(c.unsqueeze(0), a.unsqueeze(0), b.unsqueeze(0), alpha=0.5),
    "mv": lambda a, b, c: torch.mv(a, b[:, 0]),
    "dot": lambda a, b, c: torch.dot(a[0], b[:, 0]),
    "outer": lambda a, b, c: torch.outer(a[0], b[0]),
    "functional": lambda a, b, c: F.linear(a, b.t(), c[0]),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str) -> None:
    torch.manual_seed(0)
    a, b, c = torch.randn(4, 3), torch.randn(3, 5), torch.randn(4, 5)
    check(FORMS[name], a, b, c)


EQUATIONS = ["ij,jk->ik", "ij,jk", "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "i,j->ij", "bi,bi->b", "ij->ji",
    "ij->i", "ij->",
             "bij,kj->bik", "ijk,ilm->jl"]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    torch.manual_seed(0)
    sizes = dict(zip("bhqkdijlm", (2, 3, 4, 5, 6, 3, 4, 2, 5)))
    terms = equation.split("->")[0].split(",")
    program = check(lambda *x: torch.einsum(equation, *x), *(torch.randn([sizes[c] for c in t]) for t in terms))
    assert str(program.module).count("tw.matmul") == len(terms) - 1


@pytest.mark.parametrize("equation", ["ii->i", "...ij,...jk->...ik", "ij,jk,kl->il"])
def test_einsum_that_torch_decomposes(equation: str) -> None:
    torch.manual_seed(0)
    terms = equation.split("->")[0].split(",")
    inputs = [torch.randn([4] * (len(t.replace(".", "")) + ("." in t))) for t in terms]
    if equation == "ii->i":
        with pytest.raises(UnsupportedError, match="diagonal"):
            import_function(lambda *x: torch.einsum(equation, *x), *inputs)
        return
    check(lambda *x: torch.einsum(equation, *x), *inputs)


def test_einsum_with_dynamic_sizes() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 4, 3, 6), torch.randn(2, 5, 3, 6)
    check(
        lambda q, k: torch.einsum("bqhd,bkhd->bhqk", q, k),
        q,
        k,
        dynamic=[{0: (b := batch("b")), 1: batch("q")}, {0: b, 1: batch("k")}],
        others=[[torch.randn(3, 2, 3, 6), torch.randn(3, 7, 3, 6)]],
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    program = check(torch.nn.Linear(16, 8).to(dtype), torch.randn(4, 16).to(dtype))
    text = str(program.module)
    assert "accumulate = f32" in text and text.count("arith.truncf") == 1, "the bias is added before the only rounding"


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_forms_in_half_precision(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    check(FORMS[name], *(torch.randn(shape).to(dtype) for shape in ((4, 3), (3, 5), (4, 5))))


def test_half_precision_is_rounded_once() -> None:
    # In bf16, 256 + 1 is 256: rounding before the bias is added would give 256, once at the end gives 258.
    x, w, b = torch.ones(1, 2), torch.tensor([[256.0, 1.0]]), torch.ones(1)
    program = import_function(F.linear, x.bfloat16(), w.bfloat16(), b.bfloat16())
    assert run(program, [x.bfloat16(), w.bfloat16(), b.bfloat16()]).item() == 258


def test_bytes_are_summed_exactly() -> None:
    torch.manual_seed(0)
    a, b = torch.randint(-128, 128, (33, 64), dtype=torch.int8), torch.randint(-128, 128, (64, 48), dtype=torch.int8)
    program = check(torch.ops.aten._int_mm, a, b, tolerance=0)
    assert "accumulate = i32" in str(program.module)
    check(lambda a, w: torch.ops.aten._int_mm(a, w.t()), a, b.t().contiguous(), tolerance=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_weights_in_bytes(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    w, scales = torch.randint(-128, 128, (48, 64), dtype=torch.int8), torch.rand(48).to(dtype)
    tolerance = 1e-4 if dtype == torch.float32 else None  # torch's own sums are not better
    check(torch.ops.aten._weight_int8pack_mm, torch.randn(5, 64).to(dtype), w, scales, tolerance=tolerance)


def test_grouped_products() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(12, 16, dtype=torch.bfloat16), torch.randn(3, 16, 8, dtype=torch.bfloat16)
    offsets = torch.tensor([4, 4, 12], dtype=torch.int32)
    check(lambda x, w, o: F.grouped_mm(x, w, offs=o), x, w, offsets, tolerance=5e-2)


CONVOLUTIONS: dict[str, tuple[torch.nn.Module, tuple[int, ...]]] = {
    "patches": (torch.nn.Conv2d(3, 5, 4, 4), (2, 3, 8, 12)),
    "patches_with_rest": (torch.nn.Conv2d(3, 5, (2, 4), (2, 4)), (2, 3, 7, 13)),
    "one_element": (torch.nn.Conv1d(4, 6, 1, bias=False), (2, 4, 5)),
    "without_batch": (torch.nn.Conv1d(4, 6, 2, 2), (4, 8)),
    "volume": (torch.nn.Conv3d(2, 3, 2, 2), (1, 2, 4, 4, 6)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("core", [False, True])
def test_convolutions_of_windows_that_do_not_overlap(name: str, core: bool) -> None:
    torch.manual_seed(0)
    module, shape = CONVOLUTIONS[name]
    check(module, torch.randn(shape), core=core)


def test_other_convolutions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)kernel \[3, 3\], stride .*kernel = stride"):
        import_function(torch.nn.Conv2d(3, 5, 3, padding=1), torch.randn(1, 3, 8, 8))
    with pytest.raises(UnsupportedError, match="transposed convolution"):
        import_function(torch.nn.ConvTranspose1d(3, 5, 2, 2), torch.randn(1, 3, 8))
