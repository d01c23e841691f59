"""Routes of whole requests: every parameter is honoured, known to change nothing, or refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import httpx
import openai.resources
import pytest
from runtime.serving.fake_batch import FakeBatchModel
from runtime.serving.inprocess import Bench

from hostler_runtime.server.errors import ApiError
from hostler_runtime.server.fields import ANYTHING, NEUTRAL, Fields, FormFields
from hostler_runtime.server.routes.audio import TRANSCRIPTION_NEUTRAL, TRANSLATION_NEUTRAL, parse_speech
from hostler_runtime.server.routes.images import IMAGE_NEUTRAL, parse_images
from hostler_runtime.server.routes.videos import VIDEO_NEUTRAL, parse_video

OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout", "model"}


def images(body: dict[str, Any]) -> Any:
    """Through the parser of images."""
    return parse_images(Fields({"prompt": "x", **body}), adapters={"bold": "/adapters/bold"})


def videos(body: dict[str, Any]) -> Any:
    """Through the parser of videos."""
    return parse_video(Fields({"prompt": "x", **body}))


def transcriptions(body: dict[str, Any]) -> Any:
    """Through the parser of speech."""
    return parse_speech(Fields(body), task="transcribe")


def translations(body: dict[str, Any]) -> Any:
    """Through the parser of speech."""
    return parse_speech(Fields(body), task="translate")


def refusal(parse: Any, body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Param and code."""
    with pytest.raises(ApiError) as caught:
        parse(body)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


@pytest.mark.parametrize(
    ("create", "parse", "neutral"),
    [
        pytest.param(openai.resources.Images.generate, images, IMAGE_NEUTRAL, id="images"),
        pytest.param(openai.resources.Videos.create, videos, VIDEO_NEUTRAL, id="videos"),
        pytest.param(
            openai.resources.audio.Transcriptions.create, transcriptions, TRANSCRIPTION_NEUTRAL, id="transcriptions"
        ),
        pytest.param(openai.resources.audio.Translations.create, translations, TRANSLATION_NEUTRAL, id="translations"),
    ],
)
def test_no_parameter_of_the_client_is_unknown(create: Any, parse: Any, neutral: Mapping[str, Any]) -> None:
    """A new release of the client library brings new parameters; each needs a decision."""
    for name in set(inspect.signature(create).parameters) - OF_THE_CLIENT - {"file"}:
        if neutral.get(name) is ANYTHING:
            parse({name: object()})
        else:
            assert refusal(parse, {name: object()})[1] in ("invalid_type", "unsupported_parameter"), name


def test_no_parameter_of_the_client_s_embeddings_is_unknown() -> None:
    known = {"input", "dimensions", "encoding_format", *NEUTRAL}
    assert set(inspect.signature(openai.resources.Embeddings.create).parameters) - OF_THE_CLIENT <= known


