"""What a row must be like, whatever it is used for: every role that is there has the kind of value it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hostler_data.errors import DataError
from hostler_data.libraries import installed
from hostler_data.media import decode_first_frame, decode_frames, decode_image
from hostler_data.record import Record, kind_of

TEXTS = ("text", "caption", "question", "context", "prompt", "chosen", "rejected", "completion")
CONVERSATIONS = ("prompt", "chosen", "rejected", "completion")
"""Of these, what may be turns of a conversation instead."""
_LABELS = ("label", "language", "target_language")
_OTHERS = ("messages", "tools", "answer", "answer_start", "praise", "offset", "duration")
_MEDIA = ("image", "frames", "audio", "video")
ROLES = (*TEXTS, *_LABELS, *_OTHERS, *_MEDIA)
"""Every role that some family knows."""


def problems(record: Record) -> Iterator[DataError]:
    """Everything wrong with single values of a row but its recording, which is decoded where its length is taken; what
    the row as a whole can be used for is ``hostler_data.uses``. Images are decoded here, and clips as far as their
    first frame, because nothing less finds a broken file."""
    for role in TEXTS:
        value = record.values.get(role)
        # Turns of a conversation are looked at as such, with what they answer.
        if value is not None and not (role in CONVERSATIONS and isinstance(value, list)):
            yield from _raised(record.text, role)
    for role in _LABELS:
        if (value := record.values.get(role)) is not None and not isinstance(value, str | int | float):
            yield record.error(f"{role} is {kind_of(value)}, neither text nor a whole number: write one of them")
    for role, decode in _DECODERS.items():
        if record.values.get(role) is not None and not (role == "video" and _left_out(record)):
            yield from _raised(decode, record)


def clips_are_decoded() -> bool:
    """Whether clips can be looked into here; elsewhere only what stands beside them is checked."""
    return installed("av")


def _left_out(record: Record) -> bool:
    # A shard's .webm plays two roles, and a recording has no pictures in it.
    return record.values["video"] is record.values.get("audio") or not clips_are_decoded()


_DECODERS: Mapping[str, Callable[[Record], Any]] = {
    "image": decode_image,
    "frames": decode_frames,
    "video": decode_first_frame,
}


def _raised(call: Callable[[Any], Any], argument: Any) -> Iterator[DataError]:
    try:
        call(argument)
    except DataError as error:
        yield error
