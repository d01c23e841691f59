"""The one error of this package."""

from __future__ import annotations


class TorchWheelError(Exception):
    """The wheel could not be made; the text names the cause and the way out."""
