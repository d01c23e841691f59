"""Serving half: a prompt to an MP4 file."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from hostler_runtime.diffusion.sampling import first_noise
from hostler_runtime.families.text_to_video.artifacts import load_model
from hostler_runtime.families.text_to_video.network import VideoModel
from hostler_runtime.families.text_to_video.sampling import as_pixels, generate
from hostler_runtime.families.text_to_video.unet import HostlerVideoUNet
from hostler_runtime.pretrained import serving_device, use_granted_threads
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import BatchReport, VideoRequest, VideoResult, Work
from hostler_runtime.text.captions import token_count, tokens_of
from hostler_runtime.video.mp4 import encode_mp4

MOST_STEPS = 1000
MOST_GUIDANCE = 100.0
_DIGITS = 1e-6


def load(path: Path, *, options: LoadOptions) -> TextToVideo:
    """Load the artifacts, offline. Raises ``UnservableError``."""
    options.refuse_adapters("text-to-video")
    use_granted_threads()
    model, tokenizer = load_model(path)
    return TextToVideo(model.to(serving_device()).requires_grad_(False), tokenizer)


class TextToVideo:
    """A ``BatchModel``."""

    tasks = frozenset({VideoRequest})

    def __init__(self, model: VideoModel, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._settings = model.settings

    def check(self, request: VideoRequest) -> None:
        """Raises ``PromptRejectedError`` for sizes and lengths that the model was not made for."""
        self._check_prompt(request.prompt, field="prompt")
        self._check_prompt(request.negative_prompt, field="negative_prompt")
        self._check_length(request)
        self._check_size(request)
        steps, guidance = self._steps(request), self._guidance(request)
        if not 1 <= steps <= min(MOST_STEPS, self._model.scheduler.config.num_train_timesteps):
            raise PromptRejectedError(
                f"steps is {steps}; it must be from 1 to {MOST_STEPS}.", code="invalid_value", param="steps"
            )
        if not 0 <= guidance <= MOST_GUIDANCE:
            raise PromptRejectedError(
                f"guidance is {guidance:g}; it must be from 0 to {MOST_GUIDANCE:g}.",
                code="invalid_value",
                param="guidance",
            )

    def batch_key(self, request: VideoRequest) -> Hashable:
        """Steps, guidance and shape: one pass of the denoiser has one of each."""
        return self._steps(request), self._guidance(request), self._frames(request), self._side(request)

    def run_batch(self, requests: Sequence[VideoRequest]) -> BatchReport:
        """All clips in one batch; each begins at the noise of its own seed."""
        device = self._model.first_stage.scale.device
        first = requests[0]
        frames, (height, width), steps = self._frames(first), self._side(first), self._steps(first)
        factor = self._model.first_stage.factor * self._settings.upscale
        shape = (self._model.latent_shape[0], frames, height // factor, width // factor)
        made = generate(
            self._model,
            tokens=tokens_of(self._tokenizer, [one.prompt for one in requests]).to(device),
            negative=tokens_of(self._tokenizer, [one.negative_prompt for one in requests]).to(device),
            noise=first_noise([one.seed for one in requests], shape).to(device),
            steps=steps,
            guidance=self._guidance(first),
        )
        began = time.perf_counter()
        rate = self._settings.frames_per_second
        results = tuple(
            VideoResult(
                mp4=encode_mp4(pixels, frames_per_second=rate),
                frames=frames,
                frames_per_second=rate,
                height=height,
                width=width,
                work=Work(
                    input_tokens=token_count(self._tokenizer, request.prompt),
                    video_seconds=frames / rate,
                    denoise_steps=steps,
                ),
            )
            for request, pixels in zip(requests, as_pixels(made.full).numpy(), strict=True)
        )
        return BatchReport(results, phases={**made.seconds, "mp4": time.perf_counter() - began})

    def _check_prompt(self, prompt: str, *, field: str) -> None:
        found, most = token_count(self._tokenizer, prompt), self._tokenizer.model_max_length
        if found > most:
            raise PromptRejectedError(
                f"The prompt has {found} tokens; this model reads at most {most}.",
                code="context_length_exceeded",
                param=field,
            )

    def _check_length(self, request: VideoRequest) -> None:
        rate, most = self._settings.frames_per_second, self._settings.frames
        if request.seconds is None:
            return
        frames = request.seconds * rate
        if abs(frames - round(frames)) > _DIGITS * rate or not 1 <= round(frames) <= most:
            raise PromptRejectedError(
                f"seconds is {request.seconds:g}; this model makes up to {most} frames at {rate} a second, which is "
                f"{most / rate:g} seconds.",
                code="invalid_value",
                param="seconds",
            )

    def _check_size(self, request: VideoRequest) -> None:
        own = self._settings.shape.size
        height, width = self._side(request)
        if isinstance(self._model.unet, HostlerVideoUNet):
            if (height, width) != (own, own):
                raise PromptRejectedError(
                    f"size is {width}x{height}; this model makes clips of {own}x{own}.",
                    code="invalid_value",
                    param="size",
                )
            return
        unit = self._model.first_stage.factor * 2 ** (len(self._model.unet.config.block_out_channels) - 1)
        unit *= self._settings.upscale
        if height % unit or width % unit or not 0 < height * width <= own * own:
            raise PromptRejectedError(
                f"size is {width}x{height}; this model makes clips of up to {own}x{own} pixels in multiples of {unit}.",
                code="invalid_value",
                param="size",
            )

    def _steps(self, request: VideoRequest) -> int:
        return self._settings.steps if request.steps is None else request.steps

    def _guidance(self, request: VideoRequest) -> float:
        return self._settings.guidance if request.guidance is None else request.guidance

    def _frames(self, request: VideoRequest) -> int:
        if request.seconds is None:
            return self._settings.frames
        return round(request.seconds * self._settings.frames_per_second)

    def _side(self, request: VideoRequest) -> tuple[int, int]:
        own = self._settings.shape.size
        return request.height or own, request.width or own
