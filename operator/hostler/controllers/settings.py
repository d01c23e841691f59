"""What the installation decides for all controllers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostler.accelerators import Verb
from hostler.manifests.podtemplate import Image


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read once at start; nothing here reaches a pod template but the images."""

    train_image: str
    """Runtime image of trainers, built for the variant that most pools need."""
    serve_image: str
    """Runtime image of servers."""
    variant_images: Mapping[str, str] = field(default_factory=dict)
    """Images for other variants, by ``<verb>-<variant>`` such as ``train-rocm``."""
    image_pull_policy: str = "IfNotPresent"
    progress_interval_seconds: float = 5.0
    """Between two readings of a running job's progress."""
    recheck_seconds: float = 30.0
    """Between two looks at what waits for something that no watch reports, such as a ConfigMap with data."""

    def image(self, verb: Verb, *, variant: str) -> Image:
        """The runtime image for a verb on a variant."""
        usual = self.train_image if verb is Verb.TRAIN else self.serve_image
        reference = self.variant_images.get(f"{verb.value}-{variant}", usual)
        return Image(reference=reference, pull_policy=self.image_pull_policy)
