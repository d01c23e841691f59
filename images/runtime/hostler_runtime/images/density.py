"""A density over latents, fitted after training (ex-post density estimation, arXiv 1903.12436).

The latents that an autoencoder really uses are not the unit normal that its loss pulls them to: what is decoded from
draws of that prior lies between things. A mixture of Gaussians over the latents' principal components gives things.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from hostler_runtime.pretrained import guarded, require_finite, unreadable

FILE = "latent_density.safetensors"
MOST_COMPONENTS = 40
MOST_DIRECTIONS = 128
_ROWS_PER_COMPONENT = 40
_ROUNDS = 25
_SMALLEST_VARIANCE = 1e-2
"""Of latents of unit variance along every direction, so that no component collapses onto one image."""
_SEED = 20_26


@dataclass(frozen=True)
class LatentDensity:
    """A mixture of Gaussians: latent = center + basis^T (mean_k + factor_k noise), component k with weight_k."""

    shape: torch.Tensor
    """Channels, height and width of a latent."""
    center: torch.Tensor
    basis: torch.Tensor
    """Directions x latent size."""
    weights: torch.Tensor
    means: torch.Tensor
    """Components x directions."""
    factors: torch.Tensor
    """Components x directions x directions: Cholesky factors of the covariances."""

    def draw(self, generators: list[torch.Generator]) -> torch.Tensor:
        """One latent for each generator, which alone decides about it: count x channels x height x width."""
        found = []
        for generator in generators:
            component = int(torch.multinomial(self.weights, 1, generator=generator))
            noise = torch.randn(self.means.shape[1], generator=generator)
            inside = self.means[component] + self.factors[component] @ noise
            found.append((self.center + inside @ self.basis).reshape(*self.shape.tolist()))
        return torch.stack(found)

    def save(self, directory: Path) -> None:
        """Write ``FILE``."""
        save_file({each.name: getattr(self, each.name).contiguous() for each in fields(self)}, directory / FILE)

    @classmethod
    def load(cls, directory: Path) -> LatentDensity:
        """Read ``FILE``. Raises ``UnservableError``."""
        path = directory / FILE
        tensors = guarded(path, lambda: load_file(path))
        missing = [each.name for each in fields(cls) if each.name not in tensors]
        if missing:
            raise unreadable(f"{path} lacks {', '.join(missing)}")
        require_finite((each for each in tensors.values() if each.is_floating_point()), path=path)
        return cls(**{each.name: tensors[each.name] for each in fields(cls)})


@torch.no_grad()
def fit_density(latents: torch.Tensor) -> LatentDensity:
    """Expectation maximization from means that are far apart. Deterministic. ``latents``: rows x channels x height x
    width."""
    flat = latents.flatten(1).float().cpu()
    center = flat.mean(dim=0)
    rows, size = flat.shape
    _, values, directions = torch.linalg.svd(flat - center, full_matrices=False)
    kept = min(MOST_DIRECTIONS, size, rows, max(1, int((values > 1e-6 * values[0]).sum())))
    scale = flat.std().clamp(min=1e-8)
    basis = directions[:kept] * scale
    points = (flat - center) @ basis.T / scale.square()
    weights, means, factors = _mixture(points, components=max(1, min(MOST_COMPONENTS, rows // _ROWS_PER_COMPONENT)))
    return LatentDensity(torch.tensor(latents.shape[1:]), center, basis, weights, means, factors)


def _mixture(points: torch.Tensor, *, components: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    means = _far_apart(points, count=components)
    covered = torch.cdist(points, means).argmin(dim=1)
    shares = torch.nn.functional.one_hot(covered, components).float()
    for _ in range(_ROUNDS):
        weights, means, factors = _maximized(points, shares)
        likelihoods = torch.stack(
            [
                torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(points)
                for mean, factor in zip(means, factors, strict=True)
            ],
            dim=1,
        )
        shares = (likelihoods + weights.log()).softmax(dim=1)
    return weights, means, factors


def _maximized(points: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights, means and factors that fit shares (rows x components) best."""
    counts = shares.sum(dim=0) + 1e-6
    means = (shares.T @ points) / counts[:, None]
    identity = torch.eye(points.shape[1])
    factors = []
    for share, mean, count in zip(shares.T, means, counts, strict=True):
        offset = points - mean
        covariance = (offset * share[:, None]).T @ offset / count
        factors.append(torch.linalg.cholesky(covariance + _SMALLEST_VARIANCE * identity))
    return counts / counts.sum(), means, torch.stack(factors)


def _far_apart(points: torch.Tensor, *, count: int) -> torch.Tensor:
    """k-means++: each point is drawn with a chance that grows with its distance from those that are there."""
    generator = torch.Generator().manual_seed(_SEED)
    chosen = [points[int(torch.randint(len(points), (1,), generator=generator))]]
    for _ in range(count - 1):
        distance = torch.cdist(points, torch.stack(chosen)).min(dim=1).values.square()
        pick = torch.multinomial(distance + 1e-12, 1, generator=generator)
        chosen.append(points[int(pick)])
    return torch.stack(chosen)
