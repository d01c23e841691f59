"""What the control plane says of families, and its formulas against published figures."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any, get_args

import pytest
from tables import table

from hostler.accelerators.matrix import rules
from hostler.api.network import BLOCKS
from hostler.families import Family, FamilyName, families, family
from hostler_contract import ModelConfig, Objective, Supervision
from hostler_contract.architectures import EncoderConfig

GPT2_SMALL = {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 1024, "vocabularySize": 50257}
GPT2_XL = GPT2_SMALL | {"layers": 48, "hiddenSize": 1600, "heads": 25}
LLAMA_7B = {
    "architecture": "llama",
    "layers": 32,
    "hiddenSize": 4096,
    "heads": 32,
    "contextLength": 4096,
    "vocabularySize": 32000,
}
BERT_BASE = {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 512, "vocabularySize": 30522}
WHISPER_TINY = {
    "encoderLayers": 4,
    "decoderLayers": 4,
    "hiddenSize": 384,
    "heads": 6,
    "vocabularySize": 51865,
    "maxTextTokens": 448,
}
BUNDLED = [entry for entry in families().values() if entry.training.available]


def sizes(**block: Any) -> ModelConfig:
    return ModelConfig.model_validate(block)


@table(
    ("name", "model", "want"),
    {
        "GPT-2 small has 124 million": ("chat", {"transformer": GPT2_SMALL}, 124_439_808),
        "GPT-2 XL has 1.56 billion": ("code", {"transformer": GPT2_XL}, 1_557_611_200),
        "Llama 2 7B has 6.74 billion, its own output matrix and gates of 11008": (
            "chat",
            {"transformer": LLAMA_7B},
            6_738_415_616 - 32000 * 4096 - 32 * 3 * 4096 * (11008 - 10944),
        ),
        "BERT base has 110 million": ("bert", {"encoder": BERT_BASE}, 109_514_298),
        "BERT base that answers questions": (
            "bert",
            {"encoder": BERT_BASE | {"head": "question-answering"}},
            108_893_186,
        ),
        "Whisper tiny has 38 million": ("speech-to-text", {"speech": WHISPER_TINY}, 37_760_640),
        "a classifier's labels are in the data": ("bert", {"encoder": BERT_BASE | {"head": "classification"}}, None),
        "a conformer is counted by the trainer": (
            "speech-to-text",
            {"speech": WHISPER_TINY | {"architecture": "conformer"}},
            None,
        ),
        "without sizes there is no figure": ("chat", {}, None),
    },
)
def test_weights_of_published_models(name: str, model: dict[str, Any], want: int | None) -> None:
    assert family(name).parameters(sizes(**model)) == want


@table(
    ("name", "model", "want"),
    {
        "GPT-2 looks its positions up": (
            "chat",
            {"transformer": GPT2_SMALL},
            6 * (124_439_808 - 1024 * 768) + 12 * 12 * 768 * 1024,
        ),
        "Llama has nothing that is only looked up": (
            "chat",
            {"transformer": LLAMA_7B},
            6 * (6_738_415_616 - 32000 * 4096 - 32 * 3 * 4096 * 64) + 12 * 32 * 4096 * 4096,
        ),
        "BERT looks positions and token types up": (
            "bert",
            {"encoder": BERT_BASE},
            6 * (109_514_298 - 514 * 768) + 12 * 12 * 768 * 512,
        ),
        "diffusion is counted by the trainer": ("text-to-image", {}, None),
    },
)
def test_flops_are_six_per_weight_that_is_multiplied_and_the_attention(
    name: str, model: dict[str, Any], want: int | None
) -> None:
    assert family(name).training_flops(sizes(**model)) == want


def test_training_memory_is_weights_gradients_and_two_moments() -> None:
    assert family("chat").training_bytes(sizes(transformer=GPT2_SMALL)) == 16 * 124_439_808


def test_the_cache_of_one_token_is_a_key_and_a_value_in_each_layer() -> None:
    model = sizes(transformer=GPT2_SMALL)
    assert family("chat").kv_bytes_per_token(model, bytes_per_value=2) == 2 * 12 * 768 * 2


@table(
    ("head", "want"),
    {
        "hidden words": ("masked-lm", "fill-mask"),
        "labels": ("classification", "text-classification"),
        "answers": ("question-answering", "question-answering"),
        "whatever the base has": (None, "feature-extraction"),
    },
)
def test_the_task_of_an_encoder_is_its_heads(head: str | None, want: str) -> None:
    model = sizes(encoder=BERT_BASE | {"head": head}) if head else sizes()
    assert family("bert").task_of(model) == want


def test_every_name_of_the_api_has_an_entry() -> None:
    assert list(families()) == [name.value for name in FamilyName]


def test_what_is_bundled_is_the_same_here_and_in_the_matrix() -> None:
    bundled = {name.value for name, rule in rules().families.items() if rule.bundled}
    assert {entry.name for entry in BUNDLED} == bundled
    assert {entry.name for entry in families().values() if entry.serving.available} == bundled


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_a_bundled_family_says_all_that_rules_are_made_from(entry: Family) -> None:
    assert entry.block in BLOCKS
    assert entry.block in ModelConfig.model_fields
    assert entry.formats
    assert entry.supervisions
    assert Objective.PRETRAIN in entry.objectives
    assert not entry.lora or Objective.FINETUNE in entry.objectives
    assert all(families()[source].training.available for sources in entry.parts.values() for source in sources)


def test_every_head_says_what_it_learns_from() -> None:
    bert = family("bert")
    assert set(bert.heads) == set(get_args(EncoderConfig.model_fields["head"].annotation))
    assert all(bert.heads.values())
    assert bert.supervisions == set(Supervision)


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_a_sample_request_goes_to_an_api_of_its_family_and_says_what_must_come_back(entry: Family) -> None:
    request = entry.sample_request()
    assert request.path in entry.apis
    assert request.expect
    assert "model" not in request.body, "the server knows its own model id"


def test_the_sample_of_speech_is_a_sound_that_any_reader_of_wav_takes() -> None:
    (file,) = family("speech-to-text").sample_request().files
    with wave.open(io.BytesIO(base64.b64decode(file.content_base64))) as tone:
        assert (tone.getframerate(), tone.getnchannels(), tone.getnframes()) == (16_000, 1, 4_000)
        assert len(set(tone.readframes(400))) > 20, "it is not silent"


def test_a_family_of_the_users_own_says_why_it_is_not_started() -> None:
    custom = family("custom")
    assert "images of your own" in custom.training.reason
    with pytest.raises(LookupError, match="family custom: this release"):
        custom.sample_request()


def test_an_unknown_family_is_told_the_names() -> None:
    with pytest.raises(LookupError, match="unknown family 'chatt'; families: chat, code"):
        family("chatt")


@pytest.mark.parametrize(
    ("name", "task", "template", "want"),
    [
        pytest.param("chat", None, None, "/v1/chat/completions /v1/completions", id="a decoder nobody has looked at"),
        pytest.param("chat", None, True, "/v1/chat/completions /v1/completions", id="one with a template"),
        pytest.param("chat", None, False, "/v1/completions", id="one without continues texts"),
        pytest.param("bert", "feature-extraction", None, "/v1/embeddings", id="an encoder alone"),
        pytest.param(
            "bert", "fill-mask", None, "/v1/fill-mask /v1/embeddings", id="with the head that it learned with"
        ),
        pytest.param("bert", "text-classification", None, "/v1/classify /v1/embeddings", id="a classifier"),
        pytest.param("bert", "question-answering", None, "/v1/answers /v1/embeddings", id="a finder"),
        pytest.param("gan", None, None, "/v1/images/generations", id="others as they are"),
    ],
)
def test_apis_follow_from_the_task(name: str, task: str | None, template: bool | None, want: str) -> None:  # noqa: FBT001
    assert family(name).apis_of(task, chat_template=template) == (*want.split(), "/v1/models")


@pytest.mark.parametrize("translates", [None, True, False])
def test_speech_is_translated_unless_the_model_says_that_it_never_learned_to(translates: bool | None) -> None:  # noqa: FBT001
    apis = family("speech-to-text").apis_of("automatic-speech-recognition", translates=translates)
    assert "/v1/audio/transcriptions" in apis
    assert ("/v1/audio/translations" in apis) == (translates is not False)
