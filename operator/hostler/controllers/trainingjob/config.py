"""The file of an attempt, ``job.json``: the spec in the words of the contract, and figures from the registry."""

from __future__ import annotations

from hostler.api.hyperparameters import Packing, Precision
from hostler.api.trainingjob import Evaluation, TrainingJobSpec
from hostler.controllers.trainingjob.finish import base_license
from hostler.controllers.trainingjob.observed import Observed
from hostler.manifests.inputs import BASE, OTHER_WORKSPACE, directory_in, part_path
from hostler.manifests.job import WORKSPACE, dataset_config
from hostler.manifests.model import license_of, model_name, network
from hostler.planning.estimate.jobs import operations_of_unit
from hostler.planning.estimate.speed import peak_of, precision_of
from hostler.planning.imports import place_of
from hostler.planning.pools import Pool, PoolView
from hostler_contract import (
    CheckpointPolicy,
    EvaluationConfig,
    Hyperparameters,
    Inputs,
    JobConfig,
    ObjectiveConfig,
    PackingConfig,
    StopAt,
    Topology,
)
from hostler_contract.objective import (
    DistillConfig,
    LoraConfig,
    PreferenceConfig,
    PruneConfig,
    QuantizeConfig,
    SemiSupervisedConfig,
)


def job_config(seen: Observed, *, number: int, pods: int, view: PoolView) -> JobConfig:
    """What the trainer is asked to do. The formulas are the family's; the container gets their results."""
    spec, pool = seen.spec, view.pool
    return JobConfig(
        name=seen.name,
        namespace=seen.namespace,
        attempt=number,
        family=spec.family.value,
        objective=_objective(spec),
        model_name=model_name(spec, seen.name),
        license=license_of(spec, base_license(seen)),
        model=network(spec),
        inputs=_inputs(seen),
        prepared=None if seen.status.prepared is None else seen.status.prepared.key,
        resume_from=_other_workspace(seen),
        # Nothing else is trained on than what the Dataset's status speaks of.
        dataset=dataset_config(spec.dataset, sha256=seen.data.sha256 if seen.data else None),
        packing=_packing(spec.training.packing),
        overlong=spec.training.overlong.value,
        hyperparameters=_hyperparameters(spec),
        evaluation=_evaluation(spec.evaluation),
        checkpoint=_checkpoint(seen),
        topology=Topology(pods=pods, processes_per_pod=spec.accelerators.per_pod if pool.resource else 1),
        shrink=2**seen.retry.halvings,
        flops_per_unit=operations_of_unit(spec, base=None),
        accelerator=pool.spec.accelerator_type,
        # Simulated devices compute nothing: a share of the real one's peak would be a made-up figure.
        peak_flops_per_process=None if view.simulated else peak_flops(pool, spec.training.precision),
        # On a claim of the user's, every job keeps to a directory of its own.
        workspace=WORKSPACE if spec.storage.claim_name is None else f"{WORKSPACE}/{seen.name}",
    )


def peak_flops(pool: Pool, precision: Precision) -> float | None:
    """Peak of one accelerator in the precision that the trainer will use; None where nobody published it."""
    return None if pool.kind is None else peak_of(pool.kind, precision_of(pool.kind, precision.value))


def _objective(spec: TrainingJobSpec) -> ObjectiveConfig:
    """Absent sections take the contract's own defaults, which are the API's."""
    given = {
        "lora": spec.lora and LoraConfig.model_validate(spec.lora.model_dump()),
        "preference": spec.preference and PreferenceConfig.model_validate(spec.preference.model_dump()),
        "distill": spec.distill and DistillConfig.model_validate(spec.distill.model_dump()),
        "prune": spec.prune and PruneConfig.model_validate(spec.prune.model_dump()),
        "quantize": spec.quantize and QuantizeConfig.model_validate(spec.quantize.model_dump()),
        "semi_supervised": spec.semi_supervised
        and SemiSupervisedConfig.model_validate(spec.semi_supervised.model_dump()),
    }
    sections = {name: section for name, section in given.items() if section is not None}
    return ObjectiveConfig.model_validate({"kind": spec.objective, "supervision": spec.supervision, **sections})


def _inputs(seen: Observed) -> Inputs:
    spec = seen.spec
    places = {named.part: place_of(named.model.artifacts.source) for named in seen.inputs if named.model is not None}
    parts = spec.parts.model_dump(exclude_none=True) if spec.parts is not None else {}
    return Inputs(
        base=directory_in(BASE, places.get(None)) if spec.base is not None else None,
        parts={name: directory_in(part_path(name), places.get(name)) for name in parts},
    )


def _other_workspace(seen: Observed) -> str | None:
    return None if seen.other is None else f"{OTHER_WORKSPACE}/{seen.other.directory}".rstrip("/")


def _checkpoint(seen: Observed) -> CheckpointPolicy:
    policy = seen.spec.checkpoint
    return CheckpointPolicy(
        every_steps=policy.every_steps,
        keep=policy.keep,
        # Whoever is to start from this job finds something to start from.
        keep_after_success=max(policy.keep_after_success, int(seen.awaited)),
    )


def _packing(packing: Packing) -> PackingConfig:
    return PackingConfig(mode=packing.mode.value, strategy=packing.strategy.value, max_per_pack=packing.max_per_pack)


def _evaluation(evaluation: Evaluation) -> EvaluationConfig:
    stop = evaluation.stop_at
    return EvaluationConfig(
        every_steps=evaluation.every_steps,
        stop_at=None if stop is None else StopAt(metric=stop.metric, min=_float(stop.min), max=_float(stop.max)),
        gates=[gate.metric for gate in evaluation.gates],
        samples=evaluation.samples,
    )


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)


def _hyperparameters(spec: TrainingJobSpec) -> Hyperparameters:
    training = spec.training
    return Hyperparameters(
        steps=training.steps,
        batch_size=training.batch_size,
        context_length=training.context_length,
        gradient_accumulation=training.gradient_accumulation,
        learning_rate=float(training.learning_rate),
        warmup_steps=training.warmup_steps,
        weight_decay=float(training.weight_decay),
        gradient_clip=float(training.gradient_clip),
        seed=training.seed,
        precision=training.precision.value,
        deterministic=training.deterministic,
        parallelism=training.parallelism.value,
    )
