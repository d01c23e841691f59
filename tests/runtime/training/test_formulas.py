"""The control plane's formulas against the networks that the runtime really builds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from builders import make_family_job, make_model
from runtime.training.harness import make_job

from hostler.api.model import ModelSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning.devicememory import Run, training_terms
from hostler_contract import ModelConfig
from hostler_contract.architectures import EncoderConfig, TransformerConfig
from hostler_runtime.families.bert import network
from hostler_runtime.room import bytes_of_weights
from hostler_runtime.text.decoder import fresh_decoder

VOCABULARY = 640


class Words:
    """A tokenizer as far as building a network asks for it."""

    bos_token_id = eos_token_id = pad_token_id = 0

    def __len__(self) -> int:
        return VOCABULARY


def counted(model: torch.nn.Module) -> int:
    """Weights; one that is used in two places is one."""
    return sum(weight.numel() for weight in model.parameters())


SIZES: dict[str, Any] = {"layers": 3, "hiddenSize": 96, "heads": 4, "contextLength": 80, "vocabularySize": VOCABULARY}


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("width", [96, 160])
def test_a_decoder_has_as_many_weights_as_the_formula_says(architecture: str, width: int) -> None:
    sizes = TransformerConfig.model_validate(SIZES | {"architecture": architecture, "hiddenSize": width})
    built = fresh_decoder(sizes, SimpleNamespace(**vars(Words)), vocabulary_size=VOCABULARY)
    assert family("chat").parameters(ModelConfig(transformer=sizes)) == counted(built)


@pytest.mark.parametrize("head", ["masked-lm", "question-answering"])
def test_an_encoder_has_as_many_weights_as_the_formula_says(head: str) -> None:
    sizes = EncoderConfig.model_validate(SIZES | {"head": head})
    built = network.fresh(sizes, tokenizer=Words(), labels=[])  # type: ignore[arg-type]
    assert family("bert").parameters(ModelConfig(encoder=sizes)) == counted(built)


@pytest.mark.parametrize(("parallelism", "lora"), [("replicated", None), ("replicated", {}), ("sharded", None)])
def test_the_operator_and_the_trainer_count_the_same_bytes_of_weights(
    tmp_path: Path, parallelism: str, lora: dict[str, Any] | None
) -> None:
    """What a job is refused for before it has pods is what its trainer would have refused, and nothing else."""
    network = fresh_decoder(
        TransformerConfig.model_validate(SIZES), SimpleNamespace(**vars(Words)), vocabulary_size=VOCABULARY
    )
    training = {"steps": 1, "parallelism": parallelism}
    job = make_family_job("chat", objective="finetune", base={"name": "base"}, training=training, lora=lora)
    facts = {"parameters": counted(network), "vocabularySize": VOCABULARY}
    base = ModelSpec.model_validate(make_model(architecture=facts)["spec"])
    plan = Run(processes=2, sharded=parallelism == "sharded", lora=lora is not None, rows=1, length=0)
    terms = training_terms(TrainingJobSpec.model_validate(job["spec"]), base, plan)

    asked = make_job(tmp_path, objective={"kind": "finetune", "lora": lora}, hyperparameters__parallelism=parallelism)
    assert sum(terms.values()) == bytes_of_weights(asked, network, processes=2, item_bytes=4)
