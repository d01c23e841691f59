"""Training half: autoencoder, text encoder, super-resolution and denoiser, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.architectures import VideoConfig
from hostler_contract.figures import Need
from hostler_data.records import Records
from hostler_runtime.diffusion.prompts import fresh_text_encoder, load_text_encoder, tokenizer_digest
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.text_to_video import artifacts, losses, network
from hostler_runtime.families.text_to_video.data import ClipDataset, captions_of, write_dataset
from hostler_runtime.families.text_to_video.measures import figures, lacks
from hostler_runtime.families.text_to_video.network import ClipSettings, VideoModel
from hostler_runtime.families.text_to_video.samples import write_samples
from hostler_runtime.images.autoencoder import load_autoencoder
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Evaluation, ModelFacts, Stage
from hostler_runtime.text.captions import train_tokenizer
from hostler_runtime.text.making import kept_tokenizer

UNIT = "clips"
BLOCK = "video"
MEASURED_CLIPS = 64
"""Clips of the training part whose latents say how latents are scaled."""
PARTS = ("autoencoder", "text_encoder")


def fingerprint(job: JobConfig) -> str:
    """Shape of the clips, and what makes tokens of captions."""
    settings, parts = clip_settings(job), job.inputs.parts
    source = job.inputs.base or parts.get("text_encoder")
    text: Any = tokenizer_digest(Path(source)) if source else sizes_of(job).text_encoder
    return f"text-to-video 1 {settings.shape} {text} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    """Clips of one shape as raw bytes, and the tokenizer. Raises ``RuntimeFailure`` and ``DataError``."""
    settings = clip_settings(job)
    source = job.inputs.base or job.inputs.parts.get("text_encoder")
    if source is not None:
        tokenizer = from_base(lambda: load_text_encoder(Path(source)), what="the text encoder")[1]
    else:
        sizes = sizes_of(job).text_encoder
        tokenizer = kept_tokenizer(
            work,
            lambda: train_tokenizer(
                captions_of(records.split(job.dataset.validation_percent)[0]),
                vocabulary_size=sizes.vocabulary_size,
                context_length=sizes.context_length,
            ),
        )
    write_dataset(
        directory,
        records,
        shape=settings.shape,
        tokenizer=tokenizer,
        validation_percent=job.dataset.validation_percent,
        work=work,
    )


def open_dataset(job: JobConfig, directory: Path) -> ClipDataset:
    """Open what ``prepare`` wrote."""
    return ClipDataset(directory)


def build(job: JobConfig, dataset: ClipDataset) -> VideoModel:
    """Fresh networks, but for the parts that other models bring; or the base model."""
    if job.inputs.base is not None:
        model, _ = from_base(lambda: artifacts.load_model(Path(job.inputs.base or "")), what="the base model")
        model.settings = clip_settings(job)
        return model
    sizes, parts = sizes_of(job), job.inputs.parts
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise _invalid(f"family text-to-video takes no part {unknown[0]!r}; it takes: {', '.join(PARTS)}")
    settings = network.settings_of(sizes)
    vae = network.fresh_vae(sizes) if "autoencoder" not in parts else _autoencoder(parts["autoencoder"], settings)
    if "text_encoder" in parts:
        read = functools.partial(load_text_encoder, Path(parts["text_encoder"]))
        text_encoder = from_base(read, what="the text encoder")[0].requires_grad_(False)
    else:
        text_encoder = fresh_text_encoder(sizes.text_encoder, dataset.tokenizer)
    width = text_encoder.config.hidden_size
    return VideoModel(
        settings=settings,
        scheduler=network.fresh_scheduler(),
        vae=vae,
        text_encoder=text_encoder,
        judge=network.fresh_judge(settings, text_width=width),
        unet=network.fresh_unet(
            sizes,
            latent_channels=vae.config.latent_channels,
            factor=2 ** (len(vae.config.block_out_channels) - 1),
            text_width=width,
        ),
        upscaler=network.fresh_upscaler(sizes),
    )


def stages(job: JobConfig, model: VideoModel, dataset: ClipDataset) -> Sequence[Stage]:
    """The denoiser comes last, because what is measured during training is what it makes."""
    found = []
    fresh = job.inputs.base is None
    if fresh and "autoencoder" not in job.inputs.parts:
        found.append(
            Stage("autoencoder", (losses.first_stage_update(model),), share=0.14),
        )
    if fresh:
        found.append(Stage("text", (losses.text_update(model),), share=0.1, batch_scale=4))
    if model.upscaler is not None and job.objective.lora is None and _learns(model.upscaler):
        found.append(Stage("super-resolution", (losses.upscaler_update(model),), share=0.12))
    measure = functools.partial(_measure_latents, model, dataset) if fresh else None
    found.append(Stage("denoiser", (losses.denoiser_update(model, dataset.empty),), share=0.64, begin=measure))
    return found


def evaluate(model: VideoModel, dataset: ClipDataset, around: Evaluation) -> dict[str, float]:
    """Losses beside what they would be without the model, and whether clips show what their captions say."""
    return figures(model, dataset, around)


def lacking(model: VideoModel, dataset: ClipDataset) -> set[Need]:
    """What figures need and this job does not have."""
    return lacks(model, dataset)


def sample(model: VideoModel, dataset: ClipDataset, directory: Path, *, count: int) -> None:
    """One clip for each of ``count`` held-out captions."""
    write_samples(model, dataset, directory, count=count)


def save(model: VideoModel, dataset: ClipDataset, directory: Path) -> ModelFacts:
    """A directory in diffusers' layout."""
    artifacts.save_model(model, dataset.tokenizer, directory)
    settings = model.settings
    shape = settings.shape
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        context_length=dataset.tokenizer.model_max_length,
        vocabulary_size=len(dataset.tokenizer),
        description=(
            f"Latent diffusion with a 3-D U-Net ({type(model.unet).__name__}): clips of {settings.frames} frames at "
            f"{settings.size} x {settings.size}"
            + (f", enlarged to {shape.size} x {shape.size} by a super-resolution stage." if model.upscaler else ".")
        ),
    )


