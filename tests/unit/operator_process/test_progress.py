"""Pulling progress from a pod that may be slow, broken or hostile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from patience import PATIENCE

from hostler.operator.progress import HttpProgressReader
from hostler_contract import Progress
from hostler_contract.progress import Stage

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SNAPSHOT = Progress(stage=Stage.TRAINING, step=3, total_steps=10, loss=2.5)


@pytest.fixture
async def ask() -> AsyncIterator[Callable[[Handler], Awaitable[Progress | None]]]:
    """Asks a pod whose ``/progress`` is answered by the given handler."""
    runners: list[web.AppRunner] = []

    async def asked(handler: Handler) -> Progress | None:
        app = web.Application()
        app.router.add_get("/progress", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        # Only an answer that never comes may run into it.
        patience = 0.3 if handler is slow else PATIENCE
        reader = HttpProgressReader(port=runner.addresses[0][1], timeout=patience)
        try:
            return await reader.read(pod_ip="127.0.0.1")
        finally:
            await reader.close()

    yield asked
    for runner in runners:
        await runner.cleanup()


async def test_a_snapshot_is_read(ask: Callable[[Handler], Awaitable[Progress | None]]) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=SNAPSHOT.to_json())

    assert await ask(handler) == SNAPSHOT


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response(text=SNAPSHOT.to_json())


async def not_there_yet(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text=SNAPSHOT.to_json())


async def no_json(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def another_schema(_: web.Request) -> web.StreamResponse:
    return web.Response(text='{"schemaVersion": "v9", "stage": "Training", "totalSteps": 1}')


async def endless(_: web.Request) -> web.StreamResponse:
    return web.Response(text=" " * 200_000 + SNAPSHOT.to_json())


async def redirecting(request: web.Request) -> web.StreamResponse:
    if "again" in request.query:
        return web.Response(text=SNAPSHOT.to_json())
    raise web.HTTPFound("/progress?again=1")


@pytest.mark.parametrize("handler", [slow, not_there_yet, no_json, another_schema, endless, redirecting])
async def test_anything_else_is_not_known(
    ask: Callable[[Handler], Awaitable[Progress | None]], handler: Handler
) -> None:
    assert await ask(handler) is None


async def test_a_pod_that_is_not_there_is_not_known() -> None:
    reader = HttpProgressReader(port=1, timeout=PATIENCE)
    assert await reader.read(pod_ip="127.0.0.1") is None
    assert await reader.read(pod_ip="::1") is None
    await reader.close()
