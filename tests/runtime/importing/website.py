"""A site on loopback that gives out one file, with ranges and troubles."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from runtime.training.troubles import Troubles


class Archived:
    """Gives out one body at a path; the first answer with it only says how large it is."""

    def __init__(self, body: bytes, *, path: str, status: int = 200) -> None:
        self.body = body
        self.troubles = Troubles()
        self.cut_after: list[int] = []
        """After how many bytes of each of the next answers the connection is cut, the first one excepted."""
        self._described = False
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if site.troubles.strike(self, lambda status: site._send(self, status, b"")):
                    return
                if self.path != path or status != 200:
                    site._send(self, 404 if status == 200 else status, b"")
                    return
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
                part = site.body[int(asked[1]) if asked else 0 :]
                cut = site.cut_after.pop(0) if site.cut_after and site._described else None
                site._described = True
                site._send(self, 206 if asked else 200, part, cut=cut)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, *, cut: int | None = None) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body if cut is None else body[:cut])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
