"""The children of one attempt, from the spec."""

from __future__ import annotations

from hostler.accelerators import Verb, compatibility
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob.config import job_config
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.manifests.claim import workspace_claim
from hostler.manifests.downloads import at_mirror
from hostler.manifests.inputs import base_mount, other_workspace_mount, part_mount
from hostler.manifests.job import attempt_job
from hostler.manifests.naming import owner_reference
from hostler.manifests.networkpolicy import preparer_policy, trainer_policy
from hostler.manifests.podtemplate import Mount
from hostler.manifests.preparejob import preparation_job
from hostler.manifests.service import attempt_service
from hostler.planning import quantities
from hostler.planning.imports import place_of
from hostler.planning.pools import PoolView
from hostler.planning.verdicts import Seats


def attempt_children(
    seen: Observed, *, number: int, seats: Seats, view: PoolView, settings: Settings
) -> tuple[Object, ...]:
    """What an attempt needs, in the order in which it is written: the Job last, because it starts everything."""
    pool, owner, pods = view.pool, _owner(seen), sum(seats.values())
    assert pool.kind is not None  # placement refuses pools with a problem
    answer = compatibility(
        family=seen.spec.family.value, accelerator=pool.kind, verb=Verb.TRAIN, simulated=view.simulated
    )
    image = settings.image(Verb.TRAIN, variant=answer.variant)
    if image is None:
        raise ValueError(f"no runtime image trains on {pool.kind.id}: acceptance refuses such a job")
    job = attempt_job(
        seen.spec,
        job_config(seen, number=number, pods=pods, view=view),
        image=image,
        pool=pool,
        claim=claim_name(seen),
        owner=owner,
        seats=seats,
        inputs=[*_input_mounts(seen), *_other_workspace(seen)],
        downloads=settings.imports,
    )
    children = (*_policies(seen, settings), *_service(seen, number=number, pods=pods), job)
    return children if has_claim(seen) else (own_claim(seen, owner), *children)


def preparation_children(seen: Observed, step: Preparing, *, settings: Settings) -> tuple[Object, ...]:
    """What prepares the data: the claim, the policy, and the Job last."""
    owner, view = _owner(seen), seen.pool.view
    assert view is not None  # a missing pool is a rejection
    job = preparation_job(
        seen.spec,
        step.config,
        name=step.name,
        image=settings.default_image(Verb.TRAIN),
        pool=view.pool,
        claim=claim_name(seen),
        owner=owner,
        inputs=_input_mounts(seen),
        downloads=settings.imports,
    )
    claim = () if has_claim(seen) else (own_claim(seen, owner),)
    return (*claim, *preparation_policies(seen, settings), job)


def preparation_policies(seen: Observed, settings: Settings) -> tuple[Object, ...]:
    """What the pod that prepares data may reach, where there are rules."""
    source = seen.spec.dataset.source
    if settings.traffic is None:
        return ()
    source = at_mirror(source, settings.imports) if source is not None else None
    return (preparer_policy(seen.name, source, namespace=seen.namespace, rules=settings.traffic, owner=_owner(seen)),)


def upkeep(seen: Observed, *, number: int, pods: int, settings: Settings) -> tuple[Object, ...]:
    """What must be there, and as it was written, for as long as pods of the attempt run."""
    return (*_policies(seen, settings), *_service(seen, number=number, pods=pods))


def _policies(seen: Observed, settings: Settings) -> tuple[Object, ...]:
    """Of the whole job, and before its pods. Without its Dataset, a running job keeps the policy that it has."""
    source = seen.spec.dataset.source
    if settings.traffic is None or source is None:
        return ()
    source = at_mirror(source, settings.imports)
    return (trainer_policy(seen.name, source, namespace=seen.namespace, rules=settings.traffic, owner=_owner(seen)),)


def _service(seen: Observed, *, number: int, pods: int) -> tuple[Object, ...]:
    """Under which an attempt's pods find each other; one that is alone has nobody to find."""
    if pods == 1:
        return ()
    pool = seen.spec.accelerators.pool or ""
    return (attempt_service(seen.name, number, namespace=seen.namespace, pool=pool, owner=_owner(seen)),)


def claim_name(seen: Observed) -> str:
    """The claim with the workspace: the user's, or the job's own."""
    return seen.spec.storage.claim_name or seen.name


def has_claim(seen: Observed) -> bool:
    """Whether nothing has to be made."""
    return seen.spec.storage.claim_name is not None or seen.claim is not None


def own_claim(seen: Observed, owner: Object) -> Object:
    """The job's own claim, with the owner that it has now.

    Somebody may have enlarged it in the meantime, and the server refuses to make a claim smaller.
    """
    storage = seen.spec.storage
    requests = ((seen.claim or {}).get("spec") or {}).get("resources", {}).get("requests", {})
    size = requests.get("storage", storage.size)
    if quantities.parse(size) > quantities.parse(storage.size):
        storage = storage.model_copy(update={"size": size})
    return workspace_claim(seen.name, storage, namespace=seen.namespace, owner=owner)


def _input_mounts(seen: Observed) -> list[Mount]:
    """Base and parts, from the claims or images of their Models."""
    mounts = []
    for named in seen.inputs:
        source = place_of(named.model.artifacts.source) if named.model is not None else None
        if source is None:
            raise ValueError(f"{named.path}: {named.title} cannot be mounted: acceptance refuses such a job")
        mounts.append(base_mount(source) if named.part is None else part_mount(named.part, source))
    return mounts


def _other_workspace(seen: Observed) -> list[Mount]:
    """The volume of the job whose checkpoints are the start."""
    if seen.other is None or seen.other.claim is None:
        return []
    return [other_workspace_mount(seen.other.claim)]


def _owner(seen: Observed) -> Object:
    return owner_reference("TrainingJob", seen.job["metadata"])
