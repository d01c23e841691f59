"""Who has to leave for somebody in line."""

from __future__ import annotations

from typing import Any

from floor import usage
from tables import table
from victimscene import NOW, TEAMS, asks, held, scene, victims

from hostler.planning.preemption import preemptions
from hostler.planning.verdicts import Preempt, Preemption, Request, Reservation, Workload
from hostler.planning.victims import RESTART_SECONDS, TURN_SECONDS, Scene


@table(
    ("asked", "at", "want"),
    {
        "nobody leaves where nobody is of lower priority": (
            asks("p", priority=5),
            scene(usage(1), held("v", {"n0": 1}, priority=5)),
            [],
        ),
        "nobody leaves for a class that never preempts": (
            asks("p", preempts=False),
            scene(usage(1), held("v", {"n0": 1})),
            [],
        ),
        "nobody leaves where it would not fit even then": (
            asks("p", 3),
            scene(usage(2), held("v", {"n0": 1}), held("w", {"n0": 1})),
            [],
        ),
        "nobody leaves where freed devices lie apart": (
            asks("p", devices=2),
            scene(
                usage(2, 2),
                held("v", {"n0": 1}),
                held("k", {"n0": 1}, priority=10),
                held("w", {"n1": 1}),
                held("l", {"n1": 1}, priority=10),
            ),
            [],
        ),
        "nobody leaves where it fits": (asks("p"), scene(usage(2), held("v", {"n0": 1})), []),
        "a service is never stopped": (
            asks("p"),
            scene(usage(1), held("s", {"n0": 1}, kind="InferenceService")),
            [],
        ),
        "nor a job of another pool": (asks("p"), scene(usage(1), held("v", {"n0": 1}, pool="other")), []),
        "of lower priorities the lowest, whatever it costs": (
            asks("p"),
            scene(usage(2), held("v", {"n0": 1}, priority=1, saved=NOW), held("w", {"n0": 1}, saved=None)),
            ["w"],
        ),
        "of equals the one with the least work lost": (
            asks("p"),
            scene(usage(2), held("v", {"n0": 1}, saved=NOW - 10), held("w", {"n0": 1}, saved=NOW - 20)),
            ["v"],
        ),
        "work lost is counted in device seconds": (
            asks("p", devices=1),
            scene(usage(4), held("v", {"n0": 3}, saved=NOW - 100), held("w", {"n0": 1}, saved=NOW - 200)),
            ["w"],
        ),
        "one that has no checkpoint loses all since its start": (
            asks("p"),
            scene(usage(2), held("v", {"n0": 1}, saved=None), held("w", {"n0": 1}, saved=NOW - 7000)),
            ["w"],
        ),
        "one that has not begun loses nothing": (
            asks("p"),
            scene(usage(2), held("v", {"n0": 1}, started=None, saved=None), held("w", {"n0": 1}, saved=NOW - 5)),
            ["v"],
        ),
        "then the youngest": (
            asks("p"),
            scene(usage(2), held("v", {"n0": 1}, started=NOW - 9000), held("w", {"n0": 1}, started=NOW - 8000)),
            ["w"],
        ),
        "one large victim before many that cost more together": (
            asks("p", devices=4),
            scene(
                usage(4, 4),
                *(held(f"v{n}", {"n0": 1}) for n in range(4)),
                held("w", {"n1": 1}, devices=4, saved=NOW - 3599),
            ),
            ["w"],
        ),
        "victims on one node, though a cheaper one is elsewhere": (
            asks("p", devices=2),
            scene(
                usage(2, 2),
                held("x", {"n0": 1}, saved=NOW),
                held("y", {"n0": 1}, priority=10),
                held("v", {"n1": 1}),
                held("w", {"n1": 1}),
            ),
            ["v", "w"],
        ),
        "only as many as are needed beside what is free": (
            asks("p", 3),
            scene(usage(4), held("v", {"n0": 1}, saved=NOW - 1), held("w", {"n0": 1}), held("x", {"n0": 1})),
            ["v", "w"],
        ),
        "a gang over several nodes": (
            asks("p", 2, devices=2),
            scene(usage(2, 2), held("v", {"n0": 2}), held("w", {"n1": 2})),
            ["v", "w"],
        ),
        "the pool's quota counts as well": (
            asks("p"),
            scene(usage(4, quota={"accelerators": 2}), held("v", {"n0": 1}), held("w", {"n0": 1}, saved=NOW)),
            ["w"],
        ),
    },
)
def test_as_few_and_as_cheap_as_possible(asked: Request, at: Scene, want: list[str]) -> None:
    assert sorted(victims(asked, at)) == want


def test_a_victim_knows_for_whom_and_why() -> None:
    found = preemptions(asks("p"), scene(usage(1), held("v", {"n0": 1})))
    by = Workload("TrainingJob", "default", "p")
    assert found == {Workload("TrainingJob", "default", "v"): Preempt(by=by, why=Preemption.PRIORITY)}


