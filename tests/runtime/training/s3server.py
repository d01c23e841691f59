"""A service that speaks as much S3 as a reader needs: listing, looking at and getting objects."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from runtime.training.troubles import Troubles


class S3Server:
    """Holds objects by ``bucket/key``. With ``access_key`` only requests signed with that key are answered."""

    def __init__(self, objects: Mapping[str, bytes], *, access_key: str | None = None) -> None:
        self.objects = dict(objects)
        self.access_key = access_key
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
        if self.troubles.strike(request, lambda status: self._send(request, status, b"", body=False)):
            return
        authorization = request.headers.get("Authorization", "")
        self.signed += bool(authorization)
        if self.access_key is not None and f"Credential={self.access_key}/" not in authorization:
            self._send(request, 403, _error("AccessDenied", "no such key"), body=body)
        elif not any(key.startswith(f"{name.split('/')[0]}/") for key in self.objects):
            self._send(request, 404, _error("NoSuchBucket", "there is no such bucket"), body=body)
        elif "list-type" in query:
            self._send(request, 200, self._listing(name, query), body=body)
        elif name in self.objects:
            self._send(request, 200, self.objects[name], body=body)
        elif "/" not in name:
            self._send(request, 200, b"", body=body)
        else:
            self._send(request, 404, _error("NoSuchKey", "there is no such object"), body=body)

    def _listing(self, bucket: str, query: Mapping[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        most = int(query.get("max-keys", ["1000"])[0])
        names = sorted(name.removeprefix(f"{bucket}/") for name in self.objects if name.startswith(f"{bucket}/"))
        names = [name for name in names if name.startswith(prefix)]
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[f'{bucket}/{name}'])}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for name in names[:most]
        )
        return (
            f"<?xml version='1.0'?><ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(names[:most])}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>false</IsTruncated>"
            f"{entries}</ListBucketResult>"
        ).encode()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, *, body: bool) -> None:
        start, stop = 0, len(content)
        if status == 200 and (wanted := request.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(stop, int(last) + 1 if last else stop)
            status = 206
        request.send_response(status)
        request.send_header("Content-Length", str(stop - start))
        request.send_header("ETag", '"0"')
        request.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if status == 206:
            request.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        request.end_headers()
        if body:
            request.wfile.write(content[start:stop])


def _error(code: str, message: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
