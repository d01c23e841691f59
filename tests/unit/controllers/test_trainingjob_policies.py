"""The state machine itself: which policy comes first, and that every state has an action."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from builders import make_training_job
from tables import table
from world import success

from hostler.api.conditions import Condition
from hostler.api.placement import NodeSeats, Placement
from hostler.api.trainingjob import Retry, TrainingJobSpec, TrainingJobStatus
from hostler.controllers.trainingjob.actions import ACTIONS
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.controllers.trainingjob.policies import POLICIES, classify
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.controllers.trainingjob.seat import Considered, Waiting
from hostler.controllers.trainingjob.states import State
from hostler.planning.acceptance import PoolChoice
from hostler.planning.verdicts import Loss, Obstacle, TakeBack
from hostler_contract import JobConfig

Object = dict[str, Any]


def seen(*attempts: Attempt, suspend: bool = False, **changes: Any) -> Observed:
    """A moment of a job for which there is no room now."""
    manifest = make_training_job("tiny", suspend=suspend)
    manifest["metadata"]["uid"] = "uid-of-job"
    found = Observed(
        job=manifest,
        spec=TrainingJobSpec.model_validate(manifest["spec"]),
        status=TrainingJobStatus(attempt=attempts[-1].number if attempts else None),
        now="2026-01-01T00:00:00Z",
        attempts=attempts,
        pool=PoolChoice(view=None),
        verdict=Waiting(obstacle=Obstacle.WAITING_FOR_CAPACITY, message="all are in use"),
        start_grace_seconds=300.0,
    )
    return replace(found, **changes)


def attempt(number: int, *pods: Object, condition: str | None = None) -> Attempt:
    """A Job with one pod wanted."""
    conditions = [] if condition is None else [{"type": condition, "status": "True"}]
    job = {"metadata": {"name": f"tiny-{number}"}, "spec": {"parallelism": 1}, "status": {"conditions": conditions}}
    return Attempt(number=number, job=job, pods=pods)


def pod(phase: str, **metadata: Any) -> Object:
    """A pod without containers."""
    return {"metadata": {"name": "p", **metadata}, "status": {"phase": phase}}


def finished() -> Object:
    """A pod whose trainer has left its result."""
    ended = {"exitCode": 0, "message": success().to_termination_message()}
    return {
        "metadata": {"name": "p"},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "trainer", "state": {"terminated": ended}}]},
    }


def status(**fields: Any) -> TrainingJobStatus:
    """A status that knows of attempt 0."""
    return TrainingJobStatus(**{"attempt": 0, **fields})


STALLED = Condition(
    type="Stalled", status="True", reason="RestartsExhausted", last_transition_time="2026-01-01T00:00:00Z"
)
RESERVED = Placement(
    pool="gpu",
    accelerator_type="nvidia-a100-80",
    pods=1,
    per_pod=1,
    nodes=(NodeSeats(name="n", pods=1),),
    deadline="2026-01-01T00:05:00Z",
)
OURS = {"spec": {"lineage": {"trainingJobUid": "uid-of-job"}}}
GONE = TakeBack(loss=Loss.NODE_GONE, nodes=("n1",))
RUNS, GOES = pod("Running"), pod("Running", deletionTimestamp="2026-01-01T00:00:00Z")


@table(
    ("moment", "want"),
    {
        "nothing was ever done": (seen(), State.WAITING),
        "the data comes first": (
            seen(verdict=Preparing(name="tiny-prepare-1", config=JobConfig.model_construct())),
            State.PREPARING,
        ),
        "in line, and nobody has looked yet": (seen(verdict=Considered()), State.CONSIDERED),
        "a seat was lost before anything sat on it": (
            seen(status=TrainingJobStatus(placement=RESERVED), taken_back=GONE),
            State.SEAT_LOST,
        ),
        "a person wants nothing done": (seen(suspend=True), State.SUSPENDED),
        "an end is an end, even of a suspended job": (
            seen(suspend=True, status=status(conditions=(STALLED,), restarts=3)),
            State.ENDED,
        ),
        "but for a limit that was raised since": (
            seen(status=status(conditions=(STALLED,), restarts=2)),
            State.RESUMED,
        ),
        "a Model of this job is its success, whatever has failed since": (
            seen(attempt(0, condition="Failed"), model=OURS),
            State.REGISTERED,
        ),
        "a Model of somebody else is none": (
            seen(attempt(0, finished(), condition="Complete"), model={"spec": {}}),
            State.COMPLETE,
        ),
        "success comes before suspension": (
            seen(attempt(0, finished(), condition="Complete"), suspend=True),
            State.COMPLETE,
        ),
        "without its words, success looks like a lost result": (
            seen(attempt(0, RUNS, condition="Complete")),
            State.AWAITING_RESULT,
        ),
        "a failure is counted before suspension": (
            seen(attempt(0, condition="Failed"), suspend=True),
            State.FAILED,
        ),
        "not before its pods have ended": (
            seen(attempt(0, GOES, condition="Failed"), unended=(GOES,)),
            State.AWAITING_END,
        ),
        "what is counted goes, though it runs": (
            seen(attempt(0, RUNS), unended=(RUNS,), status=status(retry=Retry(after=0))),
            State.CLEARING,
        ),
        "a Job that somebody deleted": (seen(status=status()), State.VANISHED),
        "a Job that suspension deleted": (seen(suspend=True, status=status()), State.SUSPENDED),
        "others need the seat of a job that does well": (
            seen(attempt(0, RUNS), unended=(RUNS,), taken_back=GONE),
            State.TAKEN_BACK,
        ),
        "a pod that ends early": (seen(attempt(0, GOES), unended=(GOES,)), State.BREAKING),
        "all pods run": (seen(attempt(0, RUNS), unended=(RUNS,)), State.TRAINING),
        "pods on their way": (seen(attempt(0, pod("Pending"))), State.STARTING),
        "pods of an earlier job of this name": (seen(unended=(RUNS,)), State.AWAITING_PODS),
        "a back-off comes before the pool is asked": (
            seen(
                attempt(0, condition="Failed"),
                status=status(retry=Retry(after=0, not_before="2026-01-01T00:00:10Z")),
            ),
            State.BACKING_OFF,
        ),
        "a back-off that is over": (
            seen(
                attempt(0, condition="Failed"),
                status=status(retry=Retry(after=0, not_before="2026-01-01T00:00:00Z")),
            ),
            State.WAITING,
        ),
    },
)
def test_the_first_policy_that_applies_names_the_state(moment: Observed, want: State) -> None:
    assert classify(moment) is want


def test_every_state_can_be_reached_and_has_an_action_and_a_sentence() -> None:
    assert [state for _, state in POLICIES] == list(dict.fromkeys(state for _, state in POLICIES))
    assert {state for _, state in POLICIES} == set(State) == set(ACTIONS)
    source = inspect.getsource(State)
    assert source.count('"""') == 2 * (len(State) + 1)
    assert all(inspect.getdoc(action) for action in ACTIONS.values())
