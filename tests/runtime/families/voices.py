"""Speech for the tests: phrases said by espeak-ng's voices in English and German, with their text in Luxembourgish too.

Every recording is made here, so that what was said is known exactly, and the voices that a model is tested with are
ones that it never heard: other speakers, with speeds and pitches of their own.
"""

from __future__ import annotations

import ctypes
import io
import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np

PHRASES: dict[str, tuple[str, str]] = {
    "one": ("eins", "eent"),
    "two": ("zwei", "zwee"),
    "three": ("drei", "dräi"),
    "four": ("vier", "véier"),
    "five": ("fünf", "fënnef"),
    "six": ("sechs", "sechs"),
    "seven": ("sieben", "siwen"),
    "eight": ("acht", "aacht"),
    "nine": ("neun", "néng"),
    "ten": ("zehn", "zéng"),
    "Monday": ("Montag", "Méindeg"),
    "Tuesday": ("Dienstag", "Dënschdeg"),
    "Wednesday": ("Mittwoch", "Mëttwoch"),
    "Thursday": ("Donnerstag", "Donneschdeg"),
    "Friday": ("Freitag", "Freideg"),
    "Saturday": ("Samstag", "Samschdeg"),
    "Sunday": ("Sonntag", "Sonndeg"),
    "hello": ("hallo", "moien"),
    "goodbye": ("auf Wiedersehen", "äddi"),
    "thank you": ("danke", "merci"),
    "good evening": ("guten Abend", "gudden Owend"),
    "good night": ("gute Nacht", "gutt Nuecht"),
}
"""English to German and Luxembourgish: numbers, days and greetings."""


TASKS = (("en", "en"), ("en", "lb"), ("de", "de"))
"""Languages spoken and written."""
TRAINING_SPEAKERS = (
    "m1", "m2", "m3", "m4", "m7", "f1", "f2", "f4", "f5", "klatt2", "linda", "steph", "adam", "caleb", "david",
    "edward", "john", "belinda", "robert", "max", "michael", "alex",
)  # fmt: skip
UNHEARD_SPEAKERS = ("m5", "m6", "f3", "andrea")
"""Variants of espeak-ng's voices that no model is trained with."""

_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARACTERS, _UTF8 = 1, 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Voice:
    """One way of speaking."""

    speaker: str
    """Variant of espeak-ng's voices."""
    rate: int = 160
    """Words per minute."""
    pitch: int = 50
    """0 to 100."""
    range: int = 50
    """How lively the pitch is, 0 to 100."""


@dataclass(frozen=True)
class Saying:
    """One recording and what shall be written for it."""

    voice: Voice
    spoken: str
    words: str
    target: str
    text: str


def sayings(
    seed: int, *, count: int, speakers: Sequence[str], tasks: Sequence[tuple[str, str]] = TASKS
) -> list[Saying]:
    """Phrases of one or two parts, each in a voice of its own, the tasks in turn."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        spoken, target = tasks[index % len(tasks)]
        phrase = phrase_of([str(part) for part in rng.choice(sorted(PHRASES), size=rng.integers(1, 3))])
        voice = Voice(
            str(rng.choice(list(speakers))),
            rate=int(rng.integers(130, 200)),
            pitch=int(rng.integers(20, 80)),
            range=int(rng.integers(20, 80)),
        )
        made.append(Saying(voice, spoken, phrase[spoken], target, phrase[target]))
    return made


def phrase_of(parts: Sequence[str]) -> dict[str, str]:
    """English parts in each language, by its code."""
    return {
        "en": " ".join(parts),
        "de": " ".join(PHRASES[part][0] for part in parts),
        "lb": " ".join(PHRASES[part][1] for part in parts),
    }


def in_language(saying: Saying, language: str) -> str:
    """What a saying in English means in another language."""
    parts, rest = [], saying.words
    while rest:
        part = next(each for each in sorted(PHRASES, key=len, reverse=True) if rest.startswith(each))
        parts.append(part)
        rest = rest[len(part) :].lstrip()
    return phrase_of(parts)[language]


def say(words: str, *, spoken: str, voice: Voice) -> tuple[np.ndarray, int]:
    """16-bit samples, and how many there are in a second."""
    library, rate = _library()
    blocks: list[np.ndarray] = []

    def take(samples: Any, count: int, _events: Any) -> int:
        if samples and count:
            blocks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    callback = _CALLBACK(take)
    library.espeak_SetSynthCallback(callback)
    name = f"{spoken}+{voice.speaker}"
    if library.espeak_SetVoiceByName(name.encode()) != 0:
        raise LookupError(f"espeak-ng has no voice {name}")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, voice.range)):
        library.espeak_SetParameter(parameter, value, 0)
    data = words.encode() + b"\0"
    library.espeak_Synth(data, len(data), 0, _CHARACTERS, 0, _UTF8, None, None)
    return np.concatenate(blocks), rate


def samples_of(saying: Saying) -> np.ndarray:
    """float32 in -1..1 at 16 kHz, what a request carries."""
    samples, rate = say(saying.words, spoken=saying.spoken, voice=saying.voice)
    return resampled(samples.astype(np.float32) / 32768, rate=rate)


def resampled(samples: np.ndarray, *, rate: int) -> np.ndarray:
    """At 16 kHz, by the same library that reads recordings."""
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=16_000)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate = rate
    blocks = [part.to_ndarray()[0] for each in (frame, None) for part in resampler.resample(each)]
    return np.concatenate(blocks)


def write_recordings(directory: Path, made: Sequence[Saying]) -> Path:
    """WAV files beside a manifest.jsonl; returns the directory."""
    directory.mkdir(parents=True)
    with (directory / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for index, each in enumerate(made):
            name = f"{index:05d}.wav"
            samples, rate = say(each.words, spoken=each.spoken, voice=each.voice)
            (directory / name).write_bytes(wav(samples, rate=rate))
            row = {"audio": name, "text": each.text, "language": each.spoken, "target_language": each.target}
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
    return directory


def wav_of(saying: Saying) -> bytes:
    """A recording as a file."""
    samples, rate = say(saying.words, spoken=saying.spoken, voice=saying.voice)
    return wav(samples, rate=rate)


def wav(samples: np.ndarray, *, rate: int) -> bytes:
    """A WAV file of 16 bits and one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


@cache
def _library() -> tuple[Any, int]:
    library = espeakng_loader.load_library()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    assert rate > 0, "espeak-ng does not find its data"
    return library, int(rate)
