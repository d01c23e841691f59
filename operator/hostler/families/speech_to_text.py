"""Speech recognition, and translation of speech."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave

from hostler.families.family import FROM_SCRATCH, Family
from hostler.families.names import FamilyName
from hostler_contract import ModelConfig, Objective, SampleFile, SampleRequest, Supervision
from hostler_contract.architectures import SpeechConfig

_TRANSLATIONS = "/v1/audio/translations"
_RATE = 16_000
_TONE_SECONDS = 0.25
_TONE_HERTZ = 440.0
_FRAMES_PER_POSITION = 2
"""The second convolution takes every other frame."""


class SpeechToText(Family):
    """Whisper (arXiv 2212.04356), or Conformer with CTC (arXiv 2005.08100)."""

    name = FamilyName.SPEECH_TO_TEXT
    task = "automatic-speech-recognition"
    apis = ("/v1/audio/transcriptions", _TRANSLATIONS, "/v1/models")
    unit = "audio-seconds"
    block = "speech"
    formats = ("audio", "jsonl", "csv", "parquet", "webdataset")
    objectives = FROM_SCRATCH | {Objective.DISTILL, Objective.PRUNE, Objective.QUANTIZE}
    supervisions = frozenset({Supervision.SUPERVISED})
    lora = True
    shrinks = True
    learns_whole = True

    def apis_of(
        self, task: str | None, *, chat_template: bool | None = None, translates: bool | None = None
    ) -> tuple[str, ...]:
        """Asked to translate, a model that never learned it writes down what was said as it was said."""
        return tuple(path for path in self.apis if path != _TRANSLATIONS or translates is not False)

    def parameters(self, model: ModelConfig) -> int | None:
        """Of a Whisper."""
        sizes = model.speech
        return None if sizes is None or sizes.architecture != "whisper" else _whisper(sizes)

    def sample_request(self) -> SampleRequest:
        """A short tone. There is no word in it, so an empty text is an answer too."""
        tone = SampleFile(name="tone.wav", content_base64=base64.b64encode(_tone()).decode())
        body = {"response_format": "verbose_json"}
        return SampleRequest(path="/v1/audio/transcriptions", body=body, files=[tone], expect="language")


def _whisper(sizes: SpeechConfig) -> int:
    """Two convolutions, positions, blocks of 12h2 (encoder) and 16h2 (decoder), tied token embeddings."""
    h, mels = sizes.hidden_size, sizes.mel_bins
    convolutions = 3 * mels * h + h + 3 * h * h + h
    heard = sizes.max_seconds * 1000 // sizes.frame_milliseconds // _FRAMES_PER_POSITION * h
    encoder = convolutions + heard + sizes.encoder_layers * (12 * h * h + 12 * h) + 2 * h
    written = (sizes.vocabulary_size + sizes.max_text_tokens) * h
    return encoder + written + sizes.decoder_layers * (16 * h * h + 17 * h) + 2 * h


def _tone() -> bytes:
    """A quarter of a second of A4 as a WAV file, 16 bits, one channel."""
    count = int(_RATE * _TONE_SECONDS)
    samples = [round(8000 * math.sin(2 * math.pi * _TONE_HERTZ * n / _RATE)) for n in range(count)]
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(_RATE)
        written.writeframes(struct.pack(f"<{count}h", *samples))
    return file.getvalue()
