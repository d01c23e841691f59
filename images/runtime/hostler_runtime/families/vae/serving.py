"""Serving half of the vae family: images to latents, latents to images, and images that are drawn."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from hostler_runtime.images.autoencoder import load_autoencoder
from hostler_runtime.images.density import FILE, LatentDensity
from hostler_runtime.images.png import UnreadableImageError, decode_image_file, encode_png
from hostler_runtime.images.requests import refuse_other_size, refuse_settings, seeded
from hostler_runtime.pretrained import require_finite, serving_device
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import (
    BatchReport,
    DecodeRequest,
    EncodeRequest,
    ImageRequest,
    ImageResult,
    LatentResult,
    TaskRequest,
    TaskResult,
    Work,
)


def load(path: Path, *, options: LoadOptions) -> AutoencoderModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("vae")
    network = load_autoencoder(path)
    require_finite(network.parameters(), path=path)
    density = LatentDensity.load(path) if (path / FILE).is_file() else None
    return AutoencoderModel(network.to(serving_device()).requires_grad_(False), density)


class AutoencoderModel:
    """A ``BatchModel``."""

    tasks = frozenset({EncodeRequest, DecodeRequest, ImageRequest})

    def __init__(self, network: Any, density: LatentDensity | None) -> None:
        self._network = network
        self._density = density
        self._device = next(network.parameters()).device
        self.size = int(network.config.sample_size)
        shrink = 2 ** (len(network.config.block_out_channels) - 1)
        self.latent_shape = (int(network.config.latent_channels), self.size // shrink, self.size // shrink)

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError``."""
        match request:
            case EncodeRequest():
                self._image(request)
            case DecodeRequest():
                self._check_latent(request.latent)
            case ImageRequest():
                refuse_settings(request, family="vae", names=("negative_prompt", "steps", "guidance", "adapter"))
                refuse_other_size(request, size=self.size)
                if request.prompt.strip():
                    raise PromptRejectedError(
                        "This model draws images of the kind that it has seen and reads no prompt; leave it empty.",
                        code="prompt_not_supported",
                        param="prompt",
                    )

    def batch_key(self, request: TaskRequest) -> Hashable:
        """Requests of one kind."""
        return type(request).__name__

    @torch.no_grad()
    def run_batch(self, requests: Sequence[TaskRequest]) -> BatchReport:
        """All of one kind."""
        began = perf_counter()
        results: tuple[TaskResult, ...]
        match requests[0]:
            case EncodeRequest():
                phase, results = "encode", self._encoded(requests)
            case DecodeRequest():
                phase, results = "decode", self._decoded(_latents_of(requests))
            case _:
                phase, results = "decode", self._decoded(self._drawn(requests))
        return BatchReport(results, phases={phase: perf_counter() - began})

    def _encoded(self, requests: Sequence[Any]) -> tuple[LatentResult, ...]:
        images = torch.stack([self._image(request) for request in requests]).to(self._device)
        latents = self._network.encode(images).latent_dist.mode().float().cpu().numpy()
        return tuple(LatentResult(latent, Work(images=1)) for latent in latents)

    def _decoded(self, latents: torch.Tensor) -> tuple[ImageResult, ...]:
        images = self._network.decode(latents.to(self._device)).sample
        return tuple(ImageResult(encode_png(image), Work(images=1)) for image in images)

    def _drawn(self, requests: Sequence[Any]) -> torch.Tensor:
        generators = [seeded(request.seed) for request in requests]
        if self._density is not None:
            return self._density.draw(generators)
        # What the training loss pulls latents to; published autoencoders come without anything better.
        return torch.stack([torch.randn(self.latent_shape, generator=generator) for generator in generators])

    def _image(self, request: EncodeRequest) -> torch.Tensor:
        try:
            return decode_image_file(request.image, size=self.size, channels=self._network.config.in_channels)
        except UnreadableImageError as error:
            raise PromptRejectedError(
                f"The image cannot be used: {error}.", code="invalid_image", param="image"
            ) from error

    def _check_latent(self, latent: np.ndarray) -> None:
        if tuple(latent.shape) != self.latent_shape:
            wanted, found = (" x ".join(map(str, shape)) for shape in (self.latent_shape, latent.shape))
            raise PromptRejectedError(
                f"The latent is {found or 'a single number'}; this model's are {wanted} (channels x height x width).",
                code="invalid_latent",
                param="latent",
            )
        if not np.isfinite(latent).all():
            raise PromptRejectedError("The latent holds NaN or infinity.", code="invalid_latent", param="latent")


def _latents_of(requests: Sequence[Any]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.array(request.latent, np.float32)) for request in requests])
