"""A BERT of transformers that reads packed rows: several sequences beside each other that do not see each other.

Attention is kept within a sequence by an additive mask (``text.attention``); the library would not find the borders
by itself, because for encoders it never looks at positions that restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from hostler_contract import ErrorReason
from hostler_contract.architectures import EncoderConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.text.attention import block_mask

HEADS: Final[Mapping[str, Any]] = {
    "masked-lm": BertForMaskedLM,
    "classification": BertForSequenceClassification,
    "question-answering": BertForQuestionAnswering,
}
"""Class of transformers that a head stands for."""


class PackedEncoder(torch.nn.Module):
    """An encoder with its head; what is trained, and what is saved once its wrapper is off."""

    def __init__(self, model: Any, *, head: str | None) -> None:
        super().__init__()
        self.model = model
        self.head = head

    def forward(
        self, input_ids: Tensor, *, segments: Tensor, positions: Tensor, token_types: Tensor, wanted: Tensor
    ) -> Tensor:
        """Logits.

        All inputs are rows x length: ``segments`` numbers the sequences of a row from 1, 0 is padding; ``positions``
        restart with each sequence; ``wanted`` marks the tokens to answer for. masked-lm gives wanted x vocabulary,
        classification (where the first token of each sequence is wanted) sequences x labels, question-answering
        rows x length x 2: how well an answer begins and ends at each token.
        """
        hidden = self.hidden(input_ids, segments=segments, positions=positions, token_types=token_types)
        return self.answer(hidden if self.head == "question-answering" else hidden[wanted])

    def answer(self, hidden: Tensor) -> Tensor:
        """The head's logits for tokens of the last layer, ... x width."""
        if self.head == "masked-lm":
            logits = self.model.cls(hidden)
        elif self.head == "classification":
            # The pooler reads the first token of its input; each sequence is handed to it as an input of its own.
            logits = self.model.classifier(self.model.dropout(self.model.bert.pooler(hidden.unsqueeze(1))))
        else:
            logits = self.model.qa_outputs(hidden)
        floats: Tensor = logits.float()
        return floats

    def hidden(self, input_ids: Tensor, *, segments: Tensor, positions: Tensor, token_types: Tensor) -> Tensor:
        """The encoder's last layer: rows x length x width."""
        encoder = self.model.base_model
        # Attention wants its mask in the type that it computes in; under autocast that is not the weights'.
        dtype = None if torch.is_autocast_enabled(segments.device.type) else encoder.dtype
        output: Tensor = encoder(
            input_ids=input_ids,
            attention_mask=block_mask(segments, causal=False, dtype=dtype),
            position_ids=positions,
            token_type_ids=token_types,
        ).last_hidden_state
        return output


def fresh(sizes: EncoderConfig, *, tokenizer: PreTrainedTokenizerFast, labels: list[str]) -> PackedEncoder:
    """A network with weights from torch's current random state. Raises ``RuntimeFailure`` where sizes do not fit."""
    if sizes.hidden_size % sizes.heads:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"hiddenSize {sizes.hidden_size} is not a multiple of heads {sizes.heads}: change one of them",
        )
    dropout = sizes.dropout_percent / 100
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.hidden_size,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=sizes.context_length,
        pad_token_id=tokenizer.pad_token_id,
        **label_names(labels),
    )
    return PackedEncoder(HEADS[sizes.head](config), head=sizes.head)


def label_names(labels: list[str]) -> dict[str, Any]:
    """How a configuration names labels; nothing where there are none."""
    if not labels:
        return {}
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
