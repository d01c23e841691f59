"""An API server on the loopback interface that answers what a table says, and a kubeconfig that leads to it."""

from __future__ import annotations

import json
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
contexts: [{{name: a, context: {{cluster: a, user: a, namespace: team-a}}}}]
clusters: [{{name: a, cluster: {{server: "{server}"}}}}]
users: [{{name: a, user: {{token: "{token}"}}}}]
"""


class KubeServer:
    """What is there, by path; what was asked, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.errors: dict[str, tuple[int, Object | str]] = {}
        """Answers that are errors, by the beginning of the path; a body of text is no JSON."""
        self.texts: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        """Method, path, query and body."""

    def put(self, *objects: Object, plurals: str) -> None:
        """These objects of one kind."""
        for number, obj in enumerate(objects, len(self.objects) + 1):
            obj["metadata"].setdefault("uid", f"uid-{number}")
            obj["metadata"].setdefault("creationTimestamp", "2026-11-30T18:00:00Z")
            place = obj["metadata"].get("namespace")
            scope = f"/namespaces/{place}" if place else ""
            self.objects[f"{_root(obj)}{scope}/{plurals}/{obj['metadata']['name']}"] = obj

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Object | str]:
        """Status and body."""
        if method == "POST" and (created := self._created(path, query)) is not None:
            return created
        for beginning, error in self.errors.items():
            if path.startswith(beginning):
                return error
        if path in self.texts:
            return 200, self.texts[path]
        if path in self.objects:
            return 200, self.objects[path]
        items = [obj for at, obj in self.objects.items() if _is_in(path, at) and _selected(obj, query)]
        if items or any(_is_in(path, at) for at in self.objects) or path.rsplit("/", 1)[-1] in _PLURALS:
            return 200, {"metadata": {"resourceVersion": "1"}, "items": items}
        name = path.rsplit("/", 1)[-1]
        return 404, {"message": f'things "{name}" not found', "reason": "NotFound", "code": 404}

    def _created(self, path: str, query: dict[str, str]) -> tuple[int, Object | str] | None:
        """An object that is new; None where the body of the newest request is none."""
        body = self.requests[-1][3] if self.requests else None
        plural = path.rsplit("/", 1)[-1]
        if plural not in _PLURALS or not isinstance(body, dict) or not body.get("metadata", {}).get("name"):
            return None
        if any(path.startswith(beginning) for beginning in self.errors):
            return None
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            return 409, {"message": f"{plural} already exists", "reason": "AlreadyExists", "code": 409}
        if query.get("dryRun") != "All":
            self.put(body, plurals=plural)
        return 201, body


_PLURALS = frozenset(
    {
        "trainingjobs",
        "configmaps",
        "clustermodels",
        "nodes",
        "inferenceservices",
        "models",
        "datasets",
        "acceleratorpools",
        "pods",
        "namespaces",
        "events",
    }
)


def _root(obj: Object) -> str:
    return f"/api/{obj['apiVersion']}" if obj["apiVersion"] == "v1" else f"/apis/{obj['apiVersion']}"


def _is_in(collection: str, at: str) -> bool:
    """Whether an object lies in a collection, of one namespace or of all."""
    holder = at.rsplit("/", 1)[0]
    root, _, rest = holder.partition("/namespaces/")
    return collection in (holder, f"{root}/{rest.partition('/')[2]}")


def _selected(obj: Object, query: dict[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    wanted = [each.partition("=") for each in query.get("labelSelector", "").split(",") if each]
    return all(labels.get(name) == value if equals else name in labels for name, equals, value in wanted)


class _Server(ThreadingHTTPServer):
    """Whose threads end with it, and who is silent about clients that hang up: what is printed from a thread lands in
    whatever another test is catching just then."""

    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of faults of ours alone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(directory: Path, *, token: str = "secret") -> Iterator[tuple[KubeServer, Path]]:
    """The server, and the kubeconfig."""
    known = KubeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _do(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query))
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            known.requests.append((self.command, parts.path, query, body))
            status, answer = known.answer(self.command, parts.path, query)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_DELETE = do_POST = _do

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(server=f"http://127.0.0.1:{server.server_port}", token=token))
    try:
        yield known, kubeconfig
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
