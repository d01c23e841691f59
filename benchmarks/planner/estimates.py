"""What is said beforehand about how long a job runs: the truth, a guess, or nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from enum import StrEnum

from jobs import Job

_FACTOR = 2.0


class Estimates(StrEnum):
    """How good they are."""

    EXACT = "exact"
    NOISY = "noisy"
    """Wrong by a lognormal factor, one sigma of which is 2."""
    NONE = "none"


def estimate(jobs: Iterable[Job], *, how: Estimates, seed: int) -> Mapping[str, float]:
    """Seconds of each job by its name, as somebody says them before it runs."""
    if how is Estimates.NONE:
        return {}
    if how is Estimates.EXACT:
        return {job.name: job.seconds for job in jobs}
    # Of each job's own dice, so that one that is left out does not change what is said of the others.
    return {
        job.name: job.seconds * math.exp(random.Random(f"{seed}/{job.name}").gauss(0.0, math.log(_FACTOR)))
        for job in jobs
    }
