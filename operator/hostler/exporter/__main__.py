"""``python -m hostler.exporter``: the DaemonSet's process."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence

import click
from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics

from hostler.accelerators.registry import exporters
from hostler.exporter.collector import Collector
from hostler.exporter.reading import metric_names
from hostler.exporter.scrape import Scraper
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.server import application
from hostler.exporter.targets import TargetError, Targets, parse_target, simulator_url
from hostler.kubelet.podresources import SOCKET, PodResources
from hostler_contract.metrics import SIMULATOR_INFO


@click.command()
@click.option("--node-name", envvar="NODE_NAME", required=True, help="Name of this node (downward API spec.nodeName).")
@click.option("--node-ip", envvar="NODE_IP", required=True, help="Address of this node (status.hostIP).")
@click.option("--listen", default="0.0.0.0:9410", show_default=True, help="Address and port to serve on.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TYPE=URL",
    help="Where an exporter listens, by accelerator type or by resource name, if not on its vendor's port of the node. "
    "{node} in the URL becomes the node's address. Repeatable.",
)
@click.option(
    "--simulator/--no-simulator", default=True, help="Also ask the device simulator on port 9400 of the node."
)
@click.option("--kubelet-socket", default=SOCKET, show_default=True, help="Socket of the PodResources API.")
@click.option("--timeout", default=3.0, show_default=True, help="Seconds to wait for one answer.")
@click.option("--keep", default=2.0, show_default=True, help="Seconds for which an answer is served again.")
def main(
    *,
    node_name: str,
    node_ip: str,
    listen: str,
    targets: Sequence[str],
    simulator: bool,
    kubelet_socket: str,
    timeout: float,
    keep: float,
) -> None:
    """Serve the metrics of this node's accelerators under one set of names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        explicit = tuple(parse_target(target.replace("{node}", node_ip)) for target in targets)
    except TargetError as error:
        raise click.BadParameter(str(error)) from None
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit():
        raise click.BadParameter(f"{listen!r} is not ADDRESS:PORT", param_hint="--listen")
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    scraper = Scraper(timeout=timeout, wanted=metric_names(exporters().values()) | {SIMULATOR_INFO})
    collector = Collector(
        targets=Targets(
            explicit=explicit, node_ip=node_ip, simulator_url=simulator_url(node_ip) if simulator else None
        ),
        kubelet=PodResources(kubelet_socket, timeout=timeout),
        fetch=scraper.fetch,
        monotonic=time.monotonic,
        metrics=SelfMetrics(registry),
        keep_seconds=keep,
    )
    app = application(collector, registry=registry, node=node_name)
    app.cleanup_ctx.append(_closing(scraper))
    web.run_app(app, host=host.strip("[]") or None, port=int(port), access_log=None, print=None)


def _closing(scraper: Scraper) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(_app: web.Application) -> AsyncIterator[None]:
        yield
        await scraper.close()

    return context


if __name__ == "__main__":
    main()
