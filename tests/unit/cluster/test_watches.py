"""What is known of the watches, from what is seen on the wire."""

from __future__ import annotations

import pytest

from hostler.cluster.feed import Feed, feeds
from hostler.cluster.resources import TABLE, WATCHED, resource_of
from hostler.cluster.watches import WatchMonitor

CLAIMS, NODES = resource_of("PersistentVolumeClaim"), resource_of("Node")


def monitor(**options: object) -> WatchMonitor:
    return WatchMonitor([CLAIMS, NODES], observe=lambda *_: None, **options)  # type: ignore[arg-type]


class Url:
    def __init__(self, path: str) -> None:
        self.path = path


@pytest.mark.parametrize(
    ("namespaces", "path", "want"),
    [
        ((), "/api/v1/persistentvolumeclaims", ("PersistentVolumeClaim", "")),
        (("x",), "/api/v1/namespaces/x/persistentvolumeclaims", ("PersistentVolumeClaim", "x")),
        (("x",), "/api/v1/namespaces/y/persistentvolumeclaims", None),
        (("x",), "/api/v1/nodes", ("Node", "")),
        ((), "/api/v1", None),
    ],
)
def test_whose_stream_a_url_is(namespaces: tuple[str, ...], path: str, want: object) -> None:
    assert monitor(namespaces=namespaces).scope(Url(path)) == want


def test_pods_are_watched_everywhere_whatever_is_served() -> None:
    """What strangers of another namespace use on a shared node is used."""
    watched = WatchMonitor([resource_of("Pod")], namespaces=("x", "y"), observe=lambda *_: None)
    assert list(watched.ages()) == [("Pod", "")]


def test_a_feed_is_for_the_whole_cluster_or_for_the_namespaces_that_are_served() -> None:
    assert feeds(WATCHED, ()) == (Feed(WATCHED, ()),)
    everywhere, served = feeds(WATCHED, ("x", "y"))
    assert (everywhere.namespaces, served.namespaces) == ((), ("x", "y"))
    assert {"Pod", "Node", "PriorityClass", "AcceleratorPool", "ClusterModel"} == {
        resource.kind for resource in everywhere.resources
    }
    assert {resource.kind for resource in (*everywhere.resources, *served.resources)} == set(TABLE) - {
        kind for kind, resource in TABLE.items() if not resource.watched
    }


async def test_open_means_all_of_them() -> None:
    watched = monitor()
    watched.opened(("PersistentVolumeClaim", ""))
    assert not watched.all_open.is_set()
    watched.opened(("Node", ""))
    assert watched.all_open.is_set()


def test_a_kind_is_whole_once_a_list_was_taken_in_each_of_its_namespaces() -> None:
    watched = monitor(namespaces=("x", "y"))
    assert watched.whole() == frozenset()
    watched.took_list(("PersistentVolumeClaim", "x"))
    watched.took_list(("Node", ""))
    assert watched.whole() == {"Node"}
    watched.took_list(("PersistentVolumeClaim", "y"))
    assert watched.whole() == {"Node", "PersistentVolumeClaim"}


async def test_a_stream_that_goes_on_is_no_gap_and_a_new_list_is_one() -> None:
    watched = monitor()
    gaps: list[str] = []
    watched.on_relist = gaps.append
    claims = ("PersistentVolumeClaim", "")
    watched.listed(claims)
    watched.opened(claims)
    watched.opened(claims)
    assert gaps == [], "the first list, and a stream that goes on where the last one ended"
    watched.listed(claims)
    assert gaps == [], "only when the watch is open again is there nothing more to be missed"
    watched.opened(claims)
    assert gaps == ["PersistentVolumeClaim"]
    watched.opened(claims)
    assert gaps == ["PersistentVolumeClaim"]
    assert watched.restarts() == {"PersistentVolumeClaim": 1, "Node": 0}


async def test_the_age_of_a_kind_is_that_of_its_most_silent_watch() -> None:
    watched = monitor(namespaces=("x", "y"))
    before = watched.age_by_kind()["PersistentVolumeClaim"]
    watched.heard(("PersistentVolumeClaim", "x"))
    assert watched.age_by_kind()["PersistentVolumeClaim"] >= before, "the watch of the other namespace has said nothing"
    watched.heard(("PersistentVolumeClaim", "y"))
    assert watched.age_by_kind()["PersistentVolumeClaim"] <= watched.age_by_kind()["Node"]
