"""The cache: the newest known state wins, whoever brings it and in whatever order."""

from __future__ import annotations

import pytest
from unit.cluster.objects import Object, make

from hostler.cluster.resources import UnknownKindError
from hostler.cluster.store import TOMBSTONE_SECONDS, Change, Repairs, Store, name_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(monotonic=clock)


def spec(obj: Object | None) -> object:
    return None if obj is None else obj.get("spec")


def job(version: int, value: int | None = None, **more: object) -> Object:
    return make(version=version, spec={"value": version if value is None else value}, **more)  # type: ignore[arg-type]


BORN = ("put", job(1))
ENDED = ("remove", job(4))

# Each story: what comes in, and the value of spec that must be known at the end.
STORIES = {
    "a newer state replaces an older one": ([BORN, ("put", job(2))], {"value": 2}),
    "an older state never replaces a newer one": ([("put", job(5)), ("put", job(3))], {"value": 5}),
    "the same version is no news": ([("put", job(5, 1)), ("put", job(5, 2))], {"value": 1}),
    "a deletion removes": ([BORN, ENDED], None),
    "a late state does not bring a deleted object back": ([BORN, ENDED, ("put", job(3))], None),
    "an object made anew after the deletion is there": ([BORN, ENDED, ("put", job(6))], {"value": 6}),
    "a late deletion of the earlier object does not remove the new one": ([("put", job(6)), ENDED], {"value": 6}),
    "a deletion that comes before the state it ends": ([ENDED, ("put", job(3))], None),
    "a list that lacks the object ends it": ([("put", job(3)), ("list", 7, [])], None),
    "an old list does not end what was born after it": ([("put", job(9)), ("list", 7, [])], {"value": 9}),
    "an old list does not undo a newer state": ([("put", job(9)), ("list", 7, [job(4)])], {"value": 9}),
    "a list brings what the watch has not told": ([("list", 7, [job(4)])], {"value": 4}),
    "a late event does not undo what a list has ended": ([("put", job(3)), ("list", 7, []), ("put", job(5))], None),
    "a list of another namespace says nothing": ([("put", job(3)), ("list", 7, [], "other")], {"value": 3}),
}  # fmt: skip


def take(store: Store, items: list[Object], *, version: int, namespace: str | None = None) -> Repairs:
    """A list, as the sweeper takes it in."""
    updated = sum(store.put("Job", obj) for obj in items)
    deleted = store.take_list("Job", {name_of(obj) for obj in items}, version=version, namespace=namespace)
    return Repairs(updated=updated, deleted=deleted)


@pytest.mark.parametrize("story", STORIES)
def test_what_is_known_at_the_end(store: Store, story: str) -> None:
    steps, want = STORIES[story]
    for step in steps:
        if step[0] == "put":
            store.put("Job", step[1])
        elif step[0] == "remove":
            store.remove("Job", step[1])
        else:
            take(store, step[2], version=step[1], namespace=step[3] if len(step) > 3 else None)
    assert spec(store.get("Job", namespace="default", name="a")) == want


def test_a_list_says_what_the_watches_had_missed(store: Store) -> None:
    for name in ("kept", "gone", "changed"):
        store.put("Job", make(name=name, version=1))
    listed = [make(name="kept", version=1), make(name="changed", version=2), make(name="new", version=3)]
    assert take(store, listed, version=4) == Repairs(updated=2, deleted=1)


def test_listeners_hear_of_changes_and_only_of_changes(store: Store) -> None:
    heard: list[Change] = []
    store.subscribe(heard.append)
    first, second = job(1, 1), job(2, 2)
    store.put("Job", first)
    store.put("Job", job(2, 1))
    store.put("Job", job(3, 2))
    store.remove("Job", job(4, 2))
    store.remove("Job", job(5, 2))
    assert [(spec(change.old), spec(change.new)) for change in heard] == [
        (None, spec(first)),
        (spec(first), spec(second)),
        (spec(second), None),
    ]


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(store: Store) -> None:
    heard: list[Change] = []

    def broken(_: Change) -> None:
        raise ValueError("mine")

    store.subscribe(broken)
    store.subscribe(heard.append)
    store.put("Job", job(1))
    assert len(heard) == 1


