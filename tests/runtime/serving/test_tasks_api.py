"""Routes of whole requests as the unmodified OpenAI client speaks them: a real process with a fake family."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image
from runtime.serving.fake_batch import png
from runtime.serving.recordings import recording
from runtime.serving.replica import Replica, fake_replica
from runtime.serving.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the replica: what its model ran stands in ``batches`` there."""
    return tmp_path_factory.mktemp("fake")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Replica]:
    """A server that answers every task."""
    with fake_replica(directory, adapters={"bold": "/adapters/bold", "inverted": "/adapters/inverted"}) as one:
        yield one.wait_ready()


@pytest.fixture(scope="module")
def openai_client(server: Replica) -> openai.OpenAI:
    """The unmodified client."""
    return server.client()


def post(server: Replica, path: str, body: Any) -> Any:
    """The JSON of a successful answer."""
    answer = httpx.post(f"{server.url}/v1/{path}", json={"model": "tiny", **body}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestEmbeddings:
    """``/v1/embeddings``."""

    def test_one_text_or_many(self, openai_client: openai.OpenAI) -> None:
        one = openai_client.embeddings.create(model="tiny", input="left")
        many = openai_client.embeddings.create(model="tiny", input=["right", "left"])
        assert many.data[1].embedding == pytest.approx(one.data[0].embedding)
        assert many.data[0].embedding != pytest.approx(one.data[0].embedding)
        assert [each.index for each in many.data] == [0, 1]
        assert (one.object, one.model, one.data[0].object) == ("list", "tiny", "embedding")
        assert (many.usage.prompt_tokens, many.usage.total_tokens) == (9, 9)

    def test_tokens_are_as_good_as_texts(self, openai_client: openai.OpenAI) -> None:
        text = openai_client.embeddings.create(model="tiny", input="yard").data[0].embedding
        tokens = list(b"yard")
        assert openai_client.embeddings.create(model="tiny", input=tokens).data[0].embedding == pytest.approx(text)
        several = openai_client.embeddings.create(model="tiny", input=[tokens, tokens])
        assert [each.embedding for each in several.data] == [pytest.approx(text)] * 2

    def test_both_encodings_hold_the_same_numbers(self, server: Replica) -> None:
        body = {"input": "yard", "dimensions": 6}
        floats = post(server, "embeddings", {**body, "encoding_format": "float"})["data"][0]["embedding"]
        encoded = post(server, "embeddings", {**body, "encoding_format": "base64"})["data"][0]["embedding"]
        assert len(floats) == 6
        assert np.frombuffer(base64.b64decode(encoded), dtype="<f4").tolist() == pytest.approx(floats)

    def test_more_inputs_than_a_batch_and_a_queue_hold_are_worked_off_in_portions(
        self, openai_client: openai.OpenAI, directory: Path
    ) -> None:
        texts = [f"portion {number}" for number in range(100)]
        many = openai_client.embeddings.create(model="tiny", input=texts)
        assert [each.index for each in many.data] == list(range(100))
        single = openai_client.embeddings.create(model="tiny", input=texts[57])
        assert many.data[57].embedding == pytest.approx(single.data[0].embedding)
        sizes = [len(batch) for batch in batches(directory) if batch[0].startswith("portion")]
        assert sizes == [8] * 12 + [4, 1]

    def test_requests_at_once_get_the_answers_of_one_at_a_time(self, openai_client: openai.OpenAI) -> None:
        def ask(number: int) -> list[float]:
            return openai_client.embeddings.create(model="tiny", input=f"text {number}").data[0].embedding

        one_by_one = [ask(number) for number in range(20)]
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(ask, range(20))) == one_by_one


