"""From questions to answers: windows over the context, one pass over all of them, the best stretch of each context."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.answers import Span, as_probabilities, best_spans
from hostler_runtime.families.bert.inference import answer_logits, run_packed
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.packing import Piece
from hostler_runtime.families.bert.tokenizer import SequenceMaker

_SPANS_PER_WINDOW = 20


@torch.inference_mode()
def read(
    network: PackedEncoder,
    asked: Sequence[tuple[str, str]],
    *,
    maker: SequenceMaker,
    settings: PackingConfig | None = None,
) -> tuple[list[list[Span]], int, float]:
    """Spans of each context that may answer its question, best first; then the number of tokens that were read, and
    the share of padding beside them."""
    windows = [maker.windows(question, context) for question, context in asked]
    flat = [window for those in windows for window in those]
    hidden = run_packed(
        network,
        [Piece(window.tokens, window.second) for window in flat],
        pad_token=maker.padding,
        settings=settings or PackingConfig(),
    )
    logits = iter(answer_logits(network, hidden, tokens=[range(len(window.tokens)) for window in flat]))
    found = []
    for those in windows:
        spans: list[Span] = []
        for window in those:
            ends = next(logits).numpy()
            spans += best_spans(window, begins=ends[:, 0], ends=ends[:, 1], count=_SPANS_PER_WINDOW)
        found.append(as_probabilities(spans))
    return found, sum(len(window.tokens) for window in flat), hidden.padding
