"""Whisper base from CTranslate2's layout into a directory as hubs have it: `python convert_whisper.py DIRECTORY
TOKENIZER CONFIG PART...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from showpieces.ctranslate2 import read_variables
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

CARD = """---
license: mit
library_name: transformers
pipeline_tag: automatic-speech-recognition
---
Whisper base of OpenAI.
"""
WIDTH, LAYERS, HEADS, BINS, HEARD, WRITTEN = 512, 6, 8, 80, 1500, 448
"""Of the base size, which the layout does not write down: as published with the model (arXiv 2212.04356)."""
Named = Iterator[tuple[str, np.ndarray[Any, Any]]]


def pair(target: str, source: str, found: dict[str, Any], *, names: tuple[str, str] = ("weight", "bias")) -> Named:
    """Weight and bias of one layer."""
    for name, theirs in zip(("weight", "bias"), names, strict=True):
        yield f"{target}.{name}", found[f"{source}/{theirs}"]


def products(target: str, source: str, found: dict[str, Any], letters: str) -> Named:
    """Query, key and value, which lie in one matrix there. Keys have no bias in Whisper, there it is zero."""
    weights = np.split(found[f"{source}/weight"], len(letters))
    biases = np.split(found[f"{source}/bias"], len(letters))
    for letter, weight, bias in zip(letters, weights, biases, strict=True):
        yield f"{target}.{letter}_proj.weight", weight
        if letter != "k":
            yield f"{target}.{letter}_proj.bias", bias


def layer(target: str, source: str, found: dict[str, Any], *, writes: bool) -> Named:
    """One block of the encoder, or of the decoder, which listens to the encoder as well."""
    normed = {"names": ("gamma", "beta")}
    own, heard = f"{source}/self_attention", f"{source}/attention"
    yield from products(f"{target}.self_attn", f"{own}/linear_0", found, "qkv")
    yield from pair(f"{target}.self_attn.out_proj", f"{own}/linear_1", found)
    yield from pair(f"{target}.self_attn_layer_norm", f"{own}/layer_norm", found, **normed)
    if writes:
        yield from products(f"{target}.encoder_attn", f"{heard}/linear_0", found, "q")
        yield from products(f"{target}.encoder_attn", f"{heard}/linear_1", found, "kv")
        yield from pair(f"{target}.encoder_attn.out_proj", f"{heard}/linear_2", found)
        yield from pair(f"{target}.encoder_attn_layer_norm", f"{heard}/layer_norm", found, **normed)
    yield from pair(f"{target}.fc1", f"{source}/ffn/linear_0", found)
    yield from pair(f"{target}.fc2", f"{source}/ffn/linear_1", found)
    yield from pair(f"{target}.final_layer_norm", f"{source}/ffn/layer_norm", found, **normed)


def weights(found: dict[str, Any]) -> Named:
    """Everything under transformers' names."""
    for number in (1, 2):
        yield from pair(f"encoder.conv{number}", f"encoder/conv{number}", found)
    for side in ("encoder", "decoder"):
        yield f"{side}.embed_positions.weight", found[f"{side}/position_encodings/encodings"]
        yield from pair(f"{side}.layer_norm", f"{side}/layer_norm", found, names=("gamma", "beta"))
        for index in range(LAYERS):
            yield from layer(f"{side}.layers.{index}", f"{side}/layer_{index}", found, writes=side == "decoder")
    yield "decoder.embed_tokens.weight", found["decoder/embeddings/weight"]


def tokenizer_of(path: Path) -> PreTrainedTokenizerFast:
    """With the names that Whisper's tokens have."""
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_file=str(path), bos_token=end, eos_token=end, pad_token=end, unk_token=end, model_max_length=WRITTEN
    )


def answering(tokenizer: Any, told: dict[str, Any]) -> GenerationConfig:
    """What Whisper's generation has to know of its tokens."""
    token = tokenizer.convert_tokens_to_ids
    end = tokenizer.eos_token_id
    found = GenerationConfig(
        bos_token_id=end, eos_token_id=end, pad_token_id=end, max_length=WRITTEN,
        decoder_start_token_id=token("<|startoftranscript|>"), suppress_tokens=told["suppress_ids"],
        begin_suppress_tokens=told["suppress_ids_begin"],
    )  # fmt: skip
    facts = {
        "is_multilingual": True,
        "lang_to_id": {tokenizer.convert_ids_to_tokens(each): each for each in told["lang_ids"]},
        "task_to_id": {task: token(f"<|{task}|>") for task in ("translate", "transcribe")},
        "no_timestamps_token_id": token("<|notimestamps|>"),
        "prev_sot_token_id": token("<|startofprev|>"),
        "alignment_heads": told["alignment_heads"],
        "return_timestamps": False,
    }
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def main(target: Path, vocabulary: Path, configuration: Path, parts: list[Path]) -> None:
    """Read, rename, save in half precision, as it came."""
    found = read_variables(b"".join(part.read_bytes() for part in parts), made_for="WhisperSpec")
    tokenizer = tokenizer_of(vocabulary)
    generation = answering(tokenizer, json.loads(configuration.read_text(encoding="utf-8")))
    end = tokenizer.eos_token_id
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=found["decoder/embeddings/weight"].shape[0], num_mel_bins=BINS, d_model=WIDTH,
            encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
            encoder_ffn_dim=4 * WIDTH, decoder_ffn_dim=4 * WIDTH, max_source_positions=HEARD,
            max_target_positions=WRITTEN, decoder_start_token_id=generation.decoder_start_token_id,
            bos_token_id=end, eos_token_id=end, pad_token_id=end,
        )
    )  # fmt: skip
    state = {f"model.{name}": torch.from_numpy(array.astype(np.float32)) for name, array in weights(found)}
    model.load_state_dict({**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]})
    model.generation_config = generation
    model.half().save_pretrained(target)
    tokenizer.save_pretrained(target)
    WhisperFeatureExtractor(feature_size=BINS).save_pretrained(target)
    (target / "README.md").write_text(CARD, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), [Path(part) for part in sys.argv[4:]])
