"""Videos are kept within bounds of number, bytes and age; unfinished ones are never forgotten."""

from __future__ import annotations

import pytest

from hostler_runtime.protocols.tasks import VideoRequest, VideoResult, Work
from hostler_runtime.server import shelf
from hostler_runtime.server.errors import ApiError, engine_failed
from hostler_runtime.server.shelf import KEEP_SECONDS, MAX_FINISHED, Shelf, Video


class Bench:
    """A shelf with a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.shelf = Shelf(clock=lambda: self.now)

    def put(self, name: str) -> Video:
        """An unfinished one."""
        video = Video(name, VideoRequest("x", 0), 0)
        self.shelf.put(video)
        return video

    def finished(self, name: str, *, size: int = 10) -> Video:
        """A finished one, a second after whatever came before."""
        video = self.put(name)
        self.now += 1
        self.shelf.finish(video, VideoResult(bytes(size), 8, 8, 16, 16, Work()))
        return video

    def names(self) -> list[str]:
        """What is there."""
        return [video.id for video in self.shelf.all()]


@pytest.fixture
def bench() -> Bench:
    """An empty one."""
    return Bench()


def test_a_finished_video_expires_and_an_unfinished_one_does_not(bench: Bench) -> None:
    bench.put("working")
    done = bench.finished("done")
    assert done.expires == bench.now + KEEP_SECONDS
    bench.now += KEEP_SECONDS - 1
    assert bench.names() == ["working", "done"]
    bench.now += 1
    assert bench.names() == ["working"]
    with pytest.raises(ApiError, match="expired") as caught:
        bench.shelf.get("done")
    assert (caught.value.status, caught.value.code) == (404, "video_not_found")


def test_the_oldest_finished_ones_go_when_there_are_too_many(bench: Bench) -> None:
    bench.put("working")
    for number in range(MAX_FINISHED + 3):
        bench.finished(str(number))
    assert bench.names() == ["working", *(str(number) for number in range(3, MAX_FINISHED + 3))]


@pytest.mark.parametrize(
    ("sizes", "want"),
    [
        pytest.param([40, 40], ["0", "1"], id="within the bound"),
        pytest.param([40, 40, 40], ["1", "2"], id="the oldest goes"),
        pytest.param([40, 90, 5], ["1", "2"], id="one that does not fit goes, whatever comes before it"),
        pytest.param([5, 90, 50], ["0", "2"], id="a large one makes room, a small one before it may stay"),
        pytest.param([40, 200], ["1"], id="the newest stays however large it is"),
    ],
)
def test_bytes_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch, sizes: list[int], want: list[str]) -> None:
    monkeypatch.setattr(shelf, "MAX_BYTES", 100)
    for number, size in enumerate(sizes):
        bench.finished(str(number), size=size)
    assert bench.names() == want


def test_a_failed_one_is_kept_with_its_reason(bench: Bench) -> None:
    video = bench.put("failed")
    bench.shelf.finish(video, engine_failed("no luck"))
    found = bench.shelf.get("failed")
    assert (found.status, str(found.error)) == ("failed", "no luck")


def test_removing_one_ends_the_work_on_it(bench: Bench) -> None:
    stopped = []
    bench.put("unwanted").stop = lambda: stopped.append(True)
    bench.shelf.remove("unwanted")
    assert stopped == [True]
    assert bench.names() == []
    with pytest.raises(ApiError):
        bench.shelf.remove("unwanted")
