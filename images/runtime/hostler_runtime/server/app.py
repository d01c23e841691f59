"""The ASGI application: which path is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hostler_runtime.server.desk import Desk
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.errors import ApiError, engine_failed
from hostler_runtime.server.lifecycle import Lifecycle
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.middleware import API_PREFIXES, Gate
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.streaming import CLIENT_GONE, ClientGoneError

EXPOSED_HEADERS = ("x-request-id", "retry-after")
"""Beside those that browsers show to every script."""


def build_app(desk: Desk, endpoints: Sequence[Endpoint], *, lifecycle: Lifecycle, sample_secret: str) -> ASGIApp:
    """The application of one replica."""
    gate = _gate(desk, endpoints, lifecycle=lifecycle, sample_secret=sample_secret)
    origins = desk.config.allowed_origins
    if not origins:
        return gate
    # Outermost, so that a script can read refusals too. No credentials: cookies of a page are none of ours.
    return CORSMiddleware(
        gate,
        allow_origins=origins,
        allow_methods=sorted({one.method for one in endpoints}),
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
    )


def _gate(desk: Desk, endpoints: Sequence[Endpoint], *, lifecycle: Lifecycle, sample_secret: str) -> Gate:
    errors = _Errors(desk, endpoints)
    probes = _Probes(desk.engine, lifecycle, desk.metrics)
    routes = [
        Route("/healthz", probes.health),
        Route("/readyz", probes.ready),
        Route("/metrics", probes.metrics),
    ]
    for prefix in API_PREFIXES:
        routes += [Route(f"{prefix}{one.path}", _if_offered(one, desk), methods=[one.method]) for one in endpoints]
    app = Starlette(
        routes=routes,
        exception_handlers={
            ApiError: _api_error,
            HTTPException: errors.http,
            ClientGoneError: _client_gone,
            ClientDisconnect: _client_gone,
            Exception: _unexpected,
        },
    )
    work = frozenset(f"{prefix}{one.path}" for prefix in API_PREFIXES for one in endpoints if one.method == "POST")
    return Gate(app, work_paths=work, lifecycle=lifecycle, metrics=desk.metrics, sample_secret=sample_secret)


def _if_offered(endpoint: Endpoint, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint's answer, for a model that has one. Which model it is, is known only when it is loaded."""

    async def answer(request: Request) -> Response:
        if not endpoint.offered(desk.tasks):
            raise HTTPException(404, "Not Found")
        return await endpoint.answer(request)

    return answer


class _Probes:
    """What the kubelet and Prometheus ask."""

    def __init__(self, engine: Engine, lifecycle: Lifecycle, metrics: ServingMetrics) -> None:
        self._engine = engine
        self._lifecycle = lifecycle
        self._metrics = metrics

    async def health(self, request: Request) -> Response:
        """The process answers and the model's thread lives; loading counts as alive."""
        alive = self._engine.alive
        return JSONResponse({"alive": alive, "phase": self._lifecycle.phase}, 200 if alive else 503)

    async def ready(self, request: Request) -> Response:
        """The sample request succeeded, the model's thread lives, and nobody asked this replica to end."""
        ready = self._lifecycle.ready and self._engine.alive
        return JSONResponse({"ready": ready, "phase": self._lifecycle.phase}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """The text format."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, error.headers)


class _Errors:
    """What the framework refuses, in the API's words."""

    def __init__(self, desk: Desk, endpoints: Sequence[Endpoint]) -> None:
        self._desk = desk
        self._endpoints = endpoints

    async def http(self, request: Request, error: Exception) -> Response:
        """A path that is not there, or not for this model, says what is."""
        assert isinstance(error, HTTPException)
        code = {404: "unknown_url", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        message = f"{error.detail}: {request.method} {request.url.path}"
        if error.status_code == 404:
            message += f". {self._served()}"
        answer = ApiError(message, status=error.status_code, code=code)
        return JSONResponse(answer.body(), answer.status, dict(error.headers or {}))

    def _served(self) -> str:
        config, tasks = self._desk.config, self._desk.tasks
        titles = dict.fromkeys(one.title for one in self._endpoints if one.offered(tasks))
        return f"This service serves '{config.model_id}' of the family {config.family}: {', '.join(titles)}."


async def _client_gone(request: Request, error: Exception) -> Response:
    # Nobody reads this answer; the status is for the metrics.
    return Response(status_code=CLIENT_GONE)


async def _unexpected(request: Request, error: Exception) -> Response:
    return JSONResponse(engine_failed("the server failed on this request; its log says why").body(), 500)
