"""Credentials reach the service that the source names, and nobody whom that service names."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from runtime.training.hubserver import HubServer

from hostler_contract import DatasetSource
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.sources import find

TOKEN = "hf_secret"
FILES = {"main": {"a.jsonl": b"{}", "b.jsonl": b"[]"}}


@pytest.fixture
def elsewhere() -> Iterator[HubServer]:
    """A host that the source does not name."""
    server = HubServer("me/books", FILES)
    yield server
    server.close()


def test_a_token_stays_with_the_hub_whatever_the_hub_answers(
    elsewhere: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and further pages of a list may be at another host; that one is asked without the token."""
    hub = HubServer("me/books", FILES, token=TOKEN, moved_to=elsewhere.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    source = DatasetSource(kind="hf", location="hf://datasets/me/books", endpoint=hub.url)
    try:
        located = find(source, cache=tmp_path, pause=lambda seconds: None)
    finally:
        hub.close()

    assert {file.name: file.read_bytes() for file in located.files} == FILES["main"]
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}
    assert any("/tree/" in request for request in elsewhere.requests), "the second page was asked for"
    assert any("/resolve/" in request for request in elsewhere.requests)
    assert elsewhere.tokens == []


class Redirect:
    """A service that sends everybody to another address, or one that only remembers what it was sent."""

    def __init__(self, location: str | None = None) -> None:
        self.headers: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.headers.append(str(self.headers))
                self.send_response(404 if location is None else 307)
                if location is not None:
                    self.send_header("Location", f"{location}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def test_a_secret_key_is_sent_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It signs requests. Where a store redirects to, nobody is asked."""
    environment = {
        "AWS_ACCESS_KEY_ID": "AKEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_SESSION_TOKEN": "session",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    other = Redirect()
    store = Redirect(other.url)
    source = DatasetSource(kind="s3", location="s3://books/train", endpoint=store.url)
    try:
        with pytest.raises(RuntimeFailure) as failure:
            find(source, cache=tmp_path, pause=lambda seconds: None)
    finally:
        store.close()
        other.close()

    assert any("Credential=AKEXAMPLE/" in headers for headers in store.headers), "requests are signed"
    assert other.headers == []
    assert not any("very-secret" in text for text in (*store.headers, *other.headers, str(failure.value)))
