"""What a row must be like, whatever it is used for: every role that is there has the kind of value it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hostler_data.errors import DataError
from hostler_data.media import decode_frames, decode_image
from hostler_data.record import Record, kind_of

TEXTS = ("text", "caption", "question", "context", "prompt", "chosen", "rejected", "completion")
_LABELS = ("label", "language", "target_language")
ROLES = (*TEXTS, *_LABELS, "messages", "answer", "answer_start", "praise", "image", "frames", "audio", "video")
"""Every role that some family knows."""


def problems(record: Record) -> Iterator[DataError]:
    """Everything wrong with one row but its recording, which is decoded where its length is taken. Images are decoded
    here, because nothing less finds a broken file."""
    if not any(role in record.values for role in ROLES):
        have = ", ".join(sorted(record.values)) or "none"
        message = f"no column plays a role; the columns are: {have}. Name the one that is the text, the image, ..."
        yield record.error(message)
    for role in TEXTS:
        if (value := record.values.get(role)) is not None and not isinstance(value, str):
            yield record.error(f"{role} is {kind_of(value)}, not text")
    for role in _LABELS:
        if (value := record.values.get(role)) is not None and not isinstance(value, str | int):
            yield record.error(f"{role} is {kind_of(value)}, neither text nor a whole number")
    if "messages" in record.values:
        yield from _conversation(record, record.values["messages"])
    for role, decode in _DECODERS.items():
        if record.values.get(role) is not None:
            try:
                decode(record)
            except DataError as error:
                yield error


_DECODERS: Mapping[str, Callable[[Record], Any]] = {"image": decode_image, "frames": decode_frames}


def _conversation(record: Record, messages: Any) -> Iterator[DataError]:
    if not isinstance(messages, list) or not messages:
        yield record.error(f"messages is {kind_of(messages)}, not a list of messages with role and content")
        return
    for place, message in enumerate(messages, start=1):
        texts = [message.get(key) for key in ("role", "content")] if isinstance(message, Mapping) else []
        if not texts or not all(isinstance(text, str) for text in texts):
            yield record.error(f"message {place} is not an object whose role and content are text")
