"""A minimal synchronous client of the API server, for what the local cluster itself writes and waits for.

`up` has to be quick: this loads in milliseconds, where the full client takes most of a second.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from hostler.local.errors import StartError

Json = dict[str, Any]


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"{status}: {message}")


class KubeApi:
    """Requests with the identity of a kubeconfig; one connection per request."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url: str = cluster["server"]
        self._host = urlsplit(self.url).netloc
        self._tls = tls_context(cluster, user)

    def _open(self, method: str, path: str, *, body: bytes | None, content: str, timeout: float) -> Any:
        connection = http.client.HTTPSConnection(self._host, context=self._tls, timeout=timeout)
        headers = {"Accept": "application/json", "Content-Type": content}
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        if response.status >= 300:
            text = response.read().decode(errors="replace")
            raise ApiError(response.status, _message(text))
        return response

    def request(self, method: str, path: str, body: Json | None = None, *, content: str = "application/json") -> Json:
        """One request; the answer as a dict."""
        data = None if body is None else json.dumps(body).encode()
        with self._open(method, path, body=data, content=content, timeout=30) as response:
            text = response.read().decode()
        return json.loads(text) if text.startswith("{") else {"text": text}

    def get(self, path: str) -> Json:
        return self.request("GET", path)

    def apply(self, path: str, body: Json) -> Json:
        """Server-side apply; creates what is not there."""
        return self.request(
            "PATCH",
            f"{path}?fieldManager=hostler-local&force=true",
            body,
            content="application/apply-patch+yaml",
        )

    def merge(self, path: str, body: Json) -> Json:
        return self.request("PATCH", path, body, content="application/merge-patch+json")

    def watch(self, path: str, *, resource_version: str) -> Iterator[Json]:
        """Events since a version; ends when the server closes the stream, raises when it breaks."""
        query = f"{path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={resource_version}"
        with self._open("GET", query, body=None, content="application/json", timeout=330) as response:
            for line in response:
                yield json.loads(line)

    def ready(self) -> bool:
        try:
            return self.request("GET", "/readyz").get("text") == "ok"
        except (OSError, ApiError, http.client.HTTPException):
            return False


def tls_context(cluster: Json, user: Json) -> ssl.SSLContext:
    """A context from a kubeconfig that holds its certificates or refers to them."""
    if "certificate-authority" in cluster:
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        return context
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # The ssl module takes a client certificate from files only.
    with tempfile.NamedTemporaryFile() as file:
        for key in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[key]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _message(text: str) -> str:
    try:
        return str(json.loads(text).get("message", text))
    except ValueError:
        return text


def wait_for(
    condition: Callable[[], object], *, what: str, timeout: float, alive: Callable[[], None], way_out: str
) -> None:
    """Poll a condition; `alive` raises as soon as waiting has become pointless."""
    deadline = time.monotonic() + timeout
    while not condition():
        alive()
        if time.monotonic() > deadline:
            raise StartError(f"{what} after {timeout:.0f} s", way_out=way_out)
        time.sleep(0.1)
