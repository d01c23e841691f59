"""The children of one attempt, from the spec."""

from __future__ import annotations

from hostler.accelerators import Verb, compatibility
from hostler.api.trainingjob import Precision, TrainingJobSpec
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob.observed import Observed
from hostler.families import Shape, family
from hostler.manifests.claim import workspace_claim
from hostler.manifests.configmap import job_config_map
from hostler.manifests.job import WORKSPACE, attempt_job, data_location
from hostler.manifests.model import model_name
from hostler.manifests.naming import owner_reference
from hostler.manifests.service import attempt_service
from hostler.planning import quantities
from hostler.planning.pools import Pool, PoolView
from hostler_contract import (
    CheckpointPolicy,
    DatasetConfig,
    DatasetSource,
    Hyperparameters,
    JobConfig,
    Topology,
    TransformerConfig,
)

_FLOPS = 1e12


def attempt_children(
    seen: Observed, *, number: int, pods: int, view: PoolView, settings: Settings
) -> tuple[Object, ...]:
    """What an attempt needs, in the order in which it is written: the Job last, because it starts everything."""
    pool, owner = view.pool, _owner(seen)
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
    )
    children = (*surroundings(seen, number=number, pods=pods, view=view), job)
    return children if has_claim(seen) else (own_claim(seen, owner), *children)


def surroundings(seen: Observed, *, number: int, pods: int, view: PoolView) -> tuple[Object, ...]:
    """The file and the names of an attempt's pods: what can be written anew while they run, whatever their image."""
    owner, pool = _owner(seen), view.pool.name
    config = job_config(seen, number=number, pods=pods, view=view)
    service = attempt_service(seen.name, number, namespace=seen.namespace, pool=pool, owner=owner)
    return job_config_map(config, pool=pool, owner=owner), service


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


def job_config(seen: Observed, *, number: int, pods: int, view: PoolView) -> JobConfig:
    """What the trainer is asked to do. The formulas are the family's; the container gets their results."""
    spec, pool = seen.spec, view.pool
    sizes = spec.model.transformer
    if sizes is None:
        raise ValueError("spec.model.transformer: the chat family needs the sizes of the network")
    kind, location, sha256 = data_location(spec.dataset.source)
    shape = Shape(**sizes.model_dump())
    return JobConfig(
        name=seen.name,
        namespace=seen.namespace,
        attempt=number,
        family="chat",
        model_name=model_name(spec, seen.name),
        model=TransformerConfig(**sizes.model_dump()),
        dataset=DatasetConfig(
            source=DatasetSource.model_validate({"kind": kind, "location": location, "sha256": sha256}),
            validation_percent=spec.dataset.validation_percent,
        ),
        hyperparameters=_hyperparameters(spec),
        checkpoint=CheckpointPolicy(every_steps=spec.checkpoint.every_steps, keep=spec.checkpoint.keep),
        topology=Topology(pods=pods, processes_per_pod=spec.accelerators.per_pod if pool.resource else 1),
        flops_per_token=family(spec.family.value).training_flops_per_token(shape),
        accelerator=pool.spec.accelerator_type,
        # Simulated devices compute nothing: a share of the real one's peak would be a made-up figure.
        peak_flops_per_process=None if view.simulated else peak_flops(pool, spec.training.precision),
        # On a claim of the user's, every job keeps to a directory of its own.
        workspace=WORKSPACE if spec.storage.claim_name is None else f"{WORKSPACE}/{seen.name}",
    )


def peak_flops(pool: Pool, precision: Precision) -> float | None:
    """Peak of one accelerator in the precision that the trainer will use; None where nobody published it."""
    if pool.kind is None:
        return None
    peak = pool.kind.peak_dense
    by_precision = {
        Precision.BF16: peak.bf16_tflops,
        Precision.FP32: peak.fp32_tflops,
        Precision.AUTO: peak.bf16_tflops or peak.fp32_tflops,
    }
    found = by_precision[precision]
    return None if found is None else found * _FLOPS


def _owner(seen: Observed) -> Object:
    return owner_reference("TrainingJob", seen.job["metadata"])


def _hyperparameters(spec: TrainingJobSpec) -> Hyperparameters:
    training = spec.training
    return Hyperparameters(
        steps=training.steps,
        batch_size=training.batch_size,
        learning_rate=float(training.learning_rate),
        warmup_steps=training.warmup_steps,
        weight_decay=float(training.weight_decay),
        gradient_clip=float(training.gradient_clip),
        seed=training.seed,
        precision=training.precision.value,
    )
