"""A hub of models on loopback, with as much of the protocol as an import needs, and the troubles that hubs have."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from runtime.training.troubles import Troubles


@dataclass(kw_only=True)
class Shelf:
    """A repository: its files at one commit, and who may have them."""

    files: dict[str, bytes]
    license: str | None = "apache-2.0"
    license_name: str | None = None
    gated: str | bool = False
    token: str | None = None
    """Without it the repository does not exist, as far as anybody is told."""
    granted: bool = True
    """Whether the token's account may read what is gated."""
    tags: list[str] = field(default_factory=list)
    digests: bool = True
    """Whether the hub says any."""

    @property
    def commit(self) -> str:
        """Follows from the content, as in git."""
        lines = (f"{name} {hashlib.sha1(content).hexdigest()}" for name, content in sorted(self.files.items()))
        return hashlib.sha1("\n".join(lines).encode()).hexdigest()


class ModelHub:
    """Serves shelves by name at revision ``main`` or by commit."""

    def __init__(
        self,
        shelves: Mapping[str, Shelf],
        *,
        moved: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.shelves = dict(shelves)
        self.moved = dict(moved or {})
        self.troubles = Troubles()
        self.cut_after: dict[str, list[int]] = {}
        """By file: after how many bytes of each of the next answers the connection is cut."""
        self.stall_after: dict[str, int] = {}
        """By file: after how many bytes of the next answer nothing more comes."""
        self.offsets: dict[str, list[int]] = {}
        """By file: from where on it was asked for."""
        self.other_bytes: dict[str, bytes] = {}
        """By file: what is given out instead of its content."""
        self.ranges = True
        """Whether part of a file can be asked for."""
        self.elsewhere: ModelHub | None = None
        """Where large files are, if not here."""
        self.requests: list[str] = []
        self.tokens: list[str] = []
        """Authorization of each request that had one."""
        self.sent: dict[str, int] = {}
        """Bytes of each file that were given out."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        path = unquote(urlsplit(request.path).path)
        self.requests.append(path)
        authorization = request.headers.get("Authorization")
        self.tokens += filter(None, [authorization])
        if self.troubles.strike(request, lambda status: self._send(request, status, b"")):
            return
        if (match := re.fullmatch(r"/api/models/(?P<name>.+)/revision/(?P<revision>.+)", path)) is not None:
            self._describe(request, match["name"], match["revision"], authorization)
        elif (match := re.fullmatch(r"/(?P<name>.+?)/resolve/(?P<commit>[^/]+)/(?P<file>.+)", path)) is not None:
            self._give(request, match, authorization)
        else:
            self._send(request, 404, b"")

    def _describe(self, request: BaseHTTPRequestHandler, name: str, revision: str, authorization: str | None) -> None:
        if name in self.moved:
            there = f"/api/models/{self.moved[name]}/revision/{revision}"
            return self._send(request, 307, b"", {"Location": there})
        shelf = self.shelves.get(name)
        if shelf is None or (shelf.token and authorization != f"Bearer {shelf.token}"):
            return self._send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", shelf.commit):
            return self._send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        card = {"license": shelf.license, "license_name": shelf.license_name}
        about = {
            "id": name,
            "sha": shelf.commit,
            "gated": shelf.gated,
            "cardData": {key: value for key, value in card.items() if value},
            "tags": shelf.tags,
            "siblings": [self._entry(shelf, file, content) for file, content in shelf.files.items()],
        }
        return self._send(request, 200, json.dumps(about).encode())

    @staticmethod
    def _entry(shelf: Shelf, name: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if not shelf.digests:
            return entry
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if name.endswith(".safetensors"):
            return entry | {"blobId": "0" * 40, "lfs": {"sha256": hashlib.sha256(content).hexdigest()}}
        return entry | {"blobId": git}

    def _give(self, request: BaseHTTPRequestHandler, match: re.Match[str], authorization: str | None) -> None:
        shelf, name = self.shelves[match["name"]], match["file"]
        if shelf.token and authorization != f"Bearer {shelf.token}":
            return self._send(request, 401, b"", {"X-Error-Code": "RepoNotFound"})
        if shelf.gated and not (authorization and shelf.granted):
            return self._send(request, 403, b"", {"X-Error-Code": "GatedRepo"})
        if self.elsewhere is not None and name.endswith(".safetensors"):
            return self._send(request, 302, b"", {"Location": f"{self.elsewhere.url}{request.path}"})
        content = self.other_bytes.get(name, shelf.files[name])
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        start = int(asked[1]) if asked and self.ranges else 0
        self.offsets.setdefault(name, []).append(start)
        body = content[start:]
        if (stall := self.stall_after.pop(name, None)) is not None:
            self._send(request, 200, body, cut=stall)
            request.wfile.flush()
            # Until the other side hangs up.
            request.connection.recv(1)
            return None
        cuts = self.cut_after.get(name)
        cut = cuts.pop(0) if cuts else None
        self.sent[name] = self.sent.get(name, 0) + len(body if cut is None else body[:cut])
        return self._send(request, 206 if start else 200, body, cut=cut)

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        cut: int | None = None,
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            request.close_connection = True
