"""Serving half of the text-to-image family: prompts to images, with a style where the request names one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline

from hostler_contract.result import ADAPTER_DIRECTORY
from hostler_runtime.families.text_to_image.artifacts import load_model
from hostler_runtime.families.text_to_image.drawing import Drawing, draw
from hostler_runtime.families.text_to_image.networks import LatentDiffusion
from hostler_runtime.images.png import encode_png
from hostler_runtime.pretrained import guarded, serving_device, unreadable
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import BatchReport, ImageRequest, ImageResult, TaskRequest, Work
from hostler_runtime.text.captions import token_count

WEIGHTS: Final = "pytorch_lora_weights.safetensors"
LARGEST_ENLARGEMENT: Final = 2
"""Times the trained size, along one side."""


def load(path: Path, *, options: LoadOptions) -> PainterModel:
    """Load and check. Raises ``UnservableError``."""
    model, tokenizer = load_model(path)
    for name, directory in options.adapters.items():
        load_adapter(model, name, directory)
    return PainterModel(model.to(serving_device()).requires_grad_(False), tokenizer, adapters=options.adapters)


def load_adapter(model: LatentDiffusion, name: str, directory: Path) -> None:
    """Put a low-rank adapter beside the U-Net's layers; which one is used, each batch says. Raises
    ``UnservableError``."""
    folder = directory / ADAPTER_DIRECTORY if (directory / ADAPTER_DIRECTORY).is_dir() else directory
    path = folder / WEIGHTS
    if not path.is_file():
        raise unreadable(f"adapter {name}: {folder} has no {WEIGHTS}; is it a low-rank adapter of an image model?")

    def load_it() -> None:
        tensors, alphas, facts = StableDiffusionPipeline.lora_state_dict(
            folder, weight_name=WEIGHTS, local_files_only=True, return_lora_metadata=True, use_safetensors=True
        )
        known = {f"unet.{module}" for module, _ in model.unet.named_modules()}
        strangers = sorted(key for key in tensors if key.partition(".lora")[0].replace(".base_layer", "") not in known)
        if strangers:
            raise unreadable(f"adapter {name}: {strangers[0]} is no layer of this model's U-Net; it is another model's")
        StableDiffusionPipeline.load_lora_into_unet(
            tensors, network_alphas=alphas, unet=model.unet, adapter_name=name, metadata=facts
        )

    guarded(path, load_it)


@dataclass(frozen=True)
class _Key:
    """What requests share that may be drawn together."""

    height: int
    width: int
    steps: int
    guidance: float
    adapter: str | None
    adapter_scale: float


class PainterModel:
    """A ``BatchModel``."""

    tasks = frozenset({ImageRequest})

    def __init__(self, model: LatentDiffusion, tokenizer: Any, *, adapters: Mapping[str, Path]) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._adapters = sorted(adapters)

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError``."""
        assert isinstance(request, ImageRequest)
        for param, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt)):
            self._check_length(text, param)
        key = self._key(request)
        self._check_size(key)
        most = int(self._model.scheduler.config.num_train_timesteps)
        if not 1 <= key.steps <= most:
            raise _refused(f"This model draws in 1 to {most} steps, not {key.steps}.", "invalid_steps", "steps")
        if request.negative_prompt and key.guidance <= 1:
            raise _refused(
                "A negative prompt has an effect only with guidance above 1.", "invalid_guidance", "negative_prompt"
            )
        if request.adapter is not None and request.adapter not in self._adapters:
            known = ", ".join(self._adapters) or "none"
            raise _refused(
                f"There is no adapter {request.adapter!r}; there are: {known}.", "unknown_adapter", "adapter"
            )

    def batch_key(self, request: TaskRequest) -> Hashable:
        """Size, steps, guidance and style."""
        assert isinstance(request, ImageRequest)
        return self._key(request)

    @torch.no_grad()
    def run_batch(self, requests: Sequence[Any]) -> BatchReport:
        """All of one key."""
        key = self._key(requests[0])
        self._wear(key)
        drawn = draw(
            self._model,
            self._tokenizer,
            Drawing(
                prompts=[request.prompt for request in requests],
                negative=[request.negative_prompt for request in requests],
                seeds=[request.seed for request in requests],
                height=key.height,
                width=key.width,
                steps=key.steps,
                guidance=key.guidance,
            ),
        )
        results = tuple(
            ImageResult(
                encode_png(image),
                Work(input_tokens=token_count(self._tokenizer, request.prompt), images=1, denoise_steps=key.steps),
            )
            for request, image in zip(requests, drawn.images, strict=True)
        )
        return BatchReport(results, phases=drawn.phases)

    def _wear(self, key: _Key) -> None:
        """Switch the U-Net to a style, or to none."""
        if not self._adapters:
            return
        unet = self._model.unet
        if key.adapter is None:
            unet.disable_lora()
            return
        unet.enable_lora()
        unet.set_adapters([key.adapter], [key.adapter_scale])

    def _key(self, request: ImageRequest) -> _Key:
        defaults = self._model.defaults
        return _Key(
            height=self._model.size if request.height is None else request.height,
            width=self._model.size if request.width is None else request.width,
            steps=defaults.steps if request.steps is None else request.steps,
            guidance=defaults.guidance if request.guidance is None else request.guidance,
            adapter=request.adapter,
            adapter_scale=request.adapter_scale if request.adapter is not None else 1.0,
        )

    def _check_length(self, text: str, param: str) -> None:
        count, most = token_count(self._tokenizer, text), int(self._tokenizer.model_max_length)
        if count > most:
            raise _refused(
                f"The text has {count} tokens, and this model reads {most}; shorten it.",
                "context_length_exceeded",
                param,
            )

    def _check_size(self, key: _Key) -> None:
        grain, largest = self._model.grain, LARGEST_ENLARGEMENT * self._model.size
        for length in (key.height, key.width):
            if length % grain or not grain <= length <= largest:
                raise _refused(
                    f"This model draws heights and widths that are multiples of {grain} up to {largest}, best "
                    f"{self._model.size}x{self._model.size}; {key.width}x{key.height} is none.",
                    "invalid_size",
                    "size",
                )


def _refused(message: str, code: str, param: str) -> PromptRejectedError:
    return PromptRejectedError(message, code=code, param=param)
