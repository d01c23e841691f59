"""An encoder of transformers that reads packed rows: several sequences beside each other that do not see each other.

Attention is kept within a sequence by an additive mask (``text.attention``); the library would not find the borders
by itself, because for encoders it never looks at positions that restart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, PreTrainedTokenizerFast

from hostler_contract import ErrorReason
from hostler_contract.architectures import EncoderConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.bert.encoders import (
    CLASSIFICATION,
    ENCODERS,
    QUESTION_ANSWERING,
    classes_from_mean,
    inputs_of,
)


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
        if self.head == QUESTION_ANSWERING:
            return self.answer(hidden)
        return self.answer(means(hidden, segments) if self._reads_means else hidden[wanted])

    def answer(self, hidden: Tensor) -> Tensor:
        """The head's logits for tokens of the last layer (or for what ``read`` made of them), ... x width."""
        assert self.head is not None, "an encoder alone answers nothing"
        floats: Tensor = ENCODERS[self.model.config.model_type].answers[self.head](self.model, hidden).float()
        return floats

    def read(self, hidden: Tensor, which: list[int]) -> Tensor:
        """What the head is asked about in one sequence (tokens x width): some tokens, or the mean of all of them."""
        return hidden.mean(0, keepdim=True) if self._reads_means and which else hidden[which]

    def hidden(self, input_ids: Tensor, *, segments: Tensor, positions: Tensor, token_types: Tensor) -> Tensor:
        """The encoder's last layer: rows x length x width."""
        encoder = self.model.base_model
        # Attention wants its mask in the type that it computes in; under autocast that is not the weights'.
        dtype = None if torch.is_autocast_enabled(segments.device.type) else encoder.dtype
        beside = inputs_of(
            self.model.config, segments=segments, positions=positions, token_types=token_types, dtype=dtype
        )
        output: Tensor = encoder(input_ids=input_ids, **beside).last_hidden_state
        return output

    @property
    def _reads_means(self) -> bool:
        return self.head == CLASSIFICATION and classes_from_mean(self.model.config)


def means(hidden: Tensor, segments: Tensor) -> Tensor:
    """The mean of each sequence's tokens, in the order in which sequences stand in the rows: sequences x width."""
    real = segments > 0
    rows = torch.arange(len(segments), device=segments.device)[:, None]
    _, number = torch.unique((rows * (segments.shape[1] + 1) + segments)[real], return_inverse=True)
    counts = torch.bincount(number).to(hidden.dtype)
    sums = hidden.new_zeros((len(counts), hidden.shape[-1])).index_add(0, number, hidden[real])
    return sums / counts[:, None]


def fresh(sizes: EncoderConfig, *, tokenizer: PreTrainedTokenizerFast, labels: list[str]) -> PackedEncoder:
    """A network with weights from torch's current random state. Raises ``RuntimeFailure`` where sizes do not fit."""
    check_sizes(sizes)
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
    return PackedEncoder(ENCODERS["bert"].heads[sizes.head](config), head=sizes.head)


def check_sizes(sizes: EncoderConfig) -> None:
    """Raises ``RuntimeFailure`` where no encoder can have these."""
    if sizes.hidden_size % sizes.heads:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"hiddenSize {sizes.hidden_size} is not a multiple of heads {sizes.heads}: change one of them",
        )


def label_names(labels: list[str]) -> dict[str, Any]:
    """How a configuration names labels; nothing where there are none."""
    if not labels:
        return {}
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
