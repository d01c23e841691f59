"""Sample clips that stay with the model."""

from __future__ import annotations

import re
from itertools import cycle, islice
from pathlib import Path

from hostler_runtime.diffusion.sampling import first_noise
from hostler_runtime.families.text_to_video.data import ClipDataset
from hostler_runtime.families.text_to_video.network import VideoModel
from hostler_runtime.families.text_to_video.sampling import as_pixels, generate
from hostler_runtime.text.captions import tokens_of
from hostler_runtime.video.mp4 import encode_mp4

_LONGEST_NAME = 60


def write_samples(model: VideoModel, dataset: ClipDataset, directory: Path, *, count: int) -> None:
    """MP4 files of held-out captions, named by them; the n-th has seed n."""
    captions = list(islice(cycle(dataset.held_out_captions(count)), count))
    device = model.first_stage.scale.device
    tokens = tokens_of(dataset.tokenizer, captions).to(device)
    settings = model.settings
    made = generate(
        model,
        tokens=tokens,
        negative=dataset.empty.to(device).expand(len(tokens), -1),
        noise=first_noise(range(count), model.latent_shape).to(device),
        steps=settings.steps,
        guidance=settings.guidance,
    )
    for index, (caption, pixels) in enumerate(zip(captions, as_pixels(made.full).numpy(), strict=True)):
        words = re.sub(r"[^a-z0-9]+", "-", caption.lower())[:_LONGEST_NAME].strip("-")
        file = directory / f"{index:02d}-{words}.mp4"
        file.write_bytes(encode_mp4(pixels, frames_per_second=settings.frames_per_second))
