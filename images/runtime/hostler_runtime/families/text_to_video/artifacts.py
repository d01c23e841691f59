"""A text-to-video model as a directory in diffusers' layout: a folder for each part, named by ``model_index.json``.

Models with diffusers' own ``UNet3DConditionModel`` are ``TextToVideoSDPipeline`` directories, which diffusers reads
too; ours add the judge and the super-resolution stage. Read offline, safetensors only, no code from the directory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import diffusers
from diffusers import DDIMScheduler, UNet3DConditionModel

from hostler_runtime.diffusion.prompts import load_text_encoder, require_fitting
from hostler_runtime.families.text_to_video.judge import HostlerClipJudge
from hostler_runtime.families.text_to_video.network import ClipSettings, VideoModel
from hostler_runtime.families.text_to_video.unet import HostlerVideoUNet
from hostler_runtime.families.text_to_video.upscaler import HostlerUpscaler
from hostler_runtime.images.artifacts import load_network, quiet
from hostler_runtime.images.autoencoder import load_autoencoder
from hostler_runtime.pretrained import guarded, read_json, require_finite, unreadable

INDEX: Final = "model_index.json"
SETTINGS: Final = "clip_settings.json"
"""What diffusers' layout has no place for: length and speed of the clips, and how to ask for them."""
UPSCALER: Final = "super_resolution"
JUDGE: Final = "judge"
OURS, DIFFUSERS = PIPELINES = ("HostlerTextToVideo", "TextToVideoSDPipeline")
"""Kinds of models, as ``model_index.json`` names them."""
_UNSAID: Final[dict[str, Any]] = {"frames": 16, "frames_per_second": 8, "steps": 25, "guidance": 9.0}
"""Settings of models that bring none, as the first public one of this architecture recommends."""
_UNETS: Final[dict[str, Any]] = {"HostlerVideoUNet": HostlerVideoUNet, "UNet3DConditionModel": UNet3DConditionModel}


def load_model(path: Path) -> tuple[VideoModel, Any]:
    """The networks (in evaluation mode, fp32) and the tokenizer. Raises ``UnservableError``."""
    quiet()
    settings = read_settings(path)
    vae = load_autoencoder(path)
    text_encoder, tokenizer = load_text_encoder(path)
    unet = _load_unet(path / "unet")
    require_fitting(path, vae=vae, text_encoders=[text_encoder], unet=unet)
    folder = path / "scheduler"
    read_json(folder / "scheduler_config.json")
    model = VideoModel(
        settings=settings,
        scheduler=guarded(folder, lambda: DDIMScheduler.from_pretrained(folder, local_files_only=True)),
        vae=vae,
        text_encoder=text_encoder,
        judge=load_network(HostlerClipJudge, path / JUDGE) if (path / JUDGE).is_dir() else None,
        unet=unet,
        upscaler=load_network(HostlerUpscaler, path / UPSCALER) if settings.upscale > 1 else None,
    )
    require_finite(model.parameters(), path=path)
    return model.eval(), tokenizer


def save_model(model: VideoModel, tokenizer: Any, directory: Path) -> None:
    """Every part in its folder."""
    quiet()
    stage = model.first_stage
    stage.vae.register_to_config(scaling_factor=float(stage.scale), shift_factor=float(stage.shift))
    ours = isinstance(model.unet, HostlerVideoUNet)
    parts: dict[str, tuple[str, Any]] = {
        "vae": ("diffusers", stage.vae),
        "text_encoder": ("transformers", model.towers.text_encoder),
        "tokenizer": ("transformers", tokenizer),
        "unet": ("hostler" if ours else "diffusers", model.unet),
        "scheduler": ("diffusers", model.scheduler),
    }
    if model.towers.judge is not None:
        parts[JUDGE] = ("hostler", model.towers.judge)
    if model.upscaler is not None:
        parts[UPSCALER] = ("hostler", model.upscaler)
    for name, (_, part) in parts.items():
        part.save_pretrained(directory / name)
    index = {
        "_class_name": OURS if ours else DIFFUSERS,
        "_diffusers_version": diffusers.__version__,
        **{name: [library, type(part).__name__] for name, (library, part) in parts.items()},
    }
    (directory / INDEX).write_text(json.dumps(index, indent=2))
    (directory / SETTINGS).write_text(json.dumps(model.settings.as_json(), indent=2))


def read_settings(path: Path) -> ClipSettings:
    """The clips that a model directory makes. Raises ``UnservableError``, also where it is no model of this family."""
    declared = read_json(path / INDEX).get("_class_name")
    if declared not in PIPELINES:
        raise unreadable(f"{path / INDEX}: {declared} is not a text-to-video model of the kinds {', '.join(PIPELINES)}")
    if (path / SETTINGS).is_file():
        return guarded(path / SETTINGS, lambda: ClipSettings(**read_json(path / SETTINGS)))
    unet, vae = read_json(path / "unet" / "config.json"), read_json(path / "vae" / "config.json")
    return guarded(
        path / "vae" / "config.json",
        lambda: ClipSettings(
            **_UNSAID,
            size=int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1),
            channels=int(vae["in_channels"]),
        ),
    )


def _load_unet(folder: Path) -> Any:
    declared = str(read_json(folder / "config.json").get("_class_name"))
    if declared not in _UNETS:
        raise unreadable(f"{folder / 'config.json'}: {declared} is not a 3-D U-Net of the kinds {', '.join(_UNETS)}")
    return load_network(_UNETS[declared], folder)
