"""Images of this repository: what each is made of, building the stale ones, bringing them to the nodes."""

from hostler.local.images.service import build, ensure_loaded, load_foreign, reference, stale
from hostler.local.images.table import IMAGES, Builder, ImageSpec

__all__ = ["IMAGES", "Builder", "ImageSpec", "build", "ensure_loaded", "load_foreign", "reference", "stale"]
