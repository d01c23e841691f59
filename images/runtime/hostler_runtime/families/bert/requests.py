"""What an encoder does with each kind of request: the sequences it reads for it, and the result it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from hostler_runtime.families.bert.answers import as_probabilities, best_spans
from hostler_runtime.families.bert.packing import Piece
from hostler_runtime.families.bert.pooling import MEAN, Pooling
from hostler_runtime.families.bert.tokenizer import SequenceMaker, Window
from hostler_runtime.protocols.serving import PromptRejectedError
from hostler_runtime.protocols.tasks import (
    Candidate,
    CandidatesResult,
    ClassifyRequest,
    EmbeddingRequest,
    EmbeddingResult,
    FillMaskRequest,
    QuestionRequest,
    TaskRequest,
    TaskResult,
    Work,
)

TASKS: dict[str | None, type] = {
    "masked-lm": FillMaskRequest,
    "classification": ClassifyRequest,
    "question-answering": QuestionRequest,
}
"""The kind of request that a head answers; embeddings need none."""
_SPANS_PER_WINDOW = 20


@dataclass(frozen=True)
class Reader:
    """What turns requests into sequences."""

    tokenizer: PreTrainedTokenizerFast
    maker: SequenceMaker
    labels: Sequence[str]
    width: int
    """Length of an embedding."""
    pooling: Pooling = MEAN


class Reading(Protocol):
    """One request on its way through the encoder."""

    pieces: list[Piece]
    """The sequences to read."""
    asked: list[list[int]]
    """For each of them the tokens that the head is asked about; none for embeddings."""

    def result(self, hidden: list[Tensor], logits: list[Tensor]) -> TaskResult:
        """From the last layer of each sequence (tokens x width) and the head's answers (asked x classes)."""


def reading(request: TaskRequest, reader: Reader) -> Reading:
    """Raises ``PromptRejectedError`` where the request does not fit the model."""
    if isinstance(request, EmbeddingRequest):
        return _Embedding(request, reader)
    if isinstance(request, FillMaskRequest):
        return _FillMask(request, reader)
    if isinstance(request, ClassifyRequest):
        return _Classify(request, reader)
    if isinstance(request, QuestionRequest):
        return _Question(request, reader)
    raise TypeError(f"an encoder answers no {type(request).__name__}")


class _Embedding:
    """One vector out of the tokens of the last layer."""

    def __init__(self, request: EmbeddingRequest, reader: Reader) -> None:
        if request.dimensions is not None and request.dimensions > reader.width:
            raise PromptRejectedError(
                f"dimensions is {request.dimensions}; this model's vectors have {reader.width}",
                code="invalid_value",
                param="dimensions",
            )
        if request.tokens is not None:
            size = len(reader.tokenizer)
            if any(not 0 <= token < size for token in request.tokens):
                raise PromptRejectedError(
                    f"a token lies outside of the vocabulary of {size} tokens", code="invalid_value"
                )
            tokens = list(request.tokens)
        else:
            tokens = reader.maker.tokens(reader.pooling.prepared(request.text or ""))
        self.pieces = [_piece(tokens, reader)]
        self.asked: list[list[int]] = [[]]
        self._dimensions = request.dimensions or reader.width
        self._pooling = reader.pooling

    def result(self, hidden: list[Tensor], logits: list[Tensor]) -> EmbeddingResult:
        vector = self._pooling.vector(hidden[0].float(), dimensions=self._dimensions).cpu().numpy().astype(np.float32)
        return EmbeddingResult(vector, _work(self.pieces))


class _FillMask:
    """The likeliest tokens for each mask."""

    def __init__(self, request: FillMaskRequest, reader: Reader) -> None:
        self.pieces = [_piece(reader.maker.marked_tokens(request.text), reader)]
        mask = reader.tokenizer.mask_token_id
        self.asked = [[index for index, token in enumerate(self.pieces[0].tokens) if token == mask]]
        if not self.asked[0]:
            raise PromptRejectedError(
                f"the text has no {reader.tokenizer.mask_token}: put one where a word is wanted", code="no_mask"
            )
        self._top_k = request.top_k
        self._tokenizer = reader.tokenizer

    def result(self, hidden: list[Tensor], logits: list[Tensor]) -> CandidatesResult:
        # The matrix may have more rows than the vocabulary has tokens.
        probabilities = logits[0][:, : len(self._tokenizer)].softmax(-1)
        scores, tokens = probabilities.topk(min(self._top_k, probabilities.shape[1]))
        candidates = tuple(
            tuple(
                Candidate(self._tokenizer.decode([token]), score, token=token)
                for token, score in zip(row, values, strict=True)
            )
            for row, values in zip(tokens.tolist(), scores.tolist(), strict=True)
        )
        return CandidatesResult(candidates, _work(self.pieces))


class _Classify:
    """The likeliest labels of a text."""

    def __init__(self, request: ClassifyRequest, reader: Reader) -> None:
        self.pieces = [_piece(reader.maker.tokens(request.text), reader)]
        self.asked = [[0]]
        self._top_k = request.top_k
        self._labels = reader.labels

    def result(self, hidden: list[Tensor], logits: list[Tensor]) -> CandidatesResult:
        scores, numbers = logits[0][0].softmax(-1).topk(min(self._top_k, len(self._labels)))
        candidates = tuple(
            Candidate(self._labels[number], score)
            for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)
        )
        return CandidatesResult((candidates,), _work(self.pieces))


class _Question:
    """Stretches of a context that may answer a question; a long context is read in overlapping windows."""

    def __init__(self, request: QuestionRequest, reader: Reader) -> None:
        self._windows: list[Window] = reader.maker.windows(request.question, request.context)
        if not self._windows[0].characters:
            raise PromptRejectedError("the context is empty, so it holds no answer", code="invalid_value")
        self.pieces = [Piece(window.tokens, window.second) for window in self._windows]
        self.asked = [list(range(len(window.tokens))) for window in self._windows]
        self._request = request

    def result(self, hidden: list[Tensor], logits: list[Tensor]) -> CandidatesResult:
        spans = [
            span
            for window, ends in zip(self._windows, logits, strict=True)
            for span in best_spans(window, begins=ends[:, 0].numpy(), ends=ends[:, 1].numpy(), count=_SPANS_PER_WINDOW)
        ]
        context = self._request.context
        candidates = tuple(
            Candidate(context[span.start : span.end], span.score, start=span.start, end=span.end)
            for span in as_probabilities(spans)[: self._request.top_k]
        )
        return CandidatesResult((candidates,), _work(self.pieces))


def _piece(tokens: list[int], reader: Reader) -> Piece:
    sequence = reader.maker.sequence(tokens)
    most = reader.maker.context_length
    if len(sequence) > most:
        raise PromptRejectedError(
            f"the text has {len(sequence)} tokens with those that begin and end it; this model reads at most {most}",
            code="context_length_exceeded",
        )
    return Piece(sequence, len(sequence))


def _work(pieces: Sequence[Piece]) -> Work:
    return Work(input_tokens=sum(len(piece.tokens) for piece in pieces))
