"""What to do about a TrainingJob: a pure function from what is seen to what is wanted.

``policies`` names the state, ``actions`` has what is done in it. Attempts follow one another and never overlap: the
next one is made only when the last is counted, its Job has ended or gone, and no pod under the job's name may still
run. What is remembered between looks is in the cluster: the Jobs, and the status.
"""

from __future__ import annotations

from dataclasses import replace

from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob.actions import ACTIONS
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.policies import classify
from hostler.controllers.trainingjob.timelimits import next_look


def decide(seen: Observed, *, settings: Settings) -> Plan:
    """One look, one decision."""
    plan = ACTIONS[classify(seen)](seen, settings)
    limit = next_look(seen)
    if limit is None:
        return plan
    return replace(plan, requeue_after=limit if plan.requeue_after is None else min(limit, plan.requeue_after))
