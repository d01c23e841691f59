"""Where the operator reads how far an import is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hostler_contract.importing import ImportProgress

_POLL_SECONDS = 0.1


class ProgressWindow:
    """Answers ``GET /progress`` in a background thread until it is closed."""

    def __init__(self, progress: Callable[[], ImportProgress], *, port: int, host: str = "0.0.0.0") -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                there = self.path.partition("?")[0] == "/progress"
                body = progress().to_json().encode() if there else b"not found\n"
                self.send_response(200 if there else 404)
                self.send_header("Content-Type", "application/json" if there else "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Every question would be a line; nobody reads those."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server((host, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()

    @property
    def port(self) -> int:
        """The port in use (asked for as 0 in tests)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
