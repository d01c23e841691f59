"""A convolutional variational autoencoder (arXiv 1312.6114) in diffusers' form: the vae family, and the first stage of
latent diffusion (arXiv 2112.10752)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL
from torch import nn

from hostler_contract import ErrorReason
from hostler_contract.architectures import AutoencoderConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.images.artifacts import load_network
from hostler_runtime.images.store import Part
from hostler_runtime.protocols.training import LossSum

DIVERGENCE_WEIGHT = 0.05
"""Of the latent's divergence from a unit normal against the squared error: twice the decoder's variance, here of pixels
in -1..1 that are off by 0.16 (arXiv 2006.13202)."""
MOST_ENCODED = 4096
"""Images from which facts about latents are taken."""
_ENCODED_AT_ONCE = 64
Way = Literal["both", "encode", "draw", "decode"]


class TrainedAutoencoder(nn.Module):
    """The autoencoder behind one ``forward``: sharded weights are gathered only for who comes this way."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: torch.Tensor, way: Way = "both") -> Any:
        """``encode``: the latents' means of images; ``draw``: latents that are drawn around them; ``decode``: images of
        latents; ``both``: images as decoded from a latent (drawn in training, else its mean), and the divergence of
        each in nats."""
        if way == "decode":
            return self.network.decode(given).sample
        posterior = self.network.encode(given).latent_dist
        if way == "both":
            latent = posterior.sample() if self.training else posterior.mode()
            return self.network.decode(latent).sample, posterior.kl()
        return posterior.sample() if way == "draw" else posterior.mode()


def build_autoencoder(config: AutoencoderConfig) -> Any:
    """Fresh, from torch's current random state. Raises ``RuntimeFailure`` where sizes do not fit."""
    shrink = 2 ** (len(config.block_widths) - 1)
    if config.image_size % shrink:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"imageSize {config.image_size} cannot be halved {len(config.block_widths) - 1} times, as the "
            f"{len(config.block_widths)} blockWidths ask: make it a multiple of {shrink}",
        )
    return AutoencoderKL(
        in_channels=config.channels,
        out_channels=config.channels,
        down_block_types=("DownEncoderBlock2D",) * len(config.block_widths),
        up_block_types=("UpDecoderBlock2D",) * len(config.block_widths),
        block_out_channels=config.block_widths,
        layers_per_block=1,
        latent_channels=config.latent_channels,
        norm_num_groups=norm_groups(config.block_widths),
        sample_size=config.image_size,
        # Attention over a handful of positions costs more than it gives.
        mid_block_add_attention=config.image_size // shrink >= 16,
        scaling_factor=1.0,
    )


def load_autoencoder(path: Path) -> Any:
    """From a directory of its own, or from the one of a whole pipeline. Raises ``UnservableError``."""
    folder = path / "vae"
    whole = folder.is_dir() or (path / "model_index.json").is_file()
    return load_network(AutoencoderKL, folder if whole else path)


def reconstruction_loss(module: Any, images: torch.Tensor) -> LossSum:
    """Squared error by pixel and the latent's divergence, summed over images."""
    decoded, divergence = module(images)
    pixels = images[0].numel()
    error = (decoded - images).square().flatten(1).mean(dim=1).sum()
    divergence = divergence.sum() / pixels
    return LossSum(
        total=error + DIVERGENCE_WEIGHT * divergence,
        weight=len(images),
        parts={"squared_error": error, "divergence": divergence},
    )


@torch.no_grad()
def mean_latents(module: TrainedAutoencoder, part: Part, *, most: int = MOST_ENCODED) -> torch.Tensor:
    """The latents' means of images that are spread evenly over a part: rows x channels x height x width."""
    device = next(module.parameters()).device
    rows = range(0, len(part), max(1, len(part) // most))[:most]
    chunks = [rows[start : start + _ENCODED_AT_ONCE] for start in range(0, len(rows), _ENCODED_AT_ONCE)]
    return torch.cat([module(part.images(chunk).to(device), "encode").float() for chunk in chunks])


def set_scale(network: Any, latents: torch.Tensor) -> None:
    """Store by which factor latents have unit variance, as diffusion wants them."""
    network.register_to_config(scaling_factor=1.0 / max(float(latents.std()), 1e-6))


def norm_groups(widths: tuple[int, ...]) -> int:
    """The most groups, up to 32, that divide all widths and leave two channels in each."""
    return next((groups for groups in (32, 16, 8, 4, 2) if all(width % (2 * groups) == 0 for width in widths)), 1)


@torch.no_grad()
def reconstruction_figures(
    module: TrainedAutoencoder, train: Part, validation: Part, *, batch_size: int
) -> dict[str, float]:
    """Squared errors by pixel of held-out images, 0..1: decoded from their own latent, from another image's, and of the
    mean image, which is what an autoencoder that says nothing would draw."""
    device = next(module.parameters()).device
    rows = range(min(len(validation), MOST_ENCODED))
    mean = _mean_image(train).to(device)
    sums = dict.fromkeys(("validation_mse", "shuffled_mse", "mean_image_mse"), 0.0)
    for start in range(0, len(rows), batch_size):
        images = validation.images(rows[start : start + batch_size]).to(device)
        decoded = module(module(images, "encode"), "decode").float()
        for name, guess in (
            ("validation_mse", decoded),
            ("shuffled_mse", decoded.roll(1, dims=0)),
            ("mean_image_mse", mean),
        ):
            sums[name] += float((guess - images).square().mean(dim=(1, 2, 3)).sum())
    figures = {name: total / len(rows) / 4 for name, total in sums.items()}
    return {**figures, "mse_ratio": figures["validation_mse"] / max(figures["mean_image_mse"], 1e-12)}


def _mean_image(part: Part) -> torch.Tensor:
    rows = range(0, len(part), max(1, len(part) // MOST_ENCODED))
    total = sum(part.images(rows[start : start + 256]).sum(dim=0) for start in range(0, len(rows), 256))
    assert isinstance(total, torch.Tensor)
    return total / len(rows)
