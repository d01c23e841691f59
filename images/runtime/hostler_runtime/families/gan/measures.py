"""What drawn images are like: how much they vary, and whether they show the class that was asked for."""

from __future__ import annotations

from typing import Final

import torch

from hostler_contract.figures import Need
from hostler_runtime.families.gan.networks import HostlerGenerator, noise_for
from hostler_runtime.images.judge import judge_of
from hostler_runtime.images.store import ImageDataset
from hostler_runtime.protocols.training import Evaluation

MEASURED: Final = 500
"""Images that are drawn to be measured; of real ones as many."""
_AT_ONCE: Final = 100


@torch.no_grad()
def drawn_images(generator: HostlerGenerator, count: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Images of one class after the other, and their classes."""
    device = next(generator.parameters()).device
    classes = len(generator.config.classes)
    labels = torch.arange(count, device=device) % classes if classes else None
    noise = noise_for(generator, count)
    chunks = [slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE)]
    images = [generator(noise[chunk], None if labels is None else labels[chunk]).float() for chunk in chunks]
    return torch.cat(images), labels


def figures(generator: HostlerGenerator, dataset: ImageDataset, around: Evaluation) -> dict[str, float]:
    """Variety and obedience of drawn images.

    ``pixel_spread``: the mean deviation of pixels over drawn images by that over real ones. ``class_spread``: the same
    within the classes, which a generator of one image for each class would fail. ``class_agreement``: share of images
    that a judge reads as the class that was asked for, beside its share with shuffled classes and the judge's accuracy
    on held-out images.
    """
    images, labels = drawn_images(generator, MEASURED)
    rows = range(0, dataset.train_rows, max(1, dataset.train_rows // MEASURED))
    real = dataset.train.images(rows).to(images.device)
    found = {"pixel_spread": _spread(images) / _spread(real)}
    if labels is None or dataset.train.labels is None or dataset.validation.labels is None:
        return found  # see lacks()
    shown = dataset.train.labels[list(rows)].to(images.device)
    spreads = [
        (_spread(images[labels == label]), _spread(real[shown == label]))
        for label in range(len(dataset.classes))
        if int((shown == label).sum()) > 1
    ]
    if spreads:
        found["class_spread"] = sum(one for one, _ in spreads) / sum(other for _, other in spreads)
    judge = judge_of(dataset, [dataset.classes[label] for label in dataset.train.labels.tolist()], device=around.device)
    read = judge.choose(images, dataset.classes)
    wanted = labels.cpu()
    held_out = dataset.validation.images(range(min(MEASURED, dataset.validation_rows))).to(around.device)
    truth = dataset.validation.labels[: len(held_out)]
    return {
        **found,
        "class_agreement": _share(read, wanted),
        "class_agreement_shuffled": _share(read, wanted[torch.randperm(len(wanted))]),
        "judge_accuracy": _share(judge.choose(held_out, dataset.classes), truth),
    }


def lacks(dataset: ImageDataset) -> set[Need]:
    """What these figures need and the data does not have."""
    labelled = dataset.classes and dataset.train.labels is not None and dataset.validation.labels is not None
    return set() if labelled else {Need.CLASSES}


def _spread(images: torch.Tensor) -> float:
    return max(float(images.std(dim=0).mean()), 1e-9)


def _share(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found == wanted).float().mean())
