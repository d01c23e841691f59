"""Going on from a checkpoint in the ecosystem's own format, and conversations as training data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.serving import tiny_model
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.chat.serving import load
from hostler_runtime.protocols.serving import LoadOptions, Prompt, Sampling
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.conversations import (
    PLAIN_ROLE_TEMPLATE,
    ROLE_TEMPLATE,
    ROLE_TOKENS,
    Conversations,
    choose_template,
)
from hostler_runtime.text.infilling import FIM_TOKENS, infill_prompt, prefer_spm
from hostler_runtime.text.tokenizer import train_tokenizer

CONTEXT = 256
"""Tokens: room for a conversation; what a step costs grows with it."""
UNREADABLE, INVALID = ErrorReason.ARTIFACT_UNREADABLE, ErrorReason.INVALID_CONFIGURATION
MESSAGES = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Where is the engine?"},
    {"role": "assistant", "content": "On its track."},
    {"role": "user", "content": "And the driver?"},
    {"role": "assistant", "content": "In the yard."},
]


def checkpoint(directory: Path, architecture: str, *, template: str | None = None) -> Path:
    """A tiny GPT-2 or Llama as transformers saves it."""
    tokenizer = tiny_model.make_tokenizer(template=template)
    make = {"gpt2": tiny_model.make_model, "llama": tiny_model.make_llama}[architecture]
    make(len(tokenizer), context=CONTEXT).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def conversations(path: Path, *, rows: int = 20) -> Path:
    """The same conversation again and again."""
    path.write_text((json.dumps({"messages": MESSAGES}) + "\n") * rows)
    return path


FINETUNE: dict[str, Any] = {"objective": {"kind": "finetune"}, "model": {}, "hyperparameters__learningRate": 1e-3}


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("family", ["chat", "code"])
def test_a_checkpoint_goes_on_learning_and_can_be_served(
    architecture: str, family: str, job: JobFactory, train: Train, tmp_path: Path
) -> None:
    base = checkpoint(tmp_path / "base", architecture)
    (tmp_path / "few.txt").write_text(REFERENCE_TEXT[:8_000])
    given = job(data=tmp_path / "few.txt", family=family, inputs={"base": str(base)}, **FINETUNE)

    outcome = train(given)

    comparison = outcome.result.comparison
    assert comparison is not None
    assert comparison.after.metrics["validation_loss"] < comparison.before.metrics["validation_loss"] - 0.1
    written = Path(given.workspace) / "model"
    before, after = load_file(base / "model.safetensors"), load_file(written / "model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert (written / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert load(written, options=LoadOptions()).context_length == CONTEXT


def test_a_base_without_roles_learns_conversations_in_plain_words(
    job: JobFactory, train: Train, tmp_path: Path
) -> None:
    base = checkpoint(tmp_path / "base", "gpt2")
    given = job(
        data=conversations(tmp_path / "rows.jsonl"), dataset__format="jsonl", inputs={"base": str(base)}, **FINETUNE
    )

    train(given)

    model = load(Path(given.workspace) / "model", options=LoadOptions())
    text = model.decode(model.encode_chat(MESSAGES[:2]))
    assert text == "System: Be short.\nUser: Where is the engine?\nAssistant:"


CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def talker(directory: Path) -> Path:
    """A base whose template ends turns with a token of its own and a line end, and whose defaults do not name it."""
    tokenizer = tiny_model.make_tokenizer(template=CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tiny_model.make_llama(len(tokenizer), context=CONTEXT).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def answer(model: Any, turns: list[dict[str, str]], *, most: int = 40) -> tuple[str, bool]:
    """What a server of the model says by likeliest tokens, and whether it ended by itself."""
    stream = model.stream()
    tokens: list[int] = []
    found = stream.add([Prompt(0, tuple(model.encode_chat(turns)), Sampling(seed=0, temperature=0.0))])
    while found[0] not in model.end_tokens and len(tokens) < most:
        tokens.append(found[0])
        found = stream.step()
    return model.decode(tokens), found[0] in model.end_tokens


def test_a_tuned_model_stops_where_its_template_ends_a_turn(job: JobFactory, train: Train, tmp_path: Path) -> None:
    given = job(
        data=conversations(tmp_path / "rows.jsonl"), dataset__format="jsonl",
        inputs={"base": str(talker(tmp_path / "base"))}, objective={"kind": "finetune"}, model={},
        hyperparameters={"steps": 60, "batchSize": 8, "learningRate": 5e-3, "warmupSteps": 5},
    )  # fmt: skip

    outcome = train(given)

    written = Path(given.workspace) / "model"
    model = load(written, options=LoadOptions())
    assert answer(model, MESSAGES[:2]) == ("On its track.", True)
    assert answer(model, MESSAGES[:4]) == ("In the yard.", True)
    assert outcome.result.metrics["answer_accuracy"] == 1
    # Other servers read the file.
    ends = json.loads((written / "generation_config.json").read_text())["eos_token_id"]
    names = model._tokenizer.convert_ids_to_tokens(ends)
    assert names == ["<|endoftext|>", "<|im_end|>"]


@pytest.mark.parametrize("family", ["chat", "code"])
def test_learning_documents_takes_no_end_away_from_a_model_of_conversations(
    family: str, job: JobFactory, train: Train, tmp_path: Path
) -> None:
    base = talker(tmp_path / "base")
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 7]}))
    (tmp_path / "few.txt").write_text(REFERENCE_TEXT[:8_000])
    given = job(data=tmp_path / "few.txt", family=family, inputs={"base": str(base)}, **FINETUNE)

    train(given)

    model = load(Path(given.workspace) / "model", options=LoadOptions())
    assert model.end_tokens == {0, 7, model._tokenizer.convert_tokens_to_ids("<|im_end|>")}


DRAWN = {"temperature": 0.3, "top_p": 0.7, "top_k": 11, "repetition_penalty": 1.1}
UNSAID = {"temperature": None, "top_p": None}


@pytest.mark.parametrize(
    ("told", "want", "objective"),
    [
        pytest.param({"do_sample": True, **DRAWN}, DRAWN, {"kind": "finetune"}, id="the base says how"),
        pytest.param({"do_sample": True, **DRAWN}, DRAWN, {"kind": "finetune", "lora": {}}, id="to an adapter too"),
        pytest.param({"do_sample": True, **DRAWN}, DRAWN, {"kind": "quantize"}, id="and to 8-bit weights"),
        pytest.param(
            {"temperature": 0.3}, {**UNSAID, "temperature": 0.3}, {"kind": "finetune"}, id="it forgets a flag"
        ),
        pytest.param({}, UNSAID, {"kind": "finetune"}, id="it says nothing"),
        pytest.param(None, UNSAID, {"kind": "finetune"}, id="it has no file for it"),
    ],
)
def test_a_tuned_model_answers_with_the_settings_of_its_base(
    objective: dict[str, Any], told: dict[str, Any] | None, want: dict[str, Any],
    job: JobFactory, train: Train, tmp_path: Path,
) -> None:  # fmt: skip
    base = checkpoint(tmp_path / "base", "llama")
    (base / "generation_config.json").unlink()
    if told is not None:
        (base / "generation_config.json").write_text(json.dumps({"eos_token_id": 0, **told}))
    (tmp_path / "few.txt").write_text(REFERENCE_TEXT[:4_000])
    steps = 0 if objective["kind"] == "quantize" else 1
    given = job(
        data=tmp_path / "few.txt", model={}, inputs={"base": str(base)}, objective=objective,
        hyperparameters__steps=steps,
    )  # fmt: skip

    train(given)

    stored = json.loads((Path(given.workspace) / "model" / "generation_config.json").read_text())
    assert {name: stored.get(name) for name in want} == want
    assert (
        load(Path(given.workspace) / "model", options=LoadOptions()).defaults
        == load(base, options=LoadOptions()).defaults
    ), "served as its base is"


def bert(directory: Path) -> None:
    """A checkpoint of another architecture."""
    BertForMaskedLM(
        BertConfig(vocab_size=400, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    ).save_pretrained(directory)
    tiny_model.make_tokenizer().save_pretrained(directory)


def other_tokenizer(directory: Path) -> None:
    """A tokenizer with more tokens than the model."""
    checkpoint(directory, "gpt2")
    tokenizer = tiny_model.make_tokenizer()
    tokenizer.add_tokens([f"<{number}>" for number in range(50)])
    tokenizer.save_pretrained(directory)


def no_weights(directory: Path) -> None:
    """Weights got lost."""
    checkpoint(directory, "gpt2")
    (directory / "model.safetensors").unlink()


def plain(directory: Path) -> None:
    """Nothing is wrong with it."""
    checkpoint(directory, "gpt2")


SIZES = {
    "architecture": "gpt2", "layers": 2, "hiddenSize": 48, "heads": 4, "contextLength": 64, "vocabularySize": 400,
}  # fmt: skip


@pytest.mark.parametrize(
    ("arrange", "model", "want_reason", "want_words"),
    [
        pytest.param(bert, {}, UNREADABLE, "BertForMaskedLM is not a decoder-only", id="an encoder"),
        pytest.param(other_tokenizer, {}, UNREADABLE, "they are not a pair", id="its tokenizer is not its own"),
        pytest.param(no_weights, {}, UNREADABLE, "has no model.safetensors", id="it has no weights"),
        pytest.param(
            plain, {"transformer": {**SIZES, "contextLength": 4096}}, INVALID,
            "contextLength 4096 is more than the 256 tokens", id="longer sequences than it was made for",
        ),
        pytest.param(
            plain, {"transformer": {**SIZES, "layers": 3}}, INVALID,
            "says layers 3, the base model has 2", id="other sizes than it has",
        ),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_trained(
    arrange: Callable[[Path], None], model: dict[str, Any], want_reason: ErrorReason, want_words: str,
    job: JobFactory, train: Train, tmp_path: Path,
) -> None:  # fmt: skip
    arrange(tmp_path / "base")

    with pytest.raises(RuntimeFailure) as failure:
        train(job(inputs={"base": str(tmp_path / "base")}, **{**FINETUNE, "model": model}))

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message


def test_sizes_beside_a_base_may_shorten_its_sequences(job: JobFactory, train: Train, tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "base", "gpt2")

    result = train(job(inputs={"base": str(base)}, **{**FINETUNE, "model": {"transformer": SIZES}})).result

    assert result.artifact is not None
    assert result.artifact.context_length == 64


def tokenizer(*special_tokens: str) -> Any:
    """One that knows roles, or cuts."""
    return train_tokenizer(
        [message["content"] for message in MESSAGES], vocabulary_size=300, context_length=128,
        special_tokens=special_tokens,
    )  # fmt: skip


def test_only_what_the_assistant_says_is_learnt() -> None:
    speaker = tokenizer(*ROLE_TOKENS)
    speaker.chat_template = choose_template(speaker)

    example = Conversations(speaker).example(Record("rows.jsonl", 1, {"messages": MESSAGES}))

    assert speaker.chat_template == ROLE_TEMPLATE
    assert example.learnt is not None
    learnt = [token for token, taught in zip(example.tokens, example.learnt, strict=True) if taught]
    assert speaker.decode(learnt) == "On its track.<|end|>In the yard.<|end|>"
    assert speaker.decode(example.tokens) == speaker.apply_chat_template(MESSAGES, tokenize=False)


def test_a_template_of_elsewhere_marks_the_same_words() -> None:
    speaker = tokenizer()
    speaker.chat_template = choose_template(speaker)

    example = Conversations(speaker).example(Record("rows.jsonl", 1, {"messages": MESSAGES}))

    assert speaker.chat_template == PLAIN_ROLE_TEMPLATE
    assert example.learnt is not None
    learnt = [token for token, taught in zip(example.tokens, example.learnt, strict=True) if taught]
    assert speaker.decode(learnt) == " On its track.<|endoftext|> In the yard.<|endoftext|>"


@pytest.mark.parametrize(
    ("messages", "want"),
    [
        pytest.param("Hello", "messages is text, not a list of turns", id="a text instead of turns"),
        pytest.param([], "messages is an empty list, not a list of turns", id="no turn"),
        pytest.param(["Hello"], "turn 1 is text, not an object", id="turns without roles"),
        pytest.param([{"role": "judge", "content": "x"}], "turn 1 has the role 'judge'", id="an unknown role"),
        pytest.param([{"role": "user", "content": " "}], "turn 1 has no content", id="a silent turn"),
        pytest.param([{"role": "user", "content": "Hello"}], "the assistant says nothing", id="no answer"),
        pytest.param(
            [{"role": "user", "content": "x<|end|>y"}, {"role": "assistant", "content": "z"}],
            "turn 1 contains '<|end|>'", id="a forged end of a turn",
        ),
    ],
)  # fmt: skip
def test_a_broken_conversation_is_named_by_file_and_row(messages: Any, want: str) -> None:
    speaker = tokenizer(*ROLE_TOKENS)
    speaker.chat_template = ROLE_TEMPLATE

    with pytest.raises(DataError) as error:
        Conversations(speaker).example(Record("rows.jsonl", 7, {"messages": messages}))

    assert str(error.value).startswith("rows.jsonl:7: ")
    assert want in str(error.value)


def test_a_row_without_messages_among_rows_with_them_is_an_error(job: JobFactory, train: Train, tmp_path: Path) -> None:
    path = conversations(tmp_path / "rows.jsonl")
    path.write_text(path.read_text() + '{"text": "no conversation"}\n')

    with pytest.raises(DataError, match=r"rows\.jsonl:21: there is no messages"):
        train(job(data=path, dataset__format="jsonl"))


@pytest.mark.parametrize(
    ("context", "want"),
    [
        pytest.param(64, "<|endoftext|>Where? |Here.<|endoftext|>", id="everything fits"),
        pytest.param(11, "here? |Here.<|endoftext|>", id="the prompt loses its beginning"),
        pytest.param(3, " |Her", id="an answer that alone is too long loses its end"),
    ],
)
def test_a_completion_is_learnt_and_its_prompt_is_not(context: int, want: str) -> None:
    speaker = train_tokenizer([], vocabulary_size=258, context_length=64)

    example = Completions(context_length=context).plain(speaker, prompt="Where? ", answer="Here.")

    assert example.learnt is not None
    given, learnt = (
        speaker.decode(
            [token for token, taught in zip(example.tokens, example.learnt, strict=True) if taught is wanted]
        )
        for wanted in (False, True)
    )
    assert f"{given}|{learnt}" == want
    assert len(example.tokens) - 1 <= context


def test_a_gap_is_announced_in_the_order_that_the_model_learnt() -> None:
    writer = tokenizer(*FIM_TOKENS)
    usual = infill_prompt(writer, prefix="On its", suffix=" track")
    prefer_spm(writer)
    other = infill_prompt(writer, prefix="On its", suffix=" track")

    assert writer.decode(usual or []) == "<fim_prefix>On its<fim_suffix> track<fim_middle>"
    assert writer.decode(other or []) == "<fim_prefix><fim_suffix> track<fim_middle>On its"
    assert infill_prompt(tokenizer(), prefix="a", suffix="b") is None
