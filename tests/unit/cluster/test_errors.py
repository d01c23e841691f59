"""HTTP answers as typed errors."""

from __future__ import annotations

import pytest

from hostler.cluster.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    from_response,
)


@pytest.mark.parametrize(
    ("code", "want"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (405, ApiError),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, TooManyRequests),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_the_code_decides_about_the_type(code: int, want: type[ApiError]) -> None:
    error = from_response(code, {"message": "the server's sentence", "reason": "Why"}, what="GET /x")
    assert type(error) is want
    assert (str(error), error.code, error.reason) == ("the server's sentence", code, "Why")


def test_an_apply_that_does_not_fit_the_schema_is_invalid_although_the_server_says_500() -> None:
    message = "failed to create typed patch object (n/s; /v1, Kind=Service): .spec.x: field not declared in schema"
    assert type(from_response(500, {"message": message, "code": 500}, what="x")) is Invalid


def test_without_a_sentence_the_request_is_named() -> None:
    assert str(from_response(503, None, what="GET /x")) == "GET /x was answered with 503"


@pytest.mark.parametrize(
    ("header", "body", "want"),
    [
        ("7", {}, 7.0),
        (None, {"details": {"retryAfterSeconds": 3}}, 3.0),
        ("7", {"details": {"retryAfterSeconds": 3}}, 7.0),
        (None, {}, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {}, None),
    ],
)
def test_how_long_to_wait(header: str | None, body: dict[str, object], want: float | None) -> None:
    assert from_response(429, body, what="x", retry_after=header).retry_after == want
