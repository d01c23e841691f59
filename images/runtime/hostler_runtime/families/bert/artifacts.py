"""A BERT as the ecosystem stores it: a directory with configuration, vocabulary and weights in safetensors.

Every weight must be there, except for the head of a base model that gets another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from hostler_runtime.families.bert.network import HEADS, PackedEncoder, label_names
from hostler_runtime.pretrained import (
    CONFIGURATION,
    OFFLINE,
    WEIGHTS,
    guarded,
    quiet,
    read_json,
    read_tokenizer,
    require_files,
    require_size,
    require_weights,
    unreadable,
)

_HEADS_BY_CLASS: Final = {
    "BertForMaskedLM": "masked-lm",
    "BertForPreTraining": "masked-lm",
    "BertForSequenceClassification": "classification",
    "BertForQuestionAnswering": "question-answering",
    "BertModel": None,
}
_HEAD_WEIGHTS: Final = ("cls.", "classifier.", "qa_outputs.", "bert.pooler.")
_LEFTOVERS: Final = ("cls.seq_relationship.", "bert.pooler.", "pooler.")
"""Weights that a checkpoint may hold beyond its head: published ones were trained on sentence order too."""


@dataclass(frozen=True)
class BertDirectory:
    """What ``config.json`` says, and the means to read the rest."""

    path: Path
    config: BertConfig
    head: str | None
    """None for an encoder alone."""

    @property
    def context_length(self) -> int:
        """Longest sequence, in tokens."""
        return int(self.config.max_position_embeddings)

    @property
    def labels(self) -> list[str]:
        """Names of a classifier's labels, in order."""
        return [str(self.config.id2label[index]) for index in range(self.config.num_labels)]

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The vocabulary. Raises ``UnservableError``, also where it does not belong to the weights."""
        tokenizer: PreTrainedTokenizerFast = read_tokenizer(self.path, vocabulary_size=self.config.vocab_size)
        absent = [name for name in ("cls", "sep", "pad", "mask") if getattr(tokenizer, f"{name}_token_id") is None]
        if absent:
            raise unreadable(f"the tokenizer in {self.path} has no token for {', '.join(absent)}")
        return tokenizer

    def network(self, *, head: str | None, labels: list[str], dtype: torch.dtype | str) -> PackedEncoder:
        """The network with its own head or another, whose weights are then fresh. Raises ``UnservableError``."""
        quiet()
        kind = BertModel if head is None else HEADS[head]
        config = self.config
        if labels and head == "classification" and self.head != head:
            config = guarded(self.path, lambda: BertConfig.from_pretrained(self.path, **label_names(labels)))
        require_size(self.path, lambda: kind(config))
        loaded: Any = guarded(
            self.path / WEIGHTS,
            lambda: kind.from_pretrained(
                self.path, config=config, use_safetensors=True, dtype=dtype, output_loading_info=True, **OFFLINE
            ),
        )
        model, facts = loaded
        if head == self.head:
            require_weights(self.path, facts, may_exceed=_LEFTOVERS)
        else:
            require_weights(self.path, facts, may_lack=_HEAD_WEIGHTS, may_exceed=_HEAD_WEIGHTS)
        return PackedEncoder(model, head=head)


def open_directory(path: Path) -> BertDirectory:
    """Look at what a directory holds before anything is loaded. Raises ``UnservableError``."""
    require_files(
        path,
        {
            CONFIGURATION: "says what the model is",
            ("tokenizer.json", "vocab.txt"): "turns text into tokens",
        },
    )
    declared = read_json(path / CONFIGURATION)
    kinds = [name for name in declared.get("architectures") or [] if name in _HEADS_BY_CLASS]
    if declared.get("model_type") != "bert" or (declared.get("architectures") and not kinds):
        what = ", ".join(map(str, declared.get("architectures") or [])) or declared.get("model_type")
        raise unreadable(f"{path / 'config.json'}: {what} is not a BERT with a head for words, labels or answers")
    if declared.get("is_decoder"):
        raise unreadable(f"{path / 'config.json'}: this BERT is a decoder (is_decoder), not an encoder")
    config = guarded(path / CONFIGURATION, lambda: BertConfig.from_pretrained(path, **OFFLINE))
    return BertDirectory(path, config, _HEADS_BY_CLASS[kinds[0]] if kinds else None)
