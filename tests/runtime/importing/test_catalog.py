"""The catalog's entries against the libraries that load them: what an entry says of sizes is counted here from what the
repository's configuration says, and the importer takes that configuration for the entry's family.

The figures of the configurations are those of the repositories' config.json, as far as sizes depend on them; so
a wrong one shows as a count that nobody published.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet3DConditionModel
from transformers import AutoConfig, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from hostler_runtime.importing.__main__ import known
from hostler_runtime.importing.facts import Tensors, facts, kind_of

ENTRIES = Path(__file__).parents[3] / "operator" / "hostler" / "catalog" / "entries"
SPECS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(ENTRIES.glob("*.yaml"))}
FROM_HUBS = {name: spec for name, spec in SPECS.items() if "hf" in spec["artifacts"]["source"]}
Config = dict[str, Any]


def _decoder(kind: str, name: str, sizes: str, **more: Any) -> Config:
    """``sizes`` are width, layers, heads, key-value heads, feed-forward width, vocabulary, context."""
    names = (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
        "vocab_size", "max_position_embeddings",
    )  # fmt: skip
    found = dict(zip(names, map(int, sizes.split()), strict=True))
    return {"model_type": kind, "architectures": [name], "bos_token_id": 0, "eos_token_id": 0} | found | more


def _llama(sizes: str, *, tied: bool) -> Config:
    return _decoder("llama", "LlamaForCausalLM", sizes, tie_word_embeddings=tied)


def _qwen3(sizes: str, *, tied: bool) -> Config:
    return _decoder("qwen3", "Qwen3ForCausalLM", f"{sizes} 151936 40960", head_dim=128, tie_word_embeddings=tied)


def _qwen2(sizes: str, *, tied: bool) -> Config:
    return _decoder("qwen2", "Qwen2ForCausalLM", f"{sizes} 32768", tie_word_embeddings=tied)


def _gemma2(sizes: str) -> Config:
    return _decoder("gemma2", "Gemma2ForCausalLM", f"{sizes} 256000 8192", head_dim=256, sliding_window=4096)


def _starcoder2(sizes: str) -> Config:
    return _decoder("starcoder2", "Starcoder2ForCausalLM", f"{sizes} 49152 16384", use_bias=True, sliding_window=4096)


def _encoder(kind: str, name: str, sizes: str) -> Config:
    """``sizes`` are width, layers, heads, feed-forward width, vocabulary, positions."""
    names = (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
        "max_position_embeddings",
    )  # fmt: skip
    segments = {"type_vocab_size": 2} if kind == "bert" else {}
    return {"model_type": kind, "architectures": [name], **segments} | dict(
        zip(names, map(int, sizes.split()), strict=True)
    )


def _whisper(
    width: int, layers: int, heads: int, *, decoder: int = 0, vocabulary: int = 51865, bins: int = 80
) -> Config:
    return {
        "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "is_encoder_decoder": True,
        "d_model": width, "encoder_layers": layers, "decoder_layers": decoder or layers,
        "encoder_attention_heads": heads, "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width, "decoder_ffn_dim": 4 * width, "vocab_size": vocabulary, "num_mel_bins": bins,
    }  # fmt: skip


CONFIGS: dict[str, Config] = {
    "gpt2": {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_layer": 12, "n_head": 12,
        "n_positions": 1024, "vocab_size": 50257,
    },
    "smollm2-135m-instruct": _llama("576 30 9 3 1536 49152 8192", tied=True),
    "smollm2-360m-instruct": _llama("960 32 15 5 2560 49152 8192", tied=True),
    "smollm2-1-7b-instruct": _llama("2048 24 32 32 8192 49152 8192", tied=True),
    "llama-3-1-8b-instruct": _llama("4096 32 32 8 14336 128256 131072", tied=False),
    "qwen3-0-6b": _qwen3("1024 28 16 8 3072", tied=True),
    "qwen3-1-7b": _qwen3("2048 28 16 8 6144", tied=True),
    "qwen3-4b": _qwen3("2560 36 32 8 9728", tied=True),
    "qwen3-8b": _qwen3("4096 36 32 8 12288", tied=False),
    "gemma-3-1b-it": _decoder(
        "gemma3_text", "Gemma3ForCausalLM", "1152 26 4 1 6912 262144 32768", head_dim=256, sliding_window=512,
        sliding_window_pattern=6,
    ),
    "gemma-2-2b-it": _gemma2("2304 26 8 4 9216"),
    "gemma-2-9b-it": _gemma2("3584 42 16 8 14336"),
    "mistral-7b-instruct-v0-3": _decoder(
        "mistral", "MistralForCausalLM", "4096 32 32 8 14336 32768 32768", tie_word_embeddings=False
    ),
    "starcoder2-3b": _starcoder2("3072 30 24 2 12288"),
    "starcoder2-7b": _starcoder2("4608 32 36 4 18432"),
    "qwen2-5-coder-0-5b": _qwen2("896 24 14 2 4864 151936", tied=True),
    "qwen2-5-coder-1-5b": _qwen2("1536 28 12 2 8960 151936", tied=True),
    "qwen2-5-coder-7b": _qwen2("3584 28 28 4 18944 152064", tied=False),
    "bert-base-uncased": _encoder("bert", "BertForMaskedLM", "768 12 12 3072 30522 512"),
    "all-minilm-l6-v2": _encoder("bert", "BertModel", "384 6 12 1536 30522 512"),
    "modernbert-base": _encoder("modernbert", "ModernBertForMaskedLM", "768 22 12 1152 50368 8192"),
    "whisper-tiny": _whisper(384, 4, 6),
    "whisper-base": _whisper(512, 6, 8),
    "whisper-small": _whisper(768, 12, 12),
    "whisper-medium": _whisper(1024, 24, 16),
    "whisper-large-v3": _whisper(1280, 32, 20, vocabulary=51866, bins=128),
    "whisper-large-v3-turbo": _whisper(1280, 32, 20, decoder=4, vocabulary=51866, bins=128),
}  # fmt: skip
PIPELINES = {
    "StableDiffusionPipeline": ("stable-diffusion-v1-5", "openjourney"),
    "StableDiffusionXLPipeline": ("stable-diffusion-xl-base-1-0",),
    "TextToVideoSDPipeline": ("text-to-video-ms-1-7b",),
}
NAMES = ("tokenizer.json", "preprocessor_config.json", "vocab.txt")
SURPLUS = {"gpt2": 12 * 1024 * 1024, "bert-base-uncased": 768 * 768 + 768 + 2 * 768 + 2}
"""Values that the files hold beside the network's: masks that are computed today, a pooler and a head that nobody
reads."""


def _count(*networks: torch.nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def _parameters(name: str) -> int:
    config = CONFIGS[name]
    with torch.device("meta"):
        return _count(getattr(transformers, config["architectures"][0])(AutoConfig.for_model(**config)))


def _text(width: int, layers: int, **more: Any) -> CLIPTextConfig:
    """A text encoder of OpenAI's CLIP or of OpenCLIP, with heads of 64."""
    return CLIPTextConfig(
        vocab_size=49408, hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64,
        intermediate_size=4 * width, **more,
    )  # fmt: skip


