"""All reads of one look at a TrainingJob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hostler.accelerators import Verb
from hostler.api.trainingjob import TrainingJobSpec, TrainingJobStatus, TrainingReason
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.estimates import KnownMeasurements
from hostler.controllers.named import named_model
from hostler.controllers.ports import Admission, Clock, Object, Reader
from hostler.controllers.settings import Settings
from hostler.controllers.sources import missing
from hostler.controllers.trainingjob.choosing import Chooser, assigned_pool, on_pool
from hostler.controllers.trainingjob.config import job_config
from hostler.controllers.trainingjob.data import resolved
from hostler.controllers.trainingjob.estimating import estimated, expected
from hostler.controllers.trainingjob.finish import made_by
from hostler.controllers.trainingjob.observed import Attempt, AttemptState, Observed, Obstacle
from hostler.controllers.trainingjob.policies import wants_seat
from hostler.controllers.trainingjob.preparing import Preparations, Preparing, asked_of, is_wanted, name_of, told
from hostler.controllers.trainingjob.resuming import is_awaited, other_job
from hostler.controllers.trainingjob.seat import SeatVerdict, find_seat
from hostler.controllers.volumes import reaches
from hostler.controllers.workloads import seats_of, told_obstacle, work_of
from hostler.manifests import naming
from hostler.manifests.model import model_name
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.limits import reject_limits
from hostler.planning.models import NamedModel
from hostler.planning.poolgrowth import awaited
from hostler.planning.priorities import NO_CLASS, Priority, find_priority, reject_priority
from hostler.planning.rejection import Rejection
from hostler.planning.remaining import estimate
from hostler.planning.resuming import OtherJob, reject_resuming
from hostler.planning.verdicts import Workload
from hostler.planning.volumes import Reach

_FAREWELL_SECONDS = 15
"""How long the rest of a gang has for its last words, where a stranger's container hides a failure from the Job
controller, which would else end the gang."""


class Gatherer:
    """Reads caches; asks the API server for what is not watched, and before a step that a stale cache would spoil."""

    def __init__(
        self,
        reader: Reader,
        clock: Clock,
        *,
        admission: Admission,
        failures: CreationFailures,
        settings: Settings,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._admission = admission
        self._failures = failures
        self._settings = settings
        self._preparations = Preparations(reader, failures)
        self._measurements = KnownMeasurements(reader)
        self._chooser = Chooser(reader, admission, measurements=self._measurements, reject=self._rejection)

    async def gather(self, job: Object) -> Observed:
        """One moment. Raises ``pydantic.ValidationError`` where the stored spec is not one of this release."""
        spec = TrainingJobSpec.model_validate(job["spec"])
        status = TrainingJobStatus.model_validate(job.get("status") or {})
        namespace = job["metadata"]["namespace"]
        pool = assigned_pool(spec, status)
        spec = on_pool(spec, pool)
        given = resolved(self._reader, spec, namespace=namespace)
        seen = Observed(
            job=job,
            spec=given.spec,
            status=status,
            now=self._clock.now(),
            data=given.data,
            pool=self._admission.pool(pool),
            start_grace_seconds=self._settings.start_grace_seconds,
        )
        # Most jobs of a cluster have ended; they must cost nothing.
        return self._over(seen) if seen.ended else await self._under_way(seen, no_data=given.rejection)

    def _over(self, seen: Observed) -> Observed:
        """Of a job that has ended, whether it still holds a seat, or a claim that is to go: two looks into caches."""
        job = self._reader.get("Job", namespace=seen.namespace, name=naming.attempt_name(seen.name, seen.remembered))
        if job is None or _controller_uid(job) != seen.uid:
            return seen
        attempt = Attempt(number=seen.remembered, job=job, pods=())
        if attempt.deleted or (attempt.job_ended and not self._claim_is_to_go(seen)):
            return seen
        return replace(seen, attempts=(attempt,), services=self._services(seen, seen.remembered))

    def _claim_is_to_go(self, seen: Observed) -> bool:
        """Whether somebody deletes the workspace, such as with the Model that owns it. Kubernetes protects a claim from
        its deletion while any pod mounts it, also one that has ended and is kept for its logs."""
        name = seen.spec.storage.claim_name or seen.name
        claim = self._reader.get("PersistentVolumeClaim", namespace=seen.namespace, name=name)
        return claim is not None and bool(claim["metadata"].get("deletionTimestamp"))

    async def _under_way(self, seen: Observed, *, no_data: Rejection | None) -> Observed:
        name, namespace, spec = seen.name, seen.namespace, seen.spec
        pods = self._pods(seen)
        attempts = await self._attempts(seen.job, seen.status, pods)
        unended = tuple(pod for pod in pods if not read.is_terminal(pod))
        seen = replace(seen, attempts=attempts, unended=unended, lost_nodes=self._lost_nodes(unended))
        newest = seen.newest
        live = newest is not None and newest.state is AttemptState.LIVE
        inputs = tuple(self._inputs(spec, namespace))
        other = other_job(self._reader, spec, namespace=namespace)
        facts = TrainingFacts()
        if not spec.suspend and not live:
            facts = await self._facts(seen.job, spec, inputs, no_data=no_data)
            if not _has_checkpoint(seen.status):
                facts = replace(facts, resume=reject_resuming(spec, own_name=name, other=other))
        workload = Workload("TrainingJob", namespace, name)
        preparations = self._preparations.jobs(seen.job)
        seen = replace(
            seen,
            claim=self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name),
            model=self._reader.get("Model", namespace=namespace, name=model_name(spec, name)),
            inputs=inputs,
            other=_usable(other),
            awaited=spec.checkpoint.keep_after_success == 0 and is_awaited(self._reader, name, namespace=namespace),
            facts=facts,
            taken_back=self._admission.lost(workload),
            preemption=self._admission.preempted(workload),
            obstacle=await self._obstacle(seen, newest) if newest is not None and live else None,
            services=self._services(seen, seen.latest) if _closes(seen) else (),
            obsolete=(*_obsolete(seen), *told(preparations, seen.status)),
            preparations=preparations,
        )
        if not wants_seat(seen):
            self._admission.withdraw(workload)
            return seen
        volumes = await reaches(self._reader, _mounted_claims(seen), namespace=namespace)
        return await self._seated(seen, workload, volumes)

    async def _seated(self, seen: Observed, workload: Workload, volumes: tuple[Reach, ...]) -> Observed:
        """With the answer of admission, and of a job that is accepted what it is expected to take."""
        found = self._chooser.chosen(seen, priority=self._priority(seen), volumes=volumes)
        if isinstance(found, Rejection):
            self._admission.withdraw(workload)
            return replace(seen, verdict=found)
        seen, rejection = found, self._rejection(found)
        if rejection is not None:
            self._admission.withdraw(workload)
            return replace(seen, verdict=rejection)
        assert seen.pool.view is not None  # a missing pool is a rejection
        if not _has_checkpoint(seen.status):
            view, name = seen.pool.view, seen.pool.view.pool.name
            known, benchmarks = self._measurements.of(name), self._measurements.benchmarks(name)
            estimate_now = estimated(seen, view=view, known=known, benchmarks=benchmarks)
            seen = replace(seen, estimate=estimate_now)
            beyond = reject_limits(seen.spec, view=view, expected=expected(estimate_now))
            if beyond is not None:
                self._admission.withdraw(workload)
                return replace(seen, verdict=beyond)
        return replace(seen, verdict=await self._seat(seen, workload, volumes))

    def _priority(self, seen: Observed) -> Priority:
        return find_priority(seen.spec.priority_class_name, self._reader.list("PriorityClass")) or NO_CLASS

    def _rejection(self, seen: Observed) -> Rejection | None:
        def has_image(verb: Verb, variant: str) -> bool:
            return self._settings.image(verb, variant=variant) is not None

        return reject_job(
            seen.spec,
            choice=seen.pool,
            facts=seen.facts,
            has_image=has_image,
            allowed_endpoints=self._settings.allowed_endpoints,
        )

    async def _seat(self, seen: Observed, workload: Workload, volumes: tuple[Reach, ...]) -> SeatVerdict:
        if (first := await self._preparing(seen)) is not None:
            # Nobody is in line for accelerators that would wait for a CPU.
            self._admission.withdraw(workload)
            return first
        return find_seat(
            seen.spec,
            workload=workload,
            since=str(seen.job["metadata"].get("creationTimestamp") or seen.now),
            choice=seen.pool,
            placement=seen.status.placement,
            lost=self._admission.lost(workload),
            volumes=volumes,
            told=told_obstacle(seen.status.conditions, generation=seen.generation),
            queue=seen.status.queue,
            ask=self._admission.ask,
            priority=self._priority(seen),
            estimate=estimate(work_of(seen.job, told=seen.estimate)),
        )

    async def _preparing(self, seen: Observed) -> Preparing | None:
        """What has to be prepared first; None where nothing has, or it is done."""
        apart = self._settings.prepares_apart
        if not is_wanted(seen.spec, seen.status, data=seen.data, apart=apart, begun=seen.latest >= 0):
            return None
        assert seen.pool.view is not None  # a missing pool is a rejection
        config = asked_of(job_config(seen, number=0, pods=1, view=seen.pool.view))
        prepared = seen.status.prepared
        if prepared is not None and prepared.job == name_of(config):
            return None
        name = seen.spec.storage.claim_name or seen.name
        claim = self._reader.get("PersistentVolumeClaim", namespace=seen.namespace, name=name)
        return await self._preparations.look(config, jobs=seen.preparations, claim=claim)

    async def _attempts(self, job: Object, status: TrainingJobStatus, pods: list[Object]) -> tuple[Attempt, ...]:
        name, namespace, uid = job["metadata"]["name"], job["metadata"]["namespace"], job["metadata"]["uid"]
        listed = self._reader.list("Job", namespace=namespace, labels={naming.TRAINING_JOB: name})
        jobs = {_number(each): each for each in listed if _controller_uid(each) == uid}
        if status.attempt is not None and status.attempt not in jobs:
            # The status that we wrote may have come back before the Job that we wrote. Without this look, a second
            # attempt would be made beside the first.
            remembered = naming.attempt_name(name, status.attempt)
            found = await self._reader.live("Job", namespace=namespace, name=remembered)
            if found is not None and _controller_uid(found) == uid:
                jobs[status.attempt] = found
        return tuple(
            self._attempt(
                number, jobs[number], [p for p in pods if _controller_uid(p) == jobs[number]["metadata"]["uid"]]
            )
            for number in sorted(jobs)
        )

    def _attempt(self, number: int, job: Object, pods: list[Object]) -> Attempt:
        ends = [(pod, ending) for pod in pods if (ending := read.own_end(pod)) is not None]
        unnoticed = [ending for pod, ending in ends if ending.exit_code != 0 and read.is_outlived(pod)]
        said_all = len(ends) == len(pods)
        now = self._clock.now()
        abandoned = any(
            said_all or moments.elapsed(ending.finished_at, now=now) >= _FAREWELL_SECONDS for ending in unnoticed
        )
        return Attempt(number=number, job=job, pods=tuple(pods), abandoned=abandoned)

    def _pods(self, seen: Observed) -> list[Object]:
        """Pods of this job's Jobs, and those that an earlier object of its name has left.

        Anybody may put our labels on a pod; nobody but the Job controller makes a Job its owner and keeps it so.
        """
        labelled = self._reader.list("Pod", namespace=seen.namespace, labels={naming.TRAINING_JOB: seen.name})
        return [pod for pod in labelled if self._is_ours(pod, seen)]

    def _is_ours(self, pod: Object, seen: Observed) -> bool:
        controller = _controller(pod)
        if controller is None or controller.get("kind") != "Job":
            return False
        if controller["name"] != naming.attempt_name(seen.name, _number(pod)):
            return False
        job = self._reader.get("Job", namespace=seen.namespace, name=controller["name"])
        return job is None or job["metadata"]["uid"] != controller["uid"] or _controller_uid(job) == seen.uid

    async def _obstacle(self, seen: Observed, attempt: Attempt) -> Obstacle | None:
        """What keeps the pods from starting, the most telling first."""
        if len(attempt.running) + len(attempt.done) >= attempt.size:
            return None
        if refused := await self._failures.of_job(attempt.job, attempt.pods):
            return Obstacle(reason=TrainingReason.CHILD_REFUSED, message=refused)
        name = seen.spec.storage.claim_name or seen.name
        claim = self._reader.get("PersistentVolumeClaim", namespace=seen.namespace, name=name)
        if claim is not None and (unbound := await self._failures.of_claim(claim)):
            return Obstacle(reason=TrainingReason.STARTING, message=unbound)
        growing = awaited(seats_of(seen.status.placement)) > 0
        for pod in attempt.pods:
            if growing and read.node_name(pod) is None:
                continue  # That it fits on no node is what an autoscaler waits for; the seat has a deadline.
            held = read.start_obstacle(pod)
            if held is not None:
                return Obstacle(reason=TrainingReason.STARTING, message=held[0])
            if waits := await self._failures.of_pod(pod):
                return Obstacle(reason=TrainingReason.STARTING, message=waits)
        return None

    def _lost_nodes(self, unended: tuple[Object, ...]) -> tuple[str, ...]:
        names = {where for pod in unended if (where := read.node_name(pod))}
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
            namespace=namespace,
            priority=reject_priority(spec.priority_class_name, self._reader.list("PriorityClass")),
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
        if spec.storage.claim_name is None and claim is not None and _controller_uid(claim) != uid:
            return (
                f"metadata.name: claim {name} exists and does not belong to this job: delete it (with the Model that "
                "owns it), name the job otherwise, or use a claim of your own with spec.storage.claimName."
            )
        return ""

    def _services(self, seen: Observed, number: int) -> tuple[Object, ...]:
        """The Service of an attempt, where it has one that is not being deleted."""
        name = naming.attempt_name(seen.name, number)
        found = self._reader.get("Service", namespace=seen.namespace, name=name)
        if found is None or _controller_uid(found) != seen.uid or found["metadata"].get("deletionTimestamp"):
            return ()
        return (found,)


def _mounted_claims(seen: Observed) -> Iterator[str]:
    """Claims that pods of the next attempt mount; the job's own may not be there yet."""
    yield seen.spec.storage.claim_name or seen.name
    source = seen.spec.dataset.source
    if source is not None and source.pvc is not None:
        yield source.pvc.claim_name
    for each in seen.inputs:
        if each.claim is not None:
            yield str(each.claim["metadata"]["name"])
    if seen.other is not None and seen.other.claim is not None:
        yield seen.other.claim


