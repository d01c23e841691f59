"""The directory of a StableDiffusionPipeline or a StableDiffusionXLPipeline: a folder for each part, named by
``model_index.json``. Read offline, safetensors only, no code from the directory."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel

from hostler_runtime.diffusion.prompts import load_text_encoder, require_fitting
from hostler_runtime.families.text_to_image.networks import (
    PUBLISHED_DEFAULTS,
    PUBLISHED_DEFAULTS_XL,
    Defaults,
    LatentDiffusion,
)
from hostler_runtime.families.text_to_image.second import load_second_encoder
from hostler_runtime.images.artifacts import load_network, quiet
from hostler_runtime.images.autoencoder import load_autoencoder
from hostler_runtime.pretrained import guarded, read_json, require_finite, unreadable

INDEX: Final = "model_index.json"
PIPELINES: Final = {"StableDiffusionPipeline": PUBLISHED_DEFAULTS, "StableDiffusionXLPipeline": PUBLISHED_DEFAULTS_XL}
"""Kinds that are read, and how the published models of each are meant to draw."""
_XL: Final = "StableDiffusionXLPipeline"
DEFAULTS: Final = "generation_defaults.json"
"""Ours: how to draw where the request does not say; diffusers ignores it."""


def load_model(path: Path) -> tuple[LatentDiffusion, Any]:
    """All networks (in evaluation mode, fp32) and the tokenizer. Raises ``UnservableError``."""
    quiet()
    size, _ = image_shape_of(path)
    index = read_json(path / INDEX)
    vae = load_autoencoder(path)
    text_encoder, tokenizer = load_text_encoder(path)
    unet = load_network(UNet2DConditionModel, path / "unet")
    folder = path / "scheduler"
    read_json(folder / "scheduler_config.json")
    second = None
    if index["_class_name"] == _XL:
        zeros = index.get("force_zeros_for_empty_prompt", True) is not False
        second = load_second_encoder(path, tokenizer, zeros=zeros)
    encoders = [text_encoder, *([] if second is None else [second.network])]
    require_fitting(path, vae=vae, text_encoders=encoders, unet=unet)
    model = LatentDiffusion(
        vae=vae,
        text_encoder=text_encoder,
        unet=unet,
        # Latents lie outside -1..1 by right; configurations of other schedulers do not say so.
        scheduler=guarded(
            folder, lambda: DDIMScheduler.from_pretrained(folder, local_files_only=True, clip_sample=False)
        ),
        size=size,
        defaults=_defaults(path, usual=PIPELINES[index["_class_name"]]),
        second=second,
    )
    for network in (vae, *encoders, unet):
        require_finite(network.parameters(), path=path)
    return model.eval(), tokenizer


def save_model(model: LatentDiffusion, tokenizer: Any, directory: Path) -> None:
    """Everything but the image tower."""
    quiet()
    model.vae.register_to_config(scaling_factor=float(model.scale))
    parts = {
        "vae": model.vae,
        "text_encoder": model.text_encoder,
        "tokenizer": tokenizer,
        "unet": model.unet,
        "scheduler": model.scheduler,
        "feature_extractor": None,
    }
    pipeline: Any
    if model.second is None:
        pipeline = StableDiffusionPipeline(**parts, safety_checker=None, requires_safety_checker=False)
    else:
        pipeline = StableDiffusionXLPipeline(
            **parts,
            text_encoder_2=model.second.network,
            tokenizer_2=model.second.tokenizer,
            force_zeros_for_empty_prompt=model.second.zeros,
            add_watermarker=False,
        )
    pipeline.save_pretrained(directory, safe_serialization=True)
    (directory / DEFAULTS).write_text(json.dumps(asdict(model.defaults), indent=2))


def image_shape_of(path: Path) -> tuple[int, int]:
    """Size and channels of a model's images. Raises ``UnservableError``, also where it is no model of this family."""
    declared = read_json(path / INDEX).get("_class_name")
    if declared not in PIPELINES:
        raise unreadable(f"{path / INDEX} describes {declared}, not {' or '.join(PIPELINES)}")
    unet, vae = read_json(path / "unet" / "config.json"), read_json(path / "vae" / "config.json")

    def shape() -> tuple[int, int]:
        return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1), int(vae["in_channels"])

    return guarded(path / "unet" / "config.json", shape)


def _defaults(path: Path, *, usual: Defaults) -> Defaults:
    if not (path / DEFAULTS).is_file():
        return usual
    stored = read_json(path / DEFAULTS)
    return guarded(path / DEFAULTS, lambda: Defaults(int(stored["steps"]), float(stored["guidance"])))
