"""The truth about the replicas: the condition Ready, and the failure of one that ended."""

from __future__ import annotations

from hostler.api.common import Failure
from hostler.api.inferenceservice import ServiceReason as R
from hostler.controllers.inferenceservice.admission import Ground
from hostler.controllers.inferenceservice.observed import Observed, revision_of
from hostler.controllers.inferenceservice.upkeep import Upkeep
from hostler.controllers.inferenceservice.wording import replicas, verb
from hostler.controllers.ports import Object
from hostler.controllers.said import Said, no, yes
from hostler.planning import pods as read
from hostler.planning import refusals
from hostler.planning.failures import Cause, replica_failure

ENDPOINT_SECONDS = 10
"""How long a ready pod may be no endpoint before that is said: the controller of endpoints follows in its own time."""


def readiness(seen: Observed, ground: Ground, wanted: Upkeep, *, now: str) -> tuple[Said, Failure | None]:
    """What is said of the replicas of this revision."""
    rollout, count = seen.rollout, seen.spec.pods.max
    current = [pod for pod in seen.pods if revision_of(pod) == ground.revision and not read.is_terminating(pod)]
    cause = next((ended for pod in current if (ended := replica_failure(pod))), None)
    if rollout is None or revision_of(seen.deployment) != ground.revision or rollout.wanted != count:
        return _rolled_out(seen, ground, wanted), None
    if rollout.complete:
        return _complete(seen, ground, wanted, current, now=now), _failure(cause)
    good = sum(1 for pod in current if read.is_ready(pod))
    state, others = _ready_of(good, ground, of=count), max(0, rollout.ready - good)
    if refused := refusals.of_deployment(seen.deployment or {}):
        return no(R.CHILD_REFUSED, f"{state}: {refused}{_others(others)}"), _failure(cause)
    if cause is not None:
        return no(R.REPLICA_FAILED, f"{state}: {cause.message.rstrip('.')}.{_others(others)}"), _failure(cause)
    obstacle = next((found for pod in current if (found := read.start_obstacle(pod))), None)
    detail = f"{state}: {obstacle[0].rstrip('.')}." if obstacle else f"{state}."
    text = " ".join(filter(None, (detail, seen.held_up))) + _others(others)
    if obstacle is not None and obstacle[1]:
        return no(R.REPLICA_FAILED, text), None
    return no(R.UPDATING if others else R.STARTING, text), None


def _rolled_out(seen: Observed, ground: Ground, wanted: Upkeep) -> Said:
    """The Deployment is about to be written, or was a moment ago."""
    serving = seen.rollout.ready if seen.rollout else 0
    begun = f"Revision {ground.revision} is being rolled out."
    # Somebody else's number of replicas is no new revision.
    changes = [f"{change} and is put back." for change in wanted.changes if "spec.replicas" in change.fields]
    text = " ".join(changes) or begun
    if not serving:
        return no(R.STARTING, text)
    return no(R.UPDATING, f"{text} {replicas(serving)} {verb(serving, 'serve', 'serves')} meanwhile.")


def _complete(seen: Observed, ground: Ground, wanted: Upkeep, current: list[Object], *, now: str) -> Said:
    """Every replica is ready; whether clients reach them is another question."""
    count = seen.spec.pods.max
    state = _ready_of(count, ground, of=count)
    reached = sum(read.name(pod) in seen.reachable for pod in current)
    if reached >= count:
        return yes(R.SERVING, " ".join(filter(None, (f"{state}.", _outdated(seen, wanted)))))
    if any(_just_ready(pod, now=now) for pod in current if read.name(pod) not in seen.reachable):
        return no(R.STARTING, f"{state}; Service {seen.name} does not lead to all of them yet.")
    text = (
        f"{state}, but Service {seen.name} leads to {reached} of them: nobody else may choose its pods or set their "
        "labels, and the controller of EndpointSlices must run (kubectl get endpointslices -l "
        f"kubernetes.io/service-name={seen.name})."
    )
    return no(R.NO_ENDPOINTS, text)


def _just_ready(pod: Object, *, now: str) -> bool:
    since = read.ready_since(pod)
    return since is not None and refusals.seconds_between(since, now) < ENDPOINT_SECONDS


def _outdated(seen: Observed, wanted: Upkeep) -> str:
    if wanted.outdated_image is None:
        return ""
    return (
        f"They run {wanted.outdated_image} and the installation has {wanted.newest_image}: the next change of the spec "
        f"brings it, or kubectl rollout restart deployment/{seen.name}."
    )


def _ready_of(good: int, ground: Ground, *, of: int) -> str:
    return f"{good} of {replicas(of)} of revision {ground.revision} {verb(of, 'are', 'is')} ready"


def _others(count: int) -> str:
    """Replicas of an older revision, which serve while the new ones come."""
    return f" {replicas(count)} of an older revision {verb(count, 'serve', 'serves')} meanwhile." if count else ""


def _failure(cause: Cause | None) -> Failure | None:
    if cause is None:
        return None
    return Failure(reason=cause.reason, message=cause.message, exit_code=cause.exit_code)
