"""``/v1/models``: the one model that this service serves."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.server.desk import Desk
from hostler_runtime.server.responses import model_document
from hostler_runtime.server.routes.endpoint import Endpoint


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """List and retrieve."""
    models = _Models(desk)
    return (
        Endpoint(path="models", method="GET", answer=models.list),
        Endpoint(path="models/{model:path}", method="GET", answer=models.one),
    )


class _Models:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._created = int(time.time())

    async def list(self, request: Request) -> Response:
        """``GET /v1/models``."""
        return JSONResponse({"object": "list", "data": [self._document()]})

    async def one(self, request: Request) -> Response:
        """``GET /v1/models/{model}``."""
        self._desk.refuse_other(request.path_params["model"])
        return JSONResponse(self._document())

    def _document(self) -> dict[str, object]:
        return model_document(self._desk.config.model_id, created=self._created)
