"""Requests of whole tasks that cannot be answered, and what they are told; a real process with a fake family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from runtime.serving.recordings import recording
from runtime.serving.replica import Replica

WAV = recording("wav", 0.2)
UPLOAD: dict[str, Any] = {"files": {"file": ("t.wav", WAV)}}


def form(**fields: Any) -> dict[str, Any]:
    """A form with a good file."""
    return {**UPLOAD, "data": {"model": "tiny", **fields}}


def upload(content: bytes) -> dict[str, Any]:
    """A form with this file."""
    return {"files": {"file": ("t.wav", content)}, "data": {"model": "tiny"}}


@pytest.mark.parametrize(
    ("path", "given", "want"),
    [
        pytest.param(
            "chat/completions", {"json": {"model": "tiny", "messages": []}}, (404, None, "unknown_url"),
            id="a chat with a model that cannot",
        ),
        pytest.param(
            "embeddings", {"json": {"model": "other", "input": "x"}}, (404, "model", "model_not_found"),
            id="another model",
        ),
        pytest.param(
            "embeddings", {"json": {"input": "x"}}, (400, "model", "missing_required_parameter"), id="no model"
        ),
        pytest.param(
            "embeddings", {"json": {"model": "tiny", "input": "refusal"}}, (400, "input", "prompt_refused"),
            id="what the model refuses",
        ),
        pytest.param(
            "embeddings", {"json": {"model": "tiny", "input": "late refusal"}}, (400, "somewhere", "late"),
            id="what the model refuses while it works",
        ),
        pytest.param(
            "embeddings", {"json": {"model": "tiny", "input": "poison"}}, (500, None, "internal_error"),
            id="what the model fails on",
        ),
        pytest.param("embeddings", {"content": b"{"}, (400, None, "invalid_json"), id="half a body"),
        pytest.param(
            "images/encodings", {"json": {"model": "tiny", "image": "no base64!"}}, (400, "image", "invalid_value"),
            id="an image that is no base64",
        ),
        pytest.param(
            "audio/transcriptions", {"json": {"model": "tiny"}}, (400, None, "invalid_content_type"),
            id="speech as JSON",
        ),
        pytest.param(
            "audio/transcriptions", {"data": {"model": "tiny"}, "files": {"other": ("t.wav", WAV)}},
            (400, "other", "unknown_parameter"), id="a file under another name",
        ),
        pytest.param(
            "audio/transcriptions", {"data": {"model": "tiny"}, "files": {"file": (None, "t.wav")}},
            (400, "file", "invalid_type"), id="a file's name in place of the file",
        ),
        pytest.param(
            "audio/transcriptions", UPLOAD, (400, "model", "missing_required_parameter"), id="no model in a form"
        ),
        pytest.param("audio/transcriptions", upload(b""), (400, "file", "invalid_audio"), id="an empty file"),
        pytest.param("audio/transcriptions", upload(WAV[:20]), (400, "file", "invalid_audio"), id="a broken file"),
        pytest.param(
            "audio/transcriptions", upload(bytes(26 * 1024 * 1024)), (413, None, "request_too_large"),
            id="more than 25 MiB",
        ),
        pytest.param(
            "audio/transcriptions",
            {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            (400, None, "invalid_form"), id="a form that is none",
        ),
        pytest.param(
            "audio/transcriptions", {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            (400, None, "invalid_form"), id="a form without a boundary",
        ),
        pytest.param(
            "audio/transcriptions", form(temperature="hot"), (400, "temperature", "invalid_type"),
            id="a temperature that is a word",
        ),
        pytest.param(
            "audio/transcriptions", form(language=["en", "de"]), (400, "language", "invalid_value"),
            id="a field that is given twice",
        ),
        pytest.param(
            "audio/translations", form(language="de"), (200, None, None), id="a translation whose source is known"
        ),
        pytest.param(
            "audio/transcriptions", form(stream="true"), (400, "stream", "unsupported_parameter"), id="a stream"
        ),
        pytest.param(
            "videos", {"data": {"model": "tiny", "prompt": "x"}, "files": {"input_reference": ("i.png", b"x")}},
            (400, "input_reference", "unsupported_parameter"), id="a video from an image",
        ),
    ],
)  # fmt: skip
def test_a_request_gets_its_status_and_code(
    fake_server: Replica, path: str, given: dict[str, Any], want: tuple[int, str | None, str | None]
) -> None:
    answer = fake_server.post(f"v1/{path}", **given)
    error = answer.json().get("error", {})
    assert (answer.status_code, error.get("param"), error.get("code")) == want, answer.text
    assert error == {} or error["message"]


def test_a_path_of_another_family_is_told_what_is_served(fake_server: Replica) -> None:
    message = fake_server.post("v1/chat/completions", json={}).json()["error"]["message"]
    assert "POST /v1/chat/completions" in message.partition(". ")[0]
    served = message.partition(". ")[2]
    assert "'tiny' of the family fake" in served
    assert "POST /v1/embeddings" in served
    assert "chat/completions" not in served


def refused(call: Callable[[], Any]) -> tuple[str | None, str | None]:
    """Param and code of a refusal."""
    with pytest.raises(openai.BadRequestError) as caught:
        call()
    return caught.value.param, caught.value.code


def test_adapters_are_chosen_by_name_and_never_ignored(fake_client: openai.OpenAI) -> None:
    def generate(**body: Any) -> Any:
        return fake_client.images.generate(model="tiny", prompt="x", extra_body=body)

    assert generate(adapter="bold", adapter_scale=0.5).data
    assert refused(lambda: generate(adapter="italic")) == ("adapter", "invalid_value")
    with pytest.raises(openai.BadRequestError, match="'bold', 'inverted'"):
        generate(adapter="italic")
