"""Training half of the vae family: a convolutional variational autoencoder, saved as diffusers' AutoencoderKL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_data.records import Records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.images.autoencoder import (
    TrainedAutoencoder,
    build_autoencoder,
    load_autoencoder,
    mean_latents,
    reconstruction_figures,
    reconstruction_loss,
    set_scale,
)
from hostler_runtime.images.density import fit_density
from hostler_runtime.images.png import write_grid
from hostler_runtime.images.store import ImageDataset, write_images
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Evaluation, ModelFacts, Stage, Update

UNIT = "images"
BLOCK = "autoencoder"
_SAMPLE_SEED = 1


def fingerprint(job: JobConfig) -> str:
    """Size and colours of the images."""
    return f"images 1 {image_shape(job)}"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    """Images of one size. Raises ``RuntimeFailure`` and ``DataError``."""
    write_images(job, records, directory, shape=image_shape(job), captions="unused", work=work)


def open_dataset(job: JobConfig, directory: Path) -> ImageDataset:
    """Open what ``prepare`` wrote."""
    return ImageDataset(directory)


def build(job: JobConfig, dataset: ImageDataset) -> TrainedAutoencoder:
    """A fresh autoencoder, or the base model."""
    if job.inputs.base is not None:
        return TrainedAutoencoder(_base(job))
    return TrainedAutoencoder(build_autoencoder(_sizes(job)))


def stages(job: JobConfig, model: TrainedAutoencoder, dataset: ImageDataset) -> Sequence[Stage]:
    """One."""
    return [Stage("autoencoder", (_update(model),))]


def evaluate(model: TrainedAutoencoder, dataset: ImageDataset, around: Evaluation) -> dict[str, float]:
    """Squared errors of held-out images, beside those of another image's latent and of the mean image."""
    return {
        "validation_loss": around.mean_loss(_update(model)),
        **reconstruction_figures(model, dataset.train, dataset.validation, batch_size=around.batch_size),
    }


def sample(model: TrainedAutoencoder, dataset: ImageDataset, directory: Path, *, count: int) -> None:
    """Held-out images above what became of them, and images that are drawn."""
    device = next(model.parameters()).device
    images = dataset.validation.images(range(min(count, dataset.validation_rows))).to(device)
    decoded = model(model(images, "encode"), "decode")
    write_grid(torch.cat([images, decoded]), directory / "reconstructions.png")
    density = fit_density(mean_latents(model, dataset.train))
    latents = density.draw([torch.Generator().manual_seed(_SAMPLE_SEED + index) for index in range(count)])
    write_grid(model(latents.to(device), "decode"), directory / "samples.png")


def save(model: TrainedAutoencoder, dataset: ImageDataset, directory: Path) -> ModelFacts:
    """diffusers' own files, and the density that samples are drawn from."""
    network = model.network
    latents = mean_latents(model, dataset.train)
    set_scale(network, latents)
    network.save_pretrained(directory, safe_serialization=True)
    fit_density(latents).save(directory)
    size, channels = dataset.train.pixels.shape[1], dataset.train.pixels.shape[3]
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        description=(
            f"A convolutional variational autoencoder (AutoencoderKL) of {size} x {size} images with {channels} "
            f"channels; a latent has {' x '.join(str(length) for length in latents.shape[1:])} numbers."
        ),
    )


def card_header() -> dict[str, Any]:
    """For the hub."""
    return {"pipeline_tag": "unconditional-image-generation", "library_name": "diffusers"}


def prunable(model: TrainedAutoencoder) -> Iterable[tuple[str, torch.nn.Module]]:
    """All convolutions and linear layers."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            yield name, module


def image_shape(job: JobConfig) -> tuple[int, int]:
    """Size and channels of the images: as the sizes say, or as the base model takes them."""
    sizes = job.model.autoencoder
    if job.inputs.base is None:
        sizes = _sizes(job)
        return sizes.image_size, sizes.channels
    config = _base(job).config
    if sizes is not None and sizes.channels != config.in_channels:
        raise _invalid(f"output.autoencoder says {sizes.channels} channels, the base model has {config.in_channels}")
    return (sizes.image_size if sizes is not None else int(config.sample_size)), int(config.in_channels)


def _update(model: TrainedAutoencoder) -> Update:
    return Update("autoencoder", model, lambda module, batch: reconstruction_loss(module, batch["images"]))


def _base(job: JobConfig) -> Any:
    return from_base(lambda: load_autoencoder(Path(job.inputs.base or "")), what="the base model")


def _sizes(job: JobConfig) -> Any:
    if job.model.autoencoder is None:
        raise _invalid("family vae needs the sizes of the model: set output.autoencoder, or name a base model")
    return job.model.autoencoder


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
