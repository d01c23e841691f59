"""Around every request: its id, whether it may be answered now, its duration, and the way out while draining."""

from __future__ import annotations

import re
import uuid
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hostler_runtime.server.errors import not_ready
from hostler_runtime.server.lifecycle import Lifecycle
from hostler_runtime.server.metrics import ServingMetrics

SAMPLE_HEADER = "x-hostler-sample"
"""Carries the secret by which this process recognizes its own sample request."""

API_PREFIXES = ("/v1/", "/openai/v1/")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Gate:
    """The outermost layer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        work_paths: frozenset[str],
        lifecycle: Lifecycle,
        metrics: ServingMetrics,
        sample_secret: str,
    ) -> None:
        """POST requests to ``work_paths`` are measured."""
        self._app = app
        self._work_paths = work_paths
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._sample_secret = sample_secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        request_id = _request_id(headers.get(b"x-request-id", ""))
        scope["hostler.request_id"] = request_id
        scope["hostler.sample"] = headers.get(SAMPLE_HEADER.encode()) == self._sample_secret
        measured = scope["path"] in self._work_paths and scope["method"] == "POST" and not scope["hostler.sample"]
        answer = _Answer(send, request_id=request_id, lifecycle=self._lifecycle)
        arrived = self._lifecycle.request_arrived() if measured else self._lifecycle.now()
        scope["hostler.arrived"] = arrived
        if not measured:
            await self._dispatch(scope, receive, answer)
            return
        self._metrics.request_started()
        try:
            await self._dispatch(scope, receive, answer)
        finally:
            code = scope.get("hostler.code", answer.status)
            self._metrics.request_finished(code=code, seconds=self._lifecycle.now() - arrived)

    async def _dispatch(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if scope["path"].startswith(API_PREFIXES) and not (self._lifecycle.answering or scope["hostler.sample"]):
            refused = not_ready(f"it is {self._lifecycle.phase.describe()}")
            response = JSONResponse(refused.body(), refused.status, refused.headers)
            await response(scope, receive, answer)
            return
        await self._app(scope, receive, answer)


class _Answer:
    """Passes an answer on, adding headers and remembering its status."""

    def __init__(self, send: Send, *, request_id: str, lifecycle: Lifecycle) -> None:
        self._send = send
        self._request_id = request_id
        self._lifecycle = lifecycle
        self.status: int = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = list(message.get("headers", []))
            headers.append((b"x-request-id", self._request_id.encode()))
            if self._lifecycle.draining:
                # The client opens its next connection to another replica.
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(given: str) -> str:
    """The caller's id where it is harmless in headers and logs, a new one elsewhere."""
    return given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
