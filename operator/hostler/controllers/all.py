"""Every controller, wired up."""

from __future__ import annotations

from hostler.controllers.benchmarks import image_by
from hostler.controllers.catalog import Catalog
from hostler.controllers.costledger import CostLedger, CostMetrics
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.dataset import DatasetController
from hostler.controllers.inferenceservice import InferenceServiceController
from hostler.controllers.model import ModelController
from hostler.controllers.modelimport import ModelImports
from hostler.controllers.pool import PoolController
from hostler.controllers.ports import Admission, Clock, Controller, Facts, Reader, Writer
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import TrainingJobController


def build_controllers(
    reader: Reader,
    writer: Writer,
    *,
    clock: Clock,
    facts: Facts,
    admission: Admission,
    settings: Settings,
    cost: CostMetrics | None = None,
) -> tuple[Controller, ...]:
    """One controller for each of our kinds, and one for the ledgers. Who needs a seat on a pool asks admission, which
    sees all of them."""
    failures = CreationFailures(reader, clock)
    imports = ModelImports(reader, writer, clock=clock, facts=facts, settings=settings, failures=failures)
    return (
        PoolController(
            reader,
            writer,
            clock=clock,
            admission=admission,
            image_of=image_by(settings),
            interval=settings.pool_interval_seconds,
        ),
        ModelController(
            reader,
            writer,
            clock=clock,
            kind="ClusterModel",
            catalog=Catalog(reader, writer, recheck=settings.recheck_seconds),
        ),
        ModelController(reader, writer, clock=clock, kind="Model", imports=imports),
        DatasetController(reader, writer, clock=clock, settings=settings, failures=failures),
        TrainingJobController(
            reader, writer, clock=clock, facts=facts, admission=admission, settings=settings, failures=failures
        ),
        InferenceServiceController(
            reader, writer, clock=clock, admission=admission, settings=settings, failures=failures
        ),
        CostLedger(reader, writer, clock=clock, place=settings.ledger_namespace, metrics=cost),
    )
