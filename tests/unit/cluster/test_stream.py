"""Objects leave lists and streams before kopf reads them; what it needs for going on stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from unit.cluster.objects import make

from hostler.cluster import turns as turns_module
from hostler.cluster.stream import EventStream, without_items

Object = dict[str, Any]


class Body:
    """A response body that comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.total = sum(map(len, pieces))

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version: int) -> Object:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
A1, A2, B3 = make(name="a", version=1), make(name="a", version=2), make(name="b", version=3)


async def read(*pieces: bytes) -> tuple[list[tuple[str, str]], list[Object], int]:
    """What was taken (type and version), what kopf reads, and how often something was heard."""
    taken: list[tuple[str, str]] = []
    heard: list[None] = []
    body = EventStream(
        Body(*pieces),  # type: ignore[arg-type]
        take=lambda kind, obj: taken.append((kind, obj["metadata"]["resourceVersion"])),
        heard=lambda: heard.append(None),
    )
    left = b"".join([data async for data in body.iter_chunked(2**20)])
    return taken, [json.loads(each) for each in left.splitlines()], len(heard)


@pytest.mark.parametrize(
    ("pieces", "taken", "left"),
    [
        pytest.param(
            [line("ADDED", A1)], [("ADDED", "1")], [bookmark(1)], id="an object is taken and its version left"
        ),
        pytest.param(
            [line("ADDED", A1) + line("MODIFIED", A2) + line("DELETED", B3)],
            [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "3")],
            [bookmark(3)],
            id="of objects that came together only the last version is left",
        ),
        pytest.param(
            [line("ADDED", A1)[:20], line("ADDED", A1)[20:-1], b"\n" + line("ADDED", B3)],
            [("ADDED", "1"), ("ADDED", "3")],
            [bookmark(3)],
            id="a line may come in pieces, its end too",
        ),
        pytest.param(
            [line("ADDED", A1) + line("DELETED", B3)[:30]],
            [("ADDED", "1")],
            [bookmark(1)],
            id="half a line at the end is no event: the next stream begins before it",
        ),
        pytest.param(
            [json.dumps(bookmark(7)).encode() + b"\n"], [], [bookmark(7)], id="the server's own bookmarks pass"
        ),
        pytest.param(
            [line("ADDED", A1) + json.dumps(GONE).encode() + b"\n"],
            [("ADDED", "1")],
            [bookmark(1), GONE],
            id="an error passes, behind the version of what came before it",
        ),
        pytest.param(
            [b'{"type": "STRANGE"}\n' + line("ADDED", A1)],
            [("ADDED", "1")],
            [{"type": "STRANGE"}, bookmark(1)],
            id="what is not known passes",
        ),
        pytest.param([b"\n\n"], [], [], id="empty lines are nothing"),
    ],
)
async def test_what_is_taken_and_what_is_left(
    pieces: list[bytes], taken: list[tuple[str, str]], left: list[Object]
) -> None:
    assert await read(*pieces) == (taken, left, len(pieces))


async def test_a_line_that_is_no_json_passes_as_it_is() -> None:
    body = EventStream(Body(b"<html>\n"), take=lambda *_: None, heard=lambda: None)  # type: ignore[arg-type]
    assert [data async for data in body.iter_chunked(1)] == [b"<html>\n"], "kopf says what is wrong with it"


async def test_an_object_that_nobody_expected_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    taken, left, _ = await read(line("ADDED", {"kind": "Odd"}) + line("ADDED", B3))
    assert (taken, left) == ([("ADDED", "3")], [bookmark(3)])
    assert "was not understood" in caplog.text


async def test_a_list_is_left_without_its_items() -> None:
    taken: list[tuple[str, str]] = []
    page = {"kind": "JobList", "metadata": {"resourceVersion": "9", "continue": "more"}, "items": [A1, B3]}
    left = await without_items(
        json.dumps(page).encode(), take=lambda kind, obj: taken.append((kind, obj["metadata"]["name"]))
    )
    assert taken == [("", "a"), ("", "b")]
    assert left == page | {"items": []}, "kopf pages on, and watches from this version"


@pytest.mark.parametrize("way", ["list", "stream"])
async def test_others_have_their_turn_in_a_burst(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "SLICE", -1.0)
    turns: list[int] = []
    taken: list[str] = []

    async def other() -> None:
        while True:
            turns.append(len(taken))
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    objects = [make(name=f"o{number}", version=number + 1) for number in range(40)]

    def take(_kind: str, obj: Object) -> None:
        taken.append(obj["metadata"]["name"])

    if way == "list":
        await without_items(json.dumps({"items": objects}).encode(), take=take)
    else:
        body = EventStream(Body(b"".join(line("ADDED", each) for each in objects)), take=take, heard=lambda: None)  # type: ignore[arg-type]
        async for _ in body.iter_chunked(2**20):
            pass
    beside.cancel()
    assert len(taken) == 40
    assert turns[:40] == list(range(1, 41)), "one object, and the others are asked"


def test_the_rest_of_the_body_is_the_inner_ones() -> None:
    assert EventStream(Body(b"abc"), take=lambda *_: None, heard=lambda: None).total == 3  # type: ignore[arg-type]
