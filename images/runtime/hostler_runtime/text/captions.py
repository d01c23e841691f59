"""Captions as tokens, in the manner of CLIP: one sequence of fixed length with a beginning and an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from hostler_contract.result import LeftOut
from hostler_runtime.text.cuts import Cuts

BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(texts: Iterable[str], *, vocabulary_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE over lower-case text, so that every prompt can be read."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    # A word has the same tokens wherever it stands.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (BEGIN, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=END, model_max_length=context_length
    )


def tokens_of(tokenizer: Any, captions: Sequence[str]) -> torch.Tensor:
    """Captions x context length; what is too long is cut."""
    encoded = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    )
    tokens: torch.Tensor = encoded["input_ids"]
    return tokens


def cut_captions(tokenizer: Any, captions: Sequence[str]) -> list[LeftOut]:
    """What ``tokens_of`` cuts off, for ``DatasetFacts``."""
    limit = int(tokenizer.model_max_length)
    cuts = Cuts("captions", limit=limit)
    for tokens in tokenizer(list(captions), truncation=False, verbose=False)["input_ids"] if captions else ():
        cuts.add(len(tokens), kept=min(len(tokens), limit))
    return cuts.left_out


def token_count(tokenizer: Any, caption: str) -> int:
    """Tokens of a caption before anything is cut, its beginning and end included."""
    return len(tokenizer(caption, truncation=False)["input_ids"])
