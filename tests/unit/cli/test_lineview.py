"""What the commands about the line read, with the rights of whoever asks."""

from __future__ import annotations

from typing import Any

import click
import pytest
from kubernetes.aio.client import Configuration
from tables import table
from unit.cli.lines import job, placed

from hostler.cli import access
from hostler.cli.lineview import in_time, read_view, seconds_left, shortly
from hostler.cluster.client import Listing
from hostler.cluster.connection import Connection
from hostler.cluster.errors import Forbidden, NotFound, Unavailable
from hostler.cluster.resources import Resource

Object = dict[str, Any]


class FakeClient:
    """An API server that lets one namespace be listed, or everything."""

    may_see_all = True
    error: Exception | None = None

    def __init__(self, _connection: object) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    async def list(self, resource: Resource, *, namespace: str = "") -> Listing:
        if self.error is not None:
            raise self.error
        if not self.may_see_all and not namespace:
            raise Forbidden(f"{resource.plural} is forbidden", code=403)
        objects = [job("mine", "team-a"), job("theirs", "team-b")] if resource.kind == "TrainingJob" else []
        return Listing([o for o in objects if namespace in ("", o["metadata"]["namespace"])], 1)

    async def first(self, resource: Resource, *, namespace: str, fields: Object, limit: int) -> list[Object]:
        assert (resource.kind, fields) == ("Event", {"involvedObject.uid": "uid-team-a-mine"})
        return [{"reason": "Waiting", "metadata": {}}]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    class Ours(FakeClient):
        pass

    async def connected(_kubeconfig: object) -> Connection:
        return Connection(Configuration(host="https://cluster.example"))

    monkeypatch.setattr(access, "connect", connected)
    monkeypatch.setattr(access, "Client", Ours)
    return Ours


def test_who_may_see_all_sees_all(client: type[FakeClient]) -> None:
    view = read_view(None, namespace="team-a", explained=("", "mine"))
    assert [each["metadata"]["name"] for each in view.workloads] == ["mine", "theirs"]
    assert (view.unseen, view.namespace, view.missing) == ((), None, frozenset())
    assert [event["reason"] for event in view.events] == ["Waiting"]


def test_who_may_see_one_namespace_is_shown_that_and_told_so(client: type[FakeClient]) -> None:
    client.may_see_all = False
    view = read_view(None, namespace="team-a", explained=("", "mine"))
    assert [each["metadata"]["name"] for each in view.workloads] == ["mine"]
    assert view.unseen == (
        "You may not list the pools.",
        "You may list jobs and services of namespace team-a alone: those of others are not shown.",
    )
    assert view.missing == {"Node", "Pod"}


@table(
    ("error", "want"),
    {
        "no CRDs": (
            NotFound("the server could not find the requested resource", code=404),
            "Hostler's CRDs are not installed",
        ),
        "no server": (Unavailable("connection refused"), "connection refused"),
    },
)
def test_what_is_wrong_is_a_sentence(client: type[FakeClient], error: Exception, want: str) -> None:
    client.error = error
    with pytest.raises(click.ClickException, match=want):
        read_view(None, namespace="team-a")


NOW = "2026-11-30T20:00:00Z"


@table(
    ("obj", "want"),
    {
        "its progress says": (placed(job("a"), "n0", progress={"eta": "2m10s"}), 130.0),
        "its estimate says, less what it has taken": (
            placed(job("a", estimatedDuration="2h"), "n0", startTime="2026-11-30T19:00:00Z"),
            3600.0,
        ),
        "it is past its estimate": (
            placed(job("a", estimatedDuration="30m"), "n0", startTime="2026-11-30T19:00:00Z"),
            -1800.0,
        ),
        "progress that nobody can read": (placed(job("a"), "n0", progress={"eta": "soon"}), None),
        "nobody has said": (placed(job("a"), "n0"), None),
    },
)
def test_when_somebody_is_expected_to_end(obj: Object, want: float | None) -> None:
    assert seconds_left(obj, now=NOW) == want


@table(
    ("moment", "want"),
    {
        "seconds": ("2026-11-30T20:00:45Z", "45s"),
        "minutes": ("2026-11-30T20:12:30Z", "12m"),
        "hours": ("2026-11-30T22:12:00Z", "2h12m"),
        "days": ("2026-12-03T22:00:00Z", "3d2h"),
        "past": ("2026-11-30T19:00:00Z", "now"),
        "unknown": (None, ""),
    },
)
def test_spans_for_narrow_columns(moment: str | None, want: str) -> None:
    assert in_time(moment, now=NOW) == want


def test_a_span_has_no_seconds_beyond_a_minute() -> None:
    assert shortly(61) == "1m"
