"""Which pods are asked for progress, and when a job gets to see an answer."""

from __future__ import annotations

from typing import Any

import pytest
from unit.cluster.objects import Object, make

from hostler.cluster.store import Store
from hostler.controllers.ports import Key
from hostler.operator.podhttp import ProbeError
from hostler.operator.prober import Target
from hostler.operator.progress import FIGURES_READINGS, PUBLISH_READINGS, ProgressFacts, ProgressQuestion, target_of
from hostler_contract import ImportProgress, Progress
from hostler_contract.progress import Stage

JOB = Key("TrainingJob", "default", "tiny")
LABELS = {"hostler.dev/training-job": "tiny"}


def pod(**changes: Any) -> Object:
    """Rank 0 of an attempt, at work."""
    made = make("Pod", "tiny-0-0", uid="p1", labels=LABELS, status={"phase": "Running", "podIP": "10.0.0.7"})
    made["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": "0"}
    made["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "tiny-0", "uid": "j1", "controller": True}]
    for path, value in changes.items():
        part, _, field = path.partition("__")
        made[part] = {**made[part], field: value}
    return made


ASKED = Target(uid="p1", namespace="default", ip="10.0.0.7", job="tiny-0", job_uid="j1")
NOT_ASKED = {
    "a pod of a stranger": {"metadata__labels": {"app": "theirs"}},
    "another rank": {"metadata__annotations": {"batch.kubernetes.io/job-completion-index": "1"}},
    "a pod without a rank": {"metadata__annotations": {}},
    "a pod that has not begun": {"status__phase": "Pending"},
    "a pod that has ended": {"status__phase": "Succeeded"},
    "a pod that is on its way out": {"metadata__deletionTimestamp": "2026-01-01T00:00:00Z"},
    "a pod without an address": {"status__podIP": None},
    "a pod that nobody controls": {"metadata__ownerReferences": []},
    "a pod of something else": {
        "metadata__ownerReferences": [{"kind": "ReplicaSet", "name": "tiny-0", "uid": "j1", "controller": True}]
    },
}


def test_rank_0_at_work_is_asked() -> None:
    assert target_of(pod()) == ASKED


@pytest.mark.parametrize("case", NOT_ASKED)
def test_nobody_else_is(case: str) -> None:
    assert target_of(pod(**NOT_ASKED[case])) is None


def test_an_importer_at_work_is_asked() -> None:
    importer = pod(metadata__labels={"hostler.dev/model": "tiny"}, metadata__annotations={})
    assert target_of(importer) == ASKED


INTERVAL = 5.0
"""Between two readings."""


class Http:
    def __init__(self) -> None:
        self.answer = snapshot(3).to_json().encode()
        self.asked: list[tuple[str, str]] = []

    async def get(self, ip: str, path: str) -> bytes:
        self.asked.append((ip, path))
        return self.answer


class Prober:
    def __init__(self) -> None:
        self.followed: dict[str, Target] = {}

    def follow(self, target: Target) -> None:
        self.followed[target.uid] = target

    def forget(self, uid: str) -> None:
        self.followed.pop(uid, None)


class World:
    """A store with a TrainingJob, its Job and its pod."""

    def __init__(self) -> None:
        self.now = 0.0
        self.woken: list[Key] = []
        self.store = Store()
        self.http = Http()
        self.prober = Prober()
        self.facts = ProgressFacts(self.woken.append, interval=INTERVAL, monotonic=lambda: self.now)
        self.question = ProgressQuestion(self.http, store=self.store, facts=self.facts)  # type: ignore[arg-type]
        self.store.subscribe(lambda change: self.question.follow(change, self.prober))  # type: ignore[arg-type]

    def put(self, kind: str, name: str, uid: str, *, owner: Object | None = None, version: int = 1) -> None:
        made = make(kind, name, uid=uid, version=version)
        if owner:
            made["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        self.store.put(kind, made)

    async def ask(self) -> Progress | ImportProgress | None:
        (target,) = self.prober.followed.values()
        answer = await self.question.ask(target)
        if answer is not None:
            self.question.heard(target, answer)
        return answer


@pytest.fixture
def world() -> World:
    world = World()
    world.put("TrainingJob", "tiny", "t1")
    world.put("Job", "tiny-0", "j1", owner={"kind": "TrainingJob", "name": "tiny", "uid": "t1"})
    world.store.put("Pod", pod())
    return world


def snapshot(step: int, **figures: Any) -> Progress:
    return Progress(**{"stage": Stage.TRAINING, "step": step, "total_steps": 1000} | figures)


async def test_an_answer_wakes_its_job(world: World) -> None:
    assert await world.ask() == snapshot(3)
    assert world.http.asked == [("10.0.0.7", "/progress")]
    assert (world.facts.progress("p1"), world.woken) == (snapshot(3), [JOB])
    assert world.facts.progress("another") is None


async def test_an_importer_s_answer_wakes_its_model(world: World) -> None:
    world.put("Model", "tiny", "m1")
    world.put("Job", "tiny-import-1", "j2", owner={"kind": "Model", "name": "tiny", "uid": "m1"})
    changes = {"metadata__uid": "p2", "metadata__name": "i", "metadata__labels": {"hostler.dev/model": "tiny"}}
    owner = {"kind": "Job", "name": "tiny-import-1", "uid": "j2", "controller": True}
    world.store.remove("Pod", pod(metadata__resourceVersion="2"))
    world.store.put("Pod", pod(**changes, metadata__ownerReferences=[owner]))
    said = ImportProgress(bytes_done=5, total_bytes=10)
    world.http.answer = said.to_json().encode()

    assert await world.ask() == said

    assert (world.facts.importing("p2"), world.facts.progress("p2")) == (said, None)
    assert world.woken == [Key("Model", "default", "tiny")]


async def test_an_hour_of_importing_is_shown_every_ten_seconds(world: World) -> None:
    for second in range(3600):
        world.now = float(second)
        world.facts.take("p1", ImportProgress(bytes_done=second, total_bytes=3600), job=JOB)
    assert len(world.woken) == 360


NOT_OURS = {
    "the pod's Job is another one of that name": ("Job", "tiny-0", "j2", "t1"),
    "the Job belongs to an earlier object of that name": ("Job", "tiny-0", "j1", "t0"),
    "somebody's Job with our label": ("Job", "tiny-0", "j1", None),
    "the TrainingJob was made anew": ("TrainingJob", "tiny", "t2", None),
}


@pytest.mark.parametrize("case", NOT_OURS)
async def test_a_label_alone_makes_nobody_ours(world: World, case: str) -> None:
    kind, name, uid, owner = NOT_OURS[case]
    reference = {"kind": "TrainingJob", "name": "tiny", "uid": owner} if owner else None
    world.put(kind, name, uid, owner=reference, version=9)
    assert await world.ask() is None
    assert world.http.asked == []


async def test_the_order_in_which_the_watches_tell_does_not_matter() -> None:
    world = World()
    world.store.put("Pod", pod())
    assert await world.ask() is None
    world.put("Job", "tiny-0", "j1", owner={"kind": "TrainingJob", "name": "tiny", "uid": "t1"})
    assert await world.ask() is None
    world.put("TrainingJob", "tiny", "t1")
    assert await world.ask() == snapshot(3)


@pytest.mark.parametrize(
    "answer", [b"<html>", b"", b"[" * 60_000, b'{"schemaVersion": "v9", "stage": "Training", "totalSteps": 1}', b"\xff"]
)
async def test_what_is_no_progress_is_malformed(world: World, answer: bytes) -> None:
    world.http.answer = answer
    with pytest.raises(ProbeError) as raised:
        await world.ask()
    assert raised.value.result == "malformed"


@pytest.mark.parametrize("end", ["Succeeded", "removed", "made anew"])
async def test_a_pod_that_has_ended_is_forgotten(world: World, end: str) -> None:
    await world.ask()
    if end == "Succeeded":
        world.store.put("Pod", pod(status__phase="Succeeded", metadata__resourceVersion="2"))
    elif end == "removed":
        world.store.remove("Pod", pod(metadata__resourceVersion="2"))
    else:
        world.store.put("Pod", pod(metadata__uid="p2", metadata__resourceVersion="2"))
    assert set(world.prober.followed) == ({"p2"} if end == "made anew" else set())
    assert (world.facts.progress("p1"), len(world.facts)) == (None, 0)


PUBLISH, FIGURES = PUBLISH_READINGS * INTERVAL, FIGURES_READINGS * INTERVAL
SAVED = {"checkpoint_step": 10}
# What was said before and is said now, after how many seconds, and whether the job is woken by it.
TOLD = {
    "the same again": (snapshot(10), snapshot(10), 3600.0, False),
    "a new percent": (snapshot(10), snapshot(20), PUBLISH, True),
    "a new percent, but a moment ago there was another": (snapshot(10), snapshot(20), PUBLISH - 1, False),
    "another stage": (snapshot(10), snapshot(10, stage=Stage.SAVING), PUBLISH, True),
    "a checkpoint": (snapshot(10), snapshot(10, **SAVED), PUBLISH, True),
    "figures that always move": (snapshot(10, loss=2.0), snapshot(11, loss=1.9), PUBLISH, False),
    "figures that moved since long": (snapshot(10, loss=2.0), snapshot(11, loss=1.9), FIGURES, True),
    "less than is shown of a figure": (snapshot(10, loss=2.0), snapshot(10, loss=2.00001), 3600.0, False),
    "what cannot be shown": (snapshot(10), snapshot(10, loss=float("nan"), metrics={"x": float("inf")}), 3600.0, False),
}


@pytest.mark.parametrize("case", TOLD)
async def test_a_job_is_woken_for_what_people_see(world: World, case: str) -> None:
    before, after, seconds, want = TOLD[case]
    world.facts.take("p1", before, job=JOB)
    world.woken.clear()
    world.now = seconds
    world.facts.take("p1", after, job=JOB)
    assert (world.woken == [JOB], world.facts.progress("p1") is after) == (want, want)
    assert world.facts.age("p1") == 0.0, "whether it is shown or not, the pod has answered"


async def test_an_hour_of_training_wakes_its_job_a_few_hundred_times(world: World) -> None:
    for step in range(1000):
        world.now = step * 3.6
        world.facts.take("p1", snapshot(step, loss=5.0 - step / 1000), job=JOB)
    assert 100 <= len(world.woken) <= 3600 / PUBLISH
