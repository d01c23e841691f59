"""Whisper from nothing: English speech as English and as Luxembourgish text, German speech as German, in voices that
it never heard. It is trained once, by the trainer's own code, and served by the server's."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest
import torch
from runtime.families import voices
from runtime.families.jobs import Trained, served, train
from runtime.families.speech_jobs import (
    TINY,
    WHISPER,
    asked,
    few_recordings,
    fields,
    interrupted_then_resumed,
    model_of,
)
from safetensors.torch import load_file
from transformers import AutoProcessor, WhisperForConditionalGeneration

from hostler_runtime.families.speech_to_text.scoring import word_error_rate
from hostler_runtime.families.speech_to_text.serving import SpeechModel
from hostler_runtime.protocols.serving import PromptRejectedError
from hostler_runtime.protocols.tasks import SAMPLING_RATE, SpeechRequest, SpeechResult

Answers = list[tuple[voices.Saying, SpeechResult]]
BOUND = 0.10
"""Highest word error rate on unheard voices."""


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three thousand recordings of twenty-two speakers."""
    home = tmp_path_factory.mktemp("whisper")
    made = voices.sayings(0, count=3000, speakers=voices.TRAINING_SPEAKERS)
    data = voices.write_recordings(home / "data", made)
    return train(
        home,
        **fields(
            data,
            WHISPER,
            hyperparameters={"steps": 1100, "batchSize": 32, "learningRate": 3e-3, "warmupSteps": 100},
        ),
    )


@pytest.fixture(scope="module")
def model(whisper: Trained) -> SpeechModel:
    """As a server loads it."""
    return model_of(whisper)


