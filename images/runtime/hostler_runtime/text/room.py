"""How much memory a decoder's rows take, from its sizes alone: asked before data is prepared and weights are read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from hostler_contract import JobConfig, Objective
from hostler_runtime.pretrained import from_base, guarded
from hostler_runtime.room import Demand, bytes_of_weights, rows_before_data
from hostler_runtime.text.architectures import masks_held
from hostler_runtime.text.decoder import fresh_decoder
from hostler_runtime.text.starting import base_of, context_length, is_fresh, packing_of, sizes_of

_FEWEST_TOKENS = 300
"""The smallest vocabulary there is, where a tokenizer has yet to be trained."""


def demand(job: JobConfig, dataset: Any | None, *, item_bytes: int, processes: int) -> tuple[Demand, int]:
    """What a micro-batch takes, and its longest row; ``dataset`` is None before there is one. Then only the job can say
    how long rows are, and what it leaves open is not held against it."""
    vocabulary = getattr(dataset, "vocabulary_size", None)
    network = _outline(job, vocabulary=vocabulary or _FEWEST_TOKENS)
    config = network.config.get_text_config()
    base = base_of(job)
    packs = packing_of(job).mode == "auto" and job.objective.kind is not Objective.PREFERENCE
    found = Demand(
        weights=bytes_of_weights(job, network, processes=processes),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        vocabulary=base.vocabulary_size if base is not None else vocabulary or _FEWEST_TOKENS,
        masks=masks_held(network.config) if packs else 0,
        item_bytes=item_bytes,
    )
    return found, dataset.longest_row if dataset is not None else rows_before_data(job, context_length(job))


def _outline(job: JobConfig, *, vocabulary: int) -> Any:
    """The network without a single weight."""
    base = base_of(job)
    with torch.device("meta"):
        if base is None or is_fresh(job):
            nobody = SimpleNamespace(bos_token_id=None, eos_token_id=None, pad_token_id=None)
            return fresh_decoder(sizes_of(job), nobody, vocabulary_size=vocabulary)
        return from_base(
            lambda: guarded(base.directory, lambda: AutoModelForCausalLM.from_config(base.config)),
            what="the base model",
        )
