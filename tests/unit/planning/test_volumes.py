"""Volumes that only some nodes can mount."""

from __future__ import annotations

from typing import Any

import pytest
from floor import answers, hold, node, request, usage
from tables import table

from hostler.planning.placement import Ask, wait_sentence
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Wait
from hostler.planning.volumes import Reach, mounts, reach_of

Object = dict[str, Any]

ZONE = "topology.kubernetes.io/zone"
HERE = node("n1", labels={"kubernetes.io/hostname": "host-1", ZONE: "a", "cores": "64"})
NOWHERE = node("n2", labels={})


def volume(*terms: Object, name: str = "disk", labels: dict[str, str] | None = None) -> Object:
    required = {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}} if terms else {}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": required}


def label(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, "values": list(values)}


def local(name: str, *nodes: str) -> Reach:
    """A disk of these nodes."""
    found = reach_of(volume({"matchFields": [label("metadata.name", "In", *nodes)]}, name=name))
    assert found is not None
    return found


@table(
    ("found", "here", "nowhere"),
    {
        "its host": (volume({"matchExpressions": [label("kubernetes.io/hostname", "In", "host-1")]}), True, False),
        "its node": (volume({"matchFields": [label("metadata.name", "In", "n1")]}), True, False),
        "one of several zones": (volume({"matchExpressions": [label(ZONE, "In", "b", "a")]}), True, False),
        "another zone": (volume({"matchExpressions": [label(ZONE, "In", "b")]}), False, False),
        "every zone but one": (volume({"matchExpressions": [label(ZONE, "NotIn", "b")]}), True, True),
        "a label, whatever it says": (volume({"matchExpressions": [label("cores", "Exists")]}), True, False),
        "no such label": (volume({"matchExpressions": [label("cores", "DoesNotExist")]}), False, True),
        "more than": (volume({"matchExpressions": [label("cores", "Gt", "32")]}), True, False),
        "less than": (volume({"matchExpressions": [label("cores", "Lt", "32")]}), False, False),
        "all of a term": (
            volume({"matchExpressions": [label(ZONE, "In", "a"), label("cores", "In", "8")]}), False, False,
        ),
        "any of the terms": (
            volume({"matchExpressions": [label("cores", "In", "8")]}, {"matchExpressions": [label(ZONE, "In", "a")]}),
            True, False,
        ),
        "an empty term is no term": (volume({}), False, False),
        "an operator that nobody knows yet": (volume({"matchExpressions": [label(ZONE, "Near", "a")]}), False, False),
        "a zone that an older provisioner noted, or no zones at all": (volume(labels={ZONE: "a"}), True, True),
        "another one that it noted": (volume(labels={ZONE: "b"}), False, True),
        "several that it noted": (volume(labels={ZONE: "b__a"}), True, True),
    },
)  # fmt: skip
def test_where_a_volume_can_be_mounted(found: Object, *, here: bool, nowhere: bool) -> None:
    reach = reach_of(found)
    assert reach is not None
    assert (mounts(HERE, [reach]), mounts(NOWHERE, [reach])) == (here, nowhere)


def test_a_volume_of_the_network_ties_nobody() -> None:
    assert reach_of(volume()) is None
    assert reach_of({"metadata": {"name": "nfs"}, "spec": {"nfs": {"server": "files"}}}) is None


@table(
    ("asked", "want"),
    {
        "one pod goes where its disk is, though another node is the tighter fit": (
            request("a", volumes=(local("d", "n0"),)), {"n0": 1},
        ),
        "a gang stays within the zone": (
            request("a", 3, devices=4, volumes=(local("d", "n0", "n2"),)), {"n0": 2, "n2": 1},
        ),
        "two disks of different nodes are never both there": (
            request("a", volumes=(local("d", "n0"), local("e", "n1"))), None,
        ),
        "half of the gang would have to stand elsewhere": (
            request("a", 3, devices=8, volumes=(local("d", "n0", "n2"),)), None,
        ),
        "a node that is not in the pool": (request("a", volumes=(local("d", "elsewhere"),)), None),
    },
)  # fmt: skip
def test_seats_are_where_the_volumes_are(asked: Any, want: dict[str, int] | None) -> None:
    verdict = answers(usage(8, 2, 8), asked)["a"]
    assert (verdict.seats if isinstance(verdict, Admit) else None) == want


