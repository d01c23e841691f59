"""Who has to leave, pass by pass: what the planner does with it."""

from __future__ import annotations

from dataclasses import replace

from floor import usage
from victimscene import NOW, TEAMS, asks, decided, held, scene, victims

from hostler.planning.verdicts import Admit, Wait, Workload
from hostler.planning.victims import LEAVING_PATIENCE_SECONDS


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
