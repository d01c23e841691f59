"""Serves ``/metrics`` and ``/healthz``. Each scrape asks anew, so nothing is measured while nobody looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector as PrometheusCollector

from hostler.exporter.collector import Collector
from hostler.exporter.publish import families


class _Once(PrometheusCollector):
    """Families that were built already, for prometheus_client to write."""

    def __init__(self, built: Iterable[Metric]) -> None:
        self._built = list(built)

    def collect(self) -> Iterator[Metric]:
        yield from self._built


def application(collector: Collector, *, registry: CollectorRegistry, node: str) -> web.Application:
    """The HTTP side; ``registry`` holds what the exporter says of itself."""

    async def metrics(_request: web.Request) -> web.Response:
        devices = CollectorRegistry(auto_describe=False)
        devices.register(_Once(families(await collector.devices(), node=node)))
        body = generate_latest(devices) + generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_request: web.Request) -> web.Response:
        # Alive means that this loop turns: a kubelet or exporter that is down is no reason to restart this process.
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    return app