@pytest.mark.parametrize(
    ("parse", "body", "want"),
    [
        pytest.param(images, {"prompt": None}, ("prompt", "missing_required_parameter"), id="no prompt"),
        pytest.param(images, {"prompt": 7}, ("prompt", "invalid_type"), id="a prompt that is a number"),
        pytest.param(images, {"prompt": "x" * 32001}, ("prompt", "invalid_value"), id="a book as prompt"),
        pytest.param(images, {"n": 11}, ("n", "invalid_value"), id="eleven images"),
        pytest.param(images, {"n": 0}, ("n", "invalid_value"), id="no image"),
        pytest.param(images, {"size": "large"}, ("size", "invalid_value"), id="a size that is a word"),
        pytest.param(images, {"size": "0x16"}, ("size", "invalid_value"), id="an image without width"),
        pytest.param(images, {"size": "16x8192"}, ("size", "invalid_value"), id="an image larger than any"),
        pytest.param(images, {"size": "16x16x16"}, ("size", "invalid_value"), id="a cube"),
        pytest.param(images, {"seed": -1}, ("seed", "invalid_value"), id="a negative seed"),
        pytest.param(images, {"steps": 0}, ("steps", "invalid_value"), id="no step"),
        pytest.param(images, {"steps": 1.5}, ("steps", "invalid_type"), id="half a step"),
        pytest.param(images, {"guidance": -1}, ("guidance", "invalid_value"), id="negative guidance"),
        pytest.param(images, {"guidance": float("nan")}, ("guidance", "invalid_value"), id="guidance of NaN"),
        pytest.param(images, {"adapter": "italic"}, ("adapter", "invalid_value"), id="an adapter that is not there"),
        pytest.param(images, {"adapter_scale": 5}, ("adapter_scale", "invalid_value"), id="an adapter out of scale"),
        pytest.param(images, {"response_format": "png"}, ("response_format", "invalid_value"), id="another answer"),
        pytest.param(images, {"output_format": "webp"}, ("output_format", "unsupported_parameter"), id="another file"),
        pytest.param(images, {"stream": True}, ("stream", "unsupported_parameter"), id="a stream of images"),
        pytest.param(images, {"strength": 1}, ("strength", "unknown_parameter"), id="a parameter of another server"),
        pytest.param(videos, {"seconds": "long"}, ("seconds", "invalid_type"), id="a duration that is a word"),
        pytest.param(videos, {"seconds": True}, ("seconds", "invalid_type"), id="a duration that is true"),
        pytest.param(videos, {"seconds": 0}, ("seconds", "invalid_value"), id="no time"),
        pytest.param(videos, {"seconds": "nan"}, ("seconds", "invalid_value"), id="a duration that is no number"),
        pytest.param(videos, {"seconds": 61}, ("seconds", "invalid_value"), id="more than a minute"),
        pytest.param(videos, {"size": "x"}, ("size", "invalid_value"), id="a size without numbers"),
        pytest.param(videos, {"input_reference": "x"}, ("input_reference", "unsupported_parameter"), id="a reference"),
        pytest.param(transcriptions, {"temperature": 1.1}, ("temperature", "invalid_value"), id="too hot"),
        pytest.param(transcriptions, {"prompt": "x" * 4097}, ("prompt", "invalid_value"), id="a long prompt"),
        pytest.param(transcriptions, {"language": "x" * 33}, ("language", "invalid_value"), id="a long language"),
        pytest.param(
            transcriptions, {"response_format": "diarized_json"}, ("response_format", "invalid_value"), id="speakers"
        ),
        pytest.param(
            transcriptions, {"timestamp_granularities": ["segment"]}, ("timestamp_granularities", "invalid_value"),
            id="times in an answer without them",
        ),
        pytest.param(
            transcriptions, {"timestamp_granularities": ["word"], "response_format": "verbose_json"},
            ("timestamp_granularities", "invalid_value"), id="times of words",
        ),
        pytest.param(transcriptions, {"stream": True}, ("stream", "unsupported_parameter"), id="streamed speech"),
        pytest.param(transcriptions, {"include": ["logprobs"]}, ("include", "unsupported_parameter"), id="logprobs"),
        pytest.param(
            translations, {"chunking_strategy": "auto"}, ("chunking_strategy", "unknown_parameter"),
            id="a parameter of transcriptions only",
        ),
    ],
)  # fmt: skip
def test_a_parameter_is_refused_by_name(parse: Any, body: dict[str, Any], want: tuple[str, str]) -> None:
    assert refusal(parse, body) == want


def test_every_honoured_parameter_of_an_image_arrives() -> None:
    order = images(
        {
            "n": 2, "size": "24x16", "seed": 5, "steps": 3, "guidance": 0, "negative_prompt": "blur",
            "adapter": "bold", "adapter_scale": 0, "response_format": "url", "user": "somebody", "quality": "auto",
        }
    )  # fmt: skip
    first, second = order.tasks
    assert (first.prompt, first.width, first.height, first.seed) == ("x", 24, 16, 5)
    assert (first.steps, first.guidance, first.negative_prompt) == (3, 0.0, "blur")
    assert (first.adapter, first.adapter_scale) == ("bold", 0.0)
    assert second.seed != first.seed
    assert (order.seed, order.response_format) == (5, "url")


def test_what_is_not_given_is_left_to_the_model() -> None:
    [task] = images({"size": "auto"}).tasks
    assert (task.width, task.height, task.steps, task.guidance, task.adapter) == (None,) * 5
    video = videos({})
    assert (video.width, video.height, video.seconds, video.steps, video.guidance) == (None,) * 5
    speech = transcriptions({})
    assert (speech.language, speech.target_language, speech.temperature) == (None, None, 0.0)
    assert translations({}).target_language == "en"


