"""The paths of the API, a module for each kind of task. Which of them answer, the loaded model decides."""

from __future__ import annotations

from hostler_runtime.server.desk import Desk
from hostler_runtime.server.routes import (
    audio,
    completions,
    embeddings,
    images,
    latents,
    models,
    text,
    videos,
)
from hostler_runtime.server.routes.endpoint import Endpoint


def all_endpoints(desk: Desk) -> list[Endpoint]:
    """Every path below ``/v1/``, in the order in which they are matched."""
    modules = (completions, embeddings, text, images, latents, audio, videos, models)
    return [endpoint for module in modules for endpoint in module.endpoints(desk)]