def _denoiser(pipeline: str) -> tuple[torch.nn.Module, ...]:
    """With what reads the prompt: of Stable Diffusion 1 and of the first text-to-video model by diffusers' defaults, of
    XL as in table 1 of arXiv 2307.01952."""
    if pipeline == "StableDiffusionPipeline":
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768), CLIPTextModel(_text(768, 12))
    if pipeline == "TextToVideoSDPipeline":
        return UNet3DConditionModel(sample_size=32), CLIPTextModel(_text(1024, 23))
    cross = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    unet = UNet2DConditionModel(
        sample_size=128, block_out_channels=(320, 640, 1280), cross_attention_dim=768 + 1280,
        down_block_types=("DownBlock2D", cross[0], cross[0]), up_block_types=(cross[1], cross[1], "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=1280 + 6 * 256,
    )  # fmt: skip
    second = CLIPTextModelWithProjection(_text(1280, 32, projection_dim=1280))
    return unet, CLIPTextModel(_text(768, 12)), second


def _pipeline(pipeline: str) -> int:
    """All networks of a pipeline."""
    four = 4
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * four, up_block_types=("UpDecoderBlock2D",) * four,
        )  # fmt: skip
        return _count(vae, *_denoiser(pipeline))


@pytest.fixture(scope="module")
def parameters() -> dict[str, int]:
    """Counted once for all tests."""
    counted = {name: _parameters(name) for name in CONFIGS}
    return counted | {name: _pipeline(pipeline) for pipeline, names in PIPELINES.items() for name in names}


