"""Every controller, wired up."""

from __future__ import annotations

from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.dataset import DatasetController
from hostler.controllers.inferenceservice import InferenceServiceController
from hostler.controllers.ledger import Ledger
from hostler.controllers.model import ModelController
from hostler.controllers.pool import PoolController
from hostler.controllers.ports import Clock, Controller, Facts, Reader, Writer
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import TrainingJobController


def build_controllers(
    reader: Reader, writer: Writer, clock: Clock, facts: Facts, settings: Settings
) -> tuple[Controller, ...]:
    """One controller for each of our kinds. They share the ledger, because they compete for the same pools."""
    ledger = Ledger(reader, clock)
    failures = CreationFailures(reader, clock)
    return (
        PoolController(reader, writer, clock=clock),
        ModelController(reader, writer, clock=clock, kind="ClusterModel"),
        ModelController(reader, writer, clock=clock, kind="Model"),
        DatasetController(reader, writer, clock=clock, settings=settings, failures=failures),
        TrainingJobController(reader, writer, clock=clock, facts=facts, settings=settings, ledger=ledger),
        InferenceServiceController(reader, writer, clock=clock, settings=settings, ledger=ledger, failures=failures),
    )
