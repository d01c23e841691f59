"""Every controller, wired up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hostler.controllers.inferenceservice import InferenceServiceController
from hostler.controllers.ledger import Ledger
from hostler.controllers.model import ModelController
from hostler.controllers.pool import PoolController
from hostler.controllers.ports import Clock, Controller, ProgressReader, Reader, Writer
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import TrainingJobController


class Installation(Protocol):
    """What of the operator's own settings reaches the controllers."""

    @property
    def train_image(self) -> str:
        """Runtime image of trainers."""

    @property
    def serve_image(self) -> str:
        """Runtime image of servers."""

    @property
    def variant_images(self) -> Mapping[str, str]:
        """Runtime images of other variants, by ``<verb>-<variant>``."""

    @property
    def image_pull_policy(self) -> str:
        """Pull policy of all of them."""

    @property
    def progress_interval(self) -> float:
        """Seconds between two readings of a job's progress."""


def build_controllers(
    reader: Reader, writer: Writer, clock: Clock, progress: ProgressReader, settings: Installation
) -> tuple[Controller, ...]:
    """One controller for each of our kinds. They share the ledger, because they compete for the same pools."""
    chosen = Settings(
        train_image=settings.train_image,
        serve_image=settings.serve_image,
        variant_images=settings.variant_images,
        image_pull_policy=settings.image_pull_policy,
        progress_interval_seconds=settings.progress_interval,
    )
    ledger = Ledger(reader, clock)
    return (
        PoolController(reader, writer, clock=clock),
        ModelController(reader, writer, clock=clock, kind="ClusterModel"),
        ModelController(reader, writer, clock=clock, kind="Model"),
        TrainingJobController(reader, writer, clock=clock, progress=progress, settings=chosen, ledger=ledger),
        InferenceServiceController(reader, writer, clock=clock, settings=chosen, ledger=ledger),
    )