def test_every_entry_of_a_hub_is_checked_here(parameters: dict[str, int]) -> None:
    assert set(parameters) == set(FROM_HUBS)


@pytest.mark.parametrize("name", FROM_HUBS)
def test_parameters_are_those_of_the_network(name: str, parameters: dict[str, int]) -> None:
    assert FROM_HUBS[name]["architecture"]["parameters"] == parameters[name]


@pytest.mark.parametrize("name", FROM_HUBS)
def test_the_weights_are_stored_in_two_or_four_bytes(name: str, parameters: dict[str, int]) -> None:
    """Some files hold the output matrix a second time, which is the embedding, or values that nobody reads."""
    config, stored = CONFIGS.get(name, {}), FROM_HUBS[name]["memory"]["weightsBytes"]
    twice = config.get("vocab_size", 0) * config.get("hidden_size", 0)
    held = (parameters[name], parameters[name] + twice, parameters[name] + SURPLUS.get(name, 0))
    assert stored in {2 * count for count in held} | {4 * count for count in held}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_importer_takes_it_for_what_the_entry_says(name: str, parameters: dict[str, int]) -> None:
    spec, documents = SPECS[name], {"config.json": CONFIGS[name]}
    kind = kind_of(documents, names=NAMES, tags=["code"] if spec["family"] == "code" else [], known=known())
    assert kind.family == spec["family"]
    assert spec.get("task") in (None, kind.task)
    single = spec["memory"]["weightsBytes"] >= 3 * parameters[name]
    tensors = Tensors(parameters=1, size=1, dtypes=Counter({"F32" if single else "BF16": 1}))
    read = facts(kind, documents, names=NAMES, tensors=tensors, license=None)
    said = spec["architecture"]
    assert said.get("contextLength") == read.context_length
    assert said.get("vocabularySize") == read.vocabulary_size
    assert spec["memory"].get("kvBytesPerToken") == read.kv_bytes_per_token
    sizes = read.sizes.model_dump(mode="json", by_alias=True, exclude_none=True) if read.sizes else {}
    assert said.get("sizes", {}) == {field: value for field, value in sizes.items() if value != 0 or value is False}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_importer_takes_pipelines(pipeline: str) -> None:
    kind = kind_of({"model_index.json": {"_class_name": pipeline}}, names=(), tags=(), known=known())
    assert {SPECS[name]["family"] for name in PIPELINES[pipeline]} == {kind.family}


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if (spec.get("tuning") or {}).get("encoder")])
def test_the_sizes_under_a_new_head_are_the_encoder_s(name: str) -> None:
    encoder, config = SPECS[name]["tuning"]["encoder"], CONFIGS[name]
    assert (encoder["layers"], encoder["hiddenSize"], encoder["heads"], encoder["contextLength"]) == tuple(
        config[key] for key in ("num_hidden_layers", "hidden_size", "num_attention_heads", "max_position_embeddings")
    )


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.startswith("whisper")])
def test_languages_are_whisper_s(name: str) -> None:
    assert set(SPECS[name]["languages"]) == set(LANGUAGES) - {"yue"}
