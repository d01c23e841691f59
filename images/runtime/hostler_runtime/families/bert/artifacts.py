"""An encoder as the ecosystem stores it: a directory with configuration, vocabulary and weights in safetensors.

Every weight must be there, except for the head of a base model that gets another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerFast

from hostler_runtime.families.bert.encoders import ENCODERS, head_of, longest_sequence
from hostler_runtime.families.bert.network import PackedEncoder, label_names
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


@dataclass(frozen=True)
class BertDirectory:
    """What ``config.json`` says, and the means to read the rest."""

    path: Path
    config: PretrainedConfig
    head: str | None
    """None for an encoder alone."""

    @property
    def context_length(self) -> int:
        """Longest sequence, in tokens."""
        return longest_sequence(self.config)

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
        known, config = ENCODERS[self.config.model_type], self.config
        kind: Any = known.body if head is None else known.heads[head]
        settings: dict[str, Any] = {"add_pooling_layer": False} if head is None and known.pools else {}
        if labels and head == "classification" and self.head != head:
            config = guarded(self.path, lambda: AutoConfig.from_pretrained(self.path, **label_names(labels), **OFFLINE))
        require_size(self.path, lambda: kind(config, **settings))
        loaded: Any = guarded(
            self.path / WEIGHTS,
            lambda: kind.from_pretrained(
                self.path,
                config=config,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
                **settings,
                **OFFLINE,
            ),
        )
        model, facts = loaded
        if head == self.head:
            require_weights(self.path, facts, may_exceed=known.leftovers)
        else:
            require_weights(self.path, facts, may_lack=known.head_weights, may_exceed=known.head_weights)
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
    kind, classes = declared.get("model_type"), [str(name) for name in declared.get("architectures") or []]
    try:
        head = head_of(str(kind), classes)
    except LookupError:
        raise unreadable(
            f"{path / 'config.json'}: {', '.join(classes) or kind} is not an encoder ({', '.join(ENCODERS)}) "
            "with a head for words, labels or answers"
        ) from None
    if declared.get("is_decoder"):
        raise unreadable(f"{path / 'config.json'}: this {kind} is a decoder (is_decoder), not an encoder")
    config = guarded(path / CONFIGURATION, lambda: AutoConfig.from_pretrained(path, **OFFLINE))
    return BertDirectory(path, config, head)
