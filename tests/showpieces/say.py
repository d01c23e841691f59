"""Recordings of the sentences by espeak-ng: `python say.py DIRECTORY`."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.families.voices import Voice, say, wav
from showpieces.sentences import SPOKEN

VOICE = Voice("m3", rate=140, pitch=40, range=50)


def main(directory: Path) -> None:
    """A WAV file for each, by its number."""
    directory.mkdir(parents=True, exist_ok=True)
    for index, sentence in enumerate(SPOKEN):
        samples, rate = say(sentence, spoken="en-us", voice=VOICE)
        (directory / f"{index:02d}.wav").write_bytes(wav(samples, rate=rate))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
