"""The APIs as the unmodified OpenAI client speaks them, against a real server process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from runtime.serving import tiny_model
from runtime.serving.replica import Replica

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hello, Grüße, 東京"}]}
TEXT: dict[str, Any] = {"model": "tiny", "prompt": "The yard is"}


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_models_are_listed_and_retrieved(replica: Replica, prefix: str) -> None:
    client = replica.client(prefix=prefix)
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("org/other")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_a_chat_is_answered(replica: Replica, prefix: str) -> None:
    answer = replica.client(prefix=prefix).chat.completions.create(**CHAT, max_tokens=7, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.model == "tiny"
    assert answer.id.startswith("chatcmpl-")
    [choice] = answer.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "length", "assistant")
    assert choice.message.content


def test_usage_counts_what_the_tokenizer_counts(client: openai.OpenAI) -> None:
    tokenizer = tiny_model.make_tokenizer()
    text = tokenizer.apply_chat_template(CHAT["messages"], add_generation_prompt=True, tokenize=False)
    prompt = len(tokenizer(text)["input_ids"])
    usage = client.chat.completions.create(**CHAT, max_tokens=9, temperature=0).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (prompt, 9, prompt + 9)


def test_a_prompt_is_counted_once_however_many_choices(client: openai.OpenAI) -> None:
    one = client.completions.create(**TEXT, max_tokens=5, temperature=0).usage
    three = client.completions.create(**TEXT, max_tokens=5, temperature=0, n=3).usage
    assert one is not None
    assert three is not None
    assert (three.prompt_tokens, three.completion_tokens) == (one.prompt_tokens, 15)


@pytest.mark.parametrize("stop", [None, " "], ids=["to the limit", "to a stop string"])
@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 0.9, "top_p": 0.9, "seed": 3}])
def test_a_streamed_chat_is_the_unstreamed_one(
    client: openai.OpenAI, stop: str | None, sampling: dict[str, Any]
) -> None:
    ask = {**CHAT, **sampling, "max_tokens": 60, "stop": stop}
    whole = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    *pieces, last = chunks
    assert all(piece.usage is None for piece in pieces)
    assert last.choices == []
    assert last.usage == whole.usage
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.choices[0].message.content
    reasons = [piece.choices[0].finish_reason for piece in pieces]
    assert reasons == [None] * (len(pieces) - 1) + [whole.choices[0].finish_reason]
    assert {chunk.id for chunk in chunks} == {pieces[0].id}


def test_a_streamed_completion_is_the_unstreamed_one(client: openai.OpenAI) -> None:
    ask = {**TEXT, "prompt": ["one", "two"], "n": 2, "max_tokens": 30, "temperature": 0.8, "seed": 9, "echo": True}
    whole = client.completions.create(**ask)
    texts = ["", "", "", ""]
    for chunk in client.completions.create(**ask, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [choice.text for choice in whole.choices]
    assert [text[:3] for text in texts] == ["one", "one", "two", "two"]
    assert len(set(texts)) == 4


def test_without_include_usage_a_stream_ends_without_it(replica: Replica) -> None:
    body = {**TEXT, "stream": True, "max_tokens": 3}
    lines = [line for line in replica.post("v1/completions", json=body).text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert not any('"usage"' in line for line in lines)


def test_a_stop_string_ends_the_answer_and_is_left_out(client: openai.OpenAI) -> None:
    ask = {**TEXT, "max_tokens": 60, "temperature": 0}
    whole = client.completions.create(**ask).choices[0].text
    stop = next(whole[at : at + 2] for at in range(8, len(whole)) if whole[at : at + 2].isascii())
    short = client.completions.create(**ask, stop=["never said", stop]).choices[0]
    assert short.finish_reason == "stop"
    assert short.text == whole[: whole.index(stop)]


def test_a_seed_repeats_an_answer_and_another_changes_it(client: openai.OpenAI) -> None:
    texts = [
        client.completions.create(**TEXT, max_tokens=20, temperature=1.0, seed=seed).choices[0].text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_tokens_are_as_good_a_prompt_as_text(client: openai.OpenAI) -> None:
    tokens = tiny_model.make_tokenizer()(TEXT["prompt"])["input_ids"]
    by_text = client.completions.create(**TEXT, max_tokens=8, temperature=0, echo=True)
    by_tokens = client.completions.create(model="tiny", prompt=tokens, max_tokens=8, temperature=0, echo=True)
    assert by_tokens.choices[0].text == by_text.choices[0].text
    assert by_tokens.usage == by_text.usage


def test_echo_with_no_new_tokens_gives_the_prompt_back(client: openai.OpenAI) -> None:
    answer = client.completions.create(**TEXT, max_tokens=0, echo=True)
    assert answer.choices[0].text == TEXT["prompt"]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


def test_defaults_are_those_of_the_api(client: openai.OpenAI) -> None:
    answer = client.completions.create(**TEXT, temperature=0)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


def test_many_requests_at_once_get_the_answers_of_one_at_a_time(client: openai.OpenAI) -> None:
    prompts = [("The engines wait on their tracks. " * 3)[: 5 + 9 * index] for index in range(8)]

    def ask(prompt: str) -> str:
        return client.completions.create(model="tiny", prompt=prompt, max_tokens=40, temperature=0).choices[0].text

    one_by_one = [ask(prompt) for prompt in prompts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, prompts)) == one_by_one


async def test_the_asynchronous_client_works_too(replica: Replica) -> None:
    async with openai.AsyncOpenAI(base_url=f"{replica.url}/v1", api_key="none", max_retries=0) as client:
        answers = await asyncio.gather(*(client.chat.completions.create(**CHAT, max_tokens=5) for _ in range(4)))
    assert all(answer.choices[0].finish_reason for answer in answers)


def test_a_request_keeps_its_id(replica: Replica) -> None:
    given = replica.post("v1/completions", json=TEXT, headers={"x-request-id": "trace-17"})
    assert given.headers["x-request-id"] == "trace-17"
    assert given.json()["id"] == "cmpl-trace-17"
    bad = replica.post("v1/completions", json=TEXT, headers={"x-request-id": "a b<c>"})
    assert bad.headers["x-request-id"].startswith("req_")


LONG = "engine " * 3000


@pytest.mark.parametrize(
    ("method", "path", "body", "want"),
    [
        pytest.param(
            "POST", "/v1/chat/completions", {**CHAT, "model": "gpt-4"}, (404, "model", "model_not_found"),
            id="another model",
        ),
        pytest.param(
            "POST", "/v1/completions", {**TEXT, "model": "gpt-4"}, (404, "model", "model_not_found"),
            id="another model for a completion",
        ),
        pytest.param(
            "POST", "/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": LONG}]},
            (400, "messages", "context_length_exceeded"), id="a conversation longer than the context",
        ),
        pytest.param(
            "POST", "/v1/completions", {**TEXT, "prompt": LONG}, (400, "prompt", "context_length_exceeded"),
            id="a prompt longer than the context",
        ),
        pytest.param(
            "POST", "/v1/completions", {**TEXT, "prompt": "engine " * 100, "max_tokens": 1999},
            (400, "prompt", "context_length_exceeded"), id="prompt and answer together longer than the context",
        ),
        pytest.param(
            "POST", "/v1/completions", {**TEXT, "prompt": [1, 400]}, (400, "prompt", "invalid_value"),
            id="a token that does not exist",
        ),
        pytest.param(
            "POST", "/v1/completions", {**TEXT, "prompt": ["x"] * 33}, (400, "n", "invalid_value"),
            id="more answers than the queue could ever hold",
        ),
        pytest.param(
            "POST", "/v1/chat/completions",
            {**CHAT, "messages": [*CHAT["messages"], {"role": "system", "content": "late"}]},
            (400, "messages", "invalid_value"), id="a conversation that the chat template refuses",
        ),
        pytest.param(
            "POST", "/v1/chat/completions", {**CHAT, "logprobs": True}, (400, "logprobs", "unsupported_parameter"),
            id="a parameter that is not supported",
        ),
        pytest.param("POST", "/v1/chat/completions", "{", (400, None, "invalid_json"), id="half a body"),
        pytest.param("POST", "/v1/completions", b"\xff\xfe", (400, None, "invalid_json"), id="a body that is no text"),
        pytest.param("POST", "/v1/completions", "[" * 100000, (400, None, "invalid_json"), id="a very deep body"),
        pytest.param(
            "POST", "/v1/completions", b" " * (4 * 1024 * 1024 + 1), (413, None, "request_too_large"),
            id="a body of more than 4 MiB",
        ),
        pytest.param("GET", "/v1/chat/completions", None, (405, None, "method_not_allowed"), id="GET"),
        pytest.param("POST", "/v1/embeddings", {}, (404, None, "unknown_url"), id="an API that is not there"),
        pytest.param("GET", "/", None, (404, None, "unknown_url"), id="the root"),
    ],
)  # fmt: skip
def test_a_bad_request_gets_its_status_and_code(
    replica: Replica, method: str, path: str, body: Any, want: tuple[int, str | None, str]
) -> None:
    given = {"content": body} if isinstance(body, str | bytes) else {"json": body}
    answer = httpx.request(method, f"{replica.url}{path}", **given)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == want
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert answer.headers["x-request-id"]


def test_the_client_raises_its_own_exception_for_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**CHAT, frequency_penalty=1.5)
    assert (caught.value.param, caught.value.code) == ("frequency_penalty", "unsupported_parameter")
    assert "leave it out" in caught.value.message
