"""Whether this process is worth keeping, and whether it is ready; and the servers that say so.

A watch that has been silent for two minutes is broken: the API server sends a bookmark every minute, and kopf itself
opens a silent stream anew after 70 seconds. That counts only while the API server answers other requests, though:
when it answers nothing, a restart would not help, and hundreds of restarting operators would hurt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hostler.operator.loopwatch import LoopWatch

MAX_LAG = 5.0
MAX_WATCH_AGE = 120.0
ANSWERED_WITHIN = 60.0

Verdict = Callable[[], list[str]]
"""What is wrong, as sentences; empty when nothing is."""


def liveness(
    *,
    loop: LoopWatch,
    watch_ages: Callable[[], Mapping[tuple[str, str], float]],
    answer_age: Callable[[], float],
    workers: Callable[[], str | None],
) -> Verdict:
    """The verdict of ``/healthz``."""

    def verdict() -> list[str]:
        wrong = []
        if loop.lag > MAX_LAG:
            wrong.append(f"the event loop was {loop.lag:.1f} s late")
        if answer_age() < ANSWERED_WITHIN:
            wrong += [
                f"the watch of {kind}{f' in {namespace}' if namespace else ''} has been silent for {age:.0f} s"
                for (kind, namespace), age in watch_ages().items()
                if age > MAX_WATCH_AGE
            ]
        if trouble := workers():
            wrong.append(trouble)
        return wrong

    return verdict


def readiness(*, synced: Callable[[], bool], stopping: Callable[[], bool]) -> Verdict:
    """The verdict of ``/readyz``: leaders and standbys are ready alike once their caches are complete."""

    def verdict() -> list[str]:
        if stopping():
            return ["the operator is stopping"]
        return [] if synced() else ["the caches are not complete yet"]

    return verdict


def probes_app(*, live: Verdict, ready: Verdict) -> web.Application:
    """``/healthz`` and ``/readyz``."""
    app = web.Application()
    app.router.add_get("/healthz", _probe(live))
    app.router.add_get("/readyz", _probe(ready))
    return app


def metrics_app(registry: CollectorRegistry) -> web.Application:
    """``/metrics``."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app


async def serve(app: web.Application, port: int) -> web.AppRunner:
    """Listen on all addresses; the caller cleans the runner up."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, None, port).start()
    except OSError as error:
        await runner.cleanup()
        raise PortError(f"port {port} cannot be used: {error.strerror or error}; choose another one") from error
    return runner


class PortError(Exception):
    """A port that we should listen on is taken."""


def _probe(verdict: Verdict) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        wrong = verdict()
        return web.Response(text="\n".join(wrong or ["ok"]) + "\n", status=503 if wrong else 200)

    return handler
