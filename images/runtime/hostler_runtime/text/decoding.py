"""Iteration-level batching for a decoder with a KV cache: sequences join and leave between two steps.

Prompts are padded on the left, so that every row ends in the same column and the next token of all rows is one
column. Padding on the right gives wrong answers without any error: the columns between a short prompt and its
first generated token would count as positions.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from hostler_runtime.protocols.serving import Prompt, Sampling

GREEDY_BELOW = 1e-4
"""A temperature this low leaves nothing to chance, and dividing by it would overflow."""


@dataclass(slots=True)
class _Row:
    key: int
    sampling: Sampling
    generator: torch.Generator
    length: int
    """Tokens in the cache, padding not counted: the position of the next token."""
    newest: int = 0
    seen: Tensor | None = None
    """Which tokens have occurred, for a penalty on repeating them; None where there is none."""


class BatchedDecoder:
    """A ``TokenStream``: row ``i`` of cache and mask belongs to ``_rows[i]``."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = model.device
        self._rows: list[_Row] = []
        self._cache: Any = None
        self._mask = torch.zeros((0, 0), dtype=torch.long, device=self._device)
        accepted = inspect.signature(model.forward).parameters
        # Without this the prefill would compute logits for every token of every prompt.
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._takes_positions = "position_ids" in accepted

    @torch.inference_mode()
    def add(self, prompts: Sequence[Prompt]) -> dict[int, int]:
        """Prefill, then join the running batch."""
        rows = [self._row(prompt) for prompt in prompts]
        tokens, mask = self._left_padded([prompt.tokens for prompt in prompts])
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache()
        logits = self._forward(tokens, mask=mask, positions=positions, cache=cache)
        first = _pick(rows, logits)
        self._join(rows, mask=mask, cache=cache)
        return first

    @torch.inference_mode()
    def step(self) -> dict[int, int]:
        """One more token for every row."""
        tokens = torch.tensor([[row.newest] for row in self._rows], device=self._device)
        positions = torch.tensor([[row.length] for row in self._rows], device=self._device)
        self._mask = pad(self._mask, (0, 1), value=1)
        logits = self._forward(tokens, mask=self._mask, positions=positions, cache=self._cache)
        for row in self._rows:
            row.length += 1
        return _pick(self._rows, logits)

    @torch.inference_mode()
    def remove(self, keys: Collection[int]) -> None:
        """Drop rows, and the columns that only they used."""
        leaving = set(keys)
        kept = [index for index, row in enumerate(self._rows) if row.key not in leaving]
        if len(kept) == len(self._rows):
            return
        self._rows = [self._rows[index] for index in kept]
        if not kept:
            self._cache, self._mask = None, self._mask[:0, :0]
            return
        index = torch.tensor(kept, device=self._device)
        self._mask = self._mask.index_select(0, index)
        unused = self._mask.shape[1] - int(self._mask.sum(-1).max())
        self._mask = self._mask[:, unused:]
        self._cache = _cache_of(
            (keys_.index_select(0, index)[:, :, unused:], values.index_select(0, index)[:, :, unused:])
            for keys_, values in _layers(self._cache)
        )

    def _row(self, prompt: Prompt) -> _Row:
        generator = torch.Generator(device=self._device).manual_seed(prompt.sampling.seed)
        row = _Row(prompt.key, prompt.sampling, generator, length=len(prompt.tokens))
        if prompt.sampling.repetition_penalty != 1.0:
            size = self._model.get_input_embeddings().weight.shape[0]
            row.seen = torch.zeros(size, dtype=torch.bool, device=self._device)
            row.seen[list(prompt.tokens)] = True
        return row

    def _left_padded(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        width = max(map(len, prompts))
        tokens = torch.tensor([[0] * (width - len(one)) + list(one) for one in prompts], device=self._device)
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts], device=self._device)
        return tokens, mask

    def _forward(self, tokens: Tensor, *, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
        where = {"position_ids": positions} if self._takes_positions else {}
        output = self._model(
            input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **where, **self._last_only
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _join(self, rows: list[_Row], *, mask: Tensor, cache: Any) -> None:
        if not self._rows:
            self._rows, self._mask, self._cache = rows, mask, cache
            return
        width = max(self._mask.shape[1], mask.shape[1])
        old, new = width - self._mask.shape[1], width - mask.shape[1]
        self._mask = torch.cat([pad(self._mask, (old, 0)), pad(mask, (new, 0))])
        self._cache = _cache_of(
            (
                torch.cat([pad(old_keys, (0, 0, old, 0)), pad(new_keys, (0, 0, new, 0))]),
                torch.cat([pad(old_values, (0, 0, old, 0)), pad(new_values, (0, 0, new, 0))]),
            )
            for (old_keys, old_values), (new_keys, new_values) in zip(_layers(self._cache), _layers(cache), strict=True)
        )
        self._rows = self._rows + rows


def _layers(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of every layer, each of shape (row, head, column, width)."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def _cache_of(layers: Any) -> Any:
    cache = DynamicCache()
    for index, (keys, values) in enumerate(layers):
        cache.update(keys, values, index)
    return cache


def _pick(rows: list[_Row], logits: Tensor) -> dict[int, int]:
    """The next token of every row; a row's choice depends on nothing but its own logits and seed."""
    if bool(torch.isnan(logits).any()):
        raise FloatingPointError("the model computed NaN: its weights are damaged or their number type is too narrow")
    penalized = {index: _penalized(logits[index], row) for index, row in enumerate(rows) if row.seen is not None}
    for index, changed in penalized.items():
        logits[index] = changed
    likeliest = logits.argmax(-1).tolist()
    for index, row in enumerate(rows):
        greedy = row.sampling.temperature < GREEDY_BELOW
        row.newest = likeliest[index] if greedy else _draw(logits[index], row)
        if row.seen is not None:
            row.seen[row.newest] = True
    return {row.key: row.newest for row in rows}


def _penalized(logits: Tensor, row: _Row) -> Tensor:
    """Less of what speaks for tokens that have occurred, and more of what speaks against them."""
    penalty = row.sampling.repetition_penalty
    changed = torch.where(logits > 0, logits / penalty, logits * penalty)
    # Some networks have more logits than embeddings, for the sake of their shape.
    seen = pad(row.seen, (0, len(logits) - len(row.seen)))  # type: ignore[arg-type]
    return torch.where(seen, changed, logits)


def _draw(logits: Tensor, row: _Row) -> int:
    return int(torch.multinomial(chances(logits, row.sampling), 1, generator=row.generator))


def chances(logits: Tensor, sampling: Sampling) -> Tensor:
    """What each token is drawn with, up to a common factor. Tokens are left out in the order in which transformers does
    it: all but the likeliest ``top_k``, then ``top_p``, then ``min_p``."""
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < len(logits):
        # Of equals with the last one all stay.
        logits = logits.masked_fill(logits < logits.topk(sampling.top_k).values[-1], -torch.inf)
    probabilities = logits.softmax(-1)
    if sampling.top_p < 1.0:
        ordered, order = probabilities.sort(descending=True)
        # A token stays while those before it have not reached top_p; the likeliest always stays.
        beyond = ordered.cumsum(-1) - ordered >= max(sampling.top_p, 1e-9)
        probabilities = torch.zeros_like(probabilities).scatter(0, order, ordered.masked_fill(beyond, 0.0))
    if sampling.min_p > 0.0:
        probabilities = probabilities.masked_fill(probabilities < sampling.min_p * probabilities.max(), 0.0)
    return probabilities
