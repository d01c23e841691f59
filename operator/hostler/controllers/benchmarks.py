"""From jobs that were standard loads to the benchmarks in their pool's status."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from hostler.accelerators import Verb, compatibility
from hostler.api.benchmark import LABEL, PoolBenchmark
from hostler.api.estimate import JobEstimate
from hostler.api.trainingjob import TrainingJobSpec
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.planning.benchmarks.loads import Load, loads
from hostler.planning.benchmarks.records import ImageOf, merged, present
from hostler.planning.pools import PoolView

_AWAITING = 256
"""Benchmarks of a pool that are kept until its status has them: whoever sends more has sent the same ones again."""


def load_of(job: Object) -> Load | None:
    """The standard load that a job says it is, and is by its spec; None where it is none. Anybody may write a label,
    so nothing follows from that alone."""
    load = loads().get((job["metadata"].get("labels") or {}).get(LABEL, ""))
    if load is None:
        return None
    try:
        spec = TrainingJobSpec.model_validate(job["spec"])
    except ValidationError:
        return None  # Of another release.
    return load if load.is_of(spec) else None


def benchmark_of(job: Object) -> tuple[str, PoolBenchmark] | None:
    """What a stored job has shown, with its pool; None where it is no benchmark, or not one that counts: its data was
    another one, it needed several attempts, or a step trained on more than there is in one."""
    load, status = load_of(job), job.get("status") or {}
    if load is None or not status.get("completionTime") or status.get("attempt"):
        return None
    try:
        told = JobEstimate.model_validate(status.get("estimate") or {})
    except ValidationError:
        return None
    actual, shape = told.actual, told.shape
    if actual is None or shape is None or actual.image is None or actual.data_sha256 != load.data.sha256:
        return None
    speed, of_step = _figure(actual.speed.value), _figure(actual.units_per_step)
    if speed is None or of_step is None or of_step > load.most_units_per_step():
        return None
    of_unit = _figure(told.operations_per_unit)
    operations = None if of_unit is None else of_unit * speed / shape.devices
    found = PoolBenchmark(
        load=load.name,
        shape=shape,
        run=str(job["metadata"].get("uid") or job["metadata"]["name"])[:64],
        at=str(status["completionTime"]),
        image=actual.image,
        image_id=actual.image_id,
        accelerator_type=str((status.get("placement") or {}).get("acceleratorType") or "unknown"),
        speed=actual.speed,
        units_per_step=actual.units_per_step,
        operations_per_second=None if operations is None else f"{operations:.5g}",
        precision=actual.precision,
        memory_bytes=actual.memory_bytes,
    )
    return told.pool, found


def _figure(text: str | None) -> float | None:
    """A number above 0; None where a status has none, or something else."""
    try:
        found = float(text or "nan")
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None


class BenchmarksOfPools:
    """Benchmarks that jobs have told and pools have not written down yet."""

    def __init__(self) -> None:
        self._fresh: dict[str, dict[str, PoolBenchmark]] = {}

    def put(self, pool: str, found: PoolBenchmark) -> None:
        """A standard load has ended."""
        waiting = self._fresh.setdefault(pool, {})
        waiting[found.run] = found
        if len(waiting) > _AWAITING:
            del waiting[min(waiting, key=lambda run: (waiting[run].at, run))]

    def take(self, pool: str) -> tuple[PoolBenchmark, ...]:
        """Those that a pool's status is to have next. Whoever cannot write it gives them back."""
        return tuple(self._fresh.pop(pool, {}).values())

    def give_back(self, pool: str, found: Iterable[PoolBenchmark]) -> None:
        """The status was not written."""
        for each in found:
            self.put(pool, each)


def told_benchmarks(
    before: Iterable[PoolBenchmark], fresh: Iterable[PoolBenchmark], *, view: PoolView, image_of: ImageOf, now: str
) -> tuple[PoolBenchmark, ...]:
    """What a pool's status is to say."""
    simulated: dict[str, Any] = {"simulated": view.simulated}
    new = (each.model_copy(update=simulated) for each in fresh)
    return tuple(present(each, view=view, image_of=image_of) for each in merged(before, new, now=now))


def image_by(settings: Settings) -> ImageOf:
    """The image that the installation would train in now."""

    def image_of(family: str, view: PoolView) -> str | None:
        if view.pool.kind is None:
            return None
        answer = compatibility(family=family, accelerator=view.pool.kind, verb=Verb.TRAIN, simulated=view.simulated)
        found = settings.image(Verb.TRAIN, variant=answer.variant)
        return None if found is None else found.reference

    return image_of
