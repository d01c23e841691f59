"""That a workload has to leave its seats for another one, written down before any of its pods is stopped."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.common import MOST_PODS
from hostler.api.placement import NodeSeats
from hostler.api.schema import StatusModel, Timestamp


class Beneficiary(StatusModel):
    """For whom."""

    kind: Annotated[str, Field(max_length=63)]
    """TrainingJob or InferenceService."""
    namespace: Annotated[str, Field(max_length=63)]
    """Its namespace."""
    name: Annotated[str, Field(max_length=63)]
    """Its name."""


class Preempted(StatusModel):
    """The newest preemption; it stays when the workload runs again."""

    by: Beneficiary
    """For whom it had to leave."""
    why: Annotated[str, Field(max_length=63)]
    """LowerPriority, QuotaReclaimed, PastItsEstimate or ReplicaNeeded."""
    at: Timestamp
    """When that was decided."""
    count: Annotated[int, Field(ge=1)]
    """Preemptions so far, this one included."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """The attempt that it ends, of a job: what a later attempt holds was given to it afterwards."""
    keeps: Annotated[
        tuple[NodeSeats, ...],
        Field(
            max_length=MOST_PODS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """On which nodes it goes on, of a job that can do with fewer pods; empty where it has to stop."""
