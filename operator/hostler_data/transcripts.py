"""What a recording says, and in which languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hostler_data.record import Record

_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class Transcript:
    """What a recording says."""

    text: str
    spoken: str
    """Language that is spoken, by its ISO 639 code."""
    target: str
    """Language of the text."""


def transcript_of(record: Record, *, default: str) -> Transcript:
    """Text and languages of a row; ``default`` is spoken where it does not say. Raises ``DataError``."""
    text = record.text().strip()
    if not text:
        raise record.error("text is empty: write what is said, or remove the row")
    spoken = _language(record, "language") or default
    return Transcript(text, spoken, _language(record, "target_language") or spoken)


def _language(record: Record, role: str) -> str | None:
    if record.values.get(role) is None:
        return None
    code = record.text(role).strip().lower()
    if not _CODE.fullmatch(code):
        raise record.error(
            f"{role} {code!r} is no ISO 639 code such as en, de or lb: write en for English, zh for zh-CN"
        )
    return code
