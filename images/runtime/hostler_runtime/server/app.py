"""The ASGI application: which path is answered by what."""

from __future__ import annotations

import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hostler_contract import ServingConfig
from hostler_runtime.server.completions import Completions
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.errors import ApiError, engine_failed, model_not_found
from hostler_runtime.server.lifecycle import Lifecycle
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.middleware import API_PREFIXES, Gate
from hostler_runtime.server.responses import model_document
from hostler_runtime.server.streaming import CLIENT_GONE, ClientGoneError


def build_app(
    config: ServingConfig,
    *,
    engine: Engine,
    lifecycle: Lifecycle,
    metrics: ServingMetrics,
    revision: str,
    sample_secret: str,
) -> ASGIApp:
    """The application of one replica."""
    completions = Completions(config, engine=engine, metrics=metrics, revision=revision)
    models = _Models(config.model)
    probes = _Probes(engine, lifecycle, metrics)
    routes = [
        Route("/healthz", probes.health),
        Route("/readyz", probes.ready),
        Route("/metrics", probes.metrics),
    ]
    for prefix in API_PREFIXES:
        routes += [
            Route(f"{prefix}chat/completions", completions.chat, methods=["POST"]),
            Route(f"{prefix}completions", completions.completion, methods=["POST"]),
            Route(f"{prefix}models", models.list),
            Route(f"{prefix}models/{{model:path}}", models.one),
        ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            ClientGoneError: _client_gone,
            ClientDisconnect: _client_gone,
            Exception: _unexpected,
        },
    )
    return Gate(app, lifecycle=lifecycle, metrics=metrics, sample_secret=sample_secret)


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


class _Models:
    """The list of one model."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._created = int(time.time())

    async def list(self, request: Request) -> Response:
        """``GET /v1/models``."""
        return JSONResponse({"object": "list", "data": [model_document(self._model, created=self._created)]})

    async def one(self, request: Request) -> Response:
        """``GET /v1/models/{model}``."""
        if request.path_params["model"] != self._model:
            raise model_not_found(request.path_params["model"], served=self._model)
        return JSONResponse(model_document(self._model, created=self._created))


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "unknown_url", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = f"{error.detail}: {request.method} {request.url.path}"
    answer = ApiError(message, status=error.status_code, code=code)
    return JSONResponse(answer.body(), answer.status, dict(error.headers or {}))


async def _client_gone(request: Request, error: Exception) -> Response:
    # Nobody reads this answer; the status is for the metrics.
    return Response(status_code=CLIENT_GONE)


async def _unexpected(request: Request, error: Exception) -> Response:
    return JSONResponse(engine_failed("the server failed on this request; its log says why").body(), 500)
