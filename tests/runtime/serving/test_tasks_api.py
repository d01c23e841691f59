"""Routes of whole requests as the unmodified OpenAI client speaks them: a real process with a fake family."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from patience import PATIENCE
from PIL import Image
from runtime.serving.fake_batch import png
from runtime.serving.recordings import recording
from runtime.serving.replica import Replica, batches
from runtime.serving.waiting import eventually


def post(fake_server: Replica, path: str, body: Any) -> Any:
    """The JSON of a successful answer."""
    answer = fake_server.post(f"v1/{path}", json={"model": "tiny", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestEmbeddings:
    """``/v1/embeddings``."""

    def test_one_text_or_many(self, fake_client: openai.OpenAI) -> None:
        one = fake_client.embeddings.create(model="tiny", input="left")
        many = fake_client.embeddings.create(model="tiny", input=["right", "left"])
        assert many.data[1].embedding == pytest.approx(one.data[0].embedding)
        assert many.data[0].embedding != pytest.approx(one.data[0].embedding)
        assert [each.index for each in many.data] == [0, 1]
        assert (one.object, one.model, one.data[0].object) == ("list", "tiny", "embedding")
        assert (many.usage.prompt_tokens, many.usage.total_tokens) == (9, 9)

    def test_tokens_are_as_good_as_texts(self, fake_client: openai.OpenAI) -> None:
        text = fake_client.embeddings.create(model="tiny", input="yard").data[0].embedding
        tokens = list(b"yard")
        assert fake_client.embeddings.create(model="tiny", input=tokens).data[0].embedding == pytest.approx(text)
        several = fake_client.embeddings.create(model="tiny", input=[tokens, tokens])
        assert [each.embedding for each in several.data] == [pytest.approx(text)] * 2

    def test_both_encodings_hold_the_same_numbers(self, fake_server: Replica) -> None:
        body = {"input": "yard", "dimensions": 6}
        floats = post(fake_server, "embeddings", {**body, "encoding_format": "float"})["data"][0]["embedding"]
        encoded = post(fake_server, "embeddings", {**body, "encoding_format": "base64"})["data"][0]["embedding"]
        assert len(floats) == 6
        assert np.frombuffer(base64.b64decode(encoded), dtype="<f4").tolist() == pytest.approx(floats)

    def test_more_inputs_than_a_batch_and_a_queue_hold_are_worked_off_in_portions(
        self, fake_client: openai.OpenAI, fake_directory: Path
    ) -> None:
        texts = [f"portion {number}" for number in range(100)]
        many = fake_client.embeddings.create(model="tiny", input=texts)
        assert [each.index for each in many.data] == list(range(100))
        single = fake_client.embeddings.create(model="tiny", input=texts[57])
        assert many.data[57].embedding == pytest.approx(single.data[0].embedding)
        sizes = [len(batch) for batch in batches(fake_directory) if batch[0].startswith("portion")]
        assert sizes == [8] * 12 + [4, 1]

    def test_requests_at_once_get_the_answers_of_one_at_a_time(self, fake_client: openai.OpenAI) -> None:
        def ask(number: int) -> list[float]:
            return fake_client.embeddings.create(model="tiny", input=f"text {number}").data[0].embedding

        one_by_one = [ask(number) for number in range(20)]
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(ask, range(20))) == one_by_one


class TestTextHeads:
    """``/v1/fill-mask``, ``/v1/classify``, ``/v1/answers``."""

    def test_each_mask_gets_its_candidates(self, fake_server: Replica) -> None:
        answer = post(fake_server, "fill-mask", {"inputs": ["one [MASK]", "two [MASK] [MASK]"], "top_k": 2})
        assert [len(each["masks"]) for each in answer["data"]] == [1, 2]
        candidates = answer["data"][1]["masks"][0]
        assert candidates == [
            {"text": "word0", "token": 0, "score": 0.5}, {"text": "word1", "token": 1, "score": 0.25}
        ]  # fmt: skip
        assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}

    def test_the_client_s_own_way_to_other_paths_works(self, fake_client: openai.OpenAI) -> None:
        answer: Any = fake_client.post("/classify", body={"model": "tiny", "inputs": ["a text"]}, cast_to=object)
        assert answer["data"][0]["labels"][0] == {"label": "word0", "score": 0.5}

    def test_labels_come_best_first(self, fake_server: Replica) -> None:
        [each] = post(fake_server, "classify", {"inputs": "a text"})["data"]
        assert [label["label"] for label in each["labels"]] == [f"word{index}" for index in range(5)]
        scores = [label["score"] for label in each["labels"]]
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("several", [False, True], ids=["one question", "an array"])
    def test_an_answer_says_where_it_stands(self, fake_server: Replica, several: bool) -> None:  # noqa: FBT001
        question = {"question": "Where?", "context": "In the yard."}
        data = post(fake_server, "answers", {"inputs": [question] * 2 if several else question})["data"]
        assert [each["index"] for each in data] == ([0, 1] if several else [0])
        [found] = data[-1]["answers"]
        assert question["context"][found["start"] : found["end"]] == found["text"] == "yard"


class TestImages:
    """``/v1/images/*``."""

    def test_a_prompt_becomes_png_files_of_the_size(self, fake_client: openai.OpenAI) -> None:
        answer = fake_client.images.generate(model="tiny", prompt="a seven", n=3, size="24x16")
        assert answer.data is not None
        files = [base64.b64decode(image.b64_json or "") for image in answer.data]
        for file in files:
            assert Image.open(io.BytesIO(file)).size == (24, 16)
        assert len(set(files)) == 3, "the images of one request differ"
        assert answer.output_format == "png"

    def test_the_seed_in_the_answer_repeats_it(self, fake_server: Replica) -> None:
        first = post(fake_server, "images/generations", {"prompt": "a seven", "n": 2})
        again = post(fake_server, "images/generations", {"prompt": "a seven", "n": 2, "seed": first["seed"]})
        assert again["data"] == first["data"]
        assert post(fake_server, "images/generations", {"prompt": "a seven", "n": 2})["data"] != first["data"]

    def test_a_url_holds_the_file_itself(self, fake_server: Replica) -> None:
        body = {"prompt": "a seven", "seed": 1}
        [image] = post(fake_server, "images/generations", {**body, "response_format": "url"})["data"]
        [encoded] = post(fake_server, "images/generations", body)["data"]
        assert image["url"] == f"data:image/png;base64,{encoded['b64_json']}"

    @pytest.mark.parametrize("encoding", ["float", "base64"])
    def test_a_latent_goes_back_as_it_came(self, fake_server: Replica, encoding: str) -> None:
        file = png(4, 4, shade=7)
        image = base64.b64encode(file).decode()
        asked = {"image": [image, f"data:image/png;base64,{image}"], "encoding_format": encoding}
        latents = post(fake_server, "images/encodings", asked)["data"]
        assert [latent["shape"] for latent in latents] == [[1, 2, 2]] * 2
        back = {"latent": [latent["latent"] for latent in latents], "shape": latents[0]["shape"]}
        decoded = post(fake_server, "images/decodings", back)["data"]
        shade = Image.open(io.BytesIO(base64.b64decode(decoded[1]["b64_json"]))).getpixel((0, 0))
        assert shade == 4 * len(file) % 251
        alone = post(fake_server, "images/decodings", {**back, "latent": latents[0]["latent"]})["data"]
        assert alone == decoded[:1]


class TestAudio:
    """``/v1/audio/*``."""

    @pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "ogg", "webm", "m4a"])
    def test_every_format_is_heard(self, fake_client: openai.OpenAI, ending: str) -> None:
        file = (f"tone.{ending}", recording(ending, 1))
        answer = fake_client.audio.transcriptions.create(model="tiny", file=file, language="fr")
        assert answer.text == "loud in fr"
        quiet = (f"quiet.{ending}", recording(ending, 1, loudness=0.02))
        assert fake_client.audio.transcriptions.create(model="tiny", file=quiet).text == "quiet in en"

    def test_the_detected_language_and_the_duration_are_reported(self, fake_client: openai.OpenAI) -> None:
        answer = fake_client.audio.transcriptions.create(model="tiny", file=("t.wav", recording("wav", 1.5)))
        assert answer.to_dict() == {
            "text": "loud in en", "language": "de", "usage": {"type": "duration", "seconds": 1.5}
        }  # fmt: skip

    def test_verbose_json_has_segments(self, fake_client: openai.OpenAI) -> None:
        answer = fake_client.audio.transcriptions.create(
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
    def test_plain_formats(self, fake_client: openai.OpenAI, response_format: Any, want: str) -> None:
        file = ("t.wav", recording("wav", 2))
        answer = fake_client.audio.transcriptions.create(model="tiny", file=file, response_format=response_format)
        assert answer == want

    @pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
    def test_a_translation_is_english_unless_it_says_otherwise(self, fake_client: openai.OpenAI) -> None:
        create = fake_client.audio.translations.create
        file = ("t.wav", recording("wav", 1))
        assert create(model="tiny", file=file).text == "loud in en"
        other = create(model="tiny", file=file, extra_body={"target_language": "lb"})
        assert other.text == "loud in lb"
        assert other.to_dict()["target_language"] == "lb"
        verbose = create(model="tiny", file=file, response_format="verbose_json")
        assert verbose.to_dict()["task"] == "translate"

    def test_a_transcription_may_have_another_language_too(self, fake_client: openai.OpenAI) -> None:
        answer = fake_client.audio.transcriptions.create(
            model="tiny", file=("t.wav", recording("wav", 1)), language="en", extra_body={"target_language": "LB"}
        )
        assert answer.text == "loud in lb"

    async def test_the_asynchronous_client_works_too(self, fake_server: Replica) -> None:
        async with openai.AsyncOpenAI(base_url=f"{fake_server.url}/v1", api_key="none", max_retries=0) as client:
            file = ("t.wav", recording("wav", 1))
            answers = await asyncio.gather(
                *(client.audio.transcriptions.create(model="tiny", file=file) for _ in range(4))
            )
        assert [answer.text for answer in answers] == ["loud in en"] * 4


def test_a_client_that_goes_away_while_it_waits_never_reaches_the_model(
    fake_server: Replica, fake_directory: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    body = {"model": "tiny", "input": f"until {go}"}
    blocker = threading.Thread(target=fake_server.post, args=("v1/embeddings",), kwargs={"json": body})
    blocker.start()
    eventually(lambda: [f"until {go}"] in batches(fake_directory), what="the model to be busy")
    timeout = httpx.Timeout(PATIENCE, read=0.3)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{fake_server.url}/v1/embeddings", json={"model": "tiny", "input": "impatient"}, timeout=timeout)
    eventually(
        lambda: fake_server.value("hostler_request_duration_seconds_count", code="499") >= 1,
        what="the server to notice",
    )
    go.touch()
    blocker.join(PATIENCE)
    post(fake_server, "embeddings", {"input": "patient"})
    ran = [text for batch in batches(fake_directory) for text in batch]
    assert "patient" in ran
    assert "impatient" not in ran


def test_models_are_listed(fake_client: openai.OpenAI) -> None:
    assert [model.id for model in fake_client.models.list()] == ["tiny"]
