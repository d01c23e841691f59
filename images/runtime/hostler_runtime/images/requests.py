"""What requests for images have in common."""

from __future__ import annotations

import torch

from hostler_runtime.protocols.serving import PromptRejectedError
from hostler_runtime.protocols.tasks import ImageRequest

_UNSET = {"negative_prompt": "", "steps": None, "guidance": None, "adapter": None}


def seeded(seed: int) -> torch.Generator:
    """A generator of one request alone, so that its image does not depend on what else is in the batch. On the CPU, so
    that the same seed gives the same noise on every device."""
    return torch.Generator().manual_seed(seed % 2**63)


def refuse_settings(request: ImageRequest, *, family: str, names: tuple[str, ...]) -> None:
    """Settings that a family has no use for are refused, never ignored. Raises ``PromptRejectedError``."""
    for name in names:
        if getattr(request, name) != _UNSET[name]:
            raise PromptRejectedError(
                f"A {family} model has no use for {name}; leave it out.", code="unsupported_parameter", param=name
            )


def refuse_other_size(request: ImageRequest, *, size: int) -> None:
    """For models of one size. Raises ``PromptRejectedError``."""
    wanted = (size if request.width is None else request.width, size if request.height is None else request.height)
    if wanted != (size, size):
        raise PromptRejectedError(
            f"This model draws images of {size}x{size}, not {wanted[0]}x{wanted[1]}.", code="invalid_size", param="size"
        )
