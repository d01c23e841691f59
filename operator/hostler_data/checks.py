"""What a row must be like, whatever it is used for: every role that is there has the kind of value it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hostler_data.errors import DataError, NoRoleError
from hostler_data.libraries import installed
from hostler_data.media import decode_first_frame, decode_frames, decode_image
from hostler_data.record import Record, kind_of
from hostler_data.turns import tools_of, turns_of

TEXTS = ("text", "caption", "question", "context", "prompt", "chosen", "rejected", "completion")
CONVERSATIONS = ("prompt", "chosen", "rejected", "completion")
"""Of these, what may be turns of a conversation instead."""
_LABELS = ("label", "language", "target_language")
ROLES = (*TEXTS, *_LABELS, "messages", "answer", "answer_start", "praise", "image", "frames", "audio", "video")
"""Every role that some family knows."""


def problems(record: Record) -> Iterator[DataError]:
    """Everything wrong with one row but its recording, which is decoded where its length is taken. Images are decoded
    here, and clips as far as their first frame, because nothing less finds a broken file."""
    if not any(role in record.values for role in ROLES):
        have = ", ".join(sorted(record.values)) or "none"
        message = f"no column plays a role; the columns are: {have}. Name the one that is the text, the image, ..."
        yield record.error(message, kind=NoRoleError)
    for role in TEXTS:
        value = record.values.get(role)
        if role in CONVERSATIONS and isinstance(value, list):
            yield from _conversation(record, role)
        elif value is not None and not isinstance(value, str):
            yield record.error(f"{role} is {kind_of(value)}, not text")
    for role in _LABELS:
        if (value := record.values.get(role)) is not None and not isinstance(value, str | int):
            yield record.error(f"{role} is {kind_of(value)}, neither text nor a whole number")
    if "messages" in record.values:
        yield from _conversation(record, "messages")
    for role, decode in _DECODERS.items():
        if record.values.get(role) is not None and not (role == "video" and _left_out(record)):
            try:
                decode(record)
            except DataError as error:
                yield error


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


def _conversation(record: Record, role: str) -> Iterator[DataError]:
    try:
        turns_of(record, role)
        tools_of(record)
    except DataError as error:
        yield error
