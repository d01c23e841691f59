"""What holds of the search for victims whatever the floor is: seeds, and how its cost grows."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

from floor import GPU, usage
from victimscene import NOW, asks, held, scene

from hostler.planning.admission import plan
from hostler.planning.candidates import Candidates
from hostler.planning.preemption import for_line, preemptions
from hostler.planning.resources import subtract, times
from hostler.planning.verdicts import Request, Reservation, Seats, Workload


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


def _looks(quotas: int, holders: int) -> int:
    """How often the searches for the first of each of so many quotas look at a holder or a node: half of the quotas
    have borrowed all that is the others', and everybody waits for something."""
    dice = random.Random(quotas * holders)
    each = [{"namespaces": [f"t{number}"], "nominal": holders // quotas} for number in range(quotas)]
    found = usage(*[8] * (holders // 8), queue={"quotas": each})
    held_by = [
        held(
            f"t{dice.randrange(quotas // 2)}/h{number}",
            {f"n{number // 8}": 1},
            priority=dice.choice([0, 0, 0, 10]),
            saved=NOW - dice.randint(0, 7200),
            due=NOW + dice.randint(-1000, 10_000),
        )
        for number in range(holders)
    ]
    at = scene(found, *held_by)
    line = [
        asks(f"t{number % quotas}/w{number}", dice.choice((1, 2, 4)), devices=dice.choice((1, 4, 8)), priority=0)
        for number in range(3 * quotas)
    ]
    candidates = Candidates(at)
    assert for_line(line, at, room_of=lambda _: at.room, candidates=candidates)
    return candidates.looked_at.total()


def test_the_searches_for_many_quotas_do_not_each_look_at_everybody() -> None:
    """Counted, not timed: what is found for one quota is known to the next, and a search ends where it has enough."""
    few, many = _looks(64, 512), _looks(64, 2048)
    assert many < 64 * 2048 / 4
    assert many < 3 * few, "four times as many holders"
    assert many < 4 * _looks(16, 2048), "four times as many quotas"
