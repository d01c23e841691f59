"""All reads of one look at a TrainingJob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from hostler.api.trainingjob import TrainingJobSpec, TrainingJobStatus
from hostler.controllers.ledger import Ledger, Workload
from hostler.controllers.named import named_model
from hostler.controllers.poolstate import choose
from hostler.controllers.ports import Clock, Object, Reader
from hostler.controllers.sources import missing
from hostler.controllers.trainingjob.data import resolved
from hostler.controllers.trainingjob.finish import made_by
from hostler.controllers.trainingjob.observed import Attempt, AttemptState, Observed
from hostler.manifests import naming
from hostler.manifests.model import model_name
from hostler.planning import pods as read
from hostler.planning.acceptance import PoolChoice, TrainingFacts
from hostler.planning.demand import Demand
from hostler.planning.models import NamedModel
from hostler.planning.rejection import Rejection

_REPAIR_AFTER_SECONDS = 15
"""A child that was written a moment ago may not be seen yet; that is no reason to write it again."""


class Gatherer:
    """Reads caches; asks the API server for what is not watched, and before a step that a stale cache would spoil."""

    def __init__(self, reader: Reader, clock: Clock, ledger: Ledger) -> None:
        self._reader = reader
        self._clock = clock
        self._ledger = ledger

    async def gather(self, job: Object) -> Observed:
        """One moment. Raises ``pydantic.ValidationError`` where the stored spec is not one of this release."""
        spec = TrainingJobSpec.model_validate(job["spec"])
        status = TrainingJobStatus.model_validate(job.get("status") or {})
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        given = resolved(self._reader, spec, namespace=namespace)
        seen = Observed(
            job=job,
            spec=given.spec,
            status=status,
            data=given.data,
            pool=lambda: self._pool(spec, namespace=namespace, name=name),
            promised=lambda number: self._promised(namespace, name, number),
        )
        # Most jobs of a cluster have ended; they must cost nothing.
        return seen if seen.ended else await self._under_way(seen, no_data=given.rejection)

    async def _under_way(self, seen: Observed, *, no_data: Rejection | None) -> Observed:
        name, namespace, spec = seen.name, seen.namespace, seen.spec
        pods = self._reader.list("Pod", namespace=namespace, labels={naming.TRAINING_JOB: name})
        attempts = await self._attempts(seen.job, seen.status, pods)
        unended = tuple(pod for pod in pods if not read.is_terminal(pod))
        newest = attempts[-1] if attempts else None
        live = newest is not None and newest.state is AttemptState.LIVE
        inputs = tuple(self._inputs(spec, namespace))
        begins = not spec.suspend and (newest is None or newest.state is AttemptState.FAILED)
        return replace(
            seen,
            attempts=attempts,
            unended=unended,
            unended_on_lost_nodes=self._lost_nodes(unended),
            claim=self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name),
            model=self._reader.get("Model", namespace=namespace, name=model_name(spec, name)),
            inputs=inputs,
            facts=await self._facts(seen.job, spec, inputs, no_data=no_data) if begins else TrainingFacts(),
            # Without its data the file could not be written anew.
            missing=await self._missing(newest) if newest is not None and live and spec.dataset.source else (),
            obsolete=await self._obsolete(namespace, name, attempts, seen.status),
        )

    def _pool(self, spec: TrainingJobSpec, *, namespace: str, name: str) -> PoolChoice:
        asks = Workload(naming.TRAINING_JOB, namespace, name)
        return choose(self._reader, self._ledger, spec.accelerators.pool, asks=asks)

    def _promised(self, namespace: str, name: str, number: int) -> Demand | None:
        return self._ledger.promised("Job", namespace=namespace, name=naming.attempt_name(name, number))

    async def _attempts(self, job: Object, status: TrainingJobStatus, pods: list[Object]) -> tuple[Attempt, ...]:
        name, namespace, uid = job["metadata"]["name"], job["metadata"]["namespace"], job["metadata"]["uid"]
        listed = self._reader.list("Job", namespace=namespace, labels={naming.TRAINING_JOB: name})
        jobs = {_number(each): each for each in listed if _owner_uid(each) == uid}
        if status.attempt is not None and status.attempt not in jobs:
            # The status that we wrote may have come back before the Job that we wrote. Without this look, a second
            # attempt would be made beside the first.
            remembered = naming.attempt_name(name, status.attempt)
            found = await self._reader.live("Job", namespace=namespace, name=remembered)
            if found is not None and _owner_uid(found) == uid:
                jobs[status.attempt] = found
        return tuple(
            Attempt(
                number=number,
                job=jobs[number],
                pods=tuple(p for p in pods if p["metadata"]["labels"].get(naming.ATTEMPT) == str(number)),
            )
            for number in sorted(jobs)
        )

    def _lost_nodes(self, unended: tuple[Object, ...]) -> tuple[str, ...]:
        names = {where for pod in unended if read.is_terminating(pod) and (where := read.node_name(pod))}
        return tuple(sorted(name for name in names if not _node_ready(self._reader.get("Node", name=name))))

    def _inputs(self, spec: TrainingJobSpec, namespace: str) -> Iterator[NamedModel]:
        if spec.base is not None:
            yield named_model(self._reader, spec.base, path="spec.base", namespace=namespace)
        for part, field in type(spec.parts).model_fields.items() if spec.parts is not None else ():
            reference = getattr(spec.parts, part)
            if reference is not None:
                path = f"spec.parts.{field.alias}"
                yield named_model(self._reader, reference, path=path, namespace=namespace, part=part)

    async def _facts(
        self, job: Object, spec: TrainingJobSpec, inputs: tuple[NamedModel, ...], *, no_data: Rejection | None
    ) -> TrainingFacts:
        namespace, source = job["metadata"]["namespace"], spec.dataset.source
        path = "spec.dataset.source"
        return TrainingFacts(
            dataset=no_data,
            dataset_missing=await missing(self._reader, source, path=path, namespace=namespace) if source else "",
            storage_missing=self._storage_missing(spec, namespace),
            name_taken=self._name_taken(job, spec),
            inputs=inputs,
        )

    def _storage_missing(self, spec: TrainingJobSpec, namespace: str) -> str:
        name = spec.storage.claim_name
        if name is None or self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name) is not None:
            return ""
        return (
            f"spec.storage.claimName: there is no claim {name} in namespace {namespace}: create it, or leave "
            "claimName out and the job makes one."
        )

    def _name_taken(self, job: Object, spec: TrainingJobSpec) -> str:
        name, namespace, uid = job["metadata"]["name"], job["metadata"]["namespace"], job["metadata"]["uid"]
        output = model_name(spec, name)
        model = self._reader.get("Model", namespace=namespace, name=output)
        if model is not None and not made_by(model, uid):
            return f"spec.output.name: Model {output} exists and was not made by this job: delete it or choose another."
        claim = self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name)
        if spec.storage.claim_name is None and claim is not None and _owner_uid(claim) != uid:
            return (
                f"metadata.name: claim {name} exists and does not belong to this job: delete it (with the Model that "
                "owns it), name the job otherwise, or use a claim of your own with spec.storage.claimName."
            )
        return ""

    async def _missing(self, attempt: Attempt) -> tuple[str, ...]:
        """Only while pods are starting: once they run, they have read their file and found each other."""
        if all(read.phase(pod) != "Pending" for pod in attempt.pods) and attempt.pods:
            return ()
        if self._age(attempt.job) < _REPAIR_AFTER_SECONDS:
            return ()
        name, namespace = attempt.job["metadata"]["name"], attempt.job["metadata"]["namespace"]
        service = self._reader.get("Service", namespace=namespace, name=name)
        config = await self._reader.live("ConfigMap", namespace=namespace, name=name)
        return tuple(kind for kind, found in (("Service", service), ("ConfigMap", config)) if found is None)

    def _age(self, child: Object) -> float:
        born = child["metadata"].get("creationTimestamp")
        return (_time(self._clock.now()) - _time(born)).total_seconds() if born else 0.0

    async def _obsolete(
        self, namespace: str, name: str, attempts: tuple[Attempt, ...], status: TrainingJobStatus
    ) -> tuple[Object, ...]:
        """Earlier attempts, but for the newest one that is over, which stays for its logs; and what only they used."""
        over = [a for a in attempts[:-1] if a.state is not AttemptState.LIVE and not a.deleted]
        # A failed Job goes only when status has counted it.
        counted = -1 if status.attempt is None else status.attempt
        jobs = [a.job for a in over[:-1] if a.number < counted]
        services = [
            service
            for service in self._reader.list("Service", namespace=namespace, labels={naming.TRAINING_JOB: name})
            if attempts and _number(service) < attempts[-1].number and not service["metadata"].get("deletionTimestamp")
        ]
        # A ConfigMap has the name of its Service, which goes last, because only it can be found without knowing it.
        configs = [
            await self._reader.live("ConfigMap", namespace=namespace, name=service["metadata"]["name"])
            for service in services
        ]
        return (*jobs, *(config for config in configs if config is not None), *services)


def _number(child: Object) -> int:
    return int((child["metadata"].get("labels") or {}).get(naming.ATTEMPT, -1))


def _owner_uid(child: Object) -> str | None:
    owners = child["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _node_ready(node: Object | None) -> bool:
    if node is None:
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
