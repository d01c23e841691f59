"""A hub of one dataset, with as much of the hub's API as its own library needs to download a snapshot."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from runtime.training.troubles import Troubles


def blob(content: bytes) -> str:
    """What git calls a file of this content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class HubServer:
    """Holds the files of ``owner/name`` at revisions by name. With ``token`` nobody else is answered. With
    ``moved_to``, the URL of another one, its files and the second page of its lists are said to be there."""

    def __init__(
        self,
        repository: str,
        revisions: Mapping[str, Mapping[str, bytes]],
        *,
        token: str | None = None,
        moved_to: str | None = None,
    ) -> None:
        self.repository = repository
        self.commits = {name: hashlib.sha1(name.encode()).hexdigest() for name in revisions}
        self.files = {self.commits[name]: dict(files) for name, files in revisions.items()}
        self.token = token
        self.moved_to = moved_to
        self.tokens: list[str] = []
        """What requests had as Authorization."""
        self.requests: list[str] = []
        self.troubles = Troubles()
        self.cut_after: dict[str, list[int]] = {}
        """By file: after how many bytes of each of the next answers the connection is cut."""
        self.offsets: dict[str, list[int]] = {}
        """By file: from where on it was asked for."""
        self.other_bytes: dict[str, bytes] = {}
        """By file: what is given out once instead of its content."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

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
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        self.tokens += filter(None, [request.headers.get("Authorization")])
        if self.troubles.strike(request, lambda status: self._send(request, status, b"", {}, body=False)):
            return None
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return self._send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
        for beginning, reply in (
            (f"/api/datasets/{self.repository}/revision/", self._info),
            (f"/api/datasets/{self.repository}/tree/", self._tree),
            (f"/datasets/{self.repository}/resolve/", self._file),
        ):
            if path.startswith(beginning):
                status, content, headers = reply(path.removeprefix(beginning))
                if reply == self._file and body and status == 200:
                    name = path.removeprefix(beginning).partition("/")[2]
                    return self._give(request, name, self.other_bytes.pop(name, content), headers)
                return self._send(request, status, content, headers, body=body)
        return self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)

    def _commit(self, revision: str) -> str | None:
        commit = self.commits.get(revision, revision)
        return commit if commit in self.files else None

    def _info(self, revision: str) -> tuple[int, bytes, dict[str, str]]:
        commit = self._commit(revision)
        if commit is None:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        siblings = [{"rfilename": name} for name in self.files[commit]]
        return 200, json.dumps({"id": self.repository, "sha": commit, "siblings": siblings}).encode(), {}

    def _tree(self, revision: str) -> tuple[int, bytes, dict[str, str]]:
        files = self.files[self._commit(revision.split("/")[0]) or ""]
        entries = [
            {"type": "file", "path": name, "size": len(content), "oid": blob(content)}
            for name, content in files.items()
        ]
        if self.moved_to is None:
            return 200, json.dumps(entries).encode(), {}
        page = f"{self.moved_to}/api/datasets/{self.repository}/tree/{revision}?cursor=2"
        return 200, json.dumps(entries[:1]).encode(), {"Link": f'<{page}>; rel="next"'}

    def _file(self, rest: str) -> tuple[int, bytes, dict[str, str]]:
        revision, _, name = rest.partition("/")
        commit = self._commit(revision) or ""
        content = self.files.get(commit, {}).get(name)
        if content is None:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        if self.moved_to is not None:
            linked = {"X-Linked-Etag": f'"{blob(content)}"', "X-Linked-Size": str(len(content))}
            there = f"{self.moved_to}/datasets/{self.repository}/resolve/{rest}"
            return 302, b"", {"X-Repo-Commit": commit, "Location": there, **linked}
        return 200, content, {"X-Repo-Commit": commit, "ETag": f'"{blob(content)}"'}

    def _give(self, request: BaseHTTPRequestHandler, name: str, content: bytes, headers: dict[str, str]) -> None:
        """A file, or the rest of it, or a piece of that."""
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.offsets.setdefault(name, []).append(start)
        cuts = self.cut_after.get(name)
        rest = content[start:]
        request.send_response(206 if start else 200)
        for key, value in {**headers, "Content-Length": str(len(rest))}.items():
            request.send_header(key, value)
        request.end_headers()
        request.wfile.write(rest[: cuts.pop(0)] if cuts else rest)
        request.close_connection = True

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, content: bytes, headers: Mapping[str, str], *, body: bool
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(content)
