"""What is known of the watches, from what is seen on the wire."""

from __future__ import annotations

import pytest

from hostler.cluster.resources import resource_of
from hostler.cluster.watches import WatchMonitor

PODS, NODES = resource_of("Pod"), resource_of("Node")


def monitor(**options: object) -> WatchMonitor:
    return WatchMonitor([PODS, NODES], observe=lambda *_: None, **options)  # type: ignore[arg-type]


class Url:
    def __init__(self, path: str) -> None:
        self.path = path


@pytest.mark.parametrize(
    ("namespaces", "path", "want"),
    [
        ((), "/api/v1/pods", ("Pod", "")),
        (("x",), "/api/v1/namespaces/x/pods", ("Pod", "x")),
        (("x",), "/api/v1/namespaces/y/pods", None),
        (("x",), "/api/v1/nodes", ("Node", "")),
        ((), "/api/v1", None),
    ],
)
def test_whose_stream_a_url_is(namespaces: tuple[str, ...], path: str, want: object) -> None:
    assert monitor(namespaces=namespaces).scope(Url(path)) == want


async def test_open_means_all_of_them() -> None:
    watched = monitor()
    watched.opened(("Pod", ""))
    assert not watched.all_open.is_set()
    watched.opened(("Node", ""))
    assert watched.all_open.is_set()


async def test_a_stream_that_goes_on_is_no_gap_and_a_new_list_is_one() -> None:
    watched = monitor()
    gaps: list[str] = []
    watched.on_relist = gaps.append
    pods = ("Pod", "")
    watched.listed(pods)
    watched.opened(pods)
    watched.opened(pods)
    assert gaps == [], "the first list, and a stream that goes on where the last one ended"
    watched.listed(pods)
    assert gaps == [], "only when the watch is open again is there nothing more to be missed"
    watched.opened(pods)
    assert gaps == ["Pod"]
    watched.opened(pods)
    assert gaps == ["Pod"]
    assert watched.restarts() == {"Pod": 1, "Node": 0}


async def test_the_age_of_a_kind_is_that_of_its_most_silent_watch() -> None:
    watched = monitor(namespaces=("x", "y"))
    before = watched.age_by_kind()["Pod"]
    watched.heard(("Pod", "x"))
    assert watched.age_by_kind()["Pod"] >= before, "the watch of the other namespace has said nothing"
    watched.heard(("Pod", "y"))
    assert watched.age_by_kind()["Pod"] <= watched.age_by_kind()["Node"]
