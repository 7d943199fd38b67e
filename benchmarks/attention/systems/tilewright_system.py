"""Tilewright: a program with dynamic batch and lengths compiled ahead of time into an artifact, which the runtime loads and calls.

Variants: `session` is the call that users make, `native` the same through the C interface where a session's call is short. `bare` is our
plain kernel of the same sizes, where the case has a mask, changed scores, or pages. `memory` measures resident memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import tilewright
from benchmarks.attention.cases import Case
from benchmarks.attention.operands import in_pages
from benchmarks.attention.tw_program import attention_program, input_names
from benchmarks.suite.resident_memory import peak_growth
from benchmarks.suite.systems import Variant
from benchmarks.suite.tilewright_program import bind_session, compile_to, refuse_decomposed, session_and_native
from benchmarks.suite.torch_tensors import TORCH_DTYPES, fetch, tensor

Arrays = dict[str, np.ndarray]


class Attention(torch.nn.Module):
    """PyTorch's function."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.causal = case.causal
        self.grouped = case.heads != case.kv_heads

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=self.grouped)


class System:
    """One artifact for all copies of the cache."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: Arrays, copies: int, folder: Path) -> list[Variant]:
        if case.is_memory:
            return [self._memory(case, operands, folder)]
        work = {True: float(case.tiles), False: float(case.plain.tiles)}
        path = self._compile(case, folder)
        variants = session_and_native(path, self._inputs(case, operands, copies), self.threads, work[True])
        if case.plain != case:
            path = self._compile(case.plain, folder)
            calls = [bind_session(path, inputs, self.threads) for inputs in self._inputs(case.plain, operands, copies)]
            variants.append(Variant("bare", calls, None, work[False]))
        return variants

    def _compile(self, case: Case, folder: Path) -> Path:
        """Raises NotApplicable where no attention kernel of ours covers the case."""
        path = folder / f"{case.variant}-{'pages' if case.paged else 'rows'}-{self.threads}.tw"
        if case.variant != "plain" or case.paged or case.dtype == "s8":
            compile_to(path, attention_program(case), None, case.target)
        else:
            inputs = self._examples(case)
            compile_to(path, Attention(case).eval(), inputs, case.target, self._dynamic(case))
        refuse_decomposed(path, "attention")
        return path

    def _examples(self, case: Case) -> tuple[torch.Tensor, ...]:
        """Small inputs; torch.export takes sizes of 1 for fixed."""
        queries = min(case.queries, 8)
        shapes = ((case.heads, queries), (case.kv_heads, 8), (case.kv_heads, 8))
        return tuple(torch.zeros(2, *shape, case.size, dtype=TORCH_DTYPES[self._dtype(case)]) for shape in shapes)

    def _dynamic(self, case: Case) -> dict[str, dict[int, torch.export.Dim]]:
        batch = torch.export.Dim("batch", min=1, max=4096)
        keys = torch.export.Dim("keys", min=2, max=65536)
        queries = {} if case.is_decode else {2: keys if case.queries == case.keys else torch.export.Dim("queries", min=2, max=65536)}
        return {"q": {0: batch, **queries}, "k": {0: batch, 2: keys}, "v": {0: batch, 2: keys}}

    def _inputs(self, case: Case, operands: Arrays, copies: int) -> list[list[torch.Tensor]]:
        """The inputs of each call; those of the cache are copied for each."""
        own = dict(operands)
        if case.paged:
            cache = [name for name in ("k", "v", "k_scale", "v_scale") if name in own]
            own |= {name: in_pages(own[name], own["table"]) for name in cache}
        dtypes = dict.fromkeys("qkv", self._dtype(case))  # Masks, slopes and factors are f32 or what they are.
        q = tensor(own["q"], dtypes["q"])
        return [[q if name == "q" else tensor(own[name], dtypes.get(name, "f32")) for name in input_names(case)] for _ in range(copies)]

    def _dtype(self, case: Case) -> str:
        return "bf16" if case.dtype == "bf16" else "f32"

    def _memory(self, case: Case, operands: Arrays, folder: Path) -> Variant:
        path = self._compile(case, folder)
        program = tilewright.load(path, threads=self.threads)
        program(*(torch.zeros(1, case.heads, 64, case.size) for _ in range(3)))
        result: list[torch.Tensor] = []

        def call() -> None:
            result.append(program(*(tensor(operands[name], "f32") for name in "qkv")))

        grown = peak_growth(call)
        return Variant("session", [], lambda _: fetch(result[0]), peak_bytes=grown)
