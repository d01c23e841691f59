"""Conversations through the ten most used chat templates: what is learnt, after which prompt, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest
from runtime.training.chat_templates import PUBLISHED, Published

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.text.conversations import Conversations
from hostler_runtime.text.templates import adopt_template, answer_ends, choose_template
from hostler_runtime.text.tokenizer import train_tokenizer

Turns = list[dict[str, Any]]
TALK: Turns = [
    {"role": "user", "content": "a?"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c?"},
    {"role": "assistant", "content": "d"},
]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "look", "arguments": '{"at": "engine"}'}}
CALLING: Turns = [
    {"role": "user", "content": "a?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "green", "tool_call_id": "abcdefghi"},
    {"role": "assistant", "content": "b"},
]


def tokenizer(published: Published, *, template: Any = None) -> Any:
    """A small vocabulary with a published model's own tokens and template."""
    own = [
        token for token in (*published.special, published.bos, published.eos) if token not in (None, "<|endoftext|>")
    ]
    made = train_tokenizer(["where is it"], vocabulary_size=320, context_length=512, special_tokens=own)  # type: ignore[arg-type]
    made.bos_token, made.eos_token = published.bos, published.eos
    made.chat_template = template or published.template
    return made


def learnt(made: Any, turns: Turns, **columns: Any) -> list[str]:
    """Each example as text, with what is learnt of it in double angle brackets."""
    record = Record("rows.jsonl", 7, {"messages": turns, **columns})
    found = []
    for example in Conversations(made).examples_of(record):
        assert example.learnt is not None
        text, inside = "", False
        for token, taught in zip(example.tokens, example.learnt, strict=True):
            if taught is not inside:
                text, inside = text + ("«" if taught else "»"), taught
            text += made.decode([token])
        found.append(text + ("»" if inside else ""))
    return found


CHATML_TALK = (
    "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n«b<|im_end|>»\n"
    "<|im_start|>user\nc?<|im_end|>\n<|im_start|>assistant\n«d<|im_end|>»"
)
HEADERS = "<|start_header_id|>{}<|end_header_id|>\n\n"


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("chatml", ["<|im_start|>system\nYou are helpful.<|im_end|>\n" + CHATML_TALK]),
        ("llama 2", ["<s>[INST] a? [/INST]« b </s>»<s>[INST] c? [/INST]« d </s>»"]),
        ("llama 3", [
            "<|begin_of_text|>" + HEADERS.format("user") + "a?<|eot_id|>" + HEADERS.format("assistant")
            + "«b<|eot_id|>»" + HEADERS.format("user") + "c?<|eot_id|>" + HEADERS.format("assistant") + "«d<|eot_id|>»"
        ]),
        ("mistral", ["<s>[INST] a?[/INST]« b</s>»[INST] c?[/INST]« d</s>»"]),
        ("gemma", [
            "<bos><start_of_turn>user\na?<end_of_turn>\n<start_of_turn>model\n«b<end_of_turn>»\n"
            "<start_of_turn>user\nc?<end_of_turn>\n<start_of_turn>model\n«d<end_of_turn>»"
        ]),
        # What stands behind the very last turn is no part of it.
        ("phi 3", ["<|user|>\na?<|end|>\n<|assistant|>\n«b<|end|>»\n<|user|>\nc?<|end|>\n<|assistant|>\n«d<|end|>»"]),
        ("zephyr", ["<|user|>\na?</s>\n<|assistant|>\n«b</s>»\n<|user|>\nc?</s>\n<|assistant|>\n«d</s>»"]),
        # The first answer as it was given, then the second after the first as it reads by then.
        ("qwen 3", [
            "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\n«<think>\n\n</think>\n\nb<|im_end|>»",
            "<|im_start|>user\na?<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
            "<|im_start|>user\nc?<|im_end|>\n<|im_start|>assistant\n«<think>\n\n</think>\n\nd<|im_end|>»",
        ]),
        # Answers follow the prompt that a server gives, whose opening the template writes nowhere else.
        ("deepseek r1", [
            "<|begin_of_sentence|><|User|>a?<|Assistant|><think>\n«b<|end_of_sentence|>»",
            "<|begin_of_sentence|><|User|>a?<|Assistant|>b<|end_of_sentence|>"
            "<|User|>c?<|Assistant|><think>\n«d<|end_of_sentence|>»",
        ]),
        # Its marks hold the header too, which is the server's to write.
        ("smollm 3", [CHATML_TALK]),
    ],
    ids=list(PUBLISHED),
)  # fmt: skip
def test_each_answer_and_its_end_are_learnt_and_nothing_else(name: str, want: list[str]) -> None:
    published = PUBLISHED[name]
    made = tokenizer(published)
    adopt_template(made)

    assert made.chat_template == published.template
    assert learnt(made, TALK) == want
    assert {made.convert_ids_to_tokens(end) for end in answer_ends(made)} == {published.end_of_turn}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_answer_is_learnt_after_the_tokens_that_a_server_makes_of_its_question(name: str) -> None:
    made = tokenizer(PUBLISHED[name])
    prompt = made.apply_chat_template(TALK[:3], tokenize=False, add_generation_prompt=True)

    example = Conversations(made).example(Record("rows.jsonl", 1, {"messages": TALK}))

    assert example.learnt is not None
    last = len(example.learnt) - example.learnt[::-1].index(False)
    assert list(example.tokens[:last]) == made(prompt, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("chatml",
         "<|im_start|>system\nYou are helpful.\n\n# Tools\n" '{"type": "function", "function": {"name": "look", '
         '"parameters": {"type": "object", "properties": {}}}}<|im_end|>\n<|im_start|>user\na?<|im_end|>\n'
         '<|im_start|>assistant\n«<tool_call>\n{"name": "look", "arguments": {"at": "engine"}}\n</tool_call>'
         "<|im_end|>»\n"
         "<|im_start|>user\n<tool_response>\ngreen\n</tool_response><|im_end|>\n<|im_start|>assistant\n«b<|im_end|>»"),
        ("mistral",
         '<s>[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", '
         '"properties": {}}}}][/AVAILABLE_TOOLS][INST] a?[/INST]«[TOOL_CALLS] [{"name": "look", "arguments": '
         '{"at": "engine"}}]</s>»[TOOL_RESULTS] green[/TOOL_RESULTS]« b</s>»'),
    ],
)  # fmt: skip
def test_calls_of_tools_are_learnt_and_their_results_are_not(name: str, want: str) -> None:
    assert learnt(tokenizer(PUBLISHED[name]), CALLING, tools=TOOLS) == [want]


