"""Preparation: the same data by whatever way, shared on a volume, and what a trainer does with it."""

from __future__ import annotations

import itertools
import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runtime.families.encoders import encoder_job
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train, make_job

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.preparing import PreparationReport
from hostler_data.records import open_records
from hostler_runtime import prepare
from hostler_runtime.families import training_half
from hostler_runtime.protocols.preparing import Inline
from hostler_runtime.training.preparing import step
from hostler_runtime.training.preparing.place import release
from hostler_runtime.training.preparing.work import KeptWork

SIZE = 2000
"""Bytes of a chunk, so that little data has several."""


def jsonl(root: Path, made: Sequence[dict[str, Any]]) -> tuple[Path, str]:
    """Rows in a file."""
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    return root / "rows.jsonl", "jsonl"


def parts(count: int) -> list[str]:
    """Paragraphs of real text."""
    return [REFERENCE_TEXT[start : start + 900] for start in range(0, 900 * count, 900)]


def talks(root: Path) -> tuple[Path, str]:
    """Conversations, some of them too long."""
    return jsonl(
        root,
        [
            {"messages": [{"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[20:size]}]}
            for text, size in zip(parts(16), itertools.cycle([40, 400]), strict=False)
        ],
    )


def documents(root: Path) -> tuple[Path, str]:
    """Rows of plain text."""
    return jsonl(root, [{"text": text} for text in parts(16)])


def labelled(root: Path) -> tuple[Path, str]:
    """Texts of two classes."""
    return jsonl(root, [{"text": text, "label": index % 2} for index, text in enumerate(parts(16))])


def questions(root: Path) -> tuple[Path, str]:
    """Questions with answers in their contexts."""
    return jsonl(root, [{"question": text[:30], "context": text[:300], "answer": text[100:110]} for text in parts(12)])


def pictures(root: Path) -> tuple[Path, str]:
    """Images in a folder for each label."""
    for index in range(8):
        folder = root / "images" / f"class-{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), (index * 20, 0, 255 - index)).save(folder / f"{index}.png")
    return root / "images", "images"


def recordings(root: Path) -> tuple[Path, str]:
    """Tones with a text."""
    folder = root / "audio"
    folder.mkdir()
    lines = []
    for index in range(8):
        tone = np.sin(np.arange(4000) * (0.05 + index / 50)) * 9000
        with wave.open(str(folder / f"{index}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(tone.astype("<i2").tobytes())
        lines.append(json.dumps({"file_name": f"{index}.wav", "text": f"tone {index}"}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder, "audio"


def decoder(family: str) -> Callable[[Path, Path, str], JobConfig]:
    """A job of a decoder's family."""
    return lambda root, data, format: make_job(root / "workspace", data=data, family=family, dataset__format=format)


def encoder(head: str) -> Callable[[Path, Path, str], JobConfig]:
    """A job of an encoder."""
    sizes = {"head": head, "contextLength": 32, "vocabularySize": 300}
    return lambda root, data, format: encoder_job(root / "workspace", data=data, encoder=sizes)


def gan(root: Path, data: Path, format: str) -> JobConfig:
    """A job on images."""
    model = {"gan": {"imageSize": 8, "channels": 3, "latentSize": 8, "baseChannels": 8}}
    return make_job(root / "workspace", data=data, family="gan", model=model, dataset__format=format)


def speech(root: Path, data: Path, format: str) -> JobConfig:
    """A job on recordings."""
    model = {"speech": {
        "architecture": "conformer", "encoderLayers": 1, "hiddenSize": 16, "heads": 2, "vocabularySize": 300,
        "maxSeconds": 2,
    }}  # fmt: skip
    return make_job(root / "workspace", data=data, family="speech-to-text", model=model, dataset__format=format)


FAMILIES = {
    "chat on documents": (decoder("chat"), documents),
    "chat on conversations": (decoder("chat"), talks),
    "code": (decoder("code"), documents),
    "bert on text": (encoder("masked-lm"), documents),
    "bert on labels": (encoder("classification"), labelled),
    "bert on questions": (encoder("question-answering"), questions),
    "images": (gan, pictures),
    "recordings": (speech, recordings),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_one_process_several_and_a_second_try_prepare_the_same_bytes(tmp_path: Path, name: str) -> None:
    make, data = FAMILIES[name]
    path, format = data(tmp_path)
    job = make(tmp_path, path, format)
    half = training_half(job.family)
    records = open_records(sorted(path.rglob("*.*")) if path.is_dir() else [path], root=path, format=format)  # type: ignore[arg-type]

    ways = {
        "inline": Inline(SIZE),
        "two processes": KeptWork(tmp_path / "shards", processes=2, size=SIZE),
        "from the shards": KeptWork(tmp_path / "shards", processes=1, size=SIZE),
    }
    found = {}
    for way, work in ways.items():
        (tmp_path / way).mkdir()
        half.prepare(job, records, tmp_path / way, work=work)
        files = (file for file in sorted((tmp_path / way).rglob("*")) if file.is_file())
        # The library notes in its file how a tokenizer came about, and nobody reads that.
        found[way] = {
            file.relative_to(tmp_path / way).as_posix(): file.read_bytes()
            for file in files
            if file.name not in ("tokenizer_config.json", "special_tokens_map.json")
        }

    assert found["two processes"] == found["inline"]
    assert found["from the shards"] == found["inline"]
    assert any((tmp_path / "shards").glob("*/000001.npz")) or name in ("images", "recordings")


def asked(job: JobConfig, root: Path) -> dict[str, str]:
    """The environment of a preparation."""
    config = root / f"{job.name}.json"
    config.write_text(job.to_json())
    return {
        "HOSTLER_JOB_CONFIG": str(config),
        "HOSTLER_VOLUME_ROOT": str(root),
        "HOSTLER_TERMINATION_LOG": str(root / f"{job.name}.message"),
        "HOSTLER_PORT": "0",
    }


def prepared(job: JobConfig, root: Path) -> PreparationReport:
    """What a preparation reports."""
    prepare.main(asked(job, root))
    return PreparationReport.from_json((root / f"{job.name}.message").read_bytes())


def test_jobs_of_a_volume_with_the_same_data_and_settings_share_what_one_of_them_prepared(tmp_path: Path) -> None:
    first = make_job(tmp_path / "first", name="first")
    second = make_job(tmp_path / "second", name="second", hyperparameters__learningRate=1e-2)
    other = make_job(tmp_path / "other", name="other", model__transformer__contextLength=16)

    reports = [prepared(job, tmp_path) for job in (first, second, other)]

    assert [report.found for report in reports] == [False, True, False]
    assert reports[0].key == reports[1].key != reports[2].key
    assert reports[0].size_bytes > 0
    # As long as one of them needs it, it stays.
    shared = tmp_path / ".shared"
    directory = shared / f"prepared-{reports[0].key}"
    assert release(shared, "first") == 0
    assert directory.exists()
    assert release(shared, "second") > 0
    assert not directory.exists()
    assert (shared / f"prepared-{reports[2].key}").exists()


def test_a_trainer_starts_on_prepared_data_without_looking_at_the_data_again(job: JobFactory, train: Train) -> None:
    wanted = job()
    report = prepared(wanted, Path(wanted.workspace))
    Path(wanted.dataset.source.location, "reference.txt").unlink()

    outcome = train(wanted.model_copy(update={"prepared": report.key}))

    assert outcome.result.succeeded
    assert outcome.result.dataset is not None
    assert outcome.result.dataset.sha256 == report.sha256


@pytest.mark.parametrize("change", ["gone", "other settings", "another version"])
def test_a_trainer_prepares_itself_what_it_does_not_find(job: JobFactory, train: Train, change: str) -> None:
    report = prepared(job(), Path(job().workspace))
    assert report.key is not None
    wanted = job(prepared=report.key)
    if change == "gone":
        release(Path(wanted.workspace) / "cache", "job")
    elif change == "other settings":
        wanted = job(prepared=report.key, model__transformer__contextLength=16)
    else:
        data = Path(wanted.dataset.source.location, "reference.txt")
        data.write_text(data.read_text()[:50_000])
        source = wanted.dataset.source.model_copy(update={"sha256": open_records([data], root=data).sha256})
        wanted = wanted.model_copy(update={"dataset": wanted.dataset.model_copy(update={"source": source})})

    result = train(wanted).result

    assert result.succeeded
    assert len(list(Path(wanted.workspace, "cache").glob("prepared-*"))) == (1 if change == "gone" else 2)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        pytest.param({}, 2, ErrorReason.DATASET_NOT_FOUND, id="no data: the same again, so no other try"),
        pytest.param(
            {"hyperparameters__contextLength": 64, "data": None},
            2,
            ErrorReason.INVALID_CONFIGURATION,
            id="a job that makes no sense",
        ),
    ],
)
def test_what_is_wrong_with_the_data_is_the_report(
    tmp_path: Path, change: dict[str, Any], status: int, reason: ErrorReason
) -> None:
    job = make_job(tmp_path / "workspace", **{"data": tmp_path / "nothing", **change})
    environ = asked(job, tmp_path)

    assert prepare.main(environ) == status
    report = PreparationReport.from_json((tmp_path / "job.message").read_bytes())
    assert report.reason is reason
    assert report.key is None


def test_large_data_is_prepared_in_shards_that_are_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SMALL_BYTES", 1000)
    told: list[tuple[int, int]] = []
    job = make_job(tmp_path / "workspace")
    watch = step.Watch(advanced=lambda done, of: told.append((done, of)))

    found = step.prepare_data(job, training_half("chat"), volume=tmp_path / "workspace", watch=watch)

    assert not found.found
    (total,) = {of for _, of in told}
    assert total == (tmp_path / "data" / "reference.txt").stat().st_size
    assert told[0][0] == 0
    assert told[-1][0] == total
    cache = tmp_path / "workspace" / "cache"
    assert sorted(path.name for path in cache.iterdir()) == sorted([f"prepared-{found.key}", f"users-{found.key}"])
