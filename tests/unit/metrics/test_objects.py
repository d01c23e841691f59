"""Objects by state, who waits and why, what failed: counted from the changes of a real store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hostler.cluster.store import Store
from hostler.metrics.domain import DomainCollector
from hostler.metrics.facts import facts_of
from hostler.metrics.objects import LONGEST, SERVICES, ObjectMetrics

Object = dict[str, Any]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_versions = itertools.count(1)


def condition(kind: str, status: str, reason: str, since: str = "2026-01-01T11:00:00Z") -> Object:
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": since}


def make(name: str, *conditions: Object, spec: Object | None = None, uid: str = "1", **status: Any) -> Object:
    """An object of a new version, created at ten."""
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": uid,
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": "2026-01-01T10:00:00Z",
    }
    return {"metadata": metadata, "spec": spec or {}, "status": {"conditions": list(conditions), **status}}


class Site:
    """A store and what a scrape of a leader shows of it."""

    def __init__(self, **states: tuple[str, ...]) -> None:
        self.store = Store()
        objects = ObjectMetrics(states=states, failure_reasons=("InternalError",), utc=lambda: NOON)
        self.registry = CollectorRegistry()
        self.registry.register(DomainCollector(self.store, leading=lambda: True, states=states, objects=objects))

    def scrape(self, metric: str) -> dict[str, float]:
        """The samples of a metric by their labels."""
        lines = generate_latest(self.registry).decode().splitlines()
        return dict(self._samples(lines, metric))

    @staticmethod
    def _samples(lines: list[str], metric: str) -> Iterator[tuple[str, float]]:
        for line in lines:
            name, _, value = line.rpartition(" ")
            if name.partition("{")[0] == metric:
                yield name.removeprefix(metric).strip("{}"), float(value)


def test_objects_are_counted_by_the_reason_of_ready() -> None:
    site = Site(TrainingJob=("Training", "Failed"))
    ready = condition("Ready", "True", "Training")
    for job in (make("a", ready), make("b", ready), make("c", condition("Ready", "True", "Other")), make("d")):
        site.store.put("TrainingJob", job)
    found = site.scrape("hostler_trainingjobs")
    assert found['state="Training"'] == 2
    assert found['state="Failed"'] == 0, "a state without objects is zero, not absent"
    assert found['state="Other"'] == 1, "a state of another release"
    assert found['state="Unknown"'] == 1


def test_counts_follow_changes_and_deletions() -> None:
    site = Site(TrainingJob=("Starting", "Training"))
    site.store.put("TrainingJob", make("a", condition("Ready", "False", "Starting")))
    site.store.put("TrainingJob", make("b", condition("Ready", "False", "Starting")))
    assert site.scrape("hostler_waiting") == {'kind="TrainingJob",reason="Starting"': 2}
    site.store.put("TrainingJob", make("a", condition("Ready", "True", "Training")))
    site.store.remove("TrainingJob", make("b"))
    found = site.scrape("hostler_trainingjobs")
    assert (found['state="Starting"'], found['state="Training"']) == (0, 1)
    assert site.scrape("hostler_waiting") == {}
    assert site.scrape("hostler_waiting_seconds") == {}


@pytest.mark.parametrize(
    ("kind", "obj", "want"),
    [
        pytest.param("TrainingJob", make("x"), ("Unknown", "2026-01-01T10:00:00Z"), id="nobody has looked at it yet"),
        pytest.param(
            "TrainingJob",
            make("x", condition("Ready", "False", "WaitingForCapacity")),
            ("WaitingForCapacity", "2026-01-01T11:00:00Z"),
            id="it waits for devices",
        ),
        pytest.param(
            "TrainingJob",
            make("x", condition("Ready", "False", "PoolNotFound")),
            ("PoolNotFound", "2026-01-01T11:00:00Z"),
            id="it waits for a person, which is waiting all the same",
        ),
        pytest.param(
            "InferenceService",
            make(
                "x",
                condition("Accepted", "True", "Valid"),
                condition("Admitted", "False", "WaitingForCapacity"),
                condition("Ready", "False", "NotAdmitted"),
            ),
            ("WaitingForCapacity", "2026-01-01T11:00:00Z"),
            id="that a service is not admitted is no reason; what keeps it from that is one",
        ),
        pytest.param(
            "InferenceService",
            make(
                "x",
                condition("Accepted", "False", "PoolNotFound"),
                condition("Admitted", "Unknown", "Pending"),
                condition("Ready", "False", "NotAdmitted"),
            ),
            ("PoolNotFound", "2026-01-01T11:00:00Z"),
            id="nor is it where the spec cannot be honoured",
        ),
        pytest.param(
            "TrainingJob",
            make(
                "x",
                condition("Ready", "False", "Starting"),
                condition("Suspended", "False", "NotSuspended", "2026-01-01T11:30:00Z"),
            ),
            ("Starting", "2026-01-01T11:30:00Z"),
            id="the time of its suspension is not spent waiting",
        ),
        pytest.param("TrainingJob", make("x", condition("Ready", "True", "Training")), None, id="it trains"),
        pytest.param("TrainingJob", make("x", condition("Ready", "False", "Failed")), None, id="it failed for good"),
        pytest.param("TrainingJob", make("x", condition("Ready", "False", "Suspended")), None, id="it is suspended"),
        pytest.param(
            "InferenceService",
            make("x", condition("Ready", "False", "Failed")),
            ("Failed", "2026-01-01T11:00:00Z"),
            id="a service never ends",
        ),
        pytest.param("Dataset", make("x", condition("Ready", "False", "DataInvalid")), None, id="data that is wrong"),
        pytest.param(
            "Model", make("x", condition("Ready", "False", "GateMissed")), None, id="a model waits for nothing"
        ),
    ],
)
def test_who_waits_for_what_and_since_when(kind: str, obj: Object, want: tuple[str, str] | None) -> None:
    waiting = facts_of(kind, obj).waiting
    assert (None if waiting is None else (waiting.reason, waiting.since)) == want


@pytest.mark.parametrize(
    ("since", "want"),
    [
        pytest.param("2026-01-01T11:00:00Z", 3600, id="an hour"),
        pytest.param("2026-01-01T13:00:00Z", 0, id="a clock that is ahead of ours"),
        pytest.param("yesterday", 0, id="a time that cannot be read"),
    ],
)
def test_how_long_it_has_waited(since: str, want: float) -> None:
    site = Site()
    site.store.put("TrainingJob", make("a", condition("Ready", "False", "Starting", since)))
    labels = 'kind="TrainingJob",name="a",namespace="team",reason="Starting"'
    assert site.scrape("hostler_waiting_seconds") == {labels: want}


def test_only_the_longest_waiting_have_names_and_the_rest_is_counted() -> None:
    site = Site()
    for minute in range(LONGEST + 7):
        since = f"2026-01-01T{10 + minute // 60:02}:{minute % 60:02}:00Z"
        site.store.put("TrainingJob", make(f"job-{minute}", condition("Ready", "False", "Starting", since)))
    # Ones that wait of another kind are not pushed out by jobs.
    site.store.put("Dataset", make("d", condition("Ready", "False", "Inspecting")))
    found = site.scrape("hostler_waiting_seconds")
    assert len(found) == LONGEST + 1
    assert any('name="job-0"' in labels for labels in found)
    assert not any(f'name="job-{LONGEST}"' in labels for labels in found)
    assert site.scrape("hostler_omitted_objects")['metric="hostler_waiting_seconds"'] == 7
    assert site.scrape("hostler_waiting")['kind="TrainingJob",reason="Starting"'] == LONGEST + 7


def test_replicas_of_services() -> None:
    site = Site()
    pods = {"pods": {"min": 3, "max": 3}}
    site.store.put("InferenceService", make("a", spec=pods, readyReplicas=2))
    site.store.put("InferenceService", make("new", spec=pods))
    assert site.scrape("hostler_inferenceservice_desired_replicas") == {
        'namespace="team",service="a"': 3,
        'namespace="team",service="new"': 3,
    }
    assert site.scrape("hostler_inferenceservice_ready_replicas") == {
        'namespace="team",service="a"': 2,
        'namespace="team",service="new"': 0,
    }


def test_a_service_is_known_once_one_of_its_replicas_was_ready() -> None:
    site, pods = Site(), {"pods": {"min": 3, "max": 3}}
    site.store.put("InferenceService", make("made-by-an-older-release", spec=pods, readyReplicas=1))
    site.store.put("InferenceService", make("down", spec=pods, firstReadyTime="2026-01-01T00:00:00Z"))
    site.store.put("InferenceService", make("new", spec=pods, readyReplicas=0))
    assert site.scrape("hostler_inferenceservice_ever_ready") == {
        'namespace="team",service="made-by-an-older-release"': 1,
        'namespace="team",service="down"': 1,
        'namespace="team",service="new"': 0,
    }


def test_of_very_many_services_those_with_missing_replicas_are_shown() -> None:
    site = Site()
    for number in range(SERVICES + 5):
        site.store.put("InferenceService", make(f"s-{number}", spec={"pods": {"min": 1}}, readyReplicas=1))
    site.store.put("InferenceService", make("broken", spec={"pods": {"min": 1}}, readyReplicas=0))
    found = site.scrape("hostler_inferenceservice_ready_replicas")
    assert len(found) == SERVICES
    assert found['namespace="team",service="broken"'] == 0
    assert site.scrape("hostler_omitted_objects")['metric="hostler_inferenceservice_desired_replicas"'] == 6


def test_restarts_and_failures_are_counted_when_they_happen() -> None:
    site = Site()
    oom = {"reason": "OutOfMemory", "message": "too big"}
    site.store.put("TrainingJob", make("a", restarts=2, lastFailure=oom))
    restarts = site.scrape("hostler_trainingjob_restarts_total")
    assert restarts == {'reason="InternalError"': 0}, "what happened before this process began is not counted"
    site.store.put("TrainingJob", make("a", restarts=3, lastFailure=oom))
    site.store.put(
        "TrainingJob",
        make("a", condition("Stalled", "True", "RestartsExhausted"), restarts=3, lastFailure=oom),
    )
    # The same news again, as after a relist.
    site.store.put(
        "TrainingJob",
        make("a", condition("Stalled", "True", "RestartsExhausted"), restarts=3, lastFailure=oom, attempt=4),
    )
    assert site.scrape("hostler_trainingjob_restarts_total")['reason="OutOfMemory"'] == 1
    assert site.scrape("hostler_trainingjob_failures_total")['reason="RestartsExhausted"'] == 1


def test_a_new_object_under_an_old_name_has_not_restarted() -> None:
    site = Site()
    site.store.put("TrainingJob", make("a", restarts=0))
    site.store.put("TrainingJob", make("a", uid="2", restarts=5, lastFailure={"reason": "PodLost"}))
    assert site.scrape("hostler_trainingjob_restarts_total") == {'reason="InternalError"': 0}


def test_a_failed_replica_is_counted_once() -> None:
    site = Site()
    failed = {"reason": "ArtifactUnreadable", "message": "config.json is missing"}
    site.store.put("InferenceService", make("s"))
    for ready in (0, 1):
        site.store.put("InferenceService", make("s", lastFailure=failed, readyReplicas=ready))
    site.store.put("InferenceService", make("s", readyReplicas=1))
    found = site.scrape("hostler_inferenceservice_replica_failures_total")
    assert found['reason="ArtifactUnreadable"'] == 1


def test_a_scrape_with_ten_thousand_objects_looks_at_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its length is that of the reasons, not of the objects."""
    site = Site()
    for number in range(10_000):
        kind = ("TrainingJob", "InferenceService", "Dataset", "Model")[number % 4]
        site.store.put(kind, make(f"o-{number}", condition("Ready", "False", f"Reason{number % 20}")))

    def no_list(*_: Any, **__: Any) -> None:
        raise AssertionError("a scrape lists objects")

    monkeypatch.setattr("hostler.metrics.objects.facts_of", no_list)
    monkeypatch.setattr(site.store, "list", lambda kind: [] if kind == "AcceleratorPool" else no_list())
    assert len(generate_latest(site.registry).splitlines()) < 10_000 / 4, "fewer than one for each object of a kind"
