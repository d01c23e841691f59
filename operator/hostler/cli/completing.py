"""Names of objects for the shell's completion: asked of the cluster in bounded time, silent where it does not answer.

A shell waits for every answer while somebody types, so what needs longer than a moment is left out, and what goes wrong
is no completion, never a message in the middle of a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from hostler.cli.kindwords import KIND_WORDS, WORDS
from hostler.cluster.client import Client
from hostler.cluster.connection import Connection, connect
from hostler.cluster.resources import resource_of

SECONDS = 1.5
"""That a completion may take at the cluster."""
LIMIT = 500
"""Names of one kind that are looked at."""


class NamesOf:
    """``shell_complete`` of an argument: names of objects of these kinds in the namespace that is typed."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def __call__(self, context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that begin with what is typed; with ``KIND/`` before them where that is typed."""
        word, slash, typed = incomplete.rpartition("/")
        kinds = self._kinds
        if slash:
            if (kind := KIND_WORDS.get(word)) not in kinds:
                return []
            kinds = (str(kind),)
        return [CompletionItem(f"{word}{slash}{name}") for name in names(kinds, context) if name.startswith(typed)]


def complete_kinds(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `hostler get` can be asked for."""
    return [CompletionItem(word) for word in WORDS.values() if word.startswith(incomplete)]


def complete_of_kind(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of objects of the kind that is the argument before."""
    kind = KIND_WORDS.get(str(context.params.get("kind") or ""))
    return [CompletionItem(name) for name in names((kind,), context) if name.startswith(incomplete)] if kind else []


def complete_namespaces(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Namespaces of the cluster."""
    found = _asked(("/api/v1/namespaces",), kubeconfig=context.params.get("kubeconfig"), namespace=None)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def names(kinds: Iterable[str], context: click.Context) -> list[str]:
    """Names of objects of these kinds, sorted; none where the cluster does not say in time."""
    resources = [resource_of(kind) for kind in kinds]
    paths = tuple(resource.path(namespace="{namespace}") for resource in resources)
    return _asked(paths, kubeconfig=context.params.get("kubeconfig"), namespace=context.params.get("namespace"))


def _asked(paths: Iterable[str], *, kubeconfig: Path | None, namespace: str | None) -> list[str]:
    # Whatever it is: somebody is typing, and a kubeconfig that is wrong is told by the command itself.
    with _silence(), contextlib.suppress(Exception):
        return asyncio.run(_names(tuple(paths), kubeconfig=kubeconfig, namespace=namespace))
    return []


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing is logged meanwhile: it would land in the line that somebody types."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


async def _names(paths: tuple[str, ...], *, kubeconfig: Path | None, namespace: str | None) -> list[str]:
    async with asyncio.timeout(SECONDS):
        connection: Connection = await connect(kubeconfig)
        client = Client(connection)
        try:
            place = namespace or connection.namespace
            asked = (client.raw(f"{path.format(namespace=place)}?limit={LIMIT}") for path in paths)
            answers = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await client.close()
    found = [item for answer in answers if isinstance(answer, dict) for item in answer.get("items") or ()]
    return sorted({str(item["metadata"]["name"]) for item in found})
