"""Questions to a registry that speaks the OCI distribution protocol: manifests by tag or digest, blobs by digest.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, and for tokens
https://distribution.github.io/distribution/spec/auth/token/. Credentials go to the registry that the Secret has them
for, and to where it says that tokens are given out; a blob that lies elsewhere is asked for without them.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from hostler_contract.importing import ImportConfig, ImportReason
from hostler_runtime.importing.choice import HubFile
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.network import SILENCE_SECONDS, PassingError, opener, unanswered
from hostler_runtime.remote.failures import refuses

SPEC: Final = "spec.artifacts.source.oci"
INDEXES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LIMIT: Final = 4 << 20
"""Bytes of a manifest, as registries bound it, and of a token."""
_PUBLIC: Final = {"registry-1.docker.io": ("index.docker.io", "docker.io")}
"""Other names under which credentials of a host are kept."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A manifest or an index."""

    digest: str
    """Such as ``sha256:...``."""
    media_type: str
    body: Mapping[str, Any]


class Registry:
    """One repository of a registry. Raises ``ImportFailure`` and ``PassingError`` everywhere."""

    def __init__(self, config: ImportConfig, environ: Mapping[str, str]) -> None:
        source = config.source
        self._endpoint = source.endpoint.rstrip("/")
        self._repository = source.repository
        self._secret = config.secret
        self._host = urlsplit(source.endpoint).netloc
        self._user = _user_of(config, host=self._host)
        self._open = opener(source.endpoint, environ)
        self._authorization = ""
        self._lock = threading.Lock()
        self.name = f"{self._host}/{self._repository}"

    def document(self, reference: str) -> Document:
        """What a tag or digest stands for, held against the digest."""
        url = f"{self._endpoint}/v2/{self._repository}/manifests/{reference}"
        accepted = ", ".join((*_MANIFESTS, *sorted(INDEXES)))
        what = f"{self.name}{'@' if ':' in reference else ':'}{reference}"
        with self._get(url, {"Accept": accepted}, what=what) as response:
            content = response.read(_LIMIT + 1)
            said = response.headers.get("Docker-Content-Digest", "")
            media_type = response.headers.get_content_type()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        expected = reference if ":" in reference else said
        if expected.startswith("sha256:") and expected != digest:
            text = (
                f"{what} arrived with digest {digest} instead of {expected}: the registry, or a cache or proxy on the "
                "way, gives out other bytes; have that mended, or name another one"
            )
            raise ImportFailure(ImportReason.DIGEST_MISMATCH, text)
        try:
            body = json.loads(content)
            return Document(digest=digest, media_type=str(body.get("mediaType") or media_type), body=body)
        except (ValueError, AttributeError) as error:
            text = f"{self._endpoint} does not answer like a registry: correct {SPEC}.reference"
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text) from error

    def open(self, file: HubFile, *, commit: str, offset: int) -> HTTPResponse:
        """A blob's bytes from ``offset`` on, or from its beginning where the status is 200."""
        url = f"{self._endpoint}/v2/{self._repository}/blobs/sha256:{file.sha256}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self._get(url, headers, what=f"{file.name} of {self.name}")

    def _get(self, url: str, headers: Mapping[str, str], *, what: str) -> HTTPResponse:
        proof = self._authorization
        try:
            return self._once(url, headers, proof)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 401:
                    raise self._refused(error, what=what) from error
                challenge = error.headers.get("WWW-Authenticate", "")
        with self._lock:
            # Another thread may have got a new token meanwhile.
            if self._authorization == proof:
                self._authorization = self._proof(challenge, what=what)
        try:
            return self._once(url, headers, self._authorization)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, what=what) from error

    def _once(self, url: str, headers: Mapping[str, str], proof: str) -> HTTPResponse:
        request = urllib.request.Request(
            url, headers={"User-Agent": "hostler", "Accept-Encoding": "identity", **headers}
        )
        if proof:
            # Not among those that follow a redirect to another host.
            request.add_unredirected_header("Authorization", proof)
        try:
            response: HTTPResponse = self._open.open(request, timeout=SILENCE_SECONDS)
        except urllib.error.HTTPError:
            raise
        except (OSError, HTTPException) as error:
            raise unanswered(error, where=self._endpoint, field=f"{SPEC}.reference") from error
        return response

    def _proof(self, challenge: str, *, what: str) -> str:
        """The header that answers the registry's challenge."""
        scheme, _, rest = challenge.partition(" ")
        basic = _basic(self._user) if self._user else ""
        if scheme.lower() == "basic":
            if not basic:
                raise self._denied(what)
            return basic
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = asked.get("realm", "")
        if scheme.lower() != "bearer" or not realm.startswith(("https://", "http://")):
            raise self._denied(what)
        if basic and realm.startswith("http://") and not self._endpoint.startswith("http://"):
            text = f"{self.name} wants its credentials sent to {realm}, where anybody on the way can read them"
            raise ImportFailure(ImportReason.ACCESS_DENIED, f"{text}: have the registry give out tokens over https")
        query = {name: asked[name] for name in ("service", "scope") if name in asked}
        query.setdefault("scope", f"repository:{self._repository}:pull")
        request = urllib.request.Request(
            f"{realm}?{urlencode(query, quote_via=quote)}", headers={"User-Agent": "hostler"}
        )
        if basic:
            request.add_unredirected_header("Authorization", basic)
        return f"Bearer {self._token(request, what=what)}"

    def _token(self, request: urllib.request.Request, *, what: str) -> str:
        try:
            with self._open.open(request, timeout=SILENCE_SECONDS) as response:
                found = json.loads(response.read(_LIMIT))
            return str(found.get("token") or found["access_token"])
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (400, 401, 403, 404):
                    raise self._denied(what) from error
                raise PassingError(f"{request.full_url} answers {error.code} {error.reason}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PassingError(f"{request.full_url} gives no token") from error
        except (OSError, HTTPException) as error:
            raise unanswered(error, where=request.full_url, field=f"{SPEC}.reference") from error

    def _refused(self, error: urllib.error.HTTPError, *, what: str) -> Exception:
        if error.code in (401, 403):
            return self._denied(what)
        if error.code == 404:
            text = f"there is no {what}: correct {SPEC}.reference, or push it there"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        if error.code != 416 and refuses(error.code):
            text = f"{self._endpoint} answers {error.code} {error.reason} for {what}: correct {SPEC}.reference"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        return PassingError(f"{self._endpoint} answers {error.code} {error.reason}")

    def _denied(self, what: str) -> ImportFailure:
        if self._user:
            text = (
                f"the credentials of Secret {self._secret} for {self._host} may not pull {what}, or it does not exist: "
                f"correct {SPEC}.reference, or put others there"
            )
            return ImportFailure(ImportReason.ACCESS_DENIED, text)
        where = f"; Secret {self._secret} has none for {self._host}" if self._secret else ""
        text = (
            f"there is no {what}, or it needs credentials{where}: correct {SPEC}.reference, or name a Secret of type "
            f"kubernetes.io/dockerconfigjson with those of {self._host} in {SPEC}.secretRef"
        )
        reason = ImportReason.ACCESS_DENIED if self._secret else ImportReason.SOURCE_NOT_FOUND
        return ImportFailure(reason, text)


def _basic(user: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"


def _user_of(config: ImportConfig, *, host: str) -> tuple[str, str] | None:
    """Name and password for the registry: of the longest entry of the Secret that is a beginning of where the
    repository is, as the kubelet chooses. None where there is no Secret, or none of its entries is."""
    if config.registry_file is None:
        return None
    try:
        entries = json.loads(Path(config.registry_file).read_bytes())["auths"]
        found = [
            (len(key), entry)
            for key, entry in entries.items()
            if _is_of(key, host, repository=config.source.repository)
        ]
        return _user(max(found, key=lambda each: each[0])[1]) if found else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        text = (
            f"Secret {config.secret} holds no credentials of registries ({type(error).__name__}): make it with kubectl "
            "create secret docker-registry"
        )
        raise ImportFailure(ImportReason.ACCESS_DENIED, text) from error


def _is_of(key: str, host: str, *, repository: str) -> bool:
    name, _, path = re.sub(r"^https?://", "", key).rstrip("/").partition("/")
    hosts = (host, *_PUBLIC.get(host, ()))
    if not any(fnmatch.fnmatchcase(each, name) for each in hosts):
        return False
    return path in ("", "v1", "v2") or f"{repository}/".startswith(f"{path}/")


def _user(entry: Mapping[str, Any]) -> tuple[str, str]:
    if entry.get("username"):
        return str(entry["username"]), str(entry.get("password") or "")
    name, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return name, password
