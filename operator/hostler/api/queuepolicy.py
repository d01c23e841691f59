"""How a pool's line is ordered, and what each namespace may hold of the pool."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.schema import ApiModel, Duration, Name, cel, rules

MOST_QUOTAS = 64
MOST_NAMESPACES = 8
"""Namespaces of one quota. The API server compares every namespace with every quota and bounds what that may cost."""


class QueueOrder(StrEnum):
    """Who comes first of those of the same priority."""

    FAIR = "fair"
    """Namespaces that used less than their weight first, then what is done soonest, softly aged."""
    FIFO = "fifo"
    """Who came first."""


class PreemptionPolicy(StrEnum):
    """Whether those that run may be stopped for others."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class OtherNamespaces(StrEnum):
    """What users learn of the workloads of namespaces that are not theirs."""

    HIDDEN = "hidden"
    """That there are some, and no names."""
    NAMED = "named"
    """Their namespaces and names."""


class NamespaceQuota(ApiModel):
    """What some namespaces may hold of the pool together, in accelerators of the type's unit (cores in a cpu pool)."""

    namespaces: Annotated[
        tuple[Name, ...],
        Field(min_length=1, max_length=MOST_NAMESPACES, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Whose they are; they share the quota. A namespace stands in at most one quota of a pool."""
    nominal: Annotated[int, Field(ge=0, le=1_000_000)]
    """What is theirs: lent to others while they do not use it, and taken back by preemption when they do."""
    borrowing_limit: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Most that they may hold beyond nominal of what others leave idle; 0 means nothing, absent means no limit."""
    weight: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=16,
                json_schema_extra=rules(
                    cel(
                        "self.matches('^[0-9]{1,6}([.][0-9]{1,6})?$') && double(self) > 0.0",
                        "must be a number above 0 such as '2' or '0.5': with twice the weight these namespaces come "
                        "first until they have used twice as much",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """What their use is divided by when order fair compares them with others; absent means nominal, and 1 where that is
    0."""


class QueuePolicy(ApiModel):
    """How the pool's line is ordered, and who may hold how much. Namespaces that no quota names share what the quotas
    leave of the pool, may borrow what is idle, and have weight 1 each."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.quotas) || self.quotas.all(a, a.namespaces.all(n, "
                "self.quotas.exists_one(b, n in b.namespaces)))",
                "a namespace stands in two quotas: remove it from one of them",
                field_path=".quotas",
            )
        )
    )

    order: QueueOrder = QueueOrder.FAIR
    """Who comes first of those of the same priority: fair (namespaces that have used less than their share, then what
    is done soonest, softly aged by waiting) or fifo (who came first)."""
    usage_half_life: Duration = "168h"
    """After this time a namespace's past use counts half as much in order fair."""
    preemption: PreemptionPolicy = PreemptionPolicy.ENABLED
    """Whether jobs that run may be stopped, with a checkpoint: for those of higher priority, for namespaces whose quota
    they have borrowed, for services that need another replica, once they are past an estimate that was too low, and to
    go on with more pods where nobody waits."""
    other_namespaces: OtherNamespaces = OtherNamespaces.HIDDEN
    """Whether a status may name workloads of other namespaces, such as the one whose end a job waits for: hidden says
    that there is one, named says which."""
    quotas: Annotated[tuple[NamespaceQuota, ...], Field(max_length=MOST_QUOTAS)] = ()
    """What namespaces may hold; empty means that everybody may hold everything."""
