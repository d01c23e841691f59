"""From the last word of rank 0 to a Model."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from hostler.api.model import Ancestor
from hostler.controllers.ports import Object
from hostler.controllers.trainingjob import children
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.manifests.model import Origin, trained_model
from hostler.planning import pods as read
from hostler.planning.models import NamedModel
from hostler_contract import Result


def result_of(attempt: Attempt) -> Result | None:
    """What rank 0 left as its last word, where it is a success that makes sense."""
    for pod in attempt.pods:
        if read.index(pod) == 0:
            for ending in read.endings(pod):
                if ending.result is not None and ending.result.succeeded and _inside(ending.result):
                    return ending.result
    return None


def model_of(seen: Observed, attempt: Attempt, result: Result) -> Object:
    """The Model. Raises ``pydantic.ValidationError`` where the result makes none."""
    return trained_model(seen.spec, result, _origin(seen, attempt, result))


def _origin(seen: Observed, attempt: Attempt, result: Result) -> Origin:
    base = next((named for named in seen.inputs if named.part is None), None)
    return Origin(
        job=seen.job["metadata"],
        attempt=attempt.number,
        claim=children.claim_name(seen),
        **_dataset(seen, result),
        base=None if base is None else _ancestor(base),
        base_license=base_license(seen),
        parts={named.part: _ancestor(named) for named in seen.inputs if named.part is not None},
    )


def base_license(seen: Observed) -> str | None:
    """Licence of the base; None where the job has none, or it is gone."""
    found = next((named.model for named in seen.inputs if named.part is None), None)
    return None if found is None else found.license


def _dataset(seen: Observed, result: Result) -> dict[str, Any]:
    """The Dataset and its version, if it still is the one that was trained on: there may be a newer one by now."""
    if seen.data is None or result.dataset is None or result.dataset.sha256 != seen.data.sha256:
        return {}
    return {"dataset": seen.data.name, "dataset_version": seen.data.version}


def _ancestor(named: NamedModel) -> Ancestor:
    sha256 = named.model.artifacts.sha256 if named.model is not None else None
    return Ancestor(kind=named.reference.kind, name=named.reference.name, sha256=sha256)


def made_by(model: Object, uid: str) -> bool:
    """Whether a Model is the output of exactly this job: names are used again, UIDs are not."""
    return bool((model["spec"].get("lineage") or {}).get("trainingJobUid") == uid)


def owned_by(claim: Object, model: Object) -> bool:
    """Whether the claim has passed to the Model already."""
    return any(owner["uid"] == model["metadata"]["uid"] for owner in claim["metadata"].get("ownerReferences") or ())


def _inside(result: Result) -> bool:
    """Whether the artifact lies on the volume: a path that leads elsewhere is no result."""
    if result.artifact is None:
        return False
    path = PurePosixPath(result.artifact.path)
    return not path.is_absolute() and ".." not in path.parts