def test_tools_that_move_to_the_last_question_make_an_example_of_each_answer() -> None:
    first, second = learnt(tokenizer(PUBLISHED["mistral"]), TALK, tools=TOOLS)

    assert first.startswith("<s>[AVAILABLE_TOOLS]")
    assert first.endswith("[INST] a?[/INST]« b</s>»")
    assert second.startswith("<s>[INST] a?[/INST] b</s>[AVAILABLE_TOOLS]")
    assert second.endswith("[INST] c?[/INST]« d</s>»")


def test_calls_are_learnt_where_the_tools_are_not_listed() -> None:
    (found,) = learnt(tokenizer(PUBLISHED["llama 3"]), CALLING)

    assert '«{"name": "look", "parameters": {"at": "engine"}}<|eot_id|>»' in found
    assert '<|start_header_id|>ipython<|end_header_id|>\n\n"green"<|eot_id|>' in found


THOUGHT: Turns = [TALK[0], {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nb"}]


@pytest.mark.parametrize(
    ("name", "turns", "want"),
    [
        pytest.param("qwen 3", THOUGHT, "«<think>\nwhy\n</think>\n\nb<|im_end|>»", id="in the content"),
        pytest.param("qwen 3", [TALK[0], {**TALK[1], "reasoning_content": "why"}],
                     "«<think>\nwhy\n</think>\n\nb<|im_end|>»", id="beside the content"),
        pytest.param("deepseek r1", THOUGHT, "<|Assistant|><think>\n«why\n</think>\n\nb<|end_of_sentence|>»",
                     id="by a template that takes it out of every answer"),
    ],
)  # fmt: skip
def test_the_reasoning_of_an_answer_is_learnt(name: str, turns: Turns, want: str) -> None:
    (found,) = learnt(tokenizer(PUBLISHED[name]), turns)

    assert found.endswith(want)


def test_a_turn_of_weight_0_is_context() -> None:
    made = tokenizer(PUBLISHED["chatml"])

    (found,) = learnt(made, [TALK[0], {**TALK[1], "weight": 0}, TALK[2], {**TALK[3], "weight": 1}])

    assert "assistant\nb<|im_end|>\n" in found
    assert found.endswith("assistant\n«d<|im_end|>»")


def test_a_long_answer_by_a_template_without_an_end_is_ended_by_the_end_of_text() -> None:
    plain = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    made = tokenizer(Published(plain + "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}", ""))

    # Each turn by itself: without an end a model that goes on would write the user's next question.
    assert learnt(made, TALK) == [
        "user: a?\nassistant:« b<|endoftext|>»",
        "user: a?\nassistant: b\nuser: c?\nassistant:« d<|endoftext|>»",
    ]


def test_a_token_that_would_reach_over_the_border_is_cut_there() -> None:
    made = tokenizer(Published("", ""))
    made.chat_template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    assert len(made(" is", add_special_tokens=False)["input_ids"]) == 1

    example = Conversations(made).example(
        Record("rows.jsonl", 1, {"messages": [TALK[0], {**TALK[1], "content": "is"}]})
    )

    assert example.learnt is not None
    border = list(example.learnt).index(True)
    assert made.decode(example.tokens[:border]) == "user: a?<|endoftext|>assistant: "
    assert made.decode(example.tokens[border:]) == "is<|endoftext|>"


@pytest.mark.parametrize(
    ("name", "turns", "columns", "want"),
    [
        pytest.param("gemma", [{"role": "system", "content": "x"}, *TALK], {}, "System role not supported",
                     id="a role that the template refuses"),
        pytest.param("phi 3", CALLING[:1] + CALLING[2:], {}, "turn 2: the chat template has no place for the role tool",
                     id="a role that the template passes over in silence"),
        pytest.param("gemma", CALLING, {}, "no place for calls of tools (tool_calls)", id="calls without a place"),
        pytest.param("zephyr", TALK, {"tools": TOOLS}, "no place for tools", id="tools without a place"),
        pytest.param("chatml", [TALK[0], {**TALK[1], "reasoning_content": "why"}], {}, "no place for reasoning",
                     id="reasoning without a place"),
        pytest.param("chatml", [{**TALK[0], "content": "x<|im_start|>y"}, TALK[1]], {},
                     "turn 1 contains '<|im_start|>'", id="a change of the speaker in a turn"),
        pytest.param("chatml", TALK, {"tools": [{"name": "<|im_end|>"}]}, "tools contains '<|im_end|>'",
                     id="an end in a tool's name"),
        pytest.param("chatml", [TALK[0], {**TALK[1], "weight": 0.5}], {}, "turn 2 has the weight 0.5",
                     id="a weight that is neither 0 nor 1"),
        pytest.param("chatml", [TALK[0], {**TALK[1], "weight": 0}], {}, "every turn of the assistant has weight 0",
                     id="nothing but context"),
        pytest.param("chatml", [TALK[0], {"role": "assistant", "tool_calls": [{"function": {}}]}], {},
                     "turn 2's call 1 names no function", id="a call of nothing"),
        pytest.param("chatml", [TALK[0], {"role": "assistant", "tool_calls": [
            {"function": {"name": "look", "arguments": "{"}}]}], {}, "turn 2's call 1's arguments is not JSON",
                     id="arguments that are no JSON"),
        pytest.param("chatml", TALK, {"tools": "engine"}, "tools is not JSON", id="tools that are no JSON"),
    ],
)  # fmt: skip
def test_what_would_be_lost_is_refused_by_file_and_row(
    name: str, turns: Turns, columns: dict[str, Any], want: str
) -> None:
    with pytest.raises(DataError) as refused:
        learnt(tokenizer(PUBLISHED[name]), turns, **columns)

    assert str(refused.value).startswith("rows.jsonl:7: ")
    assert want in str(refused.value)


CHATML, ZEPHYR = PUBLISHED["chatml"].template, PUBLISHED["zephyr"].template


@pytest.mark.parametrize(
    ("templates", "want"),
    [
        pytest.param({"default": CHATML, "tool_use": ZEPHYR}, CHATML, id="the default of several"),
        pytest.param({"chat": CHATML}, CHATML, id="the only one whatever its name is"),
        pytest.param({"default": "{{ messages }}", "rag": CHATML}, "{% for message in messages %}{{ message['role']",
                     id="ours where the default knows no roles"),
    ],
)  # fmt: skip
def test_a_base_with_named_templates_is_trained_with_its_default(templates: dict[str, str], want: str) -> None:
    made = tokenizer(PUBLISHED["chatml"], template=templates)

    adopt_template(made)

    assert made.chat_template["default"].startswith(want)
    assert {name: made.chat_template[name] for name in templates if name != "default"} == {
        name: text for name, text in templates.items() if name != "default"
    }


def test_rows_with_tools_take_the_template_for_tools() -> None:
    made = tokenizer(PUBLISHED["chatml"], template={"default": ZEPHYR, "tool_use": CHATML})
    adopt_template(made)

    assert learnt(made, CALLING, tools=TOOLS)[0].startswith("<|im_start|>system\nYou are helpful.\n\n# Tools")
    assert learnt(made, TALK)[0].startswith("<|user|>")


def test_named_templates_without_a_default_are_refused_with_their_names() -> None:
    made = tokenizer(PUBLISHED["chatml"], template={"rag": CHATML, "plain": CHATML})

    with pytest.raises(RuntimeFailure, match="chat templates plain, rag and none is named default") as refused:
        choose_template(made)

    assert refused.value.reason is ErrorReason.ARTIFACT_UNREADABLE
