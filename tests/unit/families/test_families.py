"""What the control plane says of families, and its formulas against published figures."""

from __future__ import annotations

import pytest
from tables import table

from hostler.accelerators.matrix import rules
from hostler.api.common import Family as FamilyName
from hostler.families import Shape, families, family

GPT2_SMALL = Shape(layers=12, hidden_size=768, heads=12, context_length=1024, vocabulary_size=50257)
GPT2_XL = Shape(layers=48, hidden_size=1600, heads=25, context_length=1024, vocabulary_size=50257)


@table(
    ("shape", "want"),
    {
        "GPT-2 small has 124 million": (GPT2_SMALL, 124_439_808),
        "GPT-2 XL has 1.56 billion": (GPT2_XL, 1_557_611_200),
    },
)
def test_weights_of_published_models(shape: Shape, want: int) -> None:
    assert family("chat").parameters(shape) == want


def test_flops_of_one_token_are_six_per_weight_and_the_attention() -> None:
    weights = 124_439_808 - 1024 * 768
    assert family("chat").training_flops_per_token(GPT2_SMALL) == 6 * weights + 12 * 12 * 768 * 1024


def test_training_memory_is_weights_gradients_and_two_moments() -> None:
    assert family("chat").training_bytes(GPT2_SMALL) == 16 * 124_439_808


def test_the_cache_of_one_token_is_a_key_and_a_value_in_each_layer() -> None:
    assert family("chat").kv_bytes_per_token(GPT2_SMALL, bytes_per_value=2) == 2 * 12 * 768 * 2


def test_every_name_of_the_api_has_an_entry() -> None:
    assert list(families()) == [name.value for name in FamilyName]


def test_what_is_bundled_is_the_same_here_and_in_the_matrix() -> None:
    bundled = {name.value for name, rule in rules().families.items() if rule.bundled}
    assert {name for name, entry in families().items() if entry.training.available} == bundled
    assert {name for name, entry in families().items() if entry.serving.available} == bundled


def test_a_family_that_is_not_there_yet_says_so_instead_of_inventing_figures() -> None:
    gan = family("gan")
    assert "no gan family" in gan.training.reason
    for ask in (gan.parameters, gan.training_flops_per_token, gan.training_bytes):
        with pytest.raises(LookupError, match="no gan family"):
            ask(GPT2_SMALL)
    with pytest.raises(LookupError):
        gan.sample_request()


def test_an_unknown_family_is_told_the_names() -> None:
    with pytest.raises(LookupError, match="unknown family 'chatt'; families: chat, code"):
        family("chatt")


def test_the_sample_request_of_chat_goes_to_one_of_its_apis() -> None:
    chat = family("chat")
    assert chat.sample_request().path in chat.apis