def test_a_seat_that_is_kept_stays_where_the_volume_is() -> None:
    found = usage(8, 8)
    asked = request("a", devices=4)
    hold(found, asked, Admit(seats={"n0": 1}))
    again = request("a", devices=4, holding={"n0": 1}, volumes=(local("d", "n1"),))
    assert answers(found, again)["a"] == Admit(seats={"n1": 1})


def test_the_rest_of_the_pool_and_its_quota_are_one_whether_or_not_somebody_has_a_disk() -> None:
    found = usage(8, 8, quota={"accelerators": 10})
    tied = request("tied", devices=8, since=1, volumes=(local("d", "n1"),))
    free = request("free", devices=2, since=2)
    late = request("late", devices=1, since=3)
    verdicts = answers(found, tied, free, late)
    assert verdicts["tied"] == Admit(seats={"n1": 1})
    assert verdicts["free"] == Admit(seats={"n0": 1})
    assert isinstance(verdicts["late"], Wait), "ten of ten are held, by one with a disk and one without"


def test_who_waits_for_its_volumes_is_told_so() -> None:
    found = usage(8, 8)
    hold(found, request("other", devices=8), Admit(seats={"n1": 1}))
    verdict = answers(found, request("a", devices=4, volumes=(local("d", "n1"),)))["a"]
    assert isinstance(verdict, Wait)
    view = found.view("gpu")
    assert view is not None
    ask = Ask(who="the job", least=1, most=1, need=request("a", devices=4).need)
    assert wait_sentence(view.pool, ask, verdict) == (
        "Pool gpu has 8 of 16 nvidia.com/gpu free, and the volumes of the job's claims can be mounted on 1 node of it "
        "only; the job needs 1 pod with 4 each there. It starts when pods that hold them end, or nodes are added that "
        "can mount the volumes."
    )


def relabelled(found: PoolUsage) -> None:
    found.put_node(node("n0", labels={"hostler.dev/pool": "gpu", ZONE: "a"}))


def added(found: PoolUsage) -> None:
    found.put_node(node("n7", labels={"hostler.dev/pool": "gpu", ZONE: "a"}))


@table(("change", "want"), {"a node is labelled": (relabelled, "n0"), "a node comes": (added, "n7")})
def test_what_is_remembered_of_nodes_is_forgotten_when_they_change(change: Any, want: str) -> None:
    found = usage(8)
    zonal = reach_of(volume({"matchExpressions": [label(ZONE, "In", "a")]}))
    assert zonal is not None
    asked = request("a", volumes=(zonal,))
    assert isinstance(answers(found, asked)["a"], Wait)
    change(found)
    assert answers(found, asked)["a"] == Admit(seats={want: 1})
    found.remove_node(want)
    assert isinstance(answers(found, asked)["a"], Wait)


def test_thousands_with_a_disk_each_do_not_look_at_every_node_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growth is what counts: twice the nodes must not mean twice the looks for each disk."""
    looks = 0

    def counted(node: Object, reaches: Any) -> bool:
        nonlocal looks
        looks += 1
        return mounts(node, reaches)

    monkeypatch.setattr("hostler.planning.volumes.mounts", counted)
    for nodes in (50, 100):
        looks = 0
        requests = [request(f"j{i}", volumes=(local(f"d{i}", f"n{i}"),)) for i in range(40)]
        verdicts = answers(usage(*[1] * nodes), *requests)
        assert all(verdicts[f"j{i}"] == Admit(seats={f"n{i}": 1}) for i in range(40))
        assert looks == 40, "each disk is looked for on its own node"
