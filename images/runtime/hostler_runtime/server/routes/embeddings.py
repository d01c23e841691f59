"""``/v1/embeddings``: a vector for each text."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.tasks import EmbeddingRequest, EmbeddingResult
from hostler_runtime.server.arrays import ENCODINGS, written
from hostler_runtime.server.body import read_json
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import invalid_type, invalid_value
from hostler_runtime.server.fields import NEUTRAL, Fields, is_tokens
from hostler_runtime.server.responses import usage_of
from hostler_runtime.server.routes.endpoint import Endpoint

MAX_INPUTS: Final = 2048
MAX_DIMENSIONS: Final = 65536


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """One."""

    async def embed(request: Request) -> Response:
        fields = Fields(await read_json(request))
        desk.take_model(fields)
        inputs = _inputs(fields.required("input"))
        dimensions = fields.integer("dimensions", low=1, high=MAX_DIMENSIONS)
        encoding = fields.choice("encoding_format", ENCODINGS, default="float")
        fields.refuse_rest(NEUTRAL)
        tasks = [EmbeddingRequest(text, tokens, dimensions) for text, tokens in inputs]
        results = await desk.answers(request, tasks, param="input", result=EmbeddingResult)
        data = [
            {"object": "embedding", "index": index, "embedding": written(result.vector, encoding)}
            for index, result in enumerate(results)
        ]
        document = {"object": "list", "data": data, "model": desk.config.model_id}
        return JSONResponse(document | {"usage": usage_of([result.work for result in results])})

    return (Endpoint(path="embeddings", answer=embed, tasks=(EmbeddingRequest,), proof="data.0.embedding"),)


def _inputs(value: Any) -> list[tuple[str | None, tuple[int, ...] | None]]:
    """Texts or token ids, of which exactly one is set in each."""
    several = value if isinstance(value, list) and not is_tokens(value) else [value]
    if not 1 <= len(several) <= MAX_INPUTS:
        raise invalid_value("input", f"expected 1 to {MAX_INPUTS} inputs, not {len(several)}.")
    inputs: list[tuple[str | None, tuple[int, ...] | None]] = []
    for one in several:
        if isinstance(one, str):
            if not one:
                raise invalid_value("input", "an empty text has no meaning that a vector could hold.")
            inputs.append((one, None))
        elif is_tokens(one):
            inputs.append((None, tuple(one)))
        else:
            raise invalid_type("input", want="a string, an array of strings, or arrays of token ids")
    return inputs
