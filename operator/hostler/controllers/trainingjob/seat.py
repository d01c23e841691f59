"""A seat for the next attempt: the one question that a job puts to its pool.

Everything that policies and actions know of other workloads is in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.acceptance import HasImage, PoolChoice, TrainingFacts, ask_of_job, reject_job
from hostler.planning.demand import Demand
from hostler.planning.endpoints import EndpointPattern
from hostler.planning.placement import Placed, Waiting, place
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection


@dataclass(frozen=True, kw_only=True)
class Seat:
    """The next attempt may begin."""

    pods: int
    view: PoolView


Verdict = Seat | Waiting | Rejection


def find_seat(
    spec: TrainingJobSpec,
    *,
    choice: PoolChoice,
    facts: TrainingFacts,
    promised: Demand | None,
    has_image: HasImage,
    allowed_endpoints: Sequence[EndpointPattern] = (),
) -> Verdict:
    """Where the next attempt fits now, or why it does not, or why it never will.

    ``promised`` is what was promised to the same attempt in an earlier look, where its Job has not been seen yet: its
    size must not change, because a Job's cannot.
    """
    rejection = reject_job(spec, choice=choice, facts=facts, has_image=has_image, allowed_endpoints=allowed_endpoints)
    if rejection is not None:
        return rejection
    view = choice.view
    assert view is not None  # a missing pool is a rejection
    if promised is not None:
        return Seat(pods=promised.pods, view=view)
    found = place(view, ask_of_job(spec, resource=view.pool.resource))
    return Seat(pods=found.pods, view=view) if isinstance(found, Placed) else found
