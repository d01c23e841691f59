"""Who has to leave for somebody in line."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

from floor import GPU, need, request, usage
from tables import table

from hostler.planning.admission import Plan, plan
from hostler.planning.policy import policy_of
from hostler.planning.preemption import preemptions
from hostler.planning.quotas import Accounts
from hostler.planning.resources import subtract, times
from hostler.planning.room import Room
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Preempt, Preemption, Request, Reservation, Seats, Wait, Workload
from hostler.planning.victims import LEAVING_PATIENCE_SECONDS, RESTART_SECONDS, TURN_SECONDS, Scene

NOW = 100_000.0
TEAMS = {"queue": {"quotas": [{"namespaces": ["a"], "nominal": 4}, {"namespaces": ["b"], "nominal": 4}]}}


def held(name: str, seats: Seats, *, kind: str = "TrainingJob", devices: int = 1, **more: Any) -> Reservation:
    """A job of namespace ``default``, or of the one before a slash, that has trained for an hour since its newest
    checkpoint."""
    namespace, _, own = name.rpartition("/")
    fields = {"pool": "gpu", "need": need(devices), "started": NOW - 7200, "saved": NOW - 3600} | more
    return Reservation(workload=Workload(kind, namespace or "default", own), seats=seats, **fields)


def asks(name: str, pods: int | tuple[int, int] = 1, *, kind: str = "TrainingJob", **more: Any) -> Request:
    """Somebody of high priority in line."""
    namespace, _, own = name.rpartition("/")
    asked = request(own, pods, **{"priority": 10, **more})
    return replace(asked, workload=Workload(kind, namespace or "default", own))


def scene(found: PoolUsage, *holders: Reservation, ends: dict[str, float] | None = None) -> Scene:
    """A moment at which these hold seats."""
    for each in holders:
        found.put_reservation(each)
    snapshot = found.snapshot(["gpu"])
    pool = snapshot.pools["gpu"]
    return Scene(
        room=Room(pool, snapshot.free),
        free=snapshot.free,
        holders=holders,
        accounts=Accounts(
            pool.pool, policy_of(pool.pool.spec.queue), allocatable=pool.allocatable, holders=snapshot.holders
        ),
        now=NOW,
        ends={Workload("TrainingJob", "default", name): at for name, at in (ends or {}).items()},
    )


def victims(asked: Request, at: Scene) -> dict[str, str]:
    """Names and reasons."""
    return {workload.name: found.why.value for workload, found in preemptions(asked, at).items()}


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


class TestWhoLeavesAlready:
    BY = Workload("TrainingJob", "default", "p")

    def test_nobody_else_has_to_leave_where_it_will_fit_then(self) -> None:
        at = scene(usage(2), held("v", {"n0": 1}, leaving_for=self.BY), held("w", {"n0": 1}))
        assert victims(asks("p"), at) == {}

    def test_one_more_where_it_will_not(self) -> None:
        at = scene(usage(2), held("v", {"n0": 1}, leaving_for=self.BY), held("w", {"n0": 1}))
        assert list(victims(asks("p", 2), at)) == ["w"]

    def test_what_another_one_is_waited_for_is_not_counted_twice(self) -> None:
        at = scene(usage(2), held("v", {"n0": 1}, leaving_for=self.BY), held("w", {"n0": 1}))
        assert list(victims(asks("q"), at)) == ["w"]

    def test_what_is_left_for_one_that_waits_no_more_is_enough_for_who_comes_next(self) -> None:
        found = usage(2)
        found.put_reservation(held("v", {"n0": 1}, leaving_for=self.BY))
        found.put_reservation(held("w", {"n0": 1}))
        assert decided(found, asks("q")).preemptions == {}

    def test_who_should_have_left_long_ago_is_not_counted_on(self) -> None:
        hangs = held("v", {"n0": 1}, leaving_for=self.BY, leaving_since=NOW - LEAVING_PATIENCE_SECONDS)
        assert list(victims(asks("p"), scene(usage(2), hangs, held("w", {"n0": 1})))) == ["w"]
        later = replace(hangs, leaving_since=NOW - 200)
        at = scene(usage(2), later, held("w", {"n0": 1}))
        assert victims(asks("p"), at) == {}
        found = usage(2)
        found.put_reservation(later)
        assert found.next_moment(NOW, waiting=True) == NOW - 200 + LEAVING_PATIENCE_SECONDS
        assert found.next_moment(NOW, waiting=False) is None

    def test_what_it_keeps_is_not_given_up(self) -> None:
        at = scene(usage(2), held("v", {"n0": 2}, leaving_for=self.BY, keeps={"n0": 1}))
        assert victims(asks("p", 2), at) == {}
        assert at.holders[0].given_up == {"n0": 1}


def decided(found: PoolUsage, *requests: Request) -> Plan:
    """One pass."""
    return plan(found.snapshot(["gpu"]), requests, NOW)


class TestTheLine:
    """What the planner does with it."""

    P, Q = (Workload("TrainingJob", "default", name) for name in "pq")

    def test_only_the_first_in_line_has_others_stopped(self) -> None:
        found = usage(2)
        for name in "vw":
            found.put_reservation(held(name, {"n0": 1}))
        told = decided(found, asks("p", since=1), asks("q", since=2)).preemptions
        assert [each.by for each in told.values()] == [self.P]

    def test_but_of_each_quota_the_first(self) -> None:
        found = usage(8, **TEAMS)
        found.put_reservation(held("c/v", {"n0": 4}))
        found.put_reservation(held("c/w", {"n0": 4}))
        line = [asks("a/p", 4, since=1), asks("a/r", 1, since=2), asks("b/q", 4, since=3)]
        told = decided(found, *line).preemptions
        assert sorted(str(each.by) for each in told.values()) == ["TrainingJob a/p", "TrainingJob b/q"]

    def test_what_somebody_leaves_is_taken_by_nobody_else(self) -> None:
        """One victim has left already, another is still there: small ones wait, for however many this holds."""
        found = usage(2, 2)
        found.put_reservation(held("v", {"n0": 1}, leaving_for=self.P))
        found.put_reservation(held("w", {"n1": 1}, leaving_for=self.Q))
        line = [asks("p", devices=2, since=1), asks("q", devices=2, since=2), asks("s", priority=0, estimate=3600.0)]
        verdicts = decided(found, *line).verdicts
        assert all(isinstance(each, Wait) for each in verdicts.values())
        assert {each.obstacle.value for each in verdicts.values() if isinstance(each, Wait)} == {
            "Preempting",
            "WaitingForCapacity",
        }

    def test_it_is_anybodys_when_the_one_for_whom_it_was_left_has_gone(self) -> None:
        found = usage(2)
        found.put_reservation(held("v", {"n0": 1}, leaving_for=self.P))
        verdict = decided(found, asks("s", priority=0)).verdicts[Workload("TrainingJob", "default", "s")]
        assert isinstance(verdict, Admit)

    def test_the_same_snapshot_gives_the_same_plan(self) -> None:
        holders = [held(name, {"n0": 1}, saved=NOW - number % 2) for number, name in enumerate("uvwx")]
        line = [asks(name, 2, since=5) for name in "pq"]
        plans = []
        for order in (1, -1):
            found = usage(4)
            for each in holders[::order]:
                found.put_reservation(each)
            plans.append(decided(found, *line[::order]))
        assert plans[0].preemptions == plans[1].preemptions
        assert plans[0].verdicts == plans[1].verdicts


def test_four_times_as_many_victims_take_no_more_than_eight_times_as_long() -> None:
    """Processor time, the least of three; a ratio, because machines differ."""

    def seconds(nodes: int) -> float:
        found = usage(*[8] * nodes)
        for number in range(8 * nodes):
            found.put_reservation(held(f"v{number}", {f"n{number // 8}": 1}))
        snapshot, gang, taken = found.snapshot(["gpu"]), asks("p", nodes, devices=8), []
        for _ in range(3):
            began = time.process_time()
            told = plan(snapshot, [gang], NOW).preemptions
            taken.append(time.process_time() - began)
            assert len(told) == 8 * nodes
        return min(taken)

    assert seconds(160) <= 8 * seconds(40)


def test_random_floors_lose_nothing_that_need_not_be_lost() -> None:
    """Whoever is told to leave makes the request fit, and none of them could stay."""
    for seed in range(200):
        dice = random.Random(seed)
        sizes = [dice.choice((2, 4, 8)) for _ in range(dice.randint(1, 6))]
        found, left, holders = usage(*sizes), dict(enumerate(sizes)), []
        for number in range(dice.randint(1, 20)):
            devices = dice.choice((1, 1, 2, 4))
            seats = {}
            for _ in range(dice.randint(1, 3)):
                node = dice.randrange(len(sizes))
                if left[node] >= devices:
                    left[node] -= devices
                    seats[f"n{node}"] = seats.get(f"n{node}", 0) + 1
            if seats:
                holders.append(
                    held(
                        f"v{number}",
                        seats,
                        devices=devices,
                        priority=dice.randint(0, 2),
                        saved=NOW - dice.randint(0, 7200),
                        least=dice.choice((None, 1)),
                    )
                )
        dice.shuffle(holders)
        asked = asks("p", dice.randint(1, 4), devices=dice.choice((1, 2, 4)), priority=dice.randint(1, 3))
        at = scene(found, *holders)
        chosen = preemptions(asked, at)
        assert chosen == preemptions(asked, replace(at, holders=holders[::-1])), f"seed {seed}"
        free = {f"n{node}": {GPU: count} for node, count in left.items()}
        below = [each for each in holders if each.priority < asked.priority]
        everything = _fit(free, below, {}, asked)
        before = _fit(free, [], {}, asked)
        assert bool(chosen) == (before < asked.least <= everything), f"seed {seed}"
        gone = [each for each in holders if each.workload in chosen]
        keeps = {workload: each.keeps for workload, each in chosen.items()}
        assert not chosen or _fit(free, gone, keeps, asked) >= asked.least, f"seed {seed}"
        for stays in gone:
            others = [each for each in gone if each is not stays]
            assert _fit(free, others, {}, asked) < asked.least, f"seed {seed}: {stays.workload} need not leave"


def _fit(free: dict[str, Any], gone: list[Reservation], keeps: dict[Workload, Seats], asked: Request) -> int:
    rest = {node: dict(amount) for node, amount in free.items()}
    for each in gone:
        for node, pods in each.seats.items():
            kept = keeps.get(each.workload, {}).get(node, 0)
            rest[node] = subtract(rest[node], times(kept - pods, {GPU: each.need[GPU]}))
    return sum(amount[GPU] // asked.need[GPU] for amount in rest.values())


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