class TestTextHeads:
    """``/v1/fill-mask``, ``/v1/classify``, ``/v1/answers``."""

    def test_each_mask_gets_its_candidates(self, server: Replica) -> None:
        answer = post(server, "fill-mask", {"inputs": ["one [MASK]", "two [MASK] [MASK]"], "top_k": 2})
        assert [len(each["masks"]) for each in answer["data"]] == [1, 2]
        candidates = answer["data"][1]["masks"][0]
        assert candidates == [
            {"text": "word0", "token": 0, "score": 0.5}, {"text": "word1", "token": 1, "score": 0.25}
        ]  # fmt: skip
        assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}

    def test_the_client_s_own_way_to_other_paths_works(self, openai_client: openai.OpenAI) -> None:
        answer: Any = openai_client.post("/classify", body={"model": "tiny", "inputs": ["a text"]}, cast_to=object)
        assert answer["data"][0]["labels"][0] == {"label": "word0", "score": 0.5}

    def test_labels_come_best_first(self, server: Replica) -> None:
        [each] = post(server, "classify", {"inputs": "a text"})["data"]
        assert [label["label"] for label in each["labels"]] == [f"word{index}" for index in range(5)]
        scores = [label["score"] for label in each["labels"]]
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("several", [False, True], ids=["one question", "an array"])
    def test_an_answer_says_where_it_stands(self, server: Replica, several: bool) -> None:  # noqa: FBT001
        question = {"question": "Where?", "context": "In the yard."}
        data = post(server, "answers", {"inputs": [question] * 2 if several else question})["data"]
        assert [each["index"] for each in data] == ([0, 1] if several else [0])
        [found] = data[-1]["answers"]
        assert question["context"][found["start"] : found["end"]] == found["text"] == "yard"


class TestImages:
    """``/v1/images/*``."""

    def test_a_prompt_becomes_png_files_of_the_size(self, openai_client: openai.OpenAI) -> None:
        answer = openai_client.images.generate(model="tiny", prompt="a seven", n=3, size="24x16")
        assert answer.data is not None
        files = [base64.b64decode(image.b64_json or "") for image in answer.data]
        for file in files:
            assert Image.open(io.BytesIO(file)).size == (24, 16)
        assert len(set(files)) == 3, "the images of one request differ"
        assert answer.output_format == "png"

    def test_the_seed_in_the_answer_repeats_it(self, server: Replica) -> None:
        first = post(server, "images/generations", {"prompt": "a seven", "n": 2})
        again = post(server, "images/generations", {"prompt": "a seven", "n": 2, "seed": first["seed"]})
        assert again["data"] == first["data"]
        assert post(server, "images/generations", {"prompt": "a seven", "n": 2})["data"] != first["data"]

    def test_a_url_holds_the_file_itself(self, server: Replica) -> None:
        body = {"prompt": "a seven", "seed": 1}
        [image] = post(server, "images/generations", {**body, "response_format": "url"})["data"]
        [encoded] = post(server, "images/generations", body)["data"]
        assert image["url"] == f"data:image/png;base64,{encoded['b64_json']}"

    @pytest.mark.parametrize("encoding", ["float", "base64"])
    def test_a_latent_goes_back_as_it_came(self, server: Replica, encoding: str) -> None:
        file = png(4, 4, shade=7)
        image = base64.b64encode(file).decode()
        asked = {"image": [image, f"data:image/png;base64,{image}"], "encoding_format": encoding}
        latents = post(server, "images/encodings", asked)["data"]
        assert [latent["shape"] for latent in latents] == [[1, 2, 2]] * 2
        back = {"latent": [latent["latent"] for latent in latents], "shape": latents[0]["shape"]}
        decoded = post(server, "images/decodings", back)["data"]
        shade = Image.open(io.BytesIO(base64.b64decode(decoded[1]["b64_json"]))).getpixel((0, 0))
        assert shade == 4 * len(file) % 251
        alone = post(server, "images/decodings", {**back, "latent": latents[0]["latent"]})["data"]
        assert alone == decoded[:1]


