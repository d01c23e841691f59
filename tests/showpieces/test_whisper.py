"""Whisper base, an entry of the catalog, served as it came: it writes what espeak-ng says."""

from __future__ import annotations

from pathlib import Path

from showpieces.scoring import word_error_rate
from showpieces.sentences import SPOKEN
from showpieces.shelves import run_script
from showpieces.yard import Yard

NAME = "whisper-base"
MOST_ERRORS = 0.15
LEAST_ERRORS_SHUFFLED = 0.6


def test_it_writes_what_was_said(yard: Yard, tmp_path: Path) -> None:
    yard.require(NAME)
    run_script("say.py", tmp_path / "recordings")
    with yard.served(NAME, memory="2Gi", kind="ClusterModel") as client:
        written = [
            client.audio.transcriptions.create(model=NAME, file=recording, language="en", temperature=0).text
            for recording in sorted((tmp_path / "recordings").iterdir())
        ]

    facts = yard.of_catalog(NAME)["status"]["facts"]
    assert (facts["family"], facts["architecture"]) == ("speech-to-text", "WhisperForConditionalGeneration")
    errors = word_error_rate(SPOKEN, written)
    shuffled = word_error_rate(SPOKEN, [*written[1:], written[0]])
    yard.report.add(NAME, f"word error rate on {len(SPOKEN)} sentences", f"{errors:.1%}", demand="below 15 %")
    yard.report.add(NAME, "the same with the recordings in another order", f"{shuffled:.1%}", demand="above 60 %")
    assert errors < MOST_ERRORS, written
    assert shuffled > LEAST_ERRORS_SHUFFLED
