"""The HTTP port: metrics in the vendors' own names, and two probes."""

from __future__ import annotations

import time

from aiohttp import web

from device_simulator.app import LOOK, Simulator
from device_simulator.vendormetrics import exposition

STALE = 30 * LOOK
"""Age of the last look from which the process counts as stuck."""


def application(simulator: Simulator) -> web.Application:
    """Routes over one simulator."""

    async def metrics(_: web.Request) -> web.Response:
        text = exposition(simulator.readings)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def healthz(_: web.Request) -> web.Response:
        age = time.monotonic() - simulator.looked_at
        return web.Response(text=f"last look {age:.1f} s ago\n", status=200 if age < STALE else 503)

    async def readyz(_: web.Request) -> web.Response:
        missing = simulator.not_ready()
        return web.Response(text="\n".join(missing or ["ok"]) + "\n", status=503 if missing else 200)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app