def test_tombstones_are_forgotten_in_time(store: Store, clock: Clock) -> None:
    store.put("Job", job(1))
    store.remove("Job", job(4))
    clock.now = TOMBSTONE_SECONDS + 1
    take(store, [], version=5)
    assert store.put("Job", job(3)), "nothing can be as late as that, so nothing is kept for it"


@pytest.mark.parametrize(
    ("selection", "want"),
    [
        ({}, ["x/a", "x/b", "y/a", "y/c"]),
        ({"namespace": "x"}, ["x/a", "x/b"]),
        ({"labels": {"hostler.dev/training-job": "one"}}, ["x/a", "y/a"]),
        ({"labels": {"hostler.dev/training-job": "one"}, "namespace": "y"}, ["y/a"]),
        ({"labels": {"hostler.dev/training-job": "one", "tier": "gold"}}, ["x/a"]),
        ({"labels": {"tier": "gold"}}, ["x/a", "x/b"]),
        ({"labels": {"hostler.dev/training-job": "none"}}, []),
    ],
)
def test_lookup_by_namespace_and_labels(store: Store, selection: dict[str, object], want: list[str]) -> None:
    one, two = {"hostler.dev/training-job": "one"}, {"hostler.dev/training-job": "two"}
    gold = {"tier": "gold"}
    for namespace, name, labels in (("y", "c", two), ("x", "b", two | gold), ("y", "a", one), ("x", "a", one | gold)):
        store.put("Job", make(name=name, namespace=namespace, labels=labels))
    found = store.list("Job", **selection)  # type: ignore[arg-type]
    assert [f"{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in found] == want


def test_the_label_index_follows_changes(store: Store) -> None:
    before, after = {"hostler.dev/pool": "a"}, {"hostler.dev/pool": "b"}
    store.put("Job", make(labels=before, version=1))
    store.put("Job", make(labels=after, version=2))
    assert store.list("Job", labels=before) == []
    assert len(store.list("Job", labels=after)) == 1
    store.remove("Job", make(version=3))
    assert store.list("Job", labels=after) == []


def test_a_kind_that_is_not_watched_is_an_error_and_not_absent(store: Store) -> None:
    with pytest.raises(UnknownKindError, match="ConfigMap"):
        store.get("ConfigMap", namespace="x", name="y")


def test_pods_are_kept_without_what_nobody_reads(store: Store) -> None:
    store.put(
        "Pod",
        make(
            "Pod",
            labels={"app": "x"},
            spec={
                "nodeName": "n",
                "containers": [
                    {"name": "c", "env": [{"name": "A"}], "image": "i", "resources": {"limits": {"x/y": "1"}}}
                ],
                "volumes": [{"name": "v"}],
            },
            status={"phase": "Running", "podIP": "1.2.3.4", "hostIP": "1.1.1.1", "containerStatuses": [{"name": "c"}]},
        ),
    )
    pod = store.get("Pod", namespace="default", name="a")
    assert pod is not None
    assert pod["spec"] == {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {"x/y": "1"}}}]}
    assert pod["status"] == {"phase": "Running", "podIP": "1.2.3.4", "containerStatuses": [{"name": "c"}]}
    assert pod["metadata"]["labels"] == {"app": "x"}


def test_a_heartbeat_of_a_node_is_no_change(store: Store) -> None:
    heard: list[Change] = []
    store.subscribe(heard.append)
    for version in (1, 2):
        condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": str(version)}
        status = {"conditions": [condition], "images": [{"names": ["big"]}]}
        store.put("Node", make("Node", namespace="", version=version, status=status))
    assert len(heard) == 1


def test_managed_fields_are_not_kept(store: Store) -> None:
    obj = job(1)
    obj["metadata"]["managedFields"] = [{"manager": "hostler"}]
    store.put("Job", obj)
    found = store.get("Job", namespace="default", name="a")
    assert found is not None
    assert "managedFields" not in found["metadata"]
    assert "managedFields" in obj["metadata"], "the given object is not changed"
