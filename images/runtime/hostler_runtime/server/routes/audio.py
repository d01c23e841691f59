"""``/v1/audio/transcriptions`` and ``/v1/audio/translations``: speech to text.

They differ in one thing only: the language of the text, which is that of the speech for one and English for the other
where ``target_language`` (ours) does not say.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from hostler_runtime.protocols.tasks import SAMPLING_RATE, Segment, SpeechRequest, SpeechResult
from hostler_runtime.server import sound, subtitles
from hostler_runtime.server.body import Form, Upload, read_form
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import invalid_type, invalid_value, missing_parameter, unknown_parameter
from hostler_runtime.server.fields import NEUTRAL, Fields
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.seeds import MAX_SEED

FORMATS: Final = ("json", "text", "verbose_json", "srt", "vtt")
MAX_PROMPT: Final = 4096
MAX_LANGUAGE: Final = 32

TRANSCRIPTION_NEUTRAL: Final[Mapping[str, Any]] = {
    **NEUTRAL,
    "chunking_strategy": (),
    "include": (),
    "keywords": (),
    "known_speaker_names": (),
    "known_speaker_references": (),
    "languages": (),
    "stream": (False,),
}
TRANSLATION_NEUTRAL: Final[Mapping[str, Any]] = {**NEUTRAL, "stream": (False,)}


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """All of a request but its audio."""

    task: str
    language: str | None
    target_language: str | None
    prompt: str
    temperature: float
    seed: int
    response_format: str

    def request(self, samples: Any) -> SpeechRequest:
        """For the model."""
        return SpeechRequest(
            samples,
            language=self.language,
            target_language=self.target_language,
            temperature=self.temperature,
            seed=self.seed,
            prompt=self.prompt,
        )


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Two."""

    async def transcribe(request: Request) -> Response:
        return await _answered(request, desk, task="transcribe")

    async def translate(request: Request) -> Response:
        return await _answered(request, desk, task="translate")

    # A model may rightly hear no word in a sample, but it names a language.
    return tuple(
        Endpoint(path=path, answer=answer, tasks=(SpeechRequest,), proof="language")
        for path, answer in (("audio/transcriptions", transcribe), ("audio/translations", translate))
    )


async def _answered(request: Request, desk: Desk, *, task: str) -> Response:
    form = await read_form(request)
    desk.take_model(form.fields)
    upload = _file(form)
    order = parse_speech(form.fields, task=task)
    samples = await desk.helped(lambda: sound.decode(upload.content, name=upload.name), param="file")
    [result] = await desk.answers(request, [order.request(samples)], param="file", result=SpeechResult)
    return _response(order, result, seconds=len(samples) / SAMPLING_RATE)


def parse_speech(fields: Fields, *, task: str) -> SpeechOrder:
    """The order in a form's fields, ``model`` already taken. Raises ``ApiError``."""
    target = fields.text("target_language", longest=MAX_LANGUAGE)
    response_format = fields.choice("response_format", FORMATS, default="json")
    _refuse_words(fields.take("timestamp_granularities"), response_format=response_format)
    order = SpeechOrder(
        task=task,
        language=_code(fields.text("language", longest=MAX_LANGUAGE)),
        target_language=_code(target) or ("en" if task == "translate" else None),
        prompt=fields.text("prompt", longest=MAX_PROMPT) or "",
        temperature=fields.number("temperature", low=0.0, high=1.0) or 0.0,
        seed=fields.integer("seed", low=0, high=MAX_SEED) or 0,
        response_format=response_format,
    )
    fields.refuse_rest(TRANSCRIPTION_NEUTRAL if task == "transcribe" else TRANSLATION_NEUTRAL)
    return order


def _refuse_words(granularities: Any, *, response_format: str) -> None:
    """Segments have times, words have none."""
    if granularities is None:
        return
    if not isinstance(granularities, list):
        raise invalid_type("timestamp_granularities", want="an array; write 'timestamp_granularities[]' in a form")
    if response_format != "verbose_json":
        raise invalid_value("timestamp_granularities", "it needs 'response_format' to be 'verbose_json'.")
    if set(granularities) != {"segment"}:
        raise invalid_value("timestamp_granularities", "this server gives times of segments only: ['segment'].")


def _code(language: str | None) -> str | None:
    return language.strip().lower() if language else None


def _file(form: Form) -> Upload:
    for name in form.files:
        if name != "file":
            raise unknown_parameter(name)
    if form.fields.take("file") is not None:
        raise invalid_type("file", want="a file, not a text; curl takes a file's content with -F file=@NAME")
    if "file" not in form.files:
        raise missing_parameter("file")
    return form.files["file"]


def _response(order: SpeechOrder, result: SpeechResult, *, seconds: float) -> Response:
    segments = result.segments or _whole(result.text, seconds=seconds)
    match order.response_format:
        case "text":
            return PlainTextResponse(f"{result.text}\n")
        case "srt":
            return PlainTextResponse(subtitles.srt(segments))
        case "vtt":
            return PlainTextResponse(subtitles.vtt(segments), media_type="text/vtt")
    document: dict[str, Any] = {
        "text": result.text,
        "language": result.language,
        "usage": {"type": "duration", "seconds": round(seconds, 3)},
    }
    if order.target_language is not None:
        document["target_language"] = order.target_language
    if order.response_format == "verbose_json":
        document |= {"task": order.task, "duration": round(seconds, 3)}
        document["segments"] = [_segment(index, one, order) for index, one in enumerate(segments)]
    return JSONResponse(document)


def _whole(text: str, *, seconds: float) -> tuple[Segment, ...]:
    return (Segment(0.0, seconds, text),) if text else ()


def _segment(index: int, segment: Segment, order: SpeechOrder) -> dict[str, Any]:
    data = segment.text.encode()
    return {
        "id": index,
        "seek": round(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": order.temperature,
        "avg_logprob": segment.log_probability,
        # As Whisper defines it: repetition, the usual sign of a failed decoding, compresses well.
        "compression_ratio": len(data) / len(zlib.compress(data)),
        "no_speech_prob": None,
    }
