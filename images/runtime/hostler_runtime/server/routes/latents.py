"""``/v1/images/encodings`` and ``/v1/images/decodings``: an autoencoder's two halves. Not OpenAI's."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.tasks import DecodeRequest, EncodeRequest, ImageResult, LatentResult
from hostler_runtime.server import arrays
from hostler_runtime.server.body import MAX_UPLOAD_BYTES, read_json
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import invalid_value
from hostler_runtime.server.fields import NEUTRAL, Fields
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.routes.images import FORMATS, images_document

MAX_INPUTS: Final = 64
LATENT_AXES: Final = 3


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Two."""

    async def encode(request: Request) -> Response:
        fields = Fields(await read_json(request, limit=MAX_UPLOAD_BYTES))
        desk.take_model(fields)
        images = _several(fields.required("image"), "image")
        encoding = fields.choice("encoding_format", arrays.ENCODINGS, default="float")
        fields.refuse_rest(NEUTRAL)
        tasks = [EncodeRequest(arrays.read_file(image, name)) for name, image in images]
        results = await desk.answers(request, tasks, param="image", result=LatentResult)
        data = [
            {
                "object": "latent",
                "index": index,
                "shape": list(result.latent.shape),
                "latent": arrays.written(result.latent, encoding),
            }
            for index, result in enumerate(results)
        ]
        return JSONResponse({"object": "list", "data": data, "model": desk.config.model_id})

    async def decode(request: Request) -> Response:
        fields = Fields(await read_json(request, limit=MAX_UPLOAD_BYTES))
        desk.take_model(fields)
        shape = fields.take("shape")
        given = fields.required("latent")
        response_format = fields.choice("response_format", FORMATS, default="b64_json")
        fields.refuse_rest(NEUTRAL)
        tasks = [DecodeRequest(latent) for latent in _latents(given, shape)]
        results = await desk.answers(request, tasks, param="latent", result=ImageResult)
        return JSONResponse(images_document(results, response_format=response_format))

    return (
        Endpoint(path="images/encodings", answer=encode, tasks=(EncodeRequest,), proof="data.0.latent"),
        Endpoint(path="images/decodings", answer=decode, tasks=(DecodeRequest,), proof="data.0.b64_json"),
    )


def _several(value: Any, name: str) -> list[tuple[str, Any]]:
    """One or more things, each with the name by which an error calls it."""
    if not isinstance(value, list):
        return [(name, value)]
    if not 1 <= len(value) <= MAX_INPUTS:
        raise invalid_value(name, f"expected 1 to {MAX_INPUTS} of them, not {len(value)}.")
    return [(f"{name}[{index}]", one) for index, one in enumerate(value)]


def _latents(value: Any, shape: Any) -> list[Any]:
    """Latents of channels x height x width: one as nested lists, or one or more in base64, all of one shape."""
    strings = isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
    given = _several(value, "latent") if strings else [("latent", value)]
    latents = [arrays.read(one, name, shape=shape) for name, one in given]
    if latents[0].ndim == LATENT_AXES + 1:
        latents = list(latents[0])
    if not latents or len(latents) > MAX_INPUTS or any(one.ndim != LATENT_AXES for one in latents):
        raise invalid_value("latent", "expected channels x height x width, or up to 64 of them.")
    return latents
