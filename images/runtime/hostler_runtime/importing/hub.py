"""Questions to a hub that speaks the Hugging Face protocol, and its answers as failures that name the way out.

The token goes to the hub alone: large files lie elsewhere, and whoever keeps them gets an address that is signed.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from hostler_contract.importing import ImportReason, ModelSource
from hostler_runtime.importing.choice import HubFile, Repository
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.network import SILENCE_SECONDS, PassingError, opener, unanswered
from hostler_runtime.remote.failures import refuses

_DESCRIPTION_LIMIT: Final = 64 << 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SPEC: Final = "spec.artifacts.source.hf"


class Hub:
    """One repository of a hub."""

    def __init__(
        self, source: ModelSource, *, token: str | None, secret: str | None, environ: Mapping[str, str]
    ) -> None:
        self._source = source
        self._token = token
        self._secret = secret
        self._open = opener(source.endpoint, environ)

    @property
    def page(self) -> str:
        """Where people read about the repository."""
        return f"{self._source.endpoint.rstrip('/')}/{self._source.repository}"

    def describe(self) -> Repository:
        """The commit behind the revision, and its files. Raises ``ImportFailure`` and ``PassingError``."""
        source = self._source
        url = (
            f"{source.endpoint.rstrip('/')}/api/models/{quote(source.repository)}"
            f"/revision/{quote(source.revision, safe='')}?blobs=true"
        )
        with self._get(url, {}, what=source.repository) as response:
            body = response.read(_DESCRIPTION_LIMIT)
        try:
            return _repository(json.loads(body), asked=source.repository)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = (
                f"{source.endpoint} does not answer like a model hub ({type(error).__name__}): correct {_SPEC}.endpoint"
            )
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text) from error

    def open(self, file: HubFile, *, commit: str, offset: int) -> HTTPResponse:
        """A file's bytes from ``offset`` on, or from its beginning where the status is 200. Raises ``ImportFailure``
        and ``PassingError``."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        url = (
            f"{self._source.endpoint.rstrip('/')}/{quote(self._source.repository)}/resolve/{commit}/{quote(file.name)}"
        )
        return self._get(url, headers, what=file.name)

    def _get(self, url: str, headers: Mapping[str, str], *, what: str) -> HTTPResponse:
        request = urllib.request.Request(
            url, headers={"User-Agent": "hostler", "Accept-Encoding": "identity", **headers}
        )
        if self._token:
            # Not among those that follow a redirect to another host.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            response: HTTPResponse = self._open.open(request, timeout=SILENCE_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, what=what) from error
        except (OSError, HTTPException) as error:
            raise unanswered(error, where=self._source.endpoint, field=f"{_SPEC}.endpoint") from error
        return response

    def _refused(self, error: urllib.error.HTTPError, *, what: str) -> Exception:
        source, code = self._source, error.headers.get("X-Error-Code", "")
        if error.code in _REDIRECTS:
            return self._moved(error.headers.get("Location", ""))
        if code == "RevisionNotFound":
            text = f"{source.repository} has no revision {source.revision}: correct {_SPEC}.revision"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        if code == "GatedRepo" or error.code == 403:
            return ImportFailure(ImportReason.ACCESS_DENIED, self._gated())
        if code == "EntryNotFound":
            text = f"{source.repository} lists {what}, but does not give it out: name another revision"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        if error.code == 401 or code == "RepoNotFound":
            return ImportFailure(*self._unknown())
        if error.code == 416:
            return PassingError(f"{what}: the hub has no bytes where an earlier try ended")
        if refuses(error.code):
            text = f"{source.endpoint} answers {error.code} {error.reason} for {what}: correct {_SPEC}"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        return PassingError(f"{source.endpoint} answers {error.code} {error.reason}")

    def _moved(self, location: str) -> ImportFailure:
        path = urlsplit(urljoin(self._source.endpoint, location)).path
        name = path.partition("/api/models/")[2].partition("/revision/")[0] or location
        return moved(self._source.repository, name)

    def _gated(self) -> str:
        whose = f"the account behind Secret {self._secret}" if self._secret else "an account"
        then = "" if self._secret else f", and name a Secret with its token (key HF_TOKEN) in {_SPEC}.secretRef"
        return f"{self._source.repository} is gated: have {whose} granted access at {self.page}{then}"

    def _unknown(self) -> tuple[ImportReason, str]:
        name, endpoint = self._source.repository, self._source.endpoint
        if self._secret:
            return ImportReason.ACCESS_DENIED, (
                f"{endpoint} has no repository {name}, or the token of Secret {self._secret} may not read it: correct "
                f"{_SPEC}.repository, or put another token there (key HF_TOKEN)"
            )
        return ImportReason.SOURCE_NOT_FOUND, (
            f"{endpoint} has no repository {name}, or it needs a token: correct {_SPEC}.repository, or name a Secret "
            f"with a token (key HF_TOKEN) in {_SPEC}.secretRef"
        )


def moved(asked: str, name: str) -> ImportFailure:
    """A repository goes by another name now."""
    text = f"{asked} has moved to {name}: set {_SPEC}.repository to that, if it is what you mean"
    return ImportFailure(ImportReason.SOURCE_MOVED, text)


def _repository(found: Mapping[str, Any], *, asked: str) -> Repository:
    if (name := str(found["id"])) != asked:
        raise moved(asked, name)
    card = found.get("cardData") or {}
    tags = [str(tag) for tag in found.get("tags") or ()]
    return Repository(
        name=name,
        commit=str(found["sha"]),
        files=tuple(_file(entry) for entry in found["siblings"]),
        gated=bool(found.get("gated")),
        license=_license(card, tags),
        tags=tags,
    )


def _license(card: Mapping[str, Any], tags: list[str]) -> str | None:
    named = card.get("license")
    if named == "other" and card.get("license_name"):
        return str(card["license_name"])
    if isinstance(named, str):
        return named
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)


def _file(entry: Mapping[str, Any]) -> HubFile:
    large = entry.get("lfs") or {}
    return HubFile(
        name=str(entry["rfilename"]),
        size=int(entry["size"]),
        sha256=large.get("sha256") or None,
        git_sha1=None if large else entry.get("blobId"),
    )


def token_of(environ: Mapping[str, str] = os.environ) -> str | None:
    """The token that the Secret's key brought."""
    return environ.get("HF_TOKEN") or None
