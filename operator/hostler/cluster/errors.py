"""What can go wrong at the API server, one type per way of dealing with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API server refused a request, or did not answer it. ``str()`` is the server's own sentence."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        """HTTP status; 0 where there was no answer."""
        self.reason = reason
        """The server's one word, such as AlreadyExists."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait, where it says so."""


class Unauthorized(ApiError):
    """401: the credentials are not, or no longer, good."""


class Forbidden(ApiError):
    """403: RBAC, a quota or an admission rule says no."""


class NotFound(ApiError):
    """404: the object, its namespace or its kind is not there."""


class Conflict(ApiError):
    """409: the object has changed or exists already; look again and decide anew."""


class Taken(Conflict):
    """The name that we need belongs to an object that is not ours to change."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old; list again."""


class Invalid(ApiError):
    """400 or 422: what we sent is wrong; repeating it does not help."""


class TooManyRequests(ApiError):
    """429: slow down, by ``retry_after`` where given."""


class Unavailable(ApiError):
    """5xx, no connection, no answer in time. Whether a write happened is unknown."""


class NotLeading(Exception):
    """This process does not hold the Lease (any more), so it may not write."""


_BY_CODE: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}

_NO_SUCH_FIELD = "failed to create typed patch object"
"""The API server answers an apply that does not fit the schema with 500, although no repetition can help."""


def from_response(code: int, body: Mapping[str, Any] | None, *, what: str, retry_after: str | None = None) -> ApiError:
    """The error for an HTTP answer; ``what`` names the request where the server sent no sentence."""
    found = body or {}
    message = str(found.get("message") or f"{what} was answered with {code}")
    kind = _BY_CODE.get(code, Unavailable if code >= 500 else ApiError)
    if message.startswith(_NO_SUCH_FIELD):
        kind = Invalid
    return kind(message, code=code, reason=str(found.get("reason") or ""), retry_after=_seconds(retry_after, found))


def _seconds(header: str | None, body: Mapping[str, Any]) -> float | None:
    """``Retry-After`` of the header, or of the Status body of older servers."""
    said = header if header is not None else (body.get("details") or {}).get("retryAfterSeconds")
    try:
        return None if said is None else max(0.0, float(said))
    except ValueError:
        return None
