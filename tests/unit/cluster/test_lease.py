"""Leader election in virtual time: never two at once, a silent leader is followed, a leaving one at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from unit.cluster.leases import Leases, elector
from virtualtime import now, virtual

from hostler.cluster.errors import Conflict, NotFound, NotLeading
from hostler.cluster.lease import RELEASE_SECONDS, LeaseElector


def holder(leases: Leases) -> str:
    assert leases.lease is not None
    return str(leases.lease["spec"]["holderIdentity"])


@virtual
async def test_the_first_one_leads_at_once_and_goes_on_leading() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    begun = now()
    holding = asyncio.create_task(one.hold())
    await asyncio.sleep(600)
    assert one.leading
    assert not holding.done()
    assert now() - begun == 600
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 0
    holding.cancel()


@virtual
async def test_of_many_that_start_together_exactly_one_leads() -> None:
    leases = Leases()
    replicas = [elector(leases, f"r{number}") for number in range(5)]
    tasks = [asyncio.create_task(replica.acquire()) for replica in replicas]
    await asyncio.sleep(1)
    assert sum(replica.leading for replica in replicas) == 1
    for task in tasks:
        task.cancel()


def goes_silent(leases: Leases, first: LeaseElector, task: asyncio.Task[None]) -> None:
    task.cancel()


def loses_its_server(leases: Leases, first: LeaseElector, task: asyncio.Task[None]) -> None:
    leases.down.add("one")


def hangs_in_requests(leases: Leases, first: LeaseElector, task: asyncio.Task[None]) -> None:
    leases.hanging.add("one")


@pytest.mark.parametrize("misfortune", [goes_silent, loses_its_server, hangs_in_requests])
@virtual
async def test_a_leader_that_cannot_renew_stops_before_the_next_one_begins(
    misfortune: Callable[[Leases, LeaseElector, asyncio.Task[None]], None],
) -> None:
    leases = Leases()
    one, two = elector(leases, "one"), elector(leases, "two")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    following = asyncio.create_task(two.acquire())
    await asyncio.sleep(30)
    assert not two.leading
    misfortune(leases, one, holding)
    begun = now()
    stopped = None
    while not two.leading:
        if stopped is None and not one.leading:
            stopped = now()
        assert not (one.leading and two.leading)
        await asyncio.sleep(0.05)
    assert stopped is not None
    assert stopped - begun <= 10.1
    assert now() - stopped >= 3, "there is time between the two"
    assert now() - begun <= 20
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 1
    holding.cancel()
    following.cancel()


@virtual
async def test_losing_ends_hold_so_that_the_process_can_end() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    leases.down.add("one")
    async with asyncio.timeout(12):
        await one.hold()
    with pytest.raises(NotLeading):
        one.seconds_left()


@virtual
async def test_a_leader_that_leaves_is_followed_at_once() -> None:
    leases = Leases()
    one, two = elector(leases, "one"), elector(leases, "two")
    await one.acquire()
    following = asyncio.create_task(two.acquire())
    await asyncio.sleep(10)
    await one.release()
    begun = now()
    await following
    assert now() - begun < 2.5
    assert holder(leases) == "two"
    assert not one.leading


@virtual
async def test_a_short_outage_costs_nothing() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    await asyncio.sleep(5)
    leases.down.add("one")
    await asyncio.sleep(6)
    leases.down.clear()
    await asyncio.sleep(60)
    assert one.leading
    holding.cancel()


@virtual
async def test_a_renewal_whose_answer_was_lost_does_not_end_the_lead() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    leases.lost_answers.add("one")
    await asyncio.sleep(5)
    leases.lost_answers.clear()
    await asyncio.sleep(60)
    assert one.leading
    holding.cancel()


@virtual
async def test_a_leader_that_was_overthrown_notices() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    assert leases.lease is not None
    leases.lease["spec"]["holderIdentity"] = "other"
    leases.lease["metadata"]["resourceVersion"] = "77"
    async with asyncio.timeout(3):
        await one.hold()
    assert not one.leading


@virtual
async def test_clocks_that_disagree_do_not_matter() -> None:
    """What is written into the Lease as a time is for people; here it says that the leader died long ago."""
    leases = Leases()
    one, two = elector(leases, "one"), elector(leases, "two")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    following = asyncio.create_task(two.acquire())
    for _ in range(100):
        await asyncio.sleep(1)
        assert leases.lease is not None
        leases.lease["spec"]["acquireTime"] = "1999-01-01T00:00:00.000000Z"
    assert one.leading
    assert not two.leading
    holding.cancel()
    following.cancel()


@virtual
async def test_the_fence_never_lets_a_write_outlast_the_lease() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    assert 14.9 < one.seconds_left() <= 15
    await asyncio.sleep(9)
    assert 5.9 < one.seconds_left() < 6.1
    await asyncio.sleep(1.5)
    with pytest.raises(NotLeading):
        one.seconds_left()


@virtual
async def test_release_of_a_lease_that_another_one_has_is_harmless() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    assert leases.lease is not None
    leases.lease["spec"]["holderIdentity"] = "other"
    leases.lease["metadata"]["resourceVersion"] = "77"
    await one.release()
    assert holder(leases) == "other"


@virtual
async def test_an_api_server_that_does_not_answer_keeps_nobody_who_leaves() -> None:
    """Neither when it is told, nor when it is asked who leads after a conflict."""
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    assert leases.lease is not None
    leases.lease["metadata"]["resourceVersion"] = "77"
    begun = now()
    leaving = asyncio.create_task(one.release())
    # The first request is answered with a conflict; the next ones are not.
    await asyncio.sleep(0.015)
    leases.hanging.add("one")
    await leaving
    assert now() - begun == RELEASE_SECONDS


def deleted(leases: Leases, one: LeaseElector, holding: asyncio.Task[None]) -> None:
    leases.lease = None


def deleted_and_the_leader_is_dead(leases: Leases, one: LeaseElector, holding: asyncio.Task[None]) -> None:
    holding.cancel()
    leases.lease = None


def deleted_and_the_leader_is_cut_off(leases: Leases, one: LeaseElector, holding: asyncio.Task[None]) -> None:
    leases.down.add("one")
    leases.lease = None


def written_by_another_one(leases: Leases, one: LeaseElector, holding: asyncio.Task[None]) -> None:
    leases.lease = None
    third = {"holderIdentity": "third", "renewTime": "now", "leaseDurationSeconds": 15}
    leases.save({"metadata": {"name": "l", "namespace": "n"}, "spec": third})


DELETIONS = {
    # What happens, who holds the Lease a minute later, and how long at most nobody led.
    deleted: ("one", 0.0),
    deleted_and_the_leader_is_dead: ("two", 20.0),
    deleted_and_the_leader_is_cut_off: ("two", 12.0),
    # The third one is silent as well.
    written_by_another_one: ("two", 20.0),
}


@pytest.mark.parametrize("misfortune", DELETIONS)
@virtual
async def test_a_lease_that_is_deleted_costs_no_lead_and_makes_no_second_leader(misfortune: Any) -> None:
    want, longest = DELETIONS[misfortune]
    leases, heirs = Leases(), list[asyncio.Task[None]]()
    one, two = elector(leases, "one"), elector(leases, "two")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    following = asyncio.create_task(two.acquire())
    following.add_done_callback(lambda _: heirs.append(asyncio.create_task(two.hold())))
    await asyncio.sleep(30.3)
    misfortune(leases, one, holding)
    begun, nobody = now(), 0.0
    while now() < begun + 60:
        if misfortune is not deleted_and_the_leader_is_dead:
            assert not (one.leading and two.leading)
        nobody += 0.05 * (not one.leading and not two.leading)
        await asyncio.sleep(0.05)
    assert (holder(leases), one.leading, two.leading) == (want, want == "one", want == "two")
    assert nobody <= longest
    for task in (holding, following, *heirs):
        task.cancel()


@pytest.mark.parametrize("nobody", [Conflict("another UID", code=409), NotFound("no lease", code=404)])
@virtual
async def test_a_lease_that_is_deleted_again_and_again_is_written_again_and_again(nobody: Exception) -> None:
    leases = Leases()
    leases.nobody = nobody
    one = elector(leases, "one")
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    for _ in range(100):
        leases.lease = None
        await asyncio.sleep(1.7)
        assert one.leading
    await asyncio.sleep(3)
    assert holder(leases) == "one"
    holding.cancel()


@virtual
async def test_who_is_late_does_not_write_a_deleted_lease_anew() -> None:
    leases = Leases()
    one = elector(leases, "one")
    await one.acquire()
    leases.hanging.add("one")
    holding = asyncio.create_task(one.hold())
    await asyncio.sleep(10.5)
    leases.hanging.clear()
    leases.lease = None
    await asyncio.sleep(30)
    assert holding.done()
    assert leases.lease is None


@virtual
async def test_a_replica_that_never_saw_a_leader_takes_what_does_not_exist_at_once() -> None:
    leases = Leases()
    begun = now()
    await elector(leases, "new").acquire()
    assert now() - begun < 0.1
