"""The family's own small format: one directory for each network, as diffusers stores any of its own."""

from __future__ import annotations

from pathlib import Path

from hostler_runtime.families.gan.networks import Adversaries, HostlerDiscriminator, HostlerGenerator
from hostler_runtime.images.artifacts import load_network

DISCRIMINATOR = "discriminator"


def save_adversaries(model: Adversaries, directory: Path) -> None:
    """The average, which serves, and its opponent, which only further training needs."""
    model.average.save_pretrained(directory, safe_serialization=True)
    model.discriminator.save_pretrained(directory / DISCRIMINATOR, safe_serialization=True)


def load_generator(path: Path) -> HostlerGenerator:
    """Raises ``UnservableError``."""
    found: HostlerGenerator = load_network(HostlerGenerator, path)
    return found


def load_discriminator(path: Path) -> HostlerDiscriminator:
    """Raises ``UnservableError``."""
    found: HostlerDiscriminator = load_network(HostlerDiscriminator, path / DISCRIMINATOR)
    return found
