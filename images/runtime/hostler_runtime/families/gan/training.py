"""Training half of the gan family: discriminator and generator take their turns within each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as functional

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.architectures import GanConfig
from hostler_contract.figures import Need
from hostler_data.records import Records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.gan.artifacts import load_discriminator, load_generator, save_adversaries
from hostler_runtime.families.gan.measures import drawn_images, figures, lacks
from hostler_runtime.families.gan.networks import (
    SMALLEST,
    Adversaries,
    HostlerDiscriminator,
    HostlerGenerator,
    noise_for,
)
from hostler_runtime.images.png import write_grid
from hostler_runtime.images.store import ImageDataset, write_images
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Batch, Evaluation, LossSum, ModelFacts, Stage, Update

UNIT = "images"
BLOCK = "gan"
BETAS: Final = (0.5, 0.99)
"""Less momentum than elsewhere: what an update answers to is gone after the opponent's turn."""
GENERATOR_RATE: Final = {"spectral-norm": 0.25, "r1": 1.0}
"""Of the discriminator's learning rate: a generator that runs ahead finds one image for each class and stays there
(arXiv 1706.08500)."""
R1_WEIGHT: Final = 0.5
"""Half of gamma (arXiv 1801.04406)."""
AVERAGED_SHARE: Final = 0.05
"""Share of the steps after which an image counts half in the average of the generator."""


def fingerprint(job: JobConfig) -> str:
    """Size and colours of the images."""
    return f"images 1 {image_shape(job)}"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    """Images of one size with their labels. Raises ``RuntimeFailure`` and ``DataError``."""
    write_images(job, records, directory, shape=image_shape(job), captions="unused", work=work)


def open_dataset(job: JobConfig, directory: Path) -> ImageDataset:
    """Open what ``prepare`` wrote."""
    return ImageDataset(directory)


def build(job: JobConfig, dataset: ImageDataset) -> Adversaries:
    """Fresh adversaries, or those of the base model."""
    if job.inputs.base is not None:
        base = Path(job.inputs.base)
        generator = from_base(lambda: load_generator(base), what="the base model")
        discriminator = from_base(lambda: load_discriminator(base), what="the base model")
        if list(generator.config.classes) != dataset.classes:
            raise _invalid(
                f"the base model's classes are {_listed(generator.config.classes)}, the data's labels are "
                f"{_listed(dataset.classes)}: they must be the same"
            )
        return Adversaries(generator, discriminator)
    sizes = _sizes(job)
    common = {"image_size": sizes.image_size, "channels": sizes.channels, "base_width": sizes.base_width}
    return Adversaries(
        HostlerGenerator(**common, latent_size=sizes.latent_size, classes=dataset.classes),
        HostlerDiscriminator(**common, classes=dataset.classes, regularization=sizes.regularization),
    )


def stages(job: JobConfig, model: Adversaries, dataset: ImageDataset) -> Sequence[Stage]:
    """One, in which the discriminator has the first turn of each step."""
    half_life = max(1.0, AVERAGED_SHARE * job.hyperparameters.steps)
    decay = 0.5 ** (1 / half_life)
    updates = (
        Update(
            "discriminator", model.discriminator, lambda module, batch: discriminator_loss(model, module, batch),
            betas=BETAS, weight_decay=False, schedule="constant",
        ),
        Update(
            "generator", model.generator, lambda module, batch: generator_loss(model, module, batch),
            learning_rate=GENERATOR_RATE[model.regularization], betas=BETAS, weight_decay=False, schedule="constant",
        ),
    )  # fmt: skip
    return [Stage("adversaries", updates, after_step=lambda: model.follow(decay))]


def evaluate(model: Adversaries, dataset: ImageDataset, around: Evaluation) -> dict[str, float]:
    """How much drawn images vary and whether they show the class that was asked for."""
    return figures(model.average, dataset, around)


def lacking(model: Adversaries, dataset: ImageDataset) -> set[Need]:
    """What figures need and the data does not have."""
    return lacks(dataset)


def sample(model: Adversaries, dataset: ImageDataset, directory: Path, *, count: int) -> None:
    """Drawn images of one class after the other."""
    images, _ = drawn_images(model.average, count)
    write_grid(images, directory / "samples.png")


def save(model: Adversaries, dataset: ImageDataset, directory: Path) -> ModelFacts:
    """The averaged generator, and its opponent beside it."""
    save_adversaries(model, directory)
    config = model.average.config
    kinds = f"{len(config.classes)} classes" if config.classes else "no classes"
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in model.average.parameters()),
        description=(
            f"A convolutional generator of {config.image_size} x {config.image_size} images of {kinds}, trained "
            f"against a discriminator with {model.regularization}."
        ),
    )


def card_header() -> dict[str, Any]:
    """For the hub."""
    return {"pipeline_tag": "unconditional-image-generation", "library_name": "hostler"}


def prunable(model: Adversaries) -> Iterable[tuple[str, torch.nn.Module]]:
    """The generator's convolutions and linear layers."""
    for name, module in model.generator.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            yield f"generator.{name}", module


def discriminator_loss(model: Adversaries, module: Any, batch: Batch) -> LossSum:
    """Real images up, drawn ones down: hinge with spectral norm, logistic with R1, each as its paper has it."""
    images, labels = batch["images"], batch.get("labels")
    with torch.no_grad():
        drawn = model.generator(noise_for(model.generator, len(images)), labels)
    penalized = model.regularization == "r1" and torch.is_grad_enabled()
    images = images.clone().requires_grad_() if penalized else images
    # Both in one pass, because a parallel wrapper expects one forward for each backward.
    scores = module(torch.cat([images, drawn]), None if labels is None else torch.cat([labels, labels]))
    real, false = scores.chunk(2)
    if model.regularization == "spectral-norm":
        return LossSum((functional.relu(1 - real) + functional.relu(1 + false)).sum(), len(images))
    loss = (functional.softplus(-real) + functional.softplus(false)).sum()
    if penalized:
        (slopes,) = torch.autograd.grad(real.sum(), images, create_graph=True)
        loss = loss + R1_WEIGHT * slopes.square().sum()
    return LossSum(loss, len(images))


def generator_loss(model: Adversaries, module: Any, batch: Batch) -> LossSum:
    """Drawn images up, with labels as frequent as in the data."""
    labels = batch.get("labels")
    count = len(batch["images"])
    scores = model.discriminator(module(noise_for(model.generator, count), labels), labels)
    if model.regularization == "spectral-norm":
        return LossSum(-scores.sum(), count)
    return LossSum(functional.softplus(-scores).sum(), count)


def image_shape(job: JobConfig) -> tuple[int, int]:
    """Size and channels of the images: as the sizes say, or as the base model draws them."""
    if job.inputs.base is None:
        sizes = _sizes(job)
        return sizes.image_size, sizes.channels
    base = Path(job.inputs.base)
    config = from_base(lambda: load_generator(base), what="the base model").config
    return int(config.image_size), int(config.channels)


def _sizes(job: JobConfig) -> GanConfig:
    sizes = job.model.gan
    if sizes is None:
        raise _invalid("family gan needs the sizes of the model: set output.gan, or name a base model")
    size = sizes.image_size
    if size < 2 * SMALLEST or size & (size - 1):
        raise _invalid(f"imageSize {size} is not a power of two from {2 * SMALLEST} up: the generator doubles its maps")
    return sizes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
