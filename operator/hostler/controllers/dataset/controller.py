"""The loop body of Dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import ValidationError

from hostler.accelerators import Verb
from hostler.api.conditions import find
from hostler.api.dataset import DatasetCondition, DatasetReason, DatasetSpec, DatasetStatus
from hostler.cluster.store import Change
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.dataset.decide import decide, plan_of
from hostler.controllers.dataset.observed import Observed, ended
from hostler.controllers.filedjobs import with_files
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import conditions, no
from hostler.controllers.settings import Settings
from hostler.controllers.sources import missing
from hostler.controllers.triggers import key_of, referring
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning import moments
from hostler.planning import pods as read

_CHILDREN = frozenset({"Job", "NetworkPolicy", "Pod"})
_REPAIR_AFTER_SECONDS = 15
"""A pod begins within that time as a rule, and has read its file then."""


class DatasetController:
    """Gather, decide, act, status."""

    kind = "Dataset"

    def __init__(
        self, reader: Reader, writer: Writer, *, clock: Clock, settings: Settings, failures: CreationFailures
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._failures = failures

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one dataset a step further."""
        dataset = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if dataset is None or dataset["metadata"].get("deletionTimestamp"):
            # Children have the dataset as their owner; the garbage collector takes them.
            return Outcome()
        now = self._clock.now()
        try:
            seen = await self._gather(dataset)
        except ValidationError as error:
            return await write_status(self._writer, dataset, _invalid(dataset, error, now=now))
        plan = decide(
            seen,
            now=now,
            image=self._settings.default_image(Verb.TRAIN),
            recheck=self._settings.recheck_seconds,
            allowed_endpoints=self._settings.allowed_endpoints,
            traffic=self._settings.traffic,
            downloads=self._settings.imports,
        )
        try:
            await write_children(self._writer, dataset, plan)
        except RefusedError as refusal:
            said = no(DatasetReason.CHILD_REFUSED, str(refusal))
            plan = plan_of(seen, said, now=now, requeue=self._settings.recheck_seconds)
        return await write_status(self._writer, dataset, plan)

    def affected(self, change: Change) -> Iterable[Key]:
        """The dataset itself, the one to which a child or a pod belongs, and those on a claim."""
        found = {key_of(obj): None for obj in referring(self._reader, self.kind, change)}
        for obj in filter(None, (change.old, change.new)):
            if change.kind == self.kind:
                found[key_of(obj)] = None
            elif change.kind in _CHILDREN and (named := (obj["metadata"].get("labels") or {}).get(naming.DATASET)):
                found[Key(self.kind, obj["metadata"]["namespace"], named)] = None
        return found

    async def _gather(self, dataset: Object) -> Observed:
        spec = DatasetSpec.model_validate(dataset["spec"])
        status = DatasetStatus.model_validate(dataset.get("status") or {})
        name, namespace = dataset["metadata"]["name"], dataset["metadata"]["namespace"]
        generation = int(dataset["metadata"].get("generation") or 0)
        labels = {naming.DATASET: name}
        # Children of an earlier object of the same name are on their way out, and speak of other data.
        listed = self._reader.list("Job", namespace=namespace, labels=labels)
        jobs = [job for job in listed if _owned_by(job, dataset)]
        current = naming.inspection_name(name, generation)
        job = next((job for job in jobs if job["metadata"]["name"] == current), None)
        listed = self._reader.list("Pod", namespace=namespace, labels=labels) if job is not None else []
        pods = tuple(pod for pod in listed if job is not None and _owned_by(pod, job))
        # All is known, and a stranger's container would keep the pod for ever.
        kept_alive = status.inspected_generation == generation and any(map(read.is_outlived, pods))
        done_with = [each for each in jobs if each is not job or kept_alive or self._lets_go(each, spec, status)]
        seen = Observed(
            dataset=dataset,
            spec=spec,
            status=status,
            job=job,
            pods=pods,
            refused=await self._failures.of_job(job, pods) if job is not None else "",
            file_missing=job is not None and await self._file_missing(job, pods),
            held_up=await self._held_up(spec, pods, namespace=namespace),
            obsolete=await with_files(self._reader, done_with),
        )
        if seen.inspected or seen.job is not None:
            return seen
        said = await missing(self._reader, spec.source, path="spec.source", namespace=namespace)
        return replace(seen, missing=said)

    def _lets_go(self, job: Object, spec: DatasetSpec, status: DatasetStatus) -> bool:
        """Whether the Job of this generation has told all, and its pod only keeps a claim from going away: Kubernetes
        protects a claim from its deletion while any pod mounts it, also one that has ended."""
        if spec.source.pvc is None or not _told(job, status):
            return False
        namespace = job["metadata"]["namespace"]
        claim = self._reader.get("PersistentVolumeClaim", namespace=namespace, name=spec.source.pvc.claim_name)
        return claim is not None and bool(claim["metadata"].get("deletionTimestamp"))

    async def _file_missing(self, job: Object, pods: Iterable[Object]) -> bool:
        """Whether the file is gone that a pod waits for. A pod that has begun has read it."""
        born = job["metadata"].get("creationTimestamp")
        young = born is None or moments.elapsed(born, now=self._clock.now()) < _REPAIR_AFTER_SECONDS
        if young or ended(job) or any(read.phase(pod) != "Pending" for pod in pods):
            return False
        metadata = job["metadata"]
        return await self._reader.live("ConfigMap", namespace=metadata["namespace"], name=metadata["name"]) is None

    async def _held_up(self, spec: DatasetSpec, pods: Iterable[Object], *, namespace: str) -> str:
        """Why the pod does not begin, where neither its status nor its Job says it: a claim, or a mount."""
        for pod in pods:
            if said := await self._failures.of_pod(pod):
                return said
        named = spec.source.pvc.claim_name if spec.source.pvc is not None else ""
        claim = named and self._reader.get("PersistentVolumeClaim", namespace=namespace, name=named)
        return await self._failures.of_claim(claim) if claim else ""


def _told(job: Object, status: DatasetStatus) -> bool:
    """Whether the Job has ended, and status has what it said."""
    ready = find(status.conditions, DatasetCondition.READY)
    return ended(job) and ready is not None and ready.reason != DatasetReason.INSPECTING


def _owned_by(child: Object, owner: Object) -> bool:
    references = child["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _invalid(dataset: Object, error: ValidationError, *, now: str) -> Plan:
    """The earlier figures stay; only the condition says that this spec cannot be read."""
    before = DatasetStatus.model_validate(dataset.get("status") or {})
    generation = int(dataset["metadata"].get("generation") or 0)
    said = {"Ready": no(DatasetReason.INVALID_SPEC, invalid_spec_sentence(error))}
    after = conditions(before.conditions, said, generation=generation, now=now)
    status = before.model_copy(update={"observed_generation": generation, "conditions": after})
    return Plan(status=status.model_dump(mode="json", by_alias=True, exclude_none=True))
