"""Objects of a bucket: listed, looked at, and read from any byte on. Of AWS, or of any service that speaks S3.

Redirects are not followed: whoever is asked gets the signature, and nobody else.
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO, Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from hostler_runtime.remote.failures import distrusted, nobody_there, refuses
from hostler_runtime.remote.signing import Keys, signed, signed_head
from hostler_runtime.remote.ways import opener

SILENCE_SECONDS: Final = 30
"""After which a request has failed. A whole download may take hours."""
_LISTING_LIMIT: Final = 16 << 20
_PLAIN_ETAG: Final = re.compile(r"[0-9a-f]{32}")
_NAMED: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>.*))?")


_PASSING: Final = frozenset({"RequestTimeTooSkewed", "SlowDown", "RequestTimeout", "ExpiredToken"})
"""Codes that are answered as if the request were wrong, and are about the moment."""


class S3Error(Exception):
    """The service, or the network, did not do what was asked; ``str()`` is what was said."""

    def __init__(self, said: str, *, status: int = 0, code: str = "", region: str = "", for_good: bool = False) -> None:
        super().__init__(said)
        self.status = status
        """Of the answer; 0 where there was none."""
        self.code = code
        """The service's own word, such as NoSuchBucket."""
        self.region = region
        """Where the service says that the bucket is, if not where it was asked."""
        self.for_good = for_good
        """Whether asking again is of no use."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A bucket, and where it is."""

    bucket: str
    endpoint: str | None = None
    """URL of the service; None means AWS."""
    region: str | None = None

    @property
    def host(self) -> str:
        """For sentences."""
        return self.endpoint or "AWS"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An object as a listing has it."""

    key: str
    size: int
    etag: str
    """As it is, with quotation marks."""


@dataclass(frozen=True, kw_only=True)
class ObjectFacts:
    """An object as the service describes it."""

    size: int
    etag: str
    sha256: str | None = None
    """Of the whole content in hex, where the service keeps one."""
    md5: str | None = None
    """Of the whole content in hex, where the ETag is one."""


class Bucket:
    """Asks one bucket. Raises ``S3Error`` everywhere."""

    def __init__(self, place: Place, *, keys: Keys | None, environ: Mapping[str, str]) -> None:
        self.place = place
        self._keys = keys
        self._open = opener(environ, _StaysThere())
        self._region = place.region or ("us-east-1" if place.endpoint else "")

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every object whose key begins so, in order; none where the bucket has none."""
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            with self._ask(self._url("", query), {}) as response:
                body = response.read(_LISTING_LIMIT)
            try:
                root = ElementTree.fromstring(body)
                yield from map(_entry, root.iterfind("{*}Contents"))
            except (ElementTree.ParseError, ValueError) as error:
                text = f"{self.place.host} does not answer like S3 ({type(error).__name__})"
                raise S3Error(text, status=200, for_good=True) from error
            token = root.findtext("{*}NextContinuationToken") or ""
            if root.findtext("{*}IsTruncated") != "true" or not token:
                return

    def facts(self, key: str) -> ObjectFacts:
        """What the service knows of an object without its content."""
        with self._ask(self._url(key, {}), {"x-amz-checksum-mode": "ENABLED"}, head=True) as response:
            headers = response.headers
        etag = headers.get("ETag", "")
        # With a customer's key, the ETag is a hash of something else.
        plain = headers.get("x-amz-server-side-encryption", "AES256") == "AES256" and not headers.get(
            "x-amz-server-side-encryption-customer-algorithm"
        )
        md5 = etag.strip('"') if plain and _PLAIN_ETAG.fullmatch(etag.strip('"')) else None
        return ObjectFacts(size=int(headers.get("Content-Length") or 0), etag=etag, sha256=_checksum(headers), md5=md5)

    def open(self, key: str, *, offset: int = 0, etag: str | None = None) -> HTTPResponse:
        """The bytes from ``offset`` on, or from the beginning where the status is 200; with ``etag`` of no other
        content: status 412 then."""
        headers = {"If-Match": etag} if etag else {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return self._ask(self._url(key, {}), headers)

    def _url(self, key: str, query: Mapping[str, str]) -> str:
        bucket, path = self.place.bucket, quote(key, safe="/-_.~")
        asked = f"?{urlencode(sorted(query.items()), quote_via=quote, safe='-_.~')}" if query else ""
        if self.place.endpoint:
            return f"{self.place.endpoint.rstrip('/')}/{bucket}/{path}{asked}"
        domain = "amazonaws.com.cn" if self._where().startswith("cn-") else "amazonaws.com"
        if "." in bucket:  # no certificate has such names
            return f"https://s3.{self._where()}.{domain}/{bucket}/{path}{asked}"
        return f"https://{bucket}.s3.{self._where()}.{domain}/{path}{asked}"

    def _where(self) -> str:
        """The region, which AWS says to whoever asks for the bucket in any."""
        if not self._region:
            request = urllib.request.Request(f"https://s3.amazonaws.com/{self.place.bucket}", method="HEAD")
            try:
                with self._send(request) as response:
                    found = response.headers.get("x-amz-bucket-region", "")
            except S3Error as error:
                if not error.region:
                    raise
                found = error.region
            self._region = found or "us-east-1"
        return self._region

    def _ask(self, url: str, headers: Mapping[str, str], *, head: bool = False) -> HTTPResponse:
        if self._keys is not None:
            sign, now = (signed_head if head else signed), datetime.now(UTC)
            headers = sign(url, headers, keys=self._keys, region=self._region or "us-east-1", now=now)
        plain = {"User-Agent": "hostler", "Accept-Encoding": "identity"}
        return self._send(urllib.request.Request(url, headers={**plain, **headers}, method="HEAD" if head else "GET"))

    def _send(self, request: urllib.request.Request) -> HTTPResponse:
        try:
            response: HTTPResponse = self._open.open(request, timeout=SILENCE_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error, where=self.place.host) from error
        except (OSError, HTTPException) as error:
            said = str(getattr(error, "reason", error)) or type(error).__name__
            if distrusted(error):
                said = f"its certificate is not trusted ({said}), which imports.caBundle in the chart's values is for"
            raise S3Error(f"{self.place.host} cannot be reached: {said}", for_good=nobody_there(error)) from error
        return response


def split_location(location: str) -> tuple[str, str] | None:
    """Bucket and prefix of ``s3://bucket/prefix``; None where it is of no such form."""
    match = _NAMED.fullmatch(location)
    return None if match is None else (match["bucket"], (match["prefix"] or "").strip("/"))


def below(entries: Iterator[Entry], prefix: str) -> dict[str, Entry]:
    """Objects by their name relative to a prefix that is a directory, or the one object of that name."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if prefix and entry.key == prefix:
            return {prefix.rsplit("/", 1)[-1]: entry}
        if not entry.key.endswith("/") and (not prefix or entry.key.startswith(f"{prefix}/")):
            found[entry.key[len(prefix) :].removeprefix("/") if prefix else entry.key] = entry
    return found


class _StaysThere(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """None has the redirect itself become the error."""


def _entry(found: ElementTree.Element) -> Entry:
    return Entry(
        key=found.findtext("{*}Key") or "",
        size=int(found.findtext("{*}Size") or 0),
        etag=found.findtext("{*}ETag") or "",
    )


def _checksum(headers: Message) -> str | None:
    """In hex; None where it is a hash of the parts' hashes."""
    value = headers.get("x-amz-checksum-sha256") or ""
    if not value or "-" in value or headers.get("x-amz-checksum-type") == "COMPOSITE":
        return None
    try:
        return base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        return None


def _refused(error: urllib.error.HTTPError, *, where: str) -> S3Error:
    try:
        root = ElementTree.fromstring(error.read(1 << 16))
    except (ElementTree.ParseError, OSError, HTTPException):
        root = ElementTree.Element("Error")
    code = root.findtext("{*}Code") or root.findtext("Code") or ""
    region = error.headers.get("x-amz-bucket-region") or root.findtext("Region") or ""
    words = ": ".join(filter(None, (code, root.findtext("Message"))))
    said = f"{where} answers {error.code} {error.reason}{f' ({words})' if words else ''}"
    passing = code in _PASSING or error.code == 416
    return S3Error(said, status=error.code, code=code, region=region, for_good=refuses(error.code) and not passing)
