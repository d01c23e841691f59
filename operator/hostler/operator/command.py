"""`hostler operator run`, which is also `python -m hostler.operator`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import hostler
from hostler.api.schema import OPERATOR
from hostler.cluster.connection import ConnectionSetupError, connect
from hostler.manifests.downloads import PUBLIC_HUB
from hostler.operator import logs
from hostler.operator.health import PortError
from hostler.operator.settings import (
    OperatorSettings,
    SettingsError,
    default_identity,
    read_endpoints,
    read_hub,
    read_networks,
    read_proxies,
    read_variants,
)
from hostler.planning.registries import ImageVolumes


@click.group()
def operator() -> None:
    """The operator itself."""


@operator.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hostler.__version__, prog_name="hostler-operator")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead of the pod's service account.",
)
@click.option(
    "--namespace",
    envvar="HOSTLER_NAMESPACE",
    default="hostler-system",
    show_default=True,
    help="Where the Lease lives.",
)
@click.option(
    "--watch-namespaces",
    envvar="HOSTLER_WATCH_NAMESPACES",
    default="",
    help="Comma-separated namespaces to serve.  [default: all]",
)
@click.option(
    "--identity",
    envvar="HOSTLER_IDENTITY",
    default="",
    help="Name of this replica in the Lease.  [default: host and a random part]",
)
@click.option("--lease", default=OPERATOR, show_default=True, help="Name of the Lease.")
@click.option("--train-image", envvar="HOSTLER_TRAIN_IMAGE", default="", help="Runtime image of trainers.")
@click.option("--serve-image", envvar="HOSTLER_SERVE_IMAGE", default="", help="Runtime image of servers.")
@click.option(
    "--default-variant",
    envvar="HOSTLER_DEFAULT_VARIANT",
    default="cpu",
    show_default=True,
    help="What the two images above were built for.",
)
@click.option(
    "--variant-image",
    "variant_images",
    multiple=True,
    metavar="VERB-VARIANT=IMAGE",
    help="Runtime image of another variant, such as train-rocm=...; repeatable.",
)
@click.option("--image-pull-policy", envvar="HOSTLER_IMAGE_PULL_POLICY", default="IfNotPresent", show_default=True)
@click.option(
    "--workload-pull-secret",
    "pull_secrets",
    multiple=True,
    metavar="NAME",
    help="Secret in every namespace of workloads with credentials of the runtime images' registry; repeatable.",
)
@click.option(
    "--allowed-endpoint",
    "allowed_endpoints",
    multiple=True,
    metavar="HOST",
    help="Endpoint of data that may be sent credentials, such as hub.example.org or *.example.org:9000; repeatable.  "
    "[default: the public hub and the cloud's own]",
)
@click.option(
    "--hub-endpoint",
    default=PUBLIC_HUB,
    show_default=True,
    help="Hub of models and datasets that name none, such as a mirror.",
)
@click.option(
    "--import-proxy",
    "import_proxies",
    multiple=True,
    metavar="NAME=VALUE",
    help="HTTP_PROXY, HTTPS_PROXY or NO_PROXY of pods that fetch models or data; repeatable.",
)
@click.option(
    "--ca-config-map",
    metavar="NAME",
    help="ConfigMap in every namespace of workloads with certificates that hosts and proxies are trusted by.",
)
@click.option("--ca-key", default="ca.crt", show_default=True, help="Key of that ConfigMap.")
@click.option(
    "--image-volumes",
    type=click.Choice([each.value for each in ImageVolumes]),
    default=ImageVolumes.AUTO.value,
    show_default=True,
    help="Mount models that are OCI images into pods instead of pulling them onto a claim; auto does where every node "
    "can without a feature gate.",
)
@click.option("--workload-policies", is_flag=True, help="Make NetworkPolicies for jobs, services and datasets.")
@click.option(
    "--metrics-namespace",
    "metrics_namespaces",
    multiple=True,
    metavar="NAME",
    help="Namespace that may scrape trainers in spite of their policies; repeatable.",
)
@click.option(
    "--data-network",
    "data_networks",
    multiple=True,
    metavar="CIDR",
    help="Private network where data lies, which policies let trainers reach; repeatable.  [default: none]",
)
@click.option(
    "--blocked-network",
    "blocked_networks",
    multiple=True,
    metavar="CIDR",
    help="Network that policies keep trainers from, such as a public API server's; repeatable.",
)
@click.option("--workers", type=int, default=16, show_default=True, help="Reconciles at the same time.")
@click.option("--resync", type=float, default=300.0, show_default=True, help="Seconds between full lists.")
@click.option(
    "--progress-interval",
    type=float,
    default=5.0,
    show_default=True,
    help="Seconds between two readings of a job's progress.",
)
@click.option(
    "--start-grace",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds for which something may keep a job's pods from starting before its accelerators are given back.",
)
@click.option("--metrics-port", type=int, default=8080, show_default=True)
@click.option("--probes-port", type=int, default=8081, show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--log-format", type=click.Choice(["plain", "json"]), default="plain", show_default=True)
def run(
    *,
    log_level: str,
    log_format: str,
    watch_namespaces: str,
    variant_images: tuple[str, ...],
    allowed_endpoints: tuple[str, ...],
    hub_endpoint: str,
    import_proxies: tuple[str, ...],
    data_networks: tuple[str, ...],
    blocked_networks: tuple[str, ...],
    identity: str,
    **options: Any,
) -> None:
    """Watch, decide, act, until SIGTERM."""
    # Imported here, so that `--help` is instant.
    import uvloop

    logs.configure(level=log_level, style=log_format)
    try:
        settings = OperatorSettings(
            watch_namespaces=tuple(filter(None, (name.strip() for name in watch_namespaces.split(",")))),
            variant_images=read_variants(variant_images),
            allowed_endpoints=read_endpoints(allowed_endpoints),
            hub_endpoint=read_hub(hub_endpoint),
            import_proxies=read_proxies(import_proxies),
            data_networks=read_networks(data_networks, flag="--data-network"),
            blocked_networks=read_networks(blocked_networks, flag="--blocked-network"),
            identity=identity or default_identity(),
            **options,
        )
        code = uvloop.run(_run(settings))
    except (SettingsError, ConnectionSetupError, PortError) as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(code)


async def _run(settings: OperatorSettings) -> int:
    from hostler.controllers.all import build_controllers
    from hostler.operator.ending import EXIT_PATIENCE, leave_within
    from hostler.operator.shell import Operator

    connection = await connect(settings.kubeconfig)
    code = await Operator(settings, connection=connection, build=build_controllers).run()
    leave_within(EXIT_PATIENCE, code)
    return code
