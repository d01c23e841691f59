"""Recordings of synthetic voices for a claim: ``python3 data.py recordings``.

English speech with its text in English and in Luxembourgish, German speech with its text in German: numbers, days and
greetings, said by espeak-ng (``pip install espeakng-loader`` brings it and its voices). The directory holds WAV files
beside a ``manifest.jsonl`` whose rows are what the format ``audio`` wants:

    {"audio": "00000.wav", "text": "Méindeg dräi", "language": "en", "target_language": "lb"}

``claim.yaml`` says how it gets to the claim that the TrainingJob names, 90 MB.
"""

from __future__ import annotations

import ctypes
import json
import random
import sys
import wave
from pathlib import Path

import espeakng_loader

RECORDINGS = 3000
TASKS = (("en", "en"), ("en", "lb"), ("de", "de"))
"""Languages spoken and written, in turn."""
SPEAKERS = (
    "m1", "m2", "m3", "m4", "m7", "f1", "f2", "f4", "f5", "klatt2", "linda", "steph", "adam", "caleb", "david",
    "edward", "john", "belinda", "robert", "max", "michael", "alex",
)  # fmt: skip
"""Variants of espeak-ng's voices; it has more, to test with."""
WORDS = {
    "one": ("eins", "eent"), "two": ("zwei", "zwee"), "three": ("drei", "dräi"), "four": ("vier", "véier"),
    "five": ("fünf", "fënnef"), "six": ("sechs", "sechs"), "seven": ("sieben", "siwen"), "eight": ("acht", "aacht"),
    "nine": ("neun", "néng"), "ten": ("zehn", "zéng"), "Monday": ("Montag", "Méindeg"),
    "Tuesday": ("Dienstag", "Dënschdeg"), "Wednesday": ("Mittwoch", "Mëttwoch"),
    "Thursday": ("Donnerstag", "Donneschdeg"), "Friday": ("Freitag", "Freideg"), "Saturday": ("Samstag", "Samschdeg"),
    "Sunday": ("Sonntag", "Sonndeg"), "hello": ("hallo", "moien"), "goodbye": ("auf Wiedersehen", "äddi"),
    "thank you": ("danke", "merci"), "good evening": ("guten Abend", "gudden Owend"),
    "good night": ("gute Nacht", "gutt Nuecht"),
}  # fmt: skip
"""English to German and Luxembourgish."""

SYNCHRONOUS, UTF8, CHARACTERS, RATE, PITCH, LIVELINESS = 2, 1, 1, 1, 3, 4
"""Of speak_lib.h."""
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesizer:
    """espeak-ng."""

    def __init__(self) -> None:
        self._library = espeakng_loader.load_library()
        self._blocks: list[bytes] = []
        self._callback = Callback(self._take)
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
        """Samples in a second."""
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, words: str, *, voice: str, rate: int, pitch: int, liveliness: int) -> bytes:
        """16-bit samples."""
        self._blocks.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"espeak-ng has no voice {voice}")
        for parameter, value in ((RATE, rate), (PITCH, pitch), (LIVELINESS, liveliness)):
            self._library.espeak_SetParameter(parameter, value, 0)
        text = words.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, CHARACTERS, 0, UTF8, None, None)
        return b"".join(self._blocks)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count:
            self._blocks.append(ctypes.string_at(samples, 2 * count))
        return 0


def main(target: str, count: str = str(RECORDINGS)) -> None:
    """Write recordings and manifest; a second argument makes fewer."""
    directory = Path(target)
    directory.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    synthesizer = Synthesizer()
    with (directory / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for index in range(int(count)):
            spoken, written = TASKS[index % len(TASKS)]
            parts = draw.choices(sorted(WORDS), k=draw.randint(1, 2))
            phrase = {
                "en": " ".join(parts),
                "de": " ".join(WORDS[part][0] for part in parts),
                "lb": " ".join(WORDS[part][1] for part in parts),
            }
            samples = synthesizer.say(
                phrase[spoken],
                voice=f"{spoken}+{draw.choice(SPEAKERS)}",
                rate=draw.randint(130, 200),
                pitch=draw.randint(20, 80),
                liveliness=draw.randint(20, 80),
            )
            name = f"{index:05d}.wav"
            with wave.open(str(directory / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(synthesizer.rate)
                file.writeframes(samples)
            row = {"audio": name, "text": phrase[written], "language": spoken, "target_language": written}
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
