"""Conformer with CTC from nothing: English and German speech in voices that it never heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from runtime.families import voices
from runtime.families.jobs import Trained, train
from runtime.families.speech_jobs import (
    CONFORMER,
    TINY,
    asked,
    few_recordings,
    fields,
    interrupted_then_resumed,
    model_of,
)
from safetensors.torch import load_file
from transformers import AutoProcessor, ParakeetForCTC

from hostler_runtime.families.speech_to_text.scoring import word_error_rate
from hostler_runtime.families.speech_to_text.serving import SpeechModel
from hostler_runtime.protocols.serving import PromptRejectedError
from hostler_runtime.protocols.tasks import SAMPLING_RATE, SpeechRequest, SpeechResult

Answers = list[tuple[voices.Saying, SpeechResult]]
BOUND = 0.10
"""Highest word error rate on unheard voices."""
TASKS = (("en", "en"), ("de", "de"))


@pytest.fixture(scope="module")
def conformer(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Recordings of twenty-two speakers in two languages."""
    home = tmp_path_factory.mktemp("conformer")
    made = voices.sayings(0, count=2400, speakers=voices.TRAINING_SPEAKERS, tasks=TASKS)
    data = voices.write_recordings(home / "data", made)
    return train(
        home,
        **fields(
            data,
            CONFORMER,
            hyperparameters={"steps": 1200, "batchSize": 16, "learningRate": 4e-3, "warmupSteps": 100},
        ),
    )


@pytest.fixture(scope="module")
def model(conformer: Trained) -> SpeechModel:
    """As a server loads it."""
    return model_of(conformer)


@pytest.fixture(scope="module")
def brief_model(tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    """One that is there to be served, and no more."""
    home = tmp_path_factory.mktemp("brief-conformer")
    return model_of(train(home, **fields(few_recordings(home / "data", tasks=TASKS), CONFORMER)))


@pytest.fixture(scope="module")
def unheard() -> list[voices.Saying]:
    """Phrases in voices that were held out."""
    return voices.sayings(1, count=240, speakers=voices.UNHEARD_SPEAKERS, tasks=TASKS)


@pytest.fixture(scope="module")
def answers(model: SpeechModel, unheard: list[voices.Saying]) -> Answers:
    """What it writes for them; the language spoken is never given."""
    return list(zip(unheard, asked(model, unheard, target_language=None), strict=True))


def rate(answers: Answers) -> float:
    return word_error_rate((each.text, result.text) for each, result in answers)


@pytest.mark.quality
@pytest.mark.parametrize("language", ["en", "de"])
def test_unheard_voices_are_written_down_almost_without_errors(answers: Answers, language: str) -> None:
    chosen = [(each, result) for each, result in answers if each.spoken == language]
    assert len(chosen) == 120
    assert rate(answers) <= BOUND
    assert rate(chosen) <= 1.5 * BOUND
    # The control: the same texts for other recordings of the same language.
    shuffled = [(each, other) for (each, _), (_, other) in zip(chosen, chosen[1:] + chosen[:1], strict=True)]
    assert rate(shuffled) > 0.7


@pytest.mark.quality
def test_the_language_spoken_is_written_before_the_text(answers: Answers) -> None:
    assert np.mean([each.spoken == result.language for each, result in answers]) >= 0.95
    # The control: the languages take turns, so the recording after it is always in the other one.
    others = zip(answers, answers[1:] + answers[:1], strict=True)
    assert np.mean([each.spoken == other.language for (each, _), (_, other) in others]) <= 0.1


@pytest.mark.quality
def test_the_jobs_own_figures_tell_the_same(conformer: Trained) -> None:
    metrics = conformer.result.metrics
    assert metrics["word_error_rate"] <= BOUND
    assert metrics["language_accuracy"] >= 0.95 > metrics["most_frequent_language"]
    assert metrics["wer_of_other_audio"] > 0.7


def test_a_result_does_not_depend_on_what_else_is_in_the_batch(
    brief_model: SpeechModel, unheard: list[voices.Saying]
) -> None:
    model = brief_model
    mixed = [
        SpeechRequest(voices.samples_of(unheard[0])),
        SpeechRequest(np.concatenate([voices.samples_of(each) for each in unheard[1:6]])),
        SpeechRequest(voices.samples_of(unheard[6]), language="en"),
        SpeechRequest(voices.samples_of(unheard[7])[: SAMPLING_RATE // 5]),
        SpeechRequest(np.full(1, 0.5, dtype=np.float32)),
    ]
    together = model.run_batch(mixed).results
    for request, beside in zip(mixed, together, strict=True):
        [alone] = model.run_batch([request]).results
        assert isinstance(alone, SpeechResult)
        assert isinstance(beside, SpeechResult)
        assert (beside.text, beside.language) == (alone.text, alone.language)
        for one, other in zip(beside.segments, alone.segments, strict=True):
            assert one.tokens == other.tokens
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"language": "lb"}, "it knows 'de', 'en'", id="a language that nobody spoke"),
        pytest.param({"target_language": "lb"}, "does not write 'lb'", id="a language that was never written"),
        pytest.param(
            {"language": "de", "target_language": "en"}, "'de' as 'de', not as 'en'", id="a pair that was not trained"
        ),
        pytest.param(
            {"target_language": "en"}, "for speech in 'en' only", id="a text language where any may be spoken"
        ),
        pytest.param({"prompt": "Monday"}, "not trained to take a prompt", id="a prompt"),
        pytest.param({"temperature": 0.5}, "likeliest text only", id="a temperature"),
    ],
)
def test_what_ctc_cannot_be_told_is_refused(brief_model: SpeechModel, changes: dict[str, object], says: str) -> None:
    with pytest.raises(PromptRejectedError, match=says) as refused:
        brief_model.check(SpeechRequest(np.zeros(100, dtype=np.float32), **changes))  # type: ignore[arg-type]
    missing = "language" if "only: say" in str(refused.value) else None
    assert refused.value.param == (missing or list(changes)[-1]), "the field to blame, not the file"


@pytest.mark.quality
def test_transformers_reads_the_artifacts_and_writes_the_same(conformer: Trained, answers: Answers) -> None:
    processor = AutoProcessor.from_pretrained(conformer.model)
    network = ParakeetForCTC.from_pretrained(conformer.model)
    chosen = answers[:24]
    features = processor([voices.samples_of(each) for each, _ in chosen], sampling_rate=SAMPLING_RATE)
    written = network.generate(**features)
    texts = [text.strip() for text in processor.batch_decode(written, skip_special_tokens=True)]
    # Ours leaves silence around speech out, which may change a word now and then.
    assert np.mean([text == result.text for text, (_, result) in zip(texts, chosen, strict=True)]) >= 0.85
    others = zip(texts, chosen[1:] + chosen[:1], strict=True)
    assert np.mean([text == other.text for text, (_, other) in others]) < 0.3


def test_a_run_that_was_interrupted_ends_with_the_same_weights(tmp_path: Path) -> None:
    data = few_recordings(tmp_path / "data", tasks=TASKS)
    document = fields(data, {**CONFORMER, **TINY})
    whole = load_file(train(tmp_path / "whole", **document).model / "model.safetensors")
    parts = interrupted_then_resumed(tmp_path / "parts", after=3, **document)
    assert any("running_mean" in name for name in whole)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