def card_header() -> dict[str, Any]:
    """For the hub."""
    return {"pipeline_tag": "text-to-video", "library_name": "diffusers"}


def prunable(model: VideoModel) -> Iterable[tuple[str, torch.nn.Module]]:
    """Linear layers and convolutions of the denoiser: where the weights and the time are."""
    for name, module in model.unet.named_modules():
        # peft takes a convolution of one place in space and time for one over images, and cannot merge what it learned.
        single = isinstance(module, torch.nn.Conv3d) and module.kernel_size == (1, 1, 1)
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d) and not single:
            yield f"unet.{name}", module


def sizes_of(job: JobConfig) -> VideoConfig:
    """The sizes of the model that is to be made. Raises ``RuntimeFailure`` where there are none."""
    if job.model.video is None:
        raise _invalid("family text-to-video needs the sizes of the model: set output.video, or name a base model")
    return job.model.video


def clip_settings(job: JobConfig) -> ClipSettings:
    """The clips of the job: as the sizes say, or as the base model makes them. Raises ``RuntimeFailure``."""
    if job.inputs.base is None:
        return network.settings_of(sizes_of(job))
    base = from_base(lambda: artifacts.read_settings(Path(job.inputs.base or "")), what="the base model")
    if job.model.video is None:
        return base
    wanted = network.settings_of(job.model.video)
    for name in ("size", "channels", "upscale"):
        if getattr(wanted, name) != getattr(base, name):
            raise _invalid(
                f"output.video says {name} {getattr(wanted, name)}, the base model has {getattr(base, name)}: leave "
                "output.video out, or set frames and framesPerSecond alone beside the base model's sizes"
            )
    return base.with_length(wanted.frames, frames_per_second=wanted.frames_per_second)


def _measure_latents(model: VideoModel, dataset: ClipDataset) -> None:
    """Scale latents to what the denoiser's noise has: deviation 1. The same rows, so the same scale, everywhere."""
    rows = range(min(dataset.train_rows, MEASURED_CLIPS))
    clips = dataset.train_batch(rows)["clips"].to(model.first_stage.scale.device)
    model.first_stage.measure(losses.small(model, losses.as_floats(clips)))


def _learns(module: torch.nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _autoencoder(path: str, settings: ClipSettings) -> Any:
    vae = from_base(lambda: load_autoencoder(Path(path)), what="the autoencoder")
    if vae.config.in_channels != settings.channels:
        raise _invalid(
            f"the autoencoder takes frames of {vae.config.in_channels} channels, output.video says {settings.channels}"
        )
    return vae.requires_grad_(False)


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