@table(
    ("asked", "holders", "want"),
    {
        "idle quota that was lent is taken back, of whatever priority the borrower is": (
            asks("a/p", 2, priority=0),
            [held("b/v", {"n0": 2}, priority=9), held("b/w", {"n0": 2}), held("b/x", {"n0": 4}, saved=NOW - 7000)],
            {"w": "QuotaReclaimed"},
        ),
        "not more than what is the borrower's own is left to it": (
            asks("a/p", 4, priority=0),
            [held("b/v", {"n0": 4}), held("a/w", {"n0": 1}), held("b/x", {"n0": 3}, saved=NOW)],
            {},
        ),
        "who would borrow takes nothing back": (
            asks("a/p", 1, priority=0),
            [held("a/v", {"n0": 4}), held("b/w", {"n0": 4})],
            {},
        ),
        "nor by priority from a namespace within its own": (
            asks("a/p", 1),
            [held("a/v", {"n0": 4}, priority=10), held("b/w", {"n0": 4})],
            {},
        ),
        "but by priority within its own namespace": (
            asks("a/p", 1),
            [held("a/v", {"n0": 4}), held("b/w", {"n0": 4})],
            {"v": "LowerPriority"},
        ),
        "nor because a job of such a one is past its estimate": (
            asks("a/p", 1),
            [held("a/v", {"n0": 4}, priority=11), held("b/w", {"n0": 4}, due=NOW - 1)],
            {},
        ),
        "from a borrower by priority, down to what is its own": (
            asks("a/p", 2, priority=10),
            [held("a/v", {"n0": 3}, priority=11), held("b/w", {"n0": 3}, saved=NOW), held("b/x", {"n0": 2})],
            {},
        ),
        "and from who has borrowed himself": (
            asks("b/p", 1),
            [held("b/v", {"n0": 4}, priority=10), held("c/w", {"n0": 4})],
            {"w": "LowerPriority"},
        ),
        "a namespace that no quota names has only borrowed": (
            asks("a/p", 4, priority=0),
            [held("c/v", {"n0": 4}, priority=9), held("b/w", {"n0": 4})],
            {"v": "QuotaReclaimed"},
        ),
    },
)
def test_quota_that_was_lent_is_taken_back(asked: Request, holders: list[Reservation], want: dict[str, str]) -> None:
    assert victims(asked, scene(usage(8, **TEAMS), *holders)) == want


def test_at_its_borrowing_limit_a_namespace_makes_room_of_its_own_jobs() -> None:
    spec = {"queue": {"quotas": [{"namespaces": ["a"], "nominal": 2, "borrowingLimit": 0}]}}
    at = scene(usage(8, **spec), held("a/v", {"n0": 2}), held("b/w", {"n0": 2}, saved=NOW))
    assert victims(asks("a/p", 1), at) == {"v": "LowerPriority"}


@table(
    ("more", "ends", "want"),
    {
        "past its estimate, for one of the same priority": ({"due": NOW - 1}, None, ["v"]),
        "not before": ({"due": NOW + 1}, None, []),
        "not of higher priority": ({"due": NOW - 1, "priority": 11}, None, []),
        "not when it has just begun its turn": ({"due": NOW - 1, "started": NOW - TURN_SECONDS + 1}, None, []),
        "not when it says that it is nearly done": ({"due": NOW - 1}, NOW + 100, []),
        "but when that is long": ({"due": NOW - 1}, NOW + 10_000, ["v"]),
        "or was foretold before and did not come": ({"due": NOW - 1}, NOW - 100, ["v"]),
        "who has said nothing is not past it": ({"due": None}, None, []),
    },
)
def test_who_understates_its_time_goes_when_others_wait(
    more: dict[str, Any], ends: float | None, want: list[str]
) -> None:
    at = scene(usage(1), held("v", {"n0": 1}, **{"priority": 10, **more}), ends={} if ends is None else {"v": ends})
    assert list(victims(asks("p"), at)) == want


def test_who_is_past_its_estimate_goes_first_though_another_is_cheaper() -> None:
    at = scene(usage(2), held("late", {"n0": 1}, saved=None, due=NOW - 1), held("cheap", {"n0": 1}, saved=NOW))
    assert victims(asks("p"), at) == {"late": "PastItsEstimate"}


class TestServices:
    def test_one_of_higher_priority_stops_a_job(self) -> None:
        at = scene(usage(1), held("v", {"n0": 1}))
        assert victims(asks("s", kind="InferenceService"), at) == {"v": "LowerPriority"}

    def test_one_that_runs_takes_back_what_it_left_idle_from_jobs_of_its_own_priority(self) -> None:
        at = scene(usage(2), held("v", {"n0": 1}), held("s", {"n0": 1}, kind="InferenceService"))
        more = asks("s", kind="InferenceService", priority=0, beside={"n0": 1})
        assert victims(more, at) == {"v": "ReplicaNeeded"}

    def test_one_that_is_new_waits_for_jobs_of_its_own_priority(self) -> None:
        at = scene(usage(1), held("v", {"n0": 1}))
        assert victims(asks("s", kind="InferenceService", priority=0), at) == {}


class TestShrinking:
    def test_who_can_do_with_fewer_pods_keeps_what_is_not_needed(self) -> None:
        (found,) = preemptions(asks("p", 2), scene(usage(4, 4), held("v", {"n0": 4, "n1": 4}, least=2))).values()
        assert sum(found.keeps.values()) == 6

    def test_not_below_its_least(self) -> None:
        (found,) = preemptions(asks("p", 3), scene(usage(4), held("v", {"n0": 4}, least=2))).values()
        assert found.keeps == {}

    def test_it_keeps_only_where_the_request_fits_beside_it(self) -> None:
        at = scene(usage(4, 4), held("v", {"n0": 4, "n1": 4}, least=2))
        (found,) = preemptions(asks("p", devices=4), at).values()
        assert sorted(found.keeps.values()) == [4]


def test_the_cost_of_a_victim_has_its_restart_in_it() -> None:
    """Two small ones lose as much work as one large one, but what is lost until they train again is the same: then
    fewer are better."""
    at = scene(
        usage(2, 2),
        held("v", {"n0": 1}, saved=NOW - 60),
        held("w", {"n0": 1}, saved=NOW - 60),
        held("x", {"n1": 1}, devices=2, saved=NOW - 60),
    )
    assert RESTART_SECONDS > 0
    assert list(victims(asks("p", devices=2), at)) == ["x"]