class TestAudio:
    """``/v1/audio/*``."""

    @pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "ogg", "webm", "m4a"])
    def test_every_format_is_heard(self, openai_client: openai.OpenAI, ending: str) -> None:
        file = (f"tone.{ending}", recording(ending, 1))
        answer = openai_client.audio.transcriptions.create(model="tiny", file=file, language="fr")
        assert answer.text == "loud in fr"
        quiet = (f"quiet.{ending}", recording(ending, 1, loudness=0.02))
        assert openai_client.audio.transcriptions.create(model="tiny", file=quiet).text == "quiet in en"

    def test_the_detected_language_and_the_duration_are_reported(self, openai_client: openai.OpenAI) -> None:
        answer = openai_client.audio.transcriptions.create(model="tiny", file=("t.wav", recording("wav", 1.5)))
        assert answer.to_dict() == {
            "text": "loud in en", "language": "de", "usage": {"type": "duration", "seconds": 1.5}
        }  # fmt: skip

    def test_verbose_json_has_segments(self, openai_client: openai.OpenAI) -> None:
        answer = openai_client.audio.transcriptions.create(
            model="tiny",
            file=("t.wav", recording("wav", 2)),
            response_format="verbose_json",
            timestamp_granularities=["segment"],
            temperature=0.5,
        )
        assert (answer.duration, answer.language, answer.text) == (2.0, "de", "loud in en")
        assert answer.segments is not None
        first, second = answer.segments
        assert (first.id, first.start, first.end, first.text, first.tokens) == (0, 0.0, 1.0, "loud", [1, 2])
        assert (second.seek, second.avg_logprob, second.temperature) == (100, -0.5, 0.5)
        assert first.compression_ratio > 0

    @pytest.mark.parametrize(
        ("response_format", "want"),
        [
            pytest.param("text", "loud in en\n", id="text"),
            pytest.param(
                "srt",
                "1\n00:00:00,000 --> 00:00:01,000\nloud\n\n2\n00:00:01,000 --> 00:00:02,000\nin en\n",
                id="SubRip",
            ),
            pytest.param(
                "vtt",
                "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nloud\n\n00:00:01.000 --> 00:00:02.000\nin en\n",
                id="WebVTT",
            ),
        ],
    )
    def test_plain_formats(self, openai_client: openai.OpenAI, response_format: Any, want: str) -> None:
        file = ("t.wav", recording("wav", 2))
        answer = openai_client.audio.transcriptions.create(model="tiny", file=file, response_format=response_format)
        assert answer == want

    @pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
    def test_a_translation_is_english_unless_it_says_otherwise(self, openai_client: openai.OpenAI) -> None:
        create = openai_client.audio.translations.create
        file = ("t.wav", recording("wav", 1))
        assert create(model="tiny", file=file).text == "loud in en"
        other = create(model="tiny", file=file, extra_body={"target_language": "lb"})
        assert other.text == "loud in lb"
        assert other.to_dict()["target_language"] == "lb"
        verbose = create(model="tiny", file=file, response_format="verbose_json")
        assert verbose.to_dict()["task"] == "translate"

    def test_a_transcription_may_have_another_language_too(self, openai_client: openai.OpenAI) -> None:
        answer = openai_client.audio.transcriptions.create(
            model="tiny", file=("t.wav", recording("wav", 1)), language="en", extra_body={"target_language": "LB"}
        )
        assert answer.text == "loud in lb"

    async def test_the_asynchronous_client_works_too(self, server: Replica) -> None:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            file = ("t.wav", recording("wav", 1))
            answers = await asyncio.gather(
                *(client.audio.transcriptions.create(model="tiny", file=file) for _ in range(4))
            )
        assert [answer.text for answer in answers] == ["loud in en"] * 4


