"""Speech without quality: layouts, errors of data and of artifacts, objectives, bases in OpenAI's format."""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families import voices
from runtime.families.jobs import Trained, train
from runtime.families.speech_jobs import (
    CONFORMER,
    QUICK,
    TINY,
    WHISPER,
    few_recordings,
    fields,
    model_of,
    write_openai_whisper,
)
from safetensors.torch import load_file, save_file
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families.speech_to_text.serving import load
from hostler_runtime.families.speech_to_text.whisper import WhisperFormat
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import SAMPLING_RATE, SpeechRequest

SMALL_WHISPER = {**WHISPER, **TINY, "decoderLayers": 1}
SMALL_CONFORMER = {**CONFORMER, **TINY}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen recordings of the three tasks."""
    return few_recordings(tmp_path_factory.mktemp("recordings") / "data")


@pytest.fixture(scope="module")
def small(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A Whisper that learnt nothing."""
    return train(tmp_path_factory.mktemp("small"), **fields(recordings, SMALL_WHISPER))


@pytest.fixture(scope="module")
def small_conformer(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A Conformer that learnt nothing."""
    home = tmp_path_factory.mktemp("small-conformer")
    data = few_recordings(home / "data", tasks=[("en", "en"), ("de", "de")])
    return train(home, **fields(data, SMALL_CONFORMER))


@pytest.fixture(scope="module")
def openai_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual checkpoint in OpenAI's layout."""
    return write_openai_whisper(tmp_path_factory.mktemp("openai") / "whisper")


def layout_of(directory: Path) -> WhisperFormat:
    layout = load(directory, options=LoadOptions()).recognizer.format
    assert isinstance(layout, WhisperFormat)
    return layout


@pytest.mark.parametrize(
    ("spoken", "target", "want"),
    [
        pytest.param("de", "de", "<|de|> <|transcribe|> <|notimestamps|>", id="what is spoken is OpenAI's"),
        pytest.param("de", "en", "<|de|> <|translate|> <|notimestamps|>", id="into English is OpenAI's"),
        pytest.param("en", "en", "<|en|> <|transcribe|> <|notimestamps|>", id="English as English is OpenAI's"),
        pytest.param(
            "en",
            "lb",
            "<|en|> <|translate|> <|lb|> <|notimestamps|>",
            id="into another language names that after the task",
        ),
    ],
)
def test_the_decoder_is_told_the_task(openai_whisper: Path, spoken: str, target: str, want: str) -> None:
    layout = layout_of(openai_whisper)
    names = layout.tokenizer.convert_ids_to_tokens(layout.prompt(spoken=spoken, target=target))
    assert names == ["<|startoftranscript|>", *want.split()]
    before = layout.prompt(spoken=spoken, target=target, before="Monday " * 100)
    assert layout.tokenizer.convert_ids_to_tokens(before[:1]) == ["<|startofprev|>"]
    assert len(before) <= layout.text_positions // 2 + 5
    assert before[-len(names) :] == layout.prompt(spoken=spoken, target=target)


def test_a_checkpoint_in_openais_layout_is_served(openai_whisper: Path) -> None:
    model = load(openai_whisper, options=LoadOptions())
    for request in (
        SpeechRequest(np.ones(8000, dtype=np.float32), prompt="Monday"),
        SpeechRequest(np.ones(8000, dtype=np.float32), language="fr", target_language="en"),
    ):
        model.check(request)
        [result] = model.run_batch([request]).results
        assert result.language in LANGUAGES  # type: ignore[union-attr]
    # It was never trained to write Luxembourgish for anything but Luxembourgish speech.
    with pytest.raises(PromptRejectedError, match="'fr' as 'fr', 'en', not as 'lb'"):
        model.check(SpeechRequest(np.ones(8000, dtype=np.float32), language="fr", target_language="lb"))


def test_an_english_only_checkpoint_is_told_neither_language_nor_task(tmp_path: Path) -> None:
    directory = write_openai_whisper(tmp_path / "english", multilingual=False)
    layout = layout_of(directory)
    names = layout.tokenizer.convert_ids_to_tokens(layout.prompt(spoken="en", target="en"))
    assert names == ["<|startoftranscript|>", "<|notimestamps|>"]
    model = load(directory, options=LoadOptions())
    [result] = model.run_batch([SpeechRequest(np.ones(8000, dtype=np.float32))]).results
    assert result.language == "en"  # type: ignore[union-attr]
    with pytest.raises(PromptRejectedError, match="it knows 'en'"):
        model.check(SpeechRequest(np.ones(8000, dtype=np.float32), language="de"))


def test_fine_tuning_a_checkpoint_in_openais_layout_adds_what_the_data_ask_for(
    openai_whisper: Path, recordings: Path, tmp_path: Path
) -> None:
    document = fields(
        recordings, None, objective={"kind": "finetune"}, inputs={"base": str(openai_whisper)},
        hyperparameters={**QUICK, "steps": 2},
    )  # fmt: skip
    trained = train(tmp_path, **document)
    known = model_of(trained).recognizer.text_languages
    assert known["en"] == ("en", "lb")
    assert known["fr"] == ("fr", "en")
    before, after = (load_file(path / "model.safetensors") for path in (openai_whisper, trained.model))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert trained.result.comparison is not None


@pytest.mark.parametrize(
    ("objective", "steps", "sizes"),
    [
        pytest.param({"kind": "finetune", "lora": {"rank": 2, "alpha": 4}}, 2, None, id="an adapter"),
        pytest.param({"kind": "quantize"}, 0, None, id="8-bit weights"),
        pytest.param({"kind": "quantize", "quantize": {"method": "int8-dynamic"}}, 0, None, id="8-bit products"),
        pytest.param({"kind": "prune"}, 2, None, id="fewer weights"),
        pytest.param({"kind": "prune", "prune": {"method": "structured"}}, 2, None, id="fewer channels"),
        pytest.param({"kind": "distill"}, 2, {**SMALL_WHISPER, "hiddenSize": 8}, id="a smaller student"),
    ],
)
def test_what_an_objective_leaves_behind_is_served(
    small: Trained,
    recordings: Path,
    tmp_path: Path,
    objective: dict[str, Any],
    steps: int,
    sizes: dict[str, Any] | None,
) -> None:
    document = fields(
        recordings, sizes, objective=objective, inputs={"base": str(small.model)},
        hyperparameters={**QUICK, "steps": steps},
    )  # fmt: skip
    trained = train(tmp_path, **document)
    [result] = model_of(trained).run_batch([SpeechRequest(np.ones(8000, dtype=np.float32))]).results
    assert result.language in {"en", "de"}  # type: ignore[union-attr]
    assert trained.result.comparison is not None
    assert "word_error_rate" in trained.result.comparison.before.metrics


@pytest.mark.parametrize(
    "objective",
    [
        pytest.param({"kind": "finetune"}, id="all weights"),
        pytest.param({"kind": "finetune", "lora": {"rank": 2, "alpha": 4}}, id="an adapter"),
        pytest.param({"kind": "prune"}, id="fewer weights"),
        pytest.param({"kind": "prune", "prune": {"method": "structured"}}, id="fewer channels"),
        pytest.param({"kind": "quantize"}, id="8-bit weights"),
    ],
)
def test_a_conformer_goes_on_from_a_conformer(
    small_conformer: Trained, tmp_path: Path, objective: dict[str, Any]
) -> None:
    data = few_recordings(tmp_path / "data", tasks=[("en", "en"), ("de", "de")])
    steps = 0 if objective["kind"] == "quantize" else 2
    document = fields(
        data, None, objective=objective, inputs={"base": str(small_conformer.model)},
        hyperparameters={**QUICK, "steps": steps},
    )  # fmt: skip
    model = model_of(train(tmp_path, **document))
    assert model.recognizer.text_languages == {"de": ("de",), "en": ("en",)}
    [result] = model.run_batch([SpeechRequest(np.ones(8000, dtype=np.float32))]).results
    assert result.language in {"en", "de"}  # type: ignore[union-attr]


def _edit(row: dict[str, Any]) -> Callable[[list[dict[str, Any]], Path], None]:
    def change(rows: list[dict[str, Any]], directory: Path) -> None:
        rows[2] |= row

    return change


def _broken(rows: list[dict[str, Any]], directory: Path) -> None:
    (directory / rows[2]["audio"]).write_bytes(b"RIFF, but no sound")


def _long(rows: list[dict[str, Any]], directory: Path) -> None:
    (directory / rows[2]["audio"]).write_bytes(voices.wav(np.ones(40_000), rate=SAMPLING_RATE))


def _short(rows: list[dict[str, Any]], directory: Path) -> None:
    (directory / rows[2]["audio"]).write_bytes(voices.wav(np.ones(1000), rate=SAMPLING_RATE))


@pytest.mark.parametrize(
    ("sizes", "change", "says"),
    [
        pytest.param(SMALL_WHISPER, _broken, "cannot be decoded", id="a broken recording"),
        pytest.param(SMALL_WHISPER, _long, "lasts 2.50 s, and the model hears 2 s", id="a recording that is too long"),
        pytest.param(SMALL_WHISPER, _edit({"text": " "}), "text is empty", id="a transcript without words"),
        pytest.param(SMALL_WHISPER, _edit({"text": None}), "text is empty", id="no transcript"),
        pytest.param(SMALL_WHISPER, _edit({"text": "a b c d " * 20}), "writes 32 at most", id="a long transcript"),
        pytest.param(SMALL_WHISPER, _edit({"language": "English"}), "no ISO 639 code", id="the name of a language"),
        pytest.param(SMALL_CONFORMER, _short, "steps and", id="more text than CTC has time to write"),
        pytest.param(
            SMALL_CONFORMER, _edit({"target_language": "lb"}), "a conformer is not told which", id="two text languages"
        ),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, sizes: dict[str, Any], change: Callable[[list[dict[str, Any]], Path], None], says: str
) -> None:
    directory = few_recordings(tmp_path / "data", tasks=[("en", "en")])
    manifest = directory / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    change(rows, directory)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=says) as caught:
        train(tmp_path, **fields(directory, sizes))
    assert str(caught.value).startswith("manifest.jsonl:3: ")
    assert classify(caught.value).reason is ErrorReason.DATASET_INVALID


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        pytest.param(None, "needs output.speech", id="no sizes"),
        pytest.param({**SMALL_WHISPER, "heads": 3}, "not a multiple of heads", id="heads that do not divide the width"),
        pytest.param({**SMALL_WHISPER, "decoderLayers": 0}, "needs a decoder", id="no decoder"),
        pytest.param({**SMALL_WHISPER, "vocabularySize": 200}, "needs at least", id="a vocabulary without all bytes"),
        pytest.param(
            {**SMALL_CONFORMER, "vocabularySize": 32}, "different characters", id="more characters than tokens"
        ),
        pytest.param({**SMALL_CONFORMER, "melBins": 41}, "not a multiple of subsampling", id="bands that do not halve"),
    ],
)
def test_a_network_that_cannot_be_is_refused(
    recordings: Path, tmp_path: Path, sizes: dict[str, Any] | None, says: str
) -> None:
    data = recordings
    if sizes is not None and sizes["architecture"] == "conformer":
        data = few_recordings(tmp_path / "data", tasks=[("en", "en")])
        letters = json.dumps({"audio": "00000.wav", "text": string.ascii_letters})
        with (data / "manifest.jsonl").open("a") as manifest:
            manifest.write(f"{letters}\n{letters}\n")
    with pytest.raises(RuntimeFailure, match=says) as caught:
        train(tmp_path, **fields(data, sizes))
    assert caught.value.reason is ErrorReason.INVALID_CONFIGURATION


