"""A command's way to the cluster: its options, one connection, and failures as sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from hostler.cli.completing import complete_namespaces
from hostler.cli.refusals import sentence
from hostler.cluster.client import Client
from hostler.cluster.connection import Connection, ConnectionSetupError, connect
from hostler.cluster.errors import ApiError

T = TypeVar("T")

FIELD_MANAGER = "hostler-cli"
"""Of what people change with a command, so that it is told apart from what the operator writes."""

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead of $KUBECONFIG and ~/.kube/config.",
)
namespace_option = click.option(
    "-n",
    "--namespace",
    shell_complete=complete_namespaces,
    help="Namespace.  [default: that of the kubeconfig's context]",
)


@dataclass(frozen=True, kw_only=True)
class Access:
    """One command at one cluster."""

    client: Client
    connection: Connection
    namespace: str
    """That was named, else the one of the kubeconfig's context."""


def ask_cluster(
    question: Callable[[Access], Awaitable[T]],
    *,
    kubeconfig: Path | None,
    namespace: str | None = None,
    advice: str = "",
) -> T:
    """Ask, and close the connection. Raises ``click.ClickException`` in one line with a way out; ``advice`` is added
    to it as a further one."""
    servers: list[str] = []

    async def ask() -> T:
        connection = await connect(kubeconfig)
        servers.append(connection.server)
        client = Client(connection)
        try:
            return await question(
                Access(client=client, connection=connection, namespace=namespace or connection.namespace)
            )
        finally:
            await client.close()

    try:
        return asyncio.run(ask())
    except (ApiError, ConnectionSetupError) as error:
        raise click.ClickException(sentence(error, server="".join(servers)) + advice) from error
