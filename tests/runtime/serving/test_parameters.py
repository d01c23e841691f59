"""Every parameter of the OpenAI API is honoured, known to change nothing, or refused by name."""

from __future__ import annotations

import inspect
from typing import Any

import openai.resources
import pytest

from hostler_runtime.server.errors import ApiError
from hostler_runtime.server.fields import ANYTHING
from hostler_runtime.server.parameters import CHAT_NEUTRAL, COMPLETION_NEUTRAL, parse_chat, parse_completion

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
TEXT = {"model": "tiny", "prompt": "hi"}
BOUNDS = {"max_choices": 8, "max_new_tokens": 100}
OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


def refusal(parse: Any, body: Any) -> tuple[str | None, str | None]:
    """Param and code of the error."""
    with pytest.raises(ApiError) as caught:
        parse(body, **BOUNDS)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


@pytest.mark.parametrize(
    ("create", "parse", "body", "neutral"),
    [
        pytest.param(openai.resources.chat.Completions.create, parse_chat, CHAT, CHAT_NEUTRAL, id="chat"),
        pytest.param(openai.resources.Completions.create, parse_completion, TEXT, COMPLETION_NEUTRAL, id="completion"),
    ],
)
def test_no_parameter_of_the_client_is_unknown(create: Any, parse: Any, body: dict[str, Any], neutral: Any) -> None:
    """A new release of the client library brings new parameters; each needs a decision."""
    for name in set(inspect.signature(create).parameters) - OF_THE_CLIENT:
        if name in neutral and neutral[name] is ANYTHING:
            parse(body | {name: object()}, **BOUNDS)
        else:
            assert refusal(parse, body | {name: object()})[1] in ("invalid_type", "unsupported_parameter"), name


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"model": None}, ("model", "missing_required_parameter"), id="null is not given"),
        pytest.param({"model": 7}, ("model", "invalid_type"), id="a model that is a number"),
        pytest.param({"messages": None}, ("messages", "missing_required_parameter"), id="no messages"),
        pytest.param({"messages": []}, ("messages", "invalid_value"), id="an empty conversation"),
        pytest.param({"messages": "hi"}, ("messages", "invalid_type"), id="messages as a string"),
        pytest.param({"messages": ["hi"]}, ("messages[0]", "invalid_type"), id="a message as a string"),
        pytest.param(
            {"messages": [{"content": "hi"}]}, ("messages[0].role", "missing_required_parameter"), id="no role"
        ),
        pytest.param(
            {"messages": [{"role": "tool", "content": "hi"}]}, ("messages[0].role", "invalid_value"), id="a tool speaks"
        ),
        pytest.param(
            {"messages": [{"role": "user"}]}, ("messages[0].content", "missing_required_parameter"), id="no content"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": 7}]}, ("messages[0].content", "invalid_type"), id="no text"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            ("messages[0].content[0].type", "invalid_value"),
            id="an image",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}]},
            ("messages[0].tool_calls", "unsupported_parameter"),
            id="an answer that called tools",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": "x", "mood": "good"}]},
            ("messages[0].mood", "unknown_parameter"),
            id="an unknown field of a message",
        ),
        pytest.param({"temperature": 2.1}, ("temperature", "invalid_value"), id="too hot"),
        pytest.param({"temperature": float("nan")}, ("temperature", "invalid_value"), id="not a number"),
        pytest.param({"temperature": "1"}, ("temperature", "invalid_type"), id="a temperature as text"),
        pytest.param({"temperature": True}, ("temperature", "invalid_type"), id="a boolean is no number"),
        pytest.param({"top_p": -0.1}, ("top_p", "invalid_value"), id="a negative share"),
        pytest.param({"max_tokens": 0}, ("max_tokens", "invalid_value"), id="an answer of no tokens"),
        pytest.param({"max_tokens": 101}, ("max_tokens", "invalid_value"), id="more than the server's limit"),
        pytest.param({"max_tokens": 1.5}, ("max_tokens", "invalid_type"), id="half a token"),
        pytest.param(
            {"max_tokens": 5, "max_completion_tokens": 6}, ("max_tokens", "invalid_value"), id="two different limits"
        ),
        pytest.param({"n": 9}, ("n", "invalid_value"), id="more choices than slots"),
        pytest.param({"seed": "x"}, ("seed", "invalid_type"), id="a seed as text"),
        pytest.param({"stop": [""]}, ("stop", "invalid_value"), id="an empty stop string"),
        pytest.param({"stop": list("abcde")}, ("stop", "invalid_value"), id="five stop strings"),
        pytest.param({"stop": 5}, ("stop", "invalid_type"), id="a number as stop string"),
        pytest.param({"stream": "yes"}, ("stream", "invalid_type"), id="stream as text"),
        pytest.param(
            {"stream_options": {"include_usage": True}}, ("stream_options", "invalid_value"), id="options of no stream"
        ),
        pytest.param(
            {"stream": True, "stream_options": {"colour": 1}},
            ("stream_options.colour", "unknown_parameter"),
            id="an unknown stream option",
        ),
        pytest.param({"logprobs": True}, ("logprobs", "unsupported_parameter"), id="logprobs"),
        pytest.param({"top_logprobs": 3}, ("top_logprobs", "unsupported_parameter"), id="top_logprobs"),
        pytest.param({"frequency_penalty": 0.5}, ("frequency_penalty", "unsupported_parameter"), id="a penalty"),
        pytest.param({"logit_bias": {"5": 1}}, ("logit_bias", "unsupported_parameter"), id="a bias"),
        pytest.param({"tools": [{"type": "function"}]}, ("tools", "unsupported_parameter"), id="tools"),
        pytest.param(
            {"response_format": {"type": "json_object"}}, ("response_format", "unsupported_parameter"), id="JSON mode"
        ),
        pytest.param({"store": True}, ("store", "unsupported_parameter"), id="a request to keep the answer"),
        pytest.param({"top_k": -1}, ("top_k", "invalid_value"), id="fewer candidates than none"),
        pytest.param({"min_p": 1.5}, ("min_p", "invalid_value"), id="more than the likeliest"),
        pytest.param({"repetition_penalty": 0}, ("repetition_penalty", "invalid_value"), id="a division by zero"),
        pytest.param({"typical_p": 0.5}, ("typical_p", "unknown_parameter"), id="a parameter of another server"),
    ],
)
def test_a_chat_request_is_refused_by_name(change: dict[str, Any], want: tuple[str, str]) -> None:
    assert refusal(parse_chat, CHAT | change) == want


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"prompt": None}, ("prompt", "missing_required_parameter"), id="no prompt"),
        pytest.param({"prompt": []}, ("prompt", "invalid_value"), id="an empty list of prompts"),
        pytest.param({"prompt": ["a", 5]}, ("prompt", "invalid_type"), id="texts and numbers mixed"),
        pytest.param({"prompt": ["x"] * 129}, ("prompt", "invalid_value"), id="129 prompts"),
        pytest.param({"logprobs": 0}, ("logprobs", "unsupported_parameter"), id="logprobs of the chosen token only"),
        pytest.param({"best_of": 2}, ("best_of", "unsupported_parameter"), id="best_of"),
        pytest.param({"suffix": 5}, ("suffix", "invalid_type"), id="a suffix that is a number"),
        pytest.param({"suffix": "e", "prompt": [1]}, ("suffix", "invalid_value"), id="a suffix to token ids"),
        pytest.param({"suffix": "e", "echo": True}, ("echo", "invalid_value"), id="an echo in front of a suffix"),
        pytest.param({"messages": []}, ("messages", "unknown_parameter"), id="a chat sent to the wrong place"),
        pytest.param({"echo": "yes"}, ("echo", "invalid_type"), id="echo as text"),
    ],
)
def test_a_completion_request_is_refused_by_name(change: dict[str, Any], want: tuple[str, str]) -> None:
    assert refusal(parse_completion, TEXT | change) == want


def test_neutral_values_are_accepted() -> None:
    neutral = {
        "frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}, "logprobs": False, "tools": [],
        "tool_choice": "none", "response_format": {"type": "text"}, "user": "somebody", "metadata": {"a": "b"},
        "store": False, "service_tier": "auto", "modalities": ["text"],
    }  # fmt: skip
    assert parse_chat(CHAT | neutral, **BOUNDS) == parse_chat(CHAT, **BOUNDS)


def test_an_answer_can_be_sent_back_as_the_client_library_writes_it() -> None:
    answer = {"role": "assistant", "content": "x", "refusal": None, "annotations": [], "tool_calls": None}
    wanted = parse_chat(CHAT | {"messages": [*CHAT["messages"], answer]}, **BOUNDS)
    assert wanted.messages[1] == {"role": "assistant", "content": "x"}


def test_text_parts_are_joined_and_a_developer_is_the_system() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    wanted = parse_chat(CHAT | {"messages": [{"role": "developer", "content": parts}]}, **BOUNDS)
    assert wanted.messages == ({"role": "system", "content": "ab"},)


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert refusal(parse_chat, body) == (None, "invalid_json")
