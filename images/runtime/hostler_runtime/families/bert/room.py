"""How much memory an encoder's rows take, from its sizes alone."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig

from hostler_contract import JobConfig
from hostler_runtime.families.bert.encoders import ENCODERS, MASKED_LM
from hostler_runtime.families.bert.masking import MASKED_SHARE
from hostler_runtime.families.bert.network import check_sizes
from hostler_runtime.families.bert.plan import Plan, make_plan
from hostler_runtime.room import Demand, bytes_of_weights, rows_before_data


def demand(job: JobConfig, dataset: Any | None, *, item_bytes: int, processes: int) -> tuple[Demand, int]:
    """What a micro-batch takes, and its longest row; ``dataset`` is None before there is one."""
    plan = make_plan(job)
    config = _configuration(plan)
    with torch.device("meta"):
        network = ENCODERS[config.model_type].body(config)
    asked = int(config.vocab_size * MASKED_SHARE) if plan.head == MASKED_LM else 0
    found = Demand(
        weights=bytes_of_weights(
            job,
            network,
            processes=processes,
            item_bytes=item_bytes,
            adapted=_linear_layers(network),
        ),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        vocabulary=asked,
        masks=len(set(getattr(config, "layer_types", None) or [None])),
        item_bytes=item_bytes,
    )
    return found, dataset.longest_row if dataset is not None else rows_before_data(job, plan.context_length)


def _linear_layers(network: torch.nn.Module) -> list[torch.nn.Module]:
    """Those of the blocks, which get an adapter."""
    blocks = (each for each in network.modules() if isinstance(each, torch.nn.ModuleList))
    inside = {id(layer): layer for each in blocks for layer in each.modules() if isinstance(layer, torch.nn.Linear)}
    return list(inside.values())


def _configuration(plan: Plan) -> Any:
    if plan.takes_weights and plan.base is not None:
        return plan.base.config
    assert plan.sizes is not None, "a plan without a base has sizes"
    sizes = plan.sizes
    check_sizes(sizes)
    return BertConfig(
        vocab_size=300,  # the tokenizer is yet to be trained, and may find as few
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.hidden_size,
        max_position_embeddings=sizes.context_length,
    )
