"""Networks out of configurations, against the figures that their authors or the hub publish."""

from __future__ import annotations

from typing import Any

import pytest
from tables import table
from unit.planning.estimate import configurations as published

from hostler.api.model import Architecture
from hostler.planning.estimate.networks import (
    network_of_configuration,
    network_of_job,
    network_of_model,
    network_of_sizes,
)
from hostler.planning.estimate.operations import kv_bytes_per_token
from hostler_contract import ModelConfig
from hostler_contract.architectures import TransformerSizes
from hostler_contract.huggingface import transformer_sizes


@table(
    ("config", "want"),
    {
        "Llama-3.1-8B": (published.LLAMA_31_8B, 8_030_261_248),
        "Llama-3.1-70B": (published.LLAMA_31_70B, 70_553_706_496),
        "Llama-3.1-405B": (published.LLAMA_31_405B, 405_853_388_800),
        "Llama-3.2-1B, whose output matrix is the embedding": (published.LLAMA_32_1B, 1_235_814_400),
        "Llama-3.2-3B, the same": (published.LLAMA_32_3B, 3_212_749_824),
        "Llama-2-7B": (published.LLAMA_2_7B, 6_738_415_616),
        "Mistral-7B": (published.MISTRAL_7B, 7_241_732_096),
        "Mixtral 8x7B, with all experts": (published.MIXTRAL_8X7B, 46_702_792_704),
        "Qwen2.5-7B, with biases of queries, keys and values": (published.QWEN25_7B, 7_615_616_512),
        "Qwen2.5-0.5B": (published.QWEN25_05B, 494_032_768),
        "Qwen3-8B, with a norm of each head": (published.QWEN3_8B, 8_190_735_360),
        "Qwen3-30B-A3B, with 128 experts": (published.QWEN3_30B_A3B, 30_532_122_624),
        "Gemma-2-9B, with four norms": (published.GEMMA_2_9B, 9_241_705_984),
        "Gemma-2-2B": (published.GEMMA_2_2B, 2_614_341_888),
        "Gemma-3-1B": (published.GEMMA_3_1B, 999_885_952),
        "Phi-3-mini": (published.PHI_3_MINI, 3_821_079_552),
        "gpt-oss-20b, with sinks and biases of the experts": (published.GPT_OSS_20B, 20_914_757_184),
        "StarCoder2-3B": (published.STARCODER_2_3B, 3_030_371_328),
        "OLMo-2-7B, with norms over all heads": (published.OLMO_2_7B, 7_298_617_344),
        "Pythia-160m": (published.PYTHIA_160M, 162_322_944),
        "GPT-2 small": (published.GPT_2, 124_439_808),
        "BERT base with its head of masked words": (published.BERT_BASE, 109_514_298),
        "BERT base as it was pretrained": (
            published.BERT_BASE | {"architectures": ["BertForPreTraining"]},
            110_106_428,
        ),
        "BERT base alone": (published.BERT_BASE | {"architectures": ["BertModel"]}, 109_482_240),
        "RoBERTa base": (published.ROBERTA_BASE, 124_697_433),
    },
)
def test_weights_of_a_configuration_are_those_of_its_files(config: dict[str, Any], want: int) -> None:
    assert network_of_configuration(config).parameters == want


@table(
    ("config", "billions"),
    {
        "Mixtral 8x7B computes each token with 12.9 of 46.7": (published.MIXTRAL_8X7B, 12.9),
        "Qwen3-30B-A3B with 3.3 of 30.5": (published.QWEN3_30B_A3B, 3.35),
        "gpt-oss-20b with 3.6 of 20.9, its embedding left out as its authors do": (published.GPT_OSS_20B, 3.6),
        "a dense network with all": (published.LLAMA_31_8B, 8.03),
    },
)
def test_active_weights_are_the_published_ones_without_what_is_looked_up(
    config: dict[str, Any], billions: float
) -> None:
    network = network_of_configuration(config)
    looked_up = 0 if config["model_type"] == "gpt_oss" else network.vocabulary_size * network.hidden_size
    assert (network.active_parameters + looked_up) / 1e9 == pytest.approx(billions, rel=0.015)


def test_positions_that_are_looked_up_are_multiplied_with_nothing() -> None:
    network = network_of_configuration(published.GPT_2)
    assert network.active_parameters == network.parameters - 1024 * 768


@table(
    ("config", "want"),
    {
        "Llama-3.1-8B": (published.LLAMA_31_8B, 131_072),
        "Llama-3.1-70B": (published.LLAMA_31_70B, 327_680),
        "Llama-2-7B": (published.LLAMA_2_7B, 524_288),
        "Qwen3-30B-A3B": (published.QWEN3_30B_A3B, 98_304),
    },
)
def test_key_value_bytes_of_a_token(config: dict[str, Any], want: int) -> None:
    assert kv_bytes_per_token(network_of_configuration(config)) == want


