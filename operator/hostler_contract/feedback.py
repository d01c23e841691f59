"""One verdict of a user on one answer; collected by servers, used by later training."""

from __future__ import annotations

from enum import StrEnum

from hostler_contract.message import Message


class Verdict(StrEnum):
    """What the user said of the answer."""

    PRAISE = "praise"
    CRITICISM = "criticism"


class FeedbackRecord(Message):
    """Joined to a request by its id and to a model by its revision; holds no user identity."""

    request_id: str
    service: str
    model: str
    revision: str
    verdict: Verdict
    recorded_at: str
    """RFC 3339, UTC."""
    prompt: str | None = None
    response: str | None = None
    correction: str | None = None
    """What the user would have wanted instead."""
