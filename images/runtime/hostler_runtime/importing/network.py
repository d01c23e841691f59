"""Requests of an import: a token that goes to one host alone, and what it means that nobody answers."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Final
from urllib.parse import urlsplit

from hostler_contract.importing import ImportReason
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.remote.failures import distrusted, nobody_there
from hostler_runtime.remote.ways import BundleError
from hostler_runtime.remote.ways import opener as plain_opener

SILENCE_SECONDS: Final = 30
"""After which a request has failed. A whole download may take hours."""
DESCRIPTIONS: Final = "/api/models/"
"""In the URL of a description, whose redirect means that a repository has another name."""
_PORTS: Final = {"http": 80, "https": 443}


class PassingError(Exception):
    """The other side is in trouble, or the network; asking again may help."""


def opener(home: str, environ: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """Opens URLs; ``home`` is the one whose host may get the token again after a redirect. Raises ``ImportFailure``."""
    try:
        return plain_opener(environ, _KeepsToken(origin(home)))
    except BundleError as error:
        raise ImportFailure(ImportReason.SOURCE_UNREACHABLE, str(error)) from error


def unanswered(error: Exception, *, where: str, field: str) -> Exception:
    """What a request without an answer comes to."""
    said = str(getattr(error, "reason", error)) or type(error).__name__
    if distrusted(error):
        text = (
            f"the certificate of {where} is not trusted ({said}): have an administrator set imports.caBundle in the "
            "chart's values"
        )
        return ImportFailure(ImportReason.SOURCE_UNREACHABLE, text)
    if nobody_there(error):
        text = (
            f"there is no host behind {where} ({said}): correct {field}, or have an administrator set imports.proxy or "
            "imports.hubEndpoint in the chart's values"
        )
        return ImportFailure(ImportReason.SOURCE_UNREACHABLE, text)
    return PassingError(f"{where} cannot be reached: {said}")


class _KeepsToken(urllib.request.HTTPRedirectHandler):
    """Follows redirects of files; those of descriptions mean that a repository has another name."""

    def __init__(self, home: tuple[str, str | None, int | None]) -> None:
        self._home = home

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """None has the redirect itself become the error."""
        if DESCRIPTIONS in req.full_url:
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        token = req.unredirected_hdrs.get("Authorization")
        if following is not None and token and origin(newurl) == self._home:
            following.add_unredirected_header("Authorization", token)
        return following


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
