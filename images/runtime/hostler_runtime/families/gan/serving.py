"""Serving half of the gan family: the prompt names a class."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from hostler_runtime.families.gan.artifacts import load_generator
from hostler_runtime.families.gan.networks import HostlerGenerator
from hostler_runtime.images.png import encode_png
from hostler_runtime.images.requests import refuse_other_size, refuse_settings, seeded
from hostler_runtime.pretrained import require_finite, serving_device
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import BatchReport, ImageRequest, ImageResult, TaskRequest, Work

_MOST_LISTED = 20


def load(path: Path, *, options: LoadOptions) -> GeneratorModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("gan")
    generator = load_generator(path)
    require_finite(generator.parameters(), path=path)
    return GeneratorModel(generator.to(serving_device()).requires_grad_(False))


class GeneratorModel:
    """A ``BatchModel``."""

    tasks = frozenset({ImageRequest})

    def __init__(self, generator: HostlerGenerator) -> None:
        self._generator = generator
        self._device = next(generator.parameters()).device
        self.classes: list[str] = list(generator.config.classes)
        self._known = {name.strip().lower(): index for index, name in enumerate(self.classes)}

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError``."""
        assert isinstance(request, ImageRequest)
        refuse_settings(request, family="gan", names=("negative_prompt", "steps", "guidance", "adapter"))
        refuse_other_size(request, size=int(self._generator.config.image_size))
        prompt = request.prompt.strip()
        if prompt and prompt.lower() not in self._known:
            raise PromptRejectedError(self._unknown(prompt), code="unknown_class", param="prompt")

    def batch_key(self, request: TaskRequest) -> Hashable:
        """All of them."""
        return "images"

    @torch.no_grad()
    def run_batch(self, requests: Sequence[Any]) -> BatchReport:
        """One image for each request; what is not asked for, its seed decides."""
        began = perf_counter()
        noise, labels = [], []
        for request in requests:
            generator = seeded(request.seed)
            noise.append(torch.randn(int(self._generator.config.latent_size), generator=generator))
            labels.append(self._class(request.prompt, generator))
        condition = torch.tensor(labels, device=self._device) if self.classes else None
        images = self._generator(torch.stack(noise).to(self._device), condition)
        results = tuple(ImageResult(encode_png(image), Work(images=1)) for image in images)
        return BatchReport(results, phases={"decode": perf_counter() - began})

    def _class(self, prompt: str, generator: torch.Generator) -> int:
        if not self.classes:
            return 0
        named = self._known.get(prompt.strip().lower())
        return int(torch.randint(len(self.classes), (1,), generator=generator)) if named is None else named

    def _unknown(self, prompt: str) -> str:
        if not self.classes:
            return "This model was trained without labels, so it knows no classes; leave the prompt empty."
        listed = ", ".join(self.classes[:_MOST_LISTED]) + (" and more" if len(self.classes) > _MOST_LISTED else "")
        return f"This model knows no class {prompt!r}; the prompt is one of: {listed}. An empty one draws any class."
