"""A decoder-only language model that answers: the serving half that chat and code share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError

from hostler_contract import ErrorReason
from hostler_runtime.pretrained import use_granted_threads
from hostler_runtime.protocols.serving import (
    Prompt,
    PromptRejectedError,
    Sampling,
    UnservableError,
)
from hostler_runtime.text.artifacts import load_artifacts
from hostler_runtime.text.decoding import BatchedDecoder
from hostler_runtime.text.infilling import infill_prompt
from hostler_runtime.text.recommended import recommended
from hostler_runtime.text.saving import end_tokens

PADDING_TOLERANCE = 0.02
"""Largest share of the logits' range by which a padded prompt may differ from the same prompt alone."""


def load_language_model(path: Path) -> DecoderModel:
    """Load from a plain Hugging Face directory, and check. Raises ``UnservableError``."""
    use_granted_threads()
    model, tokenizer = load_artifacts(path)
    try:
        check_padding(model)
    except FloatingPointError as error:
        raise UnservableError(ErrorReason.ARTIFACT_UNREADABLE, f"{path}: {error}") from error
    return DecoderModel(model, tokenizer)


class DecoderModel:
    """A ``LanguageModel``."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.vocabulary_size: int = model.get_input_embeddings().weight.shape[0]
        self.context_length = context_length_of(model, tokenizer)
        self.end_tokens = frozenset(end_tokens(model, tokenizer))
        self.defaults = recommended(model.generation_config)

    def encode(self, text: str) -> list[int]:
        """With the special tokens that the tokenizer puts around a text."""
        tokens: list[int] = self._tokenizer(text)["input_ids"]
        if tokens:
            return tokens
        start = self._tokenizer.bos_token_id
        start = self._tokenizer.eos_token_id if start is None else start
        return [] if start is None else [start]

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Through the tokenizer's own chat template."""
        if not self._tokenizer.chat_template:
            raise PromptRejectedError(
                "This model has no chat template, so it cannot hold a conversation; use /v1/completions instead.",
                code="chat_not_supported",
            )
        try:
            text = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except (TemplateError, TypeError, ValueError) as error:  # several templates without a default are the last
            raise PromptRejectedError(
                f"The model's chat template refuses these messages: {error}", code="invalid_value"
            ) from error
        # The template writes the special tokens itself.
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        """In the order prefix, suffix, middle, with the tokens that the model was trained on."""
        tokens = infill_prompt(self._tokenizer, prefix=prefix, suffix=suffix)
        if tokens is None:
            raise PromptRejectedError(
                "This model was not trained to fill in the middle of a text; leave out suffix.",
                code="suffix_not_supported",
            )
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Exactly the tokens' text: cleaning up spaces would change it with what follows."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def stream(self) -> BatchedDecoder:
        """A new, empty batch."""
        return BatchedDecoder(self._model)


def check_padding(model: Any) -> None:
    """A short prompt beside a long one must give what it gives alone; architectures that cannot do it are refused."""
    short, long = (1, 2, 3), (4, 5, 6, 7, 8, 9, 10)
    size = model.get_input_embeddings().weight.shape[0]
    prompts = [[token % size for token in one] for one in (short, long)]
    greedy = Sampling(seed=0, temperature=0.0)
    decoder = _LogitsProbe(model)
    decoder.add([Prompt(0, tuple(prompts[0]), greedy)])
    alone = decoder.logits[0]
    decoder = _LogitsProbe(model)
    decoder.add([Prompt(key, tuple(one), greedy) for key, one in enumerate(prompts)])
    beside = decoder.logits[0]
    difference = float((alone - beside).abs().max())
    if difference > PADDING_TOLERANCE * float(alone.max() - alone.min()) + 1e-4:
        raise UnservableError(
            ErrorReason.ARTIFACT_UNREADABLE,
            f"{type(model).__name__} answers differently in a padded batch (logits differ by {difference:.3g}); "
            "the bundled server cannot serve this architecture",
        )


def context_length_of(model: Any, tokenizer: Any) -> int:
    """Longest sequence that the model was made for, in tokens."""
    length = getattr(model.config, "max_position_embeddings", None)
    if isinstance(length, int) and length > 0:
        return length
    # Models with relative positions name no limit; their tokenizer usually does (1e30 stands for none).
    return int(tokenizer.model_max_length) if tokenizer.model_max_length < 1e6 else 2048


class _LogitsProbe(BatchedDecoder):
    """Keeps the logits of the newest forward pass."""

    logits: torch.Tensor

    def _forward(self, tokens: torch.Tensor, **context: Any) -> torch.Tensor:
        self.logits = super()._forward(tokens, **context)
        return self.logits
