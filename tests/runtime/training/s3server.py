"""A service that speaks as much S3 as a reader needs: listing page by page, looking at and getting objects, ETags,
checksums, ranges and conditions."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from runtime.training.troubles import Troubles


class S3Server:
    """Holds objects by ``bucket/key``. With ``access_key`` only requests signed with that key are answered."""

    def __init__(
        self,
        objects: Mapping[str, bytes],
        *,
        access_key: str | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
        region: str | None = None,
        page: int = 1000,
    ) -> None:
        self.objects = dict(objects)
        self.access_key = access_key
        self.region = region
        """Where its buckets are; requests that are signed for another one are refused."""
        self.page = page
        """Objects of one answer to a listing."""
        self.parts: set[str] = set()
        """Objects that were uploaded in parts: their ETags are no MD5."""
        self.encrypted: set[str] = set()
        """Objects under a key of the service's own, whose ETags are no MD5 although they look like one."""
        self.checksums: set[str] = set()
        """Objects of which it keeps a SHA-256."""
        self.other_bytes: dict[str, bytes] = {}
        """By object: what is given out instead of its content."""
        self.cut_after: dict[str, list[int]] = {}
        """By object: after how many bytes of each of the next answers the connection is cut."""
        self.offsets: dict[str, list[int]] = {}
        """By object: from where on it was asked for."""
        self.sent: dict[str, int] = {}
        """Bytes of each object that were given out."""
        self.headers: list[dict[str, str]] = []
        """Of each request, with its method and path."""
        self.requests: list[str] = []
        self.signed = 0
        self.troubles = Troubles()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.answer(self, body=True)

            def do_HEAD(self) -> None:
                service.answer(self, body=False)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(address, Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        """One request."""
        parts = urlsplit(request.path)
        name, query = unquote(parts.path).strip("/"), parse_qs(parts.query)
        self.requests.append(f"{request.command} {request.path}")
        self.headers.append({"method": request.command, "path": request.path, **dict(request.headers)})
        if self.troubles.strike(request, lambda status: self._send(request, status, b"", body=False)):
            return
        authorization = request.headers.get("Authorization", "")
        self.signed += bool(authorization)
        if self.access_key is not None and f"Credential={self.access_key}/" not in authorization:
            self._send(request, 403, _error("AccessDenied", "no such key"), body=body)
        elif self.region is not None and authorization and f"/{self.region}/s3/" not in authorization:
            where = f"<Region>{self.region}</Region>"
            self._send(request, 400, _error("AuthorizationHeaderMalformed", "another region", where), body=body)
        elif not any(key.startswith(f"{name.split('/')[0]}/") for key in self.objects):
            self._send(request, 404, _error("NoSuchBucket", "there is no such bucket"), body=body)
        elif "list-type" in query:
            self._send(request, 200, self._listing(name, query), body=body)
        elif name in self.objects:
            self._object(request, name, body=body)
        elif "/" not in name:
            self._send(request, 200, b"", body=body)
        else:
            self._send(request, 404, _error("NoSuchKey", "there is no such object"), body=body)

    def etag(self, name: str) -> str:
        """As the service says it, with quotation marks."""
        content = self.objects[name]
        if name in self.parts:
            return f'"{hashlib.md5(hashlib.md5(content).digest()).hexdigest()}-2"'
        if name in self.encrypted:
            return f'"{hashlib.md5(b"sealed" + content).hexdigest()}"'
        return f'"{hashlib.md5(content).hexdigest()}"'

    def _object(self, request: BaseHTTPRequestHandler, name: str, *, body: bool) -> None:
        etag = self.etag(name)
        if request.headers.get("If-Match", etag) != etag:
            self._send(request, 412, _error("PreconditionFailed", "another version"), body=body)
            return
        headers = {"ETag": etag}
        if name in self.encrypted:
            headers["x-amz-server-side-encryption"] = "aws:kms"
        if name in self.checksums and request.headers.get("x-amz-checksum-mode") == "ENABLED":
            digest = hashlib.sha256(self.objects[name]).digest()
            headers["x-amz-checksum-sha256"] = base64.b64encode(digest).decode()
        content = self.other_bytes.get(name, self.objects[name])
        cuts = self.cut_after.get(name) if body else None
        cut = cuts.pop(0) if cuts else None
        if body:
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
            start = int(asked[1]) if asked else 0
            self.offsets.setdefault(name, []).append(start)
            rest = content[start:]
            self.sent[name] = self.sent.get(name, 0) + len(rest if cut is None else rest[:cut])
        self._send(request, 200, content, body=body, headers=headers, cut=cut)

    def _listing(self, bucket: str, query: Mapping[str, list[str]]) -> bytes:
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        most = min(self.page, int(query.get("max-keys", ["1000"])[0]))
        names = sorted(name.removeprefix(f"{bucket}/") for name in self.objects if name.startswith(f"{bucket}/"))
        names = [name for name in names if name.startswith(prefix) and name > after]
        more = f"<NextContinuationToken>{escape(names[most - 1])}</NextContinuationToken>" if len(names) > most else ""
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[f'{bucket}/{name}'])}</Size>"
            f"<ETag>{escape(self.etag(f'{bucket}/{name}'))}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for name in names[:most]
        )
        return (
            "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(names[:most])}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{entries}</ListBucketResult>"
        ).encode()

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        *,
        body: bool,
        headers: Mapping[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        start, stop = 0, len(content)
        same = request.headers.get("If-Range", "") in ("", (headers or {}).get("ETag"))
        if status == 200 and same and (wanted := request.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(stop, int(last) + 1 if last else stop)
            status = 206
        request.send_response(status)
        request.send_header("Content-Length", str(stop - start))
        request.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        if status == 206:
            request.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        request.end_headers()
        if body:
            request.wfile.write(content[start:stop] if cut is None else content[start:stop][:cut])


def _error(code: str, message: str, more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