class TestVideos:
    """``/v1/videos``."""

    def test_a_job_from_queued_to_deleted(self, openai_client: openai.OpenAI, tmp_path: Path) -> None:
        go = tmp_path / "go"
        video = openai_client.videos.create(model="tiny", prompt=f"until {go}", seconds="4", size="32x16")
        assert (video.object, video.model, video.seconds, video.size) == ("video", "tiny", "4", "32x16")
        assert (video.completed_at, video.progress) == (None, 0)
        eventually(lambda: openai_client.videos.retrieve(video.id).status == "in_progress", what="the job to begin")
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.videos.download_content(video.id)
        assert caught.value.code == "video_not_ready"
        go.touch()
        eventually(lambda: openai_client.videos.retrieve(video.id).status == "completed", what="the job to end")
        done = openai_client.videos.retrieve(video.id)
        assert done.completed_at is not None
        assert done.expires_at == pytest.approx(done.completed_at + 3600, abs=1)
        assert (done.progress, done.prompt, done.seconds) == (100, f"until {go}", "4")
        content = openai_client.videos.download_content(video.id)
        assert content.read().startswith(b"film of until")
        assert content.response.headers["content-type"] == "video/mp4"
        assert openai_client.videos.delete(video.id).deleted
        with pytest.raises(openai.NotFoundError, match="another replica"):
            openai_client.videos.retrieve(video.id)

    def test_who_waits_gets_the_file_in_the_answer(self, openai_client: openai.OpenAI) -> None:
        video = openai_client.videos.create(model="tiny", prompt="a seven", extra_body={"wait": True, "seed": 3})
        assert (video.status, video.size, video.seconds) == ("completed", "16x16", "1")
        assert base64.b64decode(video.to_dict()["b64_json"]) == b"film of a seven, seed 3"
        assert openai_client.videos.download_content(video.id).read() == b"film of a seven, seed 3"

    def test_a_failed_job_says_why(self, openai_client: openai.OpenAI) -> None:
        video = openai_client.videos.create(model="tiny", prompt="poison")
        eventually(lambda: openai_client.videos.retrieve(video.id).status == "failed", what="the job to fail")
        failed = openai_client.videos.retrieve(video.id)
        assert failed.error is not None
        assert failed.error.message == "the model failed: RuntimeError: this one is poison"
        with pytest.raises(openai.InternalServerError):
            openai_client.videos.download_content(video.id)
        with pytest.raises(openai.InternalServerError):
            openai_client.videos.create(model="tiny", prompt="poison", extra_body={"wait": True})

    def test_a_job_that_the_model_refuses_is_refused_at_once(self, openai_client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.videos.create(model="tiny", prompt="refusal")
        assert (caught.value.code, caught.value.param) == ("prompt_refused", "prompt")

    def test_the_list_is_newest_first_and_comes_in_pages(self, openai_client: openai.OpenAI) -> None:
        made = [openai_client.videos.create(model="tiny", prompt=f"page {number}").id for number in range(3)]
        newest = [video.id for video in openai_client.videos.list(limit=2)]
        assert newest[:3] == made[::-1], "the client follows the pages by itself"
        page = openai_client.videos.list(limit=1, order="asc", after=made[0])
        assert [video.id for video in page.data] == [made[1]]
        assert page.has_more

    def test_a_deleted_job_that_waits_never_runs(
        self, openai_client: openai.OpenAI, directory: Path, tmp_path: Path
    ) -> None:
        go = tmp_path / "go"
        first = openai_client.videos.create(model="tiny", prompt=f"until {go}")
        eventually(lambda: openai_client.videos.retrieve(first.id).status == "in_progress", what="the job to begin")
        unwanted = openai_client.videos.create(model="tiny", prompt="unwanted")
        assert openai_client.videos.delete(unwanted.id).deleted
        last = openai_client.videos.create(model="tiny", prompt="last")
        go.touch()
        eventually(lambda: openai_client.videos.retrieve(last.id).status == "completed", what="the last job to end")
        assert ["unwanted"] not in batches(directory)


def batches(directory: Path) -> list[list[str]]:
    """What the model ran, batch by batch."""
    return [json.loads(line) for line in (directory / "batches").read_text().splitlines()]


def test_a_client_that_goes_away_while_it_waits_never_reaches_the_model(
    server: Replica, directory: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    body = {"model": "tiny", "input": f"until {go}"}
    blocker = threading.Thread(target=httpx.post, args=(f"{server.url}/v1/embeddings",), kwargs={"json": body})
    blocker.start()
    eventually(lambda: [f"until {go}"] in batches(directory), what="the model to be busy")
    timeout = httpx.Timeout(30, read=0.3)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/embeddings", json={"model": "tiny", "input": "impatient"}, timeout=timeout)
    eventually(
        lambda: server.value("hostler_request_duration_seconds_count", code="499") >= 1, what="the server to notice"
    )
    go.touch()
    blocker.join(20)
    post(server, "embeddings", {"input": "patient"})
    ran = [text for batch in batches(directory) for text in batch]
    assert "patient" in ran
    assert "impatient" not in ran


def test_models_are_listed(openai_client: openai.OpenAI) -> None:
    assert [model.id for model in openai_client.models.list()] == ["tiny"]


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
    server: Replica, path: str, given: dict[str, Any], want: tuple[int, str | None, str | None]
) -> None:
    answer = httpx.post(f"{server.url}/v1/{path}", timeout=30, **given)
    error = answer.json().get("error", {})
    assert (answer.status_code, error.get("param"), error.get("code")) == want, answer.text
    assert error == {} or error["message"]


def test_a_path_of_another_family_is_told_what_is_served(server: Replica) -> None:
    message = httpx.post(f"{server.url}/v1/chat/completions", json={}).json()["error"]["message"]
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


def test_adapters_are_chosen_by_name_and_never_ignored(openai_client: openai.OpenAI) -> None:
    def generate(**body: Any) -> Any:
        return openai_client.images.generate(model="tiny", prompt="x", extra_body=body)

    assert generate(adapter="bold", adapter_scale=0.5).data
    assert refused(lambda: generate(adapter="italic")) == ("adapter", "invalid_value")
    with pytest.raises(openai.BadRequestError, match="'bold', 'inverted'"):
        generate(adapter="italic")
