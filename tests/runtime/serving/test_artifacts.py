"""Artifacts that cannot be served are refused with the reason ArtifactUnreadable and a sentence that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.serving import tiny_model
from safetensors.torch import load_file, save_file

from hostler_contract import ErrorReason
from hostler_runtime.families.chat.serving import load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError


def change_config(**changes: Any) -> Callable[[Path], None]:
    """A damage: other facts in config.json; None removes one."""

    def damage(directory: Path) -> None:
        path = directory / "config.json"
        config = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    """A damage: a file is not there."""
    return lambda directory: (directory / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    """A damage: a file holds something else."""

    def damage(directory: Path) -> None:
        (directory / name).write_bytes(content)

    return damage


def cut_weights(directory: Path) -> None:
    """A damage: the copy was interrupted."""
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickle_only(directory: Path) -> None:
    """A damage: weights in the old format, which can run code."""
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def drop_tensor(directory: Path) -> None:
    """A damage: one tensor is not there; transformers alone would invent it."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def nan_weights(directory: Path) -> None:
    """A damage: a training run that diverged."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    tensors["transformer.h.0.mlp.c_fc.weight"].fill_(float("nan"))
    save_file(tensors, path, metadata={"format": "pt"})


def shard_missing(directory: Path) -> None:
    """A damage: the index names a second file that was never copied."""
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def small_vocabulary(directory: Path) -> None:
    """A damage: the tokenizer of another model."""
    tiny_model.make_model(200).save_pretrained(directory)


DAMAGES = [
    pytest.param(shutil.rmtree, "is the model's volume mounted", id="no directory"),
    pytest.param(remove("config.json"), "has no config.json", id="no configuration"),
    pytest.param(write("config.json", b"{"), "cannot read", id="half a configuration"),
    pytest.param(write("config.json", b"[]"), "not a JSON object", id="a configuration that is a list"),
    pytest.param(remove("tokenizer.json"), "has no tokenizer.json", id="no tokenizer"),
    pytest.param(write("tokenizer.json", b'{"model": 5}'), "tokenizer.json", id="a broken tokenizer"),
    pytest.param(remove("model.safetensors"), "has no model.safetensors", id="no weights"),
    pytest.param(pickle_only, "pytorch_model.bin can run code", id="weights as a pickle"),
    pytest.param(cut_weights, "cannot read", id="weights cut off"),
    pytest.param(write("model.safetensors", b""), "cannot read", id="weights of no bytes"),
    pytest.param(drop_tensor, "1 tensors are missing", id="one tensor missing"),
    pytest.param(shard_missing, "model-00002-of-00002.safetensors", id="one shard missing"),
    pytest.param(change_config(n_layer=3), "are missing", id="more layers than weights"),
    pytest.param(change_config(n_layer=1), "have no place", id="fewer layers than weights"),
    pytest.param(change_config(n_embd=64), "", id="another width"),
    pytest.param(nan_weights, "NaN", id="weights that compute NaN"),
    pytest.param(
        change_config(model_type="llama", architectures=["LlamaForCausalLM"]),
        "describes a model of",
        id="another architecture, of 26 GB with its default sizes",
    ),
    pytest.param(
        change_config(model_type="bert", architectures=["BertForMaskedLM"]),
        "BertForMaskedLM is not a decoder-only language model",
        id="an encoder",
    ),
    pytest.param(
        change_config(model_type="t5", architectures=None, is_encoder_decoder=True),
        "t5 is not a decoder-only",
        id="an encoder and decoder",
    ),
    pytest.param(
        change_config(model_type="own", architectures=None, auto_map={"AutoConfig": "code.Config"}),
        "config.json",
        id="a model that brings its own code",
    ),
    pytest.param(small_vocabulary, "they are not a pair", id="the tokenizer of another model"),
]


@pytest.mark.parametrize(("damage", "want"), DAMAGES)
def test_damaged_artifacts_are_refused(
    tiny_directory: Path, tmp_path: Path, damage: Callable[[Path], None], want: str
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_directory, directory)
    damage(directory)
    with pytest.raises(UnservableError) as caught:
        load(directory, options=LoadOptions())
    assert caught.value.reason is ErrorReason.ARTIFACT_UNREADABLE
    assert str(directory) in str(caught.value)
    assert want in str(caught.value)


def test_code_in_the_directory_is_not_run(tiny_directory: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_directory, directory)
    (directory / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    change_config(model_type="own", architectures=None, auto_map={"AutoConfig": "code.Config"})(directory)
    with pytest.raises(UnservableError):
        load(directory, options=LoadOptions())
    assert not (tmp_path / "ran").exists()


def test_a_llama_in_shards_and_bf16_loads_through_the_same_code(tmp_path: Path) -> None:
    tokenizer = tiny_model.make_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    tiny_model.make_llama(len(tokenizer)).to(torch.bfloat16).save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    model = load(tmp_path, options=LoadOptions())
    assert model.context_length == tiny_model.CONTEXT
    assert model.end_tokens == {0}


def test_buffers_of_old_checkpoints_do_no_harm(tiny_directory: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_directory, directory)
    path = directory / "model.safetensors"
    save_file(load_file(path) | {"transformer.h.0.attn.bias": torch.ones(1)}, path, metadata={"format": "pt"})
    assert load(directory, options=LoadOptions()).vocabulary_size == len(tiny_model.make_tokenizer())


def test_defaults_come_from_the_model(tiny_directory: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_directory, directory)
    path = directory / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_sample": True, "temperature": 0.7, "top_p": 0.9}))
    defaults = load(directory, options=LoadOptions()).defaults
    assert (defaults.temperature, defaults.top_p) == (0.7, 0.9)
    assert (
        load(tiny_directory, options=LoadOptions()).defaults.temperature,
        load(tiny_directory, options=LoadOptions()).defaults.top_p,
    ) == (1.0, 1.0)


def test_without_a_chat_template_the_way_out_is_named(tmp_path: Path) -> None:
    model = load(tiny_model.save(tmp_path / "model", template=None), options=LoadOptions())
    assert model.encode("plain text works")
    with pytest.raises(PromptRejectedError, match="/v1/completions") as caught:
        model.encode_chat([{"role": "user", "content": "hi"}])
    assert caught.value.code == "chat_not_supported"


def test_a_model_of_elsewhere_stops_where_its_template_ends_a_turn(tmp_path: Path) -> None:
    """Many published ones name that token in the template alone."""
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    tokenizer = tiny_model.make_tokenizer(template=template)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tiny_model.make_model(len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load(tmp_path, options=LoadOptions()).end_tokens == {0, tokenizer.convert_tokens_to_ids("<|im_end|>")}


def test_of_templates_with_names_the_default_is_used_and_without_one_they_are_named(tmp_path: Path) -> None:
    named = {"default": tiny_model.TEMPLATE, "rag": "{{ documents }}"}
    hello = [{"role": "user", "content": "hi"}]
    model = load(tiny_model.save(tmp_path / "named", template=named), options=LoadOptions())  # type: ignore[arg-type]
    assert model.decode(model.encode_chat(hello)) == "user: hi\nassistant:"
    other = {"rag": named["rag"], "plain": named["default"]}
    model = load(tiny_model.save(tmp_path / "other", template=other), options=LoadOptions())  # type: ignore[arg-type]
    with pytest.raises(PromptRejectedError, match=r"no default specified.*'plain', 'rag'"):
        model.encode_chat(hello)


def test_an_empty_prompt_begins_with_the_token_that_begins_texts(tiny_directory: Path) -> None:
    assert load(tiny_directory, options=LoadOptions()).encode("") == [0]


def test_an_adapter_is_refused_and_not_ignored(tiny_directory: Path) -> None:
    options = LoadOptions(adapters={"pirate": tiny_directory})
    with pytest.raises(UnservableError, match=r"serves no adapters.*pirate") as caught:
        load(tiny_directory, options=options)
    assert caught.value.reason is ErrorReason.INVALID_CONFIGURATION
