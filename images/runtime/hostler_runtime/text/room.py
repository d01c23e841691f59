"""How much memory a decoder's rows take, from its sizes alone: asked before data is prepared and weights are read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from hostler_contract import JobConfig, Objective
from hostler_runtime.pretrained import from_base, guarded
from hostler_runtime.room import Demand, bytes_of_frozen, bytes_of_weights, rows_before_data
from hostler_runtime.text.architectures import masks_held
from hostler_runtime.text.decoder import fresh_decoder, prunable
from hostler_runtime.text.starting import Base, base_of, context_length, is_fresh, packing_of, sizes_of

_FEWEST_TOKENS = 300
"""The smallest vocabulary there is, where a tokenizer has yet to be trained."""


def demand(job: JobConfig, dataset: Any | None, *, item_bytes: int, processes: int) -> tuple[Demand, int]:
    """What a micro-batch takes, and its longest row; ``dataset`` is None before there is one. Then only the job can say
    how long rows are, and what it leaves open is not held against it."""
    base = base_of(job)
    # A student has the tokens of its teacher.
    given = base.vocabulary_size if base is not None else getattr(dataset, "vocabulary_size", None)
    vocabulary = given or _FEWEST_TOKENS
    network = _outline(job, vocabulary=vocabulary)
    config = network.config.get_text_config()
    packs = packing_of(job).mode == "auto" and job.objective.kind is not Objective.PREFERENCE
    found = Demand(
        weights=bytes_of_weights(
            job, network, processes=processes, item_bytes=item_bytes, adapted=[layer for _, layer in prunable(network)]
        ),
        beside=_bytes_beside(job, item_bytes=item_bytes),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        vocabulary=vocabulary,
        masks=masks_held(network.config) if packs else 0,
        item_bytes=item_bytes,
    )
    return found, dataset.longest_row if dataset is not None else rows_before_data(job, context_length(job))


def _bytes_beside(job: JobConfig, *, item_bytes: int) -> int:
    """Of the base, which every process holds whole beside what learns: the teacher, or a reference that is no adapter
    switched off."""
    base = base_of(job)
    compares = job.objective.kind is Objective.PREFERENCE and job.objective.lora is None
    if base is None or not (compares or job.objective.kind is Objective.DISTILL):
        return 0
    if getattr(base.config, "quantization_config", None):
        return 0  # as small as its files, whatever these are
    return bytes_of_frozen(job, _base_outline(base), item_bytes=item_bytes)


def _outline(job: JobConfig, *, vocabulary: int) -> Any:
    """The network that learns, without a single weight."""
    base = base_of(job)
    if base is not None and not is_fresh(job):
        return _base_outline(base)
    with torch.device("meta"):
        nobody = SimpleNamespace(bos_token_id=None, eos_token_id=None, pad_token_id=None)
        return fresh_decoder(sizes_of(job), nobody, vocabulary_size=vocabulary)


def _base_outline(base: Base) -> Any:
    with torch.device("meta"):
        return from_base(
            lambda: guarded(base.directory, lambda: AutoModelForCausalLM.from_config(base.config)),
            what="the base model",
        )
