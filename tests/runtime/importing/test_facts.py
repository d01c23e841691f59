"""What files say of a model, and which of a repository's files make it: without a hub, without a disk."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from runtime.importing.models import LLAMA, weights

from hostler_contract.importing import ImportReason
from hostler_runtime.importing.choice import HubFile, texts
from hostler_runtime.importing.choice import weights as chosen_weights
from hostler_runtime.importing.facts import Known, Tensors, facts, kind_of, license_name, read_header
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.meter import WINDOW, Meter

KNOWN = Known(decoders={"LlamaForCausalLM", "Qwen2ForCausalLM", "Starcoder2ForCausalLM"}, types={"llama", "qwen2"})
SOME = Tensors(parameters=10, size=20, dtypes=Counter({"BF16": 10}))
DECODER = ["tokenizer.json"]


def config(name: str, model_type: str, **others: Any) -> dict[str, Any]:
    """``config.json`` among documents."""
    return {"config.json": {"architectures": [name], "model_type": model_type, **others}}


@pytest.mark.parametrize(
    ("documents", "names", "tags", "want"),
    [
        pytest.param(config("LlamaForCausalLM", "llama"), DECODER, [], "chat text-generation", id="a decoder"),
        pytest.param(config("Starcoder2ForCausalLM", "starcoder2"), DECODER, [], "code text-generation", id="of code"),
        pytest.param(
            config("Qwen2ForCausalLM", "qwen2"), DECODER, ["code"], "code text-generation", id="a coder by its card"
        ),
        pytest.param(
            config("Qwen2ForCausalLM", "qwen2"),
            [*DECODER, "chat_template.jinja"],
            ["code"],
            "chat text-generation",
            id="a coder that chats",
        ),
        pytest.param(config("BertModel", "bert"), ["vocab.txt"], [], "bert feature-extraction", id="an encoder"),
        pytest.param(
            config("BertForSequenceClassification", "bert"),
            ["tokenizer.json"],
            [],
            "bert text-classification",
            id="a classifier",
        ),
        pytest.param(config("RobertaModel", "roberta"), DECODER, [], "bert feature-extraction", id="RoBERTa"),
        pytest.param(
            config("XLMRobertaForSequenceClassification", "xlm-roberta"),
            DECODER,
            [],
            "bert text-classification",
            id="XLM-RoBERTa with a head",
        ),
        pytest.param(config("ModernBertForMaskedLM", "modernbert"), DECODER, [], "bert fill-mask", id="ModernBERT"),
        pytest.param(
            config("WhisperForConditionalGeneration", "whisper"),
            ["tokenizer.json", "preprocessor_config.json"],
            [],
            "speech-to-text automatic-speech-recognition",
            id="Whisper",
        ),
        pytest.param(
            {"model_index.json": {"_class_name": "StableDiffusionPipeline"}},
            [],
            [],
            "text-to-image text-to-image",
            id="a pipeline",
        ),
    ],
)
def test_family_and_task_follow_from_the_files(
    documents: dict[str, Any], names: list[str], tags: list[str], want: str
) -> None:
    found = kind_of(documents, names=names, tags=tags, known=KNOWN)

    assert f"{found.family} {found.task}" == want


@pytest.mark.parametrize(
    "tokenizer",
    [
        pytest.param({"model": {"vocab": {"a": 0, "b": 300}}}, id="one more than rows"),
        pytest.param({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 300}]}, id="one more that was added"),
        pytest.param({"model": {"vocab": [["a", 0.0]] * 301}}, id="a list of pieces"),
    ],
)
def test_a_tokenizer_of_another_model_is_refused(tokenizer: dict[str, Any]) -> None:
    with pytest.raises(ImportFailure) as caught:
        kind_of({"config.json": LLAMA, "tokenizer.json": tokenizer}, names=DECODER, tags=[], known=KNOWN)

    assert caught.value.reason is ImportReason.UNSUPPORTED_FORMAT
    assert "301 tokens, and config.json a vocabulary of 300" in caught.value.message


def test_quantized_weights_that_no_server_reads_are_refused_with_the_way_out() -> None:
    rounded = LLAMA | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    with pytest.raises(ImportFailure, match=r"quantized by gptq, .* name the repository with the weights as they were"):
        kind_of({"config.json": rounded}, names=DECODER, tags=[], known=KNOWN)


@pytest.mark.parametrize(
    ("section", "want"),
    [
        pytest.param({}, None, id="weights as they were trained"),
        pytest.param({"quantization_config": {"quant_method": "torchao"}}, "torchao", id="rounded"),
    ],
)
def test_how_weights_are_rounded_is_a_fact(section: dict[str, Any], want: str | None) -> None:
    documents = {"config.json": LLAMA | section}
    kind = kind_of(documents, names=DECODER, tags=[], known=KNOWN)

    assert facts(kind, documents, names=DECODER, tensors=SOME, license=None).quantization == want


def test_a_tokenizer_may_use_all_rows() -> None:
    documents = {"config.json": LLAMA, "tokenizer.json": {"model": {"vocab": {"a": 0, "b": 299}}}}

    assert kind_of(documents, names=DECODER, tags=[], known=KNOWN).family == "chat"


@pytest.mark.parametrize(
    ("sizes", "dtype", "want"),
    [
        pytest.param({}, "BF16", 2 * 3 * 2 * 16 * 2, id="two key-value heads of four"),
        pytest.param({"text_config": {"num_hidden_layers": 6}}, "BF16", 2 * 6 * 2 * 16 * 2, id="of the text part"),
        pytest.param({"head_dim": 128}, "BF16", 2 * 3 * 2 * 128 * 2, id="a head size of its own"),
        pytest.param({"num_key_value_heads": None}, "F32", 2 * 3 * 4 * 16 * 4, id="as many as heads, in fp32"),
        pytest.param({}, "I8", 2 * 3 * 2 * 16 * 2, id="packed weights compute in half precision"),
        pytest.param({"kv_lora_rank": 512}, "BF16", None, id="a latent of them is another sum"),
    ],
)
def test_key_value_bytes_are_those_of_one_token(sizes: dict[str, Any], dtype: str, want: int | None) -> None:
    documents = {"config.json": LLAMA | sizes}
    kind = kind_of(documents, names=DECODER, tags=[], known=KNOWN)
    tensors = Tensors(parameters=10, size=20, dtypes=Counter({dtype: 10}))

    assert facts(kind, documents, names=DECODER, tensors=tensors, license=None).kv_bytes_per_token == want


def test_sizes_that_cannot_be_are_left_out() -> None:
    documents = {"config.json": LLAMA | {"num_hidden_layers": 10**30, "num_key_value_heads": -2, "head_dim": "wide"}}
    kind = kind_of(documents, names=DECODER, tags=[], known=KNOWN)

    found = facts(kind, documents, names=DECODER, tensors=SOME, license=None)

    assert found.sizes is not None
    assert (found.sizes.layers, found.sizes.kv_heads, found.sizes.head_size) == (None, 4, 16)
    assert found.kv_bytes_per_token is None


def test_gpt2_calls_its_sizes_by_other_names() -> None:
    sizes = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257}
    documents = config("LlamaForCausalLM", "gpt2", **sizes)
    kind = kind_of(documents, names=DECODER, tags=[], known=KNOWN)

    found = facts(kind, documents, names=DECODER, tensors=SOME, license="mit")

    assert (found.context_length, found.vocabulary_size) == (1024, 50257)
    assert found.kv_bytes_per_token == 2 * 12 * 768 * 2
    assert (found.license, found.chat_template) == ("MIT", False)
    assert found.sizes is not None
    assert (found.sizes.intermediate_size, found.sizes.learned_positions, found.sizes.tied) == (4 * 768, 1024, True)


def test_robertas_table_of_positions_is_longer_than_its_context() -> None:
    documents = config("RobertaModel", "roberta", max_position_embeddings=514, pad_token_id=1, vocab_size=50265)
    kind = kind_of(documents, names=DECODER, tags=[], known=KNOWN)

    assert facts(kind, documents, names=DECODER, tensors=SOME, license=None).context_length == 512


@pytest.mark.parametrize(
    ("hub", "want"),
    [
        pytest.param("apache-2.0", "Apache-2.0", id="SPDX spells it with capitals"),
        pytest.param("llama3.1", "llama3.1", id="what SPDX does not have keeps its name"),
        pytest.param(None, None, id="none"),
    ],
)
def test_licences_have_the_names_of_spdx(hub: str | None, want: str | None) -> None:
    assert license_name(hub) == want


def test_a_header_counts_values_and_bytes() -> None:
    content = weights(7, dtype="float16")

    found = read_header(content, name="a", file_size=len(content))

    assert (found.parameters, found.size, dict(found.dtypes)) == (7, 14, {"F16": 7})


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"w": {"dtype": "F32"}}', id="a tensor without a shape"),
        pytest.param(b'{"w": {"dtype": "F32", "shape": ["a"], "data_offsets": [0, 4]}}', id="a shape of words"),
        pytest.param(b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}', id="a place without an end"),
    ],
)
def test_a_broken_header_is_the_file_s_fault(header: bytes) -> None:
    with pytest.raises(ImportFailure) as caught:
        read_header(len(header).to_bytes(8, "little") + header, name="a.safetensors", file_size=8 + len(header))

    assert caught.value.reason is ImportReason.UNSUPPORTED_FORMAT
    assert caught.value.message.startswith("a.safetensors is no safetensors file")


def _files(*names: str) -> dict[str, HubFile]:
    return {name: HubFile(name=name, size=1) for name in names}


PIPELINE = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}


def test_a_pipeline_is_its_parts_without_what_no_server_loads() -> None:
    files = _files(
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "safety_checker/model.safetensors",
        "tokenizer/vocab.json",
        "v1-5-pruned.safetensors",
    )

    found = [*texts(files), *chosen_weights(files, {"model_index.json": PIPELINE}, what="sd")]

    assert sorted(file.name for file in found) == [
        "model_index.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    ]


def test_a_part_by_code_of_the_repository_is_refused() -> None:
    with pytest.raises(ImportFailure) as caught:
        chosen_weights({}, {"model_index.json": PIPELINE | {"unet": ["my_unet", "MyUNet"]}}, what="sd")

    assert caught.value.reason is ImportReason.REMOTE_CODE


def test_pooling_of_sentence_transformers_belongs_to_the_model() -> None:
    files = _files("config.json", "modules.json", "1_Pooling/config.json", "onnx/model.json", ".gitattributes.json")

    assert [file.name for file in texts(files)] == ["1_Pooling/config.json", "config.json", "modules.json"]


def test_an_index_that_names_files_which_are_not_there() -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../other.safetensors"}}
    files = _files("model-00001-of-00002.safetensors", "model.safetensors.index.json")

    with pytest.raises(ImportFailure) as caught:
        chosen_weights(files, {"model.safetensors.index.json": json.loads(json.dumps(index))}, what="tiny")

    assert "tiny lacks ../other.safetensors" in caught.value.message


def test_speed_is_that_of_the_last_seconds_and_earlier_bytes_are_no_speed() -> None:
    meter = Meter(now=0.0)
    meter.expect(10_000)
    meter.found(4000)
    for second in range(1, 41):
        meter.took(100, now=float(second))

    progress = meter.progress(now=40.0)

    assert (progress.bytes_done, progress.total_bytes) == (8000, 10_000)
    assert progress.bytes_per_second == pytest.approx(100, rel=0.1)
    assert progress.eta_seconds == pytest.approx(20, rel=0.1)


def test_nothing_arrives_and_nobody_knows_when_it_ends() -> None:
    meter = Meter(now=0.0)
    meter.expect(1000)
    assert meter.progress(now=0.5).bytes_per_second is None, "too early to say"

    progress = meter.progress(now=WINDOW)

    assert (progress.bytes_per_second, progress.eta_seconds) == (0, None)
