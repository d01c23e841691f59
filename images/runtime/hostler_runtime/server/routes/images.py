"""``/v1/images/generations``: images from a prompt, of diffusion models, GANs (the prompt names a class) and VAEs."""

from __future__ import annotations

import base64
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.tasks import ImageRequest, ImageResult
from hostler_runtime.server.body import read_json
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import invalid_value
from hostler_runtime.server.fields import ANYTHING, NEUTRAL, Fields
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.seeds import MAX_SEED, derived_seeds

MAX_PROMPT: Final = 32000
"""Characters, as in the OpenAI API; what the text encoder cannot hold, the family refuses or cuts as it says."""
MAX_IMAGES: Final = 10
MAX_EDGE: Final = 4096
MAX_STEPS: Final = 1000
MAX_GUIDANCE: Final = 100.0
MAX_ADAPTER_SCALE: Final = 4.0
FORMATS: Final = ("b64_json", "url")

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")

IMAGE_NEUTRAL: Final[Mapping[str, Any]] = {
    **NEUTRAL,
    "background": ("auto", "opaque"),
    "complexity": (),
    "frame_count": (),
    "frame_duration_ms": (),
    "moderation": ("auto", "low"),
    "output_compression": (100,),
    "output_format": ("png",),
    "partial_images": (0,),
    "quality": ("auto", "standard"),
    "stream": (False,),
    "style": (),
    "svg": (),
    "user": ANYTHING,
}


@dataclass(frozen=True, slots=True)
class ImageOrder:
    """A request for images."""

    tasks: list[ImageRequest]
    seed: int
    """The first image's; it repeats all of them."""
    response_format: str


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """One."""

    async def generate(request: Request) -> Response:
        fields = Fields(await read_json(request))
        desk.take_model(fields)
        order = parse_images(fields, adapters=desk.config.adapters)
        results = await desk.answers(request, order.tasks, param="prompt", result=ImageResult)
        document = images_document(results, response_format=order.response_format)
        return JSONResponse(document | {"seed": order.seed})

    return (Endpoint(path="images/generations", answer=generate, tasks=(ImageRequest,), proof="data.0.b64_json"),)


def parse_images(fields: Fields, *, adapters: Mapping[str, str]) -> ImageOrder:
    """The order in a request's fields, ``model`` already taken. Raises ``ApiError``."""
    prompt = fields.required_text("prompt", longest=MAX_PROMPT)
    count = fields.integer("n", low=1, high=MAX_IMAGES) or 1
    given = fields.integer("seed", low=0, high=MAX_SEED)
    seeds = list(itertools.islice(derived_seeds(given), count))
    width, height = parse_size(fields.text("size")) or (None, None)
    scale = fields.number("adapter_scale", low=0.0, high=MAX_ADAPTER_SCALE)
    shared: dict[str, Any] = {
        "negative_prompt": fields.text("negative_prompt", longest=MAX_PROMPT) or "",
        "height": height,
        "width": width,
        "steps": fields.integer("steps", low=1, high=MAX_STEPS),
        "guidance": fields.number("guidance", low=0.0, high=MAX_GUIDANCE),
        "adapter": _adapter(fields.text("adapter"), adapters),
        "adapter_scale": 1.0 if scale is None else scale,
    }
    response_format = fields.choice("response_format", FORMATS, default="b64_json")
    fields.refuse_rest(IMAGE_NEUTRAL)
    return ImageOrder([ImageRequest(prompt, seed, **shared) for seed in seeds], seeds[0], response_format)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Width and height in a text like ``640x480``, None for the model's own. Raises ``ApiError``."""
    if text is None or text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    if found is None or max(int(found[1]), int(found[2])) > MAX_EDGE:
        raise invalid_value("size", f"expected WIDTHxHEIGHT of at most {MAX_EDGE} each, as in '512x512', or 'auto'.")
    return int(found[1]), int(found[2])


def images_document(results: Sequence[ImageResult], *, response_format: str) -> dict[str, Any]:
    """The answer that carries PNG files; a URL is one that holds the file itself, as nothing is kept here."""
    encoded = [base64.b64encode(result.png).decode() for result in results]
    data = [{"b64_json": one} if response_format == "b64_json" else {"url": _data_url(one)} for one in encoded]
    return {"created": int(time.time()), "output_format": "png", "data": data}


def _data_url(encoded: str) -> str:
    return f"data:image/png;base64,{encoded}"


def _adapter(name: str | None, adapters: Mapping[str, str]) -> str | None:
    if name is not None and name not in adapters:
        known = f"it has {', '.join(map(repr, sorted(adapters)))}" if adapters else "it has none"
        raise invalid_value("adapter", f"this service has no adapter '{name}'; {known}.")
    return name
