"""The end of a job: the Model is registered, then the claim passes to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from hostler.api.model import Ancestor
from hostler.api.trainingjob import TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.trainingjob import children, outcome, progress, wording
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.controllers.trainingjob.report import Report, plan_of
from hostler.manifests.model import Origin, model_name, trained_model
from hostler.manifests.naming import owner_reference
from hostler.planning import pods as read
from hostler.planning.models import NamedModel
from hostler_contract import Result

_SOON_SECONDS = 2.0


def result_of(attempt: Attempt) -> Result | None:
    """What rank 0 left as its last word, where it is a success that makes sense."""
    for pod in attempt.pods:
        if read.index(pod) == 0:
            for ending in read.endings(pod):
                if ending.result is not None and ending.result.succeeded and _inside(ending.result):
                    return ending.result
    return None


def register(seen: Observed, attempt: Attempt, result: Result, *, restarts: int, now: str) -> Plan:
    """Three looks at most: write the Model, see it and hand over the claim, succeed.

    In this order, because a crash in between leaves a claim that still belongs to the job and a job that goes on here.
    """
    name = model_name(seen.spec, seen.name)
    steps = progress.finished(seen.status.progress, result, total_steps=seen.spec.training.steps)
    base = Report(
        restarts=restarts,
        attempt=attempt.number,
        progress=steps,
        comparison=outcome.comparison(result),
        target=outcome.target(result, seen),
    )
    standing = wording.placed(f"Attempt {attempt.number} is complete.")
    if seen.model is None:
        model = trained_model(seen.spec, result, _origin(seen, attempt, result))
        said = wording.registering(standing, f"Training is complete; Model {name} is being registered.")
        return plan_of(seen, replace(base, said=said), now=now, apply=(model,), requeue=_SOON_SECONDS)
    if not made_by(seen.model, seen.uid):
        text = f"Model {name} exists and was not made by this job: delete it, and the trained model takes its name."
        said = wording.rejected(TrainingReason.NAME_TAKEN, text)
        return plan_of(seen, replace(base, said=said), now=now)
    handover: tuple[Object, ...] = ()
    if seen.spec.storage.claim_name is None and seen.claim is not None and not _owned_by(seen.claim, seen.model):
        handover = (children.own_claim(seen, owner_reference("Model", seen.model["metadata"])),)
    report = replace(base, said=wording.succeeded(name), model=name, completion_time=now)
    return plan_of(seen, report, now=now, apply=handover, delete=seen.obsolete)


def _origin(seen: Observed, attempt: Attempt, result: Result) -> Origin:
    base = next((named for named in seen.inputs if named.part is None), None)
    return Origin(
        job=seen.job["metadata"],
        attempt=attempt.number,
        claim=children.claim_name(seen),
        **_dataset(seen, result),
        base=None if base is None else _ancestor(base),
        parts={named.part: _ancestor(named) for named in seen.inputs if named.part is not None},
    )


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


def _owned_by(claim: Object, model: Object) -> bool:
    return any(owner["uid"] == model["metadata"]["uid"] for owner in claim["metadata"].get("ownerReferences") or ())


def _inside(result: Result) -> bool:
    """Whether the artifact lies on the volume: a path that leads elsewhere is no result."""
    if result.artifact is None:
        return False
    path = PurePosixPath(result.artifact.path)
    return not path.is_absolute() and ".." not in path.parts
