"""Whisper base, an entry of the catalog, served as it came: it writes what espeak-ng says."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from showpieces.scoring import word_error_rate
from showpieces.sentences import SPOKEN
from showpieces.shelves import run_script
from showpieces.yard import Yard

NAME = "whisper-base"
MOST_ERRORS = 0.15
LEAST_ERRORS_SHUFFLED = 0.6
MOST_BYTES = 900_000
"""Of a shard in a ConfigMap."""


@pytest.fixture(scope="module")
def recordings(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What espeak-ng says, in the order of the sentences."""
    yard.require(NAME)
    place = tmp_path_factory.mktemp("recordings")
    run_script("say.py", place)
    return sorted(place.iterdir())


def test_it_writes_what_was_said(yard: Yard, recordings: list[Path]) -> None:
    with yard.used(NAME) as client:
        written = [
            client.audio.transcriptions.create(model=NAME, file=recording, language="en", temperature=0).text
            for recording in recordings
        ]

    facts = yard.of_catalog(NAME)["status"]["facts"]
    assert (facts["family"], facts["architecture"]) == ("speech-to-text", "WhisperForConditionalGeneration")
    errors = word_error_rate(SPOKEN, written)
    shuffled = word_error_rate(SPOKEN, [*written[1:], written[0]])
    yard.report.add(NAME, f"word error rate on {len(SPOKEN)} sentences", f"{errors:.1%}", demand="below 15 %")
    yard.report.add(NAME, "the same with the recordings in another order", f"{shuffled:.1%}", demand="above 60 %")
    assert errors < MOST_ERRORS, written
    assert shuffled > LEAST_ERRORS_SHUFFLED


def test_it_is_tuned_by_its_name_alone(yard: Yard, recordings: list[Path]) -> None:
    """Few steps of an adapter: the way is shown, and that it does not lose what it knew."""
    dataset = yard.recordings("sentences", _shard(recordings), held_out=20)
    job = yard.tuned(NAME, "whisper-tuned", dataset=dataset, settings={"steps": 4, "batchSize": 2, "warmupSteps": 1})

    base = yard.model("whisper-tuned")["spec"]["lineage"]["base"]
    assert (base["kind"], base["name"]) == ("ClusterModel", NAME)
    sides = job["status"]["comparison"]
    before, after = (_figure(sides[side]["metrics"], "word_error_rate") for side in ("before", "after"))
    yard.report.add("whisper-tuned", "word error rate on held-out recordings, before", f"{before:.1%}")
    yard.report.add("whisper-tuned", "the same after 4 steps of an adapter", f"{after:.1%}", demand="below 15 %")
    assert after < MOST_ERRORS


def _shard(recordings: list[Path]) -> bytes:
    """The shortest recordings with their sentences, as many as a ConfigMap holds."""
    target, size = io.BytesIO(), 0
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path in sorted(recordings, key=lambda path: path.stat().st_size):
            size += path.stat().st_size
            if size > MOST_BYTES:
                break
            for name, content in (
                (path.name, path.read_bytes()),
                (f"{path.stem}.txt", SPOKEN[int(path.stem)].encode()),
            ):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _figure(figures: list[dict[str, str]], name: str) -> float:
    (found,) = [float(each["value"]) for each in figures if each["name"] == name]
    return found