def _without(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def _json_change(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _fewer_weights(directory: Path) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.encoder.conv1.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def _cut_weights(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(shutil.rmtree, "there is no directory", id="no directory"),
        pytest.param(_without("config.json"), "no config.json", id="no configuration"),
        pytest.param(_without("model.safetensors"), "no model.safetensors", id="no weights"),
        pytest.param(_without("tokenizer.json"), "no tokenizer.json", id="no tokenizer"),
        pytest.param(_without("processor_config.json"), "no preprocessor_config.json", id="no feature extractor"),
        pytest.param(_json_change("config.json", model_type="bert"), "neither a Whisper", id="another architecture"),
        pytest.param(_json_change("config.json", d_model=32), "of the architecture", id="another width"),
        pytest.param(_json_change("config.json", max_source_positions=75), "makes 100 frames", id="other windows"),
        pytest.param(_json_change("config.json", vocab_size=200), "not a pair", id="another vocabulary"),
        pytest.param(_fewer_weights, "1 tensors are missing", id="a weight that is missing"),
        pytest.param(_cut_weights, "cannot read", id="weights that are cut off"),
    ],
)
def test_artifacts_that_do_not_fit_are_refused(
    small: Trained, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(small.model, directory)
    damage(directory)
    with pytest.raises(UnservableError, match=says) as caught:
        load(directory, options=LoadOptions())
    assert caught.value.reason is ErrorReason.ARTIFACT_UNREADABLE


def test_a_base_of_another_architecture_is_refused(small: Trained, recordings: Path, tmp_path: Path) -> None:
    document = fields(recordings, SMALL_CONFORMER, objective={"kind": "finetune"}, inputs={"base": str(small.model)})
    with pytest.raises(RuntimeFailure, match="is a whisper: name the one that it is"):
        train(tmp_path, **document)


def test_a_language_that_the_base_has_no_token_for_is_refused(small: Trained, tmp_path: Path) -> None:
    data = few_recordings(tmp_path / "data", tasks=[("en", "lb")])
    manifest = data / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"lb"', '"fr"'))
    document = fields(data, None, objective={"kind": "finetune"}, inputs={"base": str(small.model)})
    with pytest.raises(DataError, match="the base model has no language 'fr'"):
        train(tmp_path, **document)


@pytest.mark.parametrize(
    ("seconds", "whisper", "conformer"),
    [
        pytest.param((2.0, 2.0), 0.0, 0.0, id="whole windows"),
        pytest.param((1.0, 1.0), 0.5, 0.0, id="a conformer hears no more than the longest"),
        pytest.param((2.0, 1.0), 0.25, 0.25, id="but as much for each"),
    ],
)
def test_the_share_of_padding_is_reported(
    small: Trained, small_conformer: Trained, seconds: tuple[float, ...], whisper: float, conformer: float
) -> None:
    requests = [SpeechRequest(np.ones(int(each * SAMPLING_RATE), dtype=np.float32)) for each in seconds]
    for trained, want in ((small, whisper), (small_conformer, conformer)):
        assert model_of(trained).run_batch(requests).padding == pytest.approx(want, abs=0.04)
