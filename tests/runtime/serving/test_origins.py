"""Scripts of web pages: a browser asks before it asks, and shows an answer only to pages that the service names."""

from __future__ import annotations

from typing import Any

import httpx
from runtime.serving.fake_batch import FakeBatchModel
from runtime.serving.inprocess import Bench
from tables import table

from hostler_runtime.server.lifecycle import Phase

PAGE, OTHER = "https://chat.example.org", "https://elsewhere.example.org"
ASKS = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
ALLOWED, EXPOSED = "access-control-allow-origin", "access-control-expose-headers"


async def preflight(bench: Bench, origin: str) -> httpx.Response:
    """What a browser asks before a script's request."""
    return await bench.http.options("/v1/chat/completions", headers=ASKS | {"origin": origin})


@table(
    ("origins", "origin", "want"),
    {
        "a page that is named": ([PAGE], PAGE, (200, PAGE)),
        "one of several": (["http://localhost:3000", PAGE], PAGE, (200, PAGE)),
        "any page": (["*"], OTHER, (200, "*")),
        "another page": ([PAGE], OTHER, (400, None)),
        "the page over plain HTTP": ([PAGE], PAGE.replace("https", "http"), (400, None)),
        "the page as the beginning of another one": ([PAGE], f"{PAGE}.example.com", (400, None)),
        "no page is named": (None, PAGE, (405, None)),
    },
)
async def test_who_may_ask(origins: list[str] | None, origin: str, want: tuple[int, str | None]) -> None:
    async with Bench(FakeBatchModel(), allowedOrigins=origins) as bench:
        answer = await preflight(bench, origin)
    assert (answer.status_code, answer.headers.get(ALLOWED)) == want
    if answer.status_code == 200:
        assert {"POST", "GET"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_answers_and_refusals_say_who_may_read_them() -> None:
    own: dict[str, Any] = {"origin": PAGE}
    async with Bench(FakeBatchModel(), allowedOrigins=[PAGE]) as bench:
        models = await bench.http.get("/v1/models", headers=own)
        unknown = await bench.http.get("/v1/nothing", headers=own)
        bench.lifecycle.phase = Phase.LOADING
        loading = await bench.http.get("/v1/models", headers=own)
        without = await bench.http.get("/v1/models")
    assert [each.status_code for each in (models, unknown, loading)] == [200, 404, 503]
    for answer in (models, unknown, loading):
        assert (answer.headers[ALLOWED], answer.headers[EXPOSED]) == (PAGE, "x-request-id, retry-after")
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"
    assert ALLOWED not in without.headers


async def test_where_no_page_is_named_nothing_is_said() -> None:
    async with Bench(FakeBatchModel()) as bench:
        answer = await bench.http.get("/v1/models", headers={"origin": PAGE})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