def _has_checkpoint(status: TrainingJobStatus) -> bool:
    """Whether the job is known to have checkpoints of its own, so that it needs nobody else's."""
    return status.progress is not None and status.progress.checkpoint_step is not None


def _usable(other: OtherJob | None) -> OtherJob | None:
    return other if other is not None and other.claim is not None else None


def _closes(seen: Observed) -> bool:
    """Whether the newest attempt is over or is to be ended, and what only it uses may still be there."""
    newest = seen.newest
    if newest is None or newest.number < seen.remembered:
        return seen.remembered > seen.retry.after
    if newest.state is AttemptState.LIVE:
        return seen.spec.suspend or newest.number <= seen.retry.after
    return newest.state is AttemptState.FAILED and (newest.number > seen.retry.after or not newest.job_ended)


def _obsolete(seen: Observed) -> tuple[Object, ...]:
    """Jobs of earlier attempts, but for the newest one that is over, which stays for its logs."""
    over = [a for a in seen.attempts[:-1] if a.state is not AttemptState.LIVE and not a.deleted]
    return tuple(a.job for a in over[:-1] if a.number <= seen.retry.after)


def _number(child: Object) -> int:
    """The attempt; -1 where the label is missing, or is a stranger's."""
    text = str((child["metadata"].get("labels") or {}).get(naming.ATTEMPT, ""))
    return int(text) if text.isdecimal() and text.isascii() else -1


def _controller(child: Object) -> Object | None:
    owners = child["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _controller_uid(child: Object) -> str | None:
    owner = _controller(child)
    return None if owner is None else str(owner["uid"])


def _node_ready(node: Object | None) -> bool:
    if node is None:
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
