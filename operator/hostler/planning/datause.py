"""Whether a family can use the columns of a Dataset, by what its status says of them."""

from __future__ import annotations

from collections.abc import Sequence

from hostler.api.dataset import MOST_ROLES
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.planning.rejection import Rejection, rejection
from hostler_contract import Objective


def reject_roles(spec: TrainingJobSpec, roles: Sequence[str], *, path: str, name: str) -> Rejection | None:
    """Data in which no row has what the family learns from. ``roles`` are the columns of all rows together; of data so
    wide that status names only the first of them, nothing can be said."""
    if not roles or len(roles) >= MOST_ROLES:
        return None
    # On demand: data is read in pods, and an operator of which no job names a Dataset starts without knowing how.
    from hostler_data.uses import reads_of, wanted_by

    family, judged = spec.family.value, spec.objective is Objective.PREFERENCE
    if reads_of(family, dict.fromkeys(roles), judged=judged) is not None:
        return None
    what = f"objective {spec.objective} of family {family}" if judged else f"family {family}"
    text = (
        f"Dataset {name} has the columns {', '.join(roles[:8])}{' and more' if len(roles) > 8 else ''}, and {what} "
        f"learns from {wanted_by(family, judged=judged)}: name the columns in the Dataset's spec.columns, or take "
        "another family"
    )
    return rejection(TrainingReason.UNSUPPORTED_COMBINATION, path, text)
