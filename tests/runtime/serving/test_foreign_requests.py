"""Requests with half characters, names of speakers and pictures that are too large: answered or 400, never 5xx."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from runtime.serving.fake_batch import FakeBatchModel
from runtime.serving.inprocess import Bench
from tables import table

from hostler_runtime.images.png import UnreadableImageError, decode_image_file
from hostler_runtime.server.errors import ApiError, unknown_parameter
from hostler_runtime.server.parameters import parse_chat

HALF = "\ud83d"
CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
BOUNDS: dict[str, int] = {"max_choices": 8, "max_new_tokens": 100}


@table(
    ("body", "want"),
    {
        "half a character in a text": ({"model": "tiny", "input": f"cut {HALF}"}, (400, "input", "invalid_value")),
        "in one of several": ({"model": "tiny", "input": ["a", HALF]}, (400, "input[1]", "invalid_value")),
        "in the model's name": ({"model": HALF, "input": "a"}, (404, "model", "model_not_found")),
        "in a parameter's name": ({"model": "tiny", "input": "a", HALF: 1}, (400, "body", "invalid_value")),
    },
)
async def test_half_characters_are_refused_by_name(body: dict[str, Any], want: tuple[int, str, str]) -> None:
    async with Bench(FakeBatchModel()) as bench:
        answer = await bench.http.post(
            "/v1/embeddings", content=json.dumps(body), headers={"content-type": "application/json"}
        )

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == want


async def test_whole_characters_that_are_written_in_halves_are_answered() -> None:
    async with Bench(FakeBatchModel()) as bench:
        answer = await bench.http.post(
            "/v1/embeddings",
            content=b'{"model": "tiny", "input": "\\ud83d\\ude00"}',
            headers={"content-type": "application/json"},
        )

    assert answer.status_code == 200


def test_an_error_can_be_sent_whatever_it_speaks_of() -> None:
    body = unknown_parameter(HALF).body()

    assert json.dumps(body, ensure_ascii=False).encode()
    assert body["error"]["param"] == "\\ud83d"


def test_a_speaker_may_have_a_name() -> None:
    named = [{"role": "user", "content": "hi", "name": "planner"}]

    assert parse_chat(CHAT | {"messages": named}, **BOUNDS).messages == tuple(named)


@pytest.mark.parametrize("key", ["audio", "function_call", "refusal", "tool_call_id"])
def test_what_openais_messages_have_and_this_server_has_not(key: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_chat(CHAT | {"messages": [{"role": "assistant", "content": "x", key: "y"}]}, **BOUNDS)

    assert (raised.value.param, raised.value.code) == (f"messages[0].{key}", "unsupported_parameter")


def picture(width: int, height: int) -> bytes:
    """A white picture of few bytes."""
    stream = io.BytesIO()
    Image.new("1", (width, height), 1).save(stream, "PNG")
    return stream.getvalue()


@table(
    ("width", "height", "want"),
    {
        "more than is decoded": (9000, 9000, "it has 9,000 x 9,000 pixels, and 67,108,864 are the most: make it"),
        "more than the library opens": (20_000, 20_000, "it has more than 67,108,864 pixels: make it smaller"),
    },
)
def test_a_picture_is_refused_before_its_pixels_are_decoded(
    width: int, height: int, want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture(width, height)
    assert len(base64.b64encode(content)) < 1 << 20

    def decoded(*_: Any) -> Any:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "convert", decoded)

    with pytest.raises(UnreadableImageError, match=f"^{want}"):
        decode_image_file(content, size=8, channels=1)
