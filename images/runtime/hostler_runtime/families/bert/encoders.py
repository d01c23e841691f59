"""The encoders of transformers that this family reads, and what sets one apart from the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor
from transformers import (
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertModel,
    ModernBertForMaskedLM,
    ModernBertForQuestionAnswering,
    ModernBertForSequenceClassification,
    ModernBertModel,
    RobertaForMaskedLM,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaModel,
    XLMRobertaForMaskedLM,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

from hostler_runtime.text.attention import block_mask

Answer = Callable[[Any, Tensor], Tensor]
"""A model with a head, and tokens of its encoder's last layer (... x width), to the head's logits (... x classes)."""
MASKED_LM, CLASSIFICATION, QUESTION_ANSWERING = "masked-lm", "classification", "question-answering"
_WINDOWED: Final = "sliding_attention"


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One architecture."""

    body: Any
    """Class of the encoder alone."""
    pools: bool = True
    """Whether that has a layer on its last one, which nobody here reads."""
    heads: Mapping[str, Any]
    """Class by head."""
    answers: Mapping[str, Answer]
    """What each head makes of tokens. A classifier gets one token, or one mean, for each sequence."""
    head_weights: tuple[str, ...]
    """How the names of weights begin that belong to a head."""
    leftovers: tuple[str, ...] = ()
    """How the names of weights begin that a checkpoint may hold beyond its head."""
    also: tuple[str, ...] = ()
    """Classes of published checkpoints that stand for masked-lm too."""
    token_types: bool = True
    """Whether the first and the second text of a sequence are told apart by an input of their own."""
    skips_positions: bool = False
    """Whether positions count from the padding token's number + 1."""


def _bert_classes(model: Any, hidden: Tensor) -> Tensor:
    # The pooler reads the first token of its input; each sequence is handed to it as an input of its own.
    found: Tensor = model.classifier(model.dropout(model.bert.pooler(hidden.unsqueeze(-2))))
    return found


def _roberta_classes(model: Any, hidden: Tensor) -> Tensor:
    found: Tensor = model.classifier(hidden.unsqueeze(-2))
    return found


def _modernbert_figures(model: Any, hidden: Tensor) -> Tensor:
    found: Tensor = model.classifier(model.drop(model.head(hidden)))
    return found


_BERT = Encoder(
    body=BertModel,
    heads={
        MASKED_LM: BertForMaskedLM,
        CLASSIFICATION: BertForSequenceClassification,
        QUESTION_ANSWERING: BertForQuestionAnswering,
    },
    answers={
        MASKED_LM: lambda model, hidden: model.cls(hidden),
        CLASSIFICATION: _bert_classes,
        QUESTION_ANSWERING: lambda model, hidden: model.qa_outputs(hidden),
    },
    head_weights=("cls.", "classifier.", "qa_outputs.", "bert.pooler.", "pooler."),
    # Published ones were trained on the order of sentences too.
    leftovers=("cls.seq_relationship.", "bert.pooler.", "pooler."),
    also=("BertForPreTraining",),
)


def _roberta(*, body: Any, masked_lm: Any, classification: Any, question_answering: Any) -> Encoder:
    return Encoder(
        body=body,
        heads={MASKED_LM: masked_lm, CLASSIFICATION: classification, QUESTION_ANSWERING: question_answering},
        answers={
            MASKED_LM: lambda model, hidden: model.lm_head(hidden),
            CLASSIFICATION: _roberta_classes,
            QUESTION_ANSWERING: lambda model, hidden: model.qa_outputs(hidden),
        },
        head_weights=("lm_head.", "classifier.", "qa_outputs.", "roberta.pooler.", "pooler."),
        leftovers=("roberta.pooler.", "pooler."),
        skips_positions=True,
    )


ENCODERS: Final[Mapping[str, Encoder]] = {
    "bert": _BERT,
    "roberta": _roberta(
        body=RobertaModel,
        masked_lm=RobertaForMaskedLM,
        classification=RobertaForSequenceClassification,
        question_answering=RobertaForQuestionAnswering,
    ),
    "xlm-roberta": _roberta(
        body=XLMRobertaModel,
        masked_lm=XLMRobertaForMaskedLM,
        classification=XLMRobertaForSequenceClassification,
        question_answering=XLMRobertaForQuestionAnswering,
    ),
    "modernbert": Encoder(
        body=ModernBertModel,
        pools=False,
        heads={
            MASKED_LM: ModernBertForMaskedLM,
            CLASSIFICATION: ModernBertForSequenceClassification,
            QUESTION_ANSWERING: ModernBertForQuestionAnswering,
        },
        answers={
            MASKED_LM: lambda model, hidden: model.decoder(model.head(hidden)),
            CLASSIFICATION: _modernbert_figures,
            QUESTION_ANSWERING: _modernbert_figures,
        },
        head_weights=("head.", "decoder.", "classifier."),
        token_types=False,
    ),
}
"""By the model type that ``config.json`` names."""


def head_of(model_type: str, architectures: list[str]) -> str | None:
    """The head of a checkpoint whose configuration names these classes; None for an encoder alone. Raises
    ``LookupError`` where none of them is known."""
    known = ENCODERS[model_type]
    if not architectures or known.body.__name__ in architectures:
        return None
    for name in architectures:
        if name in known.also:
            return MASKED_LM
        for head, kind in known.heads.items():
            if kind.__name__ == name:
                return head
    raise LookupError(model_type)


def first_position(config: Any) -> int:
    """The number of a sequence's first position."""
    return int(config.pad_token_id or 0) + 1 if ENCODERS[config.model_type].skips_positions else 0


def longest_sequence(config: Any) -> int:
    """How many tokens an encoder of this configuration reads."""
    return int(config.max_position_embeddings) - first_position(config)


def classes_from_mean(config: Any) -> bool:
    """Whether a classifier reads the mean of a sequence's tokens instead of its first one."""
    return getattr(config, "classifier_pooling", None) == "mean"


def inputs_of(config: Any, *, segments: Tensor, positions: Tensor, token_types: Tensor, dtype: Any) -> dict[str, Any]:
    """What the encoder of this configuration takes beside the tokens; ``dtype`` is that of the attention mask."""
    found: dict[str, Any] = {
        "position_ids": positions + first_position(config),
        "attention_mask": block_mask(segments, causal=False, dtype=dtype),
    }
    if _WINDOWED in (getattr(config, "layer_types", None) or ()):
        found["attention_mask"] = {
            "full_attention": found["attention_mask"],
            _WINDOWED: block_mask(segments, causal=False, dtype=dtype, window=config.sliding_window),
        }
    if ENCODERS[config.model_type].token_types:
        found["token_type_ids"] = token_types.clamp(max=config.type_vocab_size - 1)
    return found