def test_fields_of_a_form_are_read_like_those_of_json() -> None:
    pairs = [("seed", "7"), ("guidance", "2.5"), ("stream", "false"), ("n", "2"), ("size", ""), ("prompt", "12")]
    order = parse_images(FormFields(pairs), adapters={})
    assert [task.prompt for task in order.tasks] == ["12", "12"]
    assert (order.seed, order.tasks[0].guidance, order.tasks[0].width) == (7, 2.5, None)
    assert FormFields([("granularity[]", "a"), ("granularity[]", "b")]).take("granularity") == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "body", "want"),
    [
        pytest.param("embeddings", {}, ("input", "missing_required_parameter"), id="nothing to embed"),
        pytest.param("embeddings", {"input": []}, ("input", "invalid_value"), id="an empty list"),
        pytest.param("embeddings", {"input": ""}, ("input", "invalid_value"), id="an empty text"),
        pytest.param("embeddings", {"input": ["a", 5]}, ("input", "invalid_type"), id="texts and numbers mixed"),
        pytest.param("embeddings", {"input": [[1], [True]]}, ("input", "invalid_type"), id="a token that is true"),
        pytest.param("embeddings", {"input": ["x"] * 2049}, ("input", "invalid_value"), id="2049 texts"),
        pytest.param("embeddings", {"input": "x", "dimensions": 0}, ("dimensions", "invalid_value"), id="no dimension"),
        pytest.param(
            "embeddings", {"input": "x", "encoding_format": "int8"}, ("encoding_format", "invalid_value"),
            id="another encoding",
        ),
        pytest.param("embeddings", {"input": "x", "top_k": 1}, ("top_k", "unknown_parameter"), id="another route's"),
        pytest.param("fill-mask", {"inputs": {"a": 1}}, ("inputs", "invalid_type"), id="an object to fill"),
        pytest.param("fill-mask", {"inputs": "x", "top_k": 1001}, ("top_k", "invalid_value"), id="too many candidates"),
        pytest.param("classify", {"inputs": []}, ("inputs", "invalid_value"), id="nothing to classify"),
        pytest.param("answers", {"inputs": "Why?"}, ("inputs", "invalid_type"), id="a question without context"),
        pytest.param(
            "answers", {"inputs": [{"question": "Why?"}]}, ("inputs[0].context", "missing_required_parameter"),
            id="an object without context",
        ),
        pytest.param(
            "answers", {"inputs": {"question": "Why?", "context": "x", "mood": 1}},
            ("inputs.mood", "unknown_parameter"), id="an unknown part of a question",
        ),
        pytest.param("images/encodings", {"image": 5}, ("image", "invalid_type"), id="an image that is a number"),
        pytest.param("images/encodings", {"image": ["a b"]}, ("image[0]", "invalid_value"), id="one broken image"),
        pytest.param("images/encodings", {"image": []}, ("image", "invalid_value"), id="no image"),
        pytest.param("images/decodings", {"latent": []}, ("latent", "invalid_value"), id="no latent"),
        pytest.param("images/decodings", {"latent": [1.0]}, ("latent", "invalid_value"), id="a latent of one axis"),
        pytest.param("images/decodings", {"latent": [[1], [2, 3]]}, ("latent", "invalid_type"), id="a ragged latent"),
        pytest.param("images/decodings", {"latent": {"a": 1}}, ("latent", "invalid_type"), id="an object as latent"),
        pytest.param("images/decodings", {"latent": "AAAA"}, ("shape", "invalid_value"), id="base64 without a shape"),
        pytest.param(
            "images/decodings", {"latent": "AAAA", "shape": [1, 1, 2]}, ("latent", "invalid_value"),
            id="base64 of another shape",
        ),
        pytest.param(
            "images/decodings", {"latent": "AADAfw==", "shape": [1, 1, 1]}, ("latent", "invalid_value"), id="NaN"
        ),
        pytest.param(
            "images/decodings", {"latent": "AAAA", "shape": [-1, 1, -1]}, ("shape", "invalid_value"),
            id="a negative length",
        ),
    ],
)  # fmt: skip
async def test_a_body_is_refused_by_name(path: str, body: dict[str, Any], want: tuple[str, str]) -> None:
    async with Bench(FakeBatchModel()) as bench:
        answer: httpx.Response = await bench.http.post(f"/v1/{path}", json={"model": "tiny", **body})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, *want)