@table(
    ("config", "want"),
    {
        "Mistral-7B: every layer": (published.MISTRAL_7B, (4096, 32)),
        "Gemma-2: every other layer": (published.GEMMA_2_9B, (4096, 21)),
        "Gemma-3: five of six": (published.GEMMA_3_1B, (512, 22)),
        "gpt-oss: as its list says": (published.GPT_OSS_20B, (128, 12)),
        "Qwen2.5 says that it uses none": (published.QWEN25_7B, (0, 0)),
        "Mixtral has none": (published.MIXTRAL_8X7B, (0, 0)),
    },
)
def test_windows_of_attention(config: dict[str, Any], want: tuple[int, int]) -> None:
    network = network_of_configuration(config)
    assert (network.window, network.windowed_layers) == want


@table(
    ("config", "words"),
    {
        "a type that nobody knows": (published.LLAMA_31_8B | {"model_type": "mamba"}, "'mamba' is none"),
        "no type": ({"hidden_size": 8}, "model_type is missing"),
        "no layers": (published.LLAMA_31_8B | {"num_hidden_layers": None}, "does not say layers"),
        "layers below zero": (published.LLAMA_31_8B | {"num_hidden_layers": -3}, "does not say layers"),
        "more layers than can be": (published.LLAMA_31_8B | {"num_hidden_layers": 10**12}, "does not say layers"),
        "a width that is a word": (published.LLAMA_31_8B | {"hidden_size": "wide"}, "does not say hidden_size"),
        "no vocabulary": (published.LLAMA_31_8B | {"vocab_size": True}, "vocab_size"),
        "a latent of keys and values": (published.LLAMA_31_8B | {"kv_lora_rank": 512}, "latent"),
    },
)
def test_a_configuration_that_says_too_little_is_told_what(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        network_of_configuration(config)


def test_a_network_inside_a_model_of_several_senses_is_its_decoder() -> None:
    outer = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}
    network = network_of_configuration({**outer, "text_config": published.GEMMA_3_1B})
    assert network == network_of_configuration(published.GEMMA_3_1B)


@table(
    ("family", "block", "config"),
    {
        "a chat model of GPT-2's sizes": (
            "chat",
            {"transformer": {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 1024}},
            published.GPT_2,
        ),
        "an encoder of BERT's": (
            "bert",
            {"encoder": {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 512}},
            published.BERT_BASE,
        ),
    },
)
def test_a_job_and_the_files_of_the_same_network_agree(
    family: str, block: dict[str, Any], config: dict[str, Any]
) -> None:
    (name, sizes), *_ = block.items()
    model = ModelConfig.model_validate({name: sizes | {"vocabularySize": config["vocab_size"]}})
    assert network_of_job(family, model) == network_of_configuration(config)


def test_a_llama_of_a_job_has_gates_and_no_positions() -> None:
    sizes = {"architecture": "llama", "layers": 2, "hiddenSize": 96, "heads": 4, "contextLength": 64}
    network = network_of_job("chat", ModelConfig.model_validate({"transformer": sizes | {"vocabularySize": 512}}))
    assert network is not None
    assert (network.intermediate_size, network.gated) == (256, True)
    assert network.active_parameters == network.parameters


def test_families_that_read_no_tokens_have_no_such_network() -> None:
    model = ModelConfig.model_validate({"gan": {"imageSize": 32}})
    assert network_of_job("gan", model) is None


def test_a_model_has_the_network_that_its_files_say() -> None:
    config = published.QWEN3_30B_A3B
    found = Architecture(parameters=30_532_122_624, vocabulary_size=151936, sizes=transformer_sizes(config))
    assert network_of_model(found) == network_of_configuration(config)


@table(
    "architecture",
    {
        "nothing": None,
        "no sizes": Architecture(parameters=10, vocabulary_size=300),
        "no number of weights": Architecture(sizes=transformer_sizes(published.GPT_2), vocabulary_size=300),
        "some sizes": Architecture(parameters=10, vocabulary_size=300, sizes=TransformerSizes(layers=3)),
        "fewer weights than the embedding alone has": Architecture(
            parameters=10, vocabulary_size=300, sizes=transformer_sizes(published.LLAMA_31_8B)
        ),
    },
)
def test_an_entry_that_says_too_little_has_none(architecture: Architecture | None) -> None:
    assert network_of_model(architecture) is None


def test_sizes_without_a_word_on_gates_are_taken_for_gated() -> None:
    sizes = transformer_sizes(published.LLAMA_31_8B).model_copy(update={"gated": None})
    network = network_of_sizes(sizes, parameters=8_030_261_248, vocabulary_size=128256)
    assert network is not None
    assert network.gated