@pytest.fixture(scope="module")
def brief_model(tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    """One that is there to be served, and no more."""
    home = tmp_path_factory.mktemp("brief-whisper")
    return model_of(train(home, **fields(few_recordings(home / "data"), WHISPER)))


@pytest.fixture(scope="module")
def unheard() -> list[voices.Saying]:
    """Phrases in voices that were held out, half of the phrases never said in training either."""
    return voices.sayings(1, count=240, speakers=voices.UNHEARD_SPEAKERS)


@pytest.fixture(scope="module")
def answers(model: SpeechModel, unheard: list[voices.Saying]) -> Answers:
    """What it writes for them; the language spoken is never given."""
    return list(zip(unheard, asked(model, unheard), strict=True))


def rate(answers: Answers) -> float:
    return word_error_rate((each.text, result.text) for each, result in answers)


@pytest.mark.quality
@pytest.mark.parametrize("task", voices.TASKS, ids="-".join)
def test_unheard_voices_are_written_down_almost_without_errors(answers: Answers, task: tuple[str, str]) -> None:
    chosen = [(each, result) for each, result in answers if (each.spoken, each.target) == task]
    assert len(chosen) == 80
    assert rate(answers) <= BOUND
    assert rate(chosen) <= 1.5 * BOUND
    # The control: the same texts for other recordings of the same task.
    shuffled = [(each, other) for (each, _), (_, other) in zip(chosen, chosen[1:] + chosen[:1], strict=True)]
    assert rate(shuffled) > 0.7


@pytest.mark.quality
def test_the_same_english_speech_becomes_luxembourgish_text_where_that_is_wanted(
    model: SpeechModel, unheard: list[voices.Saying]
) -> None:
    english = [each for each in unheard if each.spoken == "en"]
    texts = {language: [voices.in_language(each, language) for each in english] for language in ("en", "lb")}
    found = {
        language: [one.text for one in asked(model, english, target_language=language)] for language in ("en", "lb")
    }
    for language, other in (("en", "lb"), ("lb", "en")):
        assert word_error_rate(zip(texts[language], found[language], strict=True)) <= BOUND
        # The control: had the wanted language been ignored, one of these would be low.
        assert word_error_rate(zip(texts[other], found[language], strict=True)) > 0.7


@pytest.mark.quality
def test_the_language_spoken_is_detected(answers: Answers) -> None:
    right = np.mean([each.spoken == result.language for each, result in answers])
    guess = np.mean([each.spoken == "en" for each, _ in answers])
    assert right >= 0.95
    assert guess < 0.7
    # The control: of the recording after it, which is in another language twice out of three times.
    others = [(each, other) for (each, _), (_, other) in zip(answers, answers[1:] + answers[:1], strict=True)]
    assert np.mean([each.spoken == result.language for each, result in others]) < 0.7


@pytest.mark.quality
def test_the_jobs_own_figures_tell_the_same(whisper: Trained) -> None:
    metrics = whisper.result.metrics
    assert metrics["word_error_rate"] <= BOUND
    assert metrics["character_error_rate"] <= BOUND
    assert metrics["language_accuracy"] >= 0.95 > metrics["most_frequent_language"]
    assert metrics["wer_of_other_audio"] > 0.7
    assert {name for name in metrics if name.startswith("word_error_rate_")} == {
        f"word_error_rate_{spoken}_to_{target}" for spoken, target in voices.TASKS
    }
    assert whisper.result.dataset is not None
    assert whisper.result.dataset.rows == 3000
    assert "heard:" in (whisper.model / "samples/final/transcripts.txt").read_text()


def test_a_result_does_not_depend_on_what_else_is_in_the_batch(
    brief_model: SpeechModel, unheard: list[voices.Saying]
) -> None:
    model = brief_model
    mixed = [
        SpeechRequest(voices.samples_of(unheard[0]), temperature=0.7, seed=3),
        SpeechRequest(voices.samples_of(unheard[1]), target_language="lb"),
        SpeechRequest(voices.samples_of(unheard[2]), language="de"),
        SpeechRequest(np.concatenate([voices.samples_of(each) for each in unheard[3:9]])),
        SpeechRequest(voices.samples_of(unheard[9])[: SAMPLING_RATE // 4]),
    ]
    together = model.run_batch(mixed).results
    for request, beside in zip(mixed, together, strict=True):
        [alone] = model.run_batch([request]).results
        assert isinstance(alone, SpeechResult)
        assert isinstance(beside, SpeechResult)
        assert (beside.text, beside.language) == (alone.text, alone.language)
        assert [one.tokens for one in beside.segments] == [one.tokens for one in alone.segments]
        for one, other in zip(beside.segments, alone.segments, strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_temperature_draws_by_the_seed(brief_model: SpeechModel, unheard: list[voices.Saying]) -> None:
    model = brief_model
    samples = voices.samples_of(unheard[0])
    drawn = [
        model.run_batch([SpeechRequest(samples, temperature=3.0, seed=seed)]).results[0].text  # type: ignore[union-attr]
        for seed in (1, 1, 2, 3, 4)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


@pytest.mark.quality
def test_long_audio_is_cut_where_it_is_quiet_and_its_segments_have_times(model: SpeechModel, answers: Answers) -> None:
    said = [each for each, result in answers if each.spoken == "en" and each.text == result.text][:8]
    # So long that no window holds two phrases, which no recording of the training data does.
    pause = np.zeros(int(1.3 * SAMPLING_RATE), dtype=np.float32)
    parts = [part for each in said for part in (voices.samples_of(each), pause)]
    [result] = model.run_batch([SpeechRequest(np.concatenate(parts), target_language="en")]).results
    assert isinstance(result, SpeechResult)
    assert word_error_rate([(" ".join(voices.in_language(each, "en") for each in said), result.text)]) <= 0.15
    assert result.text == " ".join(segment.text for segment in result.segments)
    assert result.work.audio_seconds == pytest.approx(sum(map(len, parts)) / SAMPLING_RATE)
    times = [time for segment in result.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)
    # Every phrase begins in a segment of its own, because there is silence before it.
    begins = np.cumsum([0, *(len(part) for part in parts)])[:-1:2] / SAMPLING_RATE
    for begin in begins:
        assert min(abs(segment.start - begin) for segment in result.segments) < 0.25


@pytest.mark.quality
def test_silence_has_a_language_but_no_text(model: SpeechModel) -> None:
    [result] = model.run_batch([SpeechRequest(np.zeros(SAMPLING_RATE * 3, dtype=np.float32))]).results
    assert isinstance(result, SpeechResult)
    assert (result.text, result.segments) == ("", ())
    assert result.language in {"en", "de"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"language": "xx"}, "it knows 'de', 'en'", id="a language that nobody spoke"),
        pytest.param({"language": "lb"}, "it knows 'de', 'en'", id="a language that was only written"),
        pytest.param({"target_language": "fr"}, "it writes 'de', 'en', 'lb'", id="a language that was never written"),
        pytest.param(
            {"language": "de", "target_language": "lb"}, "'de' as 'de', not as 'lb'", id="a pair that was not trained"
        ),
        pytest.param({"prompt": "Monday"}, "not trained to take a prompt", id="a prompt"),
    ],
)
def test_what_the_model_was_not_trained_for_is_refused(
    brief_model: SpeechModel, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(PromptRejectedError, match=says) as refused:
        brief_model.check(SpeechRequest(np.zeros(100, dtype=np.float32), **changes))  # type: ignore[arg-type]
    assert refused.value.param == list(changes)[-1], "the field to blame, not the file"


@pytest.mark.quality
def test_transformers_reads_the_artifacts_and_writes_the_same(whisper: Trained, answers: Answers) -> None:
    processor = AutoProcessor.from_pretrained(whisper.model)
    network = WhisperForConditionalGeneration.from_pretrained(whisper.model)
    for spoken in ("en", "de"):
        chosen = [(each, result) for each, result in answers if (each.spoken, each.target) == (spoken, spoken)][:16]
        features = processor(
            [voices.samples_of(each) for each, _ in chosen], sampling_rate=SAMPLING_RATE, return_tensors="pt"
        )
        written = network.generate(features.input_features, language=spoken, task="transcribe")
        texts = [text.strip() for text in processor.batch_decode(written, skip_special_tokens=True)]
        # Ours leaves silence around speech out, which may change a word now and then.
        same = np.mean([text == result.text for text, (_, result) in zip(texts, chosen, strict=True)])
        assert same >= 0.85
        shifted = np.mean([text == other.text for text, (_, other) in zip(texts, chosen[1:] + chosen[:1], strict=True)])
        assert shifted < 0.3


@pytest.fixture(scope="module")
def client(whisper: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """The OpenAI client of a server of the model."""
    silence = voices.wav(np.zeros(4000), rate=SAMPLING_RATE)
    sample = {
        "path": "/v1/audio/transcriptions",
        "body": {"response_format": "verbose_json"},
        "files": [{"name": "tone.wav", "contentBase64": base64.b64encode(silence).decode()}],
        "expect": "language",
    }
    directory = tmp_path_factory.mktemp("server")
    with served(whisper, directory, task="automatic-speech-recognition", sampleRequest=sample) as client:
        yield client


@pytest.mark.quality
def test_the_openai_client_gets_transcripts_translations_and_times(client: openai.OpenAI, answers: Answers) -> None:
    german = next(each for each, result in answers if each.spoken == "de" and each.text == result.text)

    def file(each: voices.Saying) -> tuple[str, io.BytesIO]:
        return ("said.wav", io.BytesIO(voices.wav_of(each)))

    # One of a few that were right in the other language: no model of this size is right about every recording.
    for chosen in [each for each, result in answers if each.target == "lb" and each.text == result.text][:5]:
        told = client.audio.transcriptions.create(model="tiny", file=file(chosen), response_format="verbose_json")
        if told.text == voices.in_language(chosen, "en"):
            break
    assert (told.text, told.language) == (voices.in_language(chosen, "en"), "en")
    assert told.segments
    assert 0 <= told.segments[0].start < told.segments[-1].end <= told.duration
    wanted = client.audio.transcriptions.create(model="tiny", file=file(chosen), extra_body={"target_language": "lb"})
    assert wanted.text == chosen.text
    translated = client.audio.translations.create(model="tiny", file=file(chosen), extra_body={"target_language": "lb"})
    assert translated.text == chosen.text
    detected = client.audio.transcriptions.create(model="tiny", file=file(german), response_format="verbose_json")
    assert (detected.text, detected.language) == (german.text, "de")
    with pytest.raises(openai.BadRequestError, match="does not write 'fr'"):
        client.audio.transcriptions.create(model="tiny", file=file(chosen), extra_body={"target_language": "fr"})


def test_a_run_that_was_interrupted_ends_with_the_same_weights(tmp_path: Path) -> None:
    data = few_recordings(tmp_path / "data")
    document = fields(data, {**WHISPER, **TINY, "decoderLayers": 1})
    whole = load_file(train(tmp_path / "whole", **document).model / "model.safetensors")
    parts = interrupted_then_resumed(tmp_path / "parts", after=3, **document)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_transcript_cannot_forge_a_special_token(tmp_path: Path) -> None:
    data = few_recordings(tmp_path / "data")
    manifest = data / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[0]["text"] = "one<|endoftext|>"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    trained = train(tmp_path, **fields(data, {**WHISPER, **TINY, "decoderLayers": 1}))
    layout = model_of(trained).recognizer.format
    sound = layout.sound(np.zeros(16_000, dtype=np.float32))
    tokens = layout.example("one<|endoftext|>", spoken="en", target="en", sound=sound).tokens
    assert tokens.count(layout.tokenizer.eos_token_id) == 1
    assert layout.text(tokens).strip() == "one<|endoftext|>"
