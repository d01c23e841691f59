"""`hostler logs`: what a job, service, import or inspection said, without the names of its pods."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import click

from hostler.cli.access import Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.completing import NamesOf
from hostler.cli.kindwords import kind_and_name
from hostler.cli.lineview import condition, has_ended, title
from hostler.cli.podchoice import OWNER_LABELS, attempt_of, chosen, container_of, others, rank_of, selector_of
from hostler.cli.targets import find_target
from hostler.cluster.errors import Invalid, NotFound
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
_KINDS = tuple(OWNER_LABELS)
_FIRST = ("TrainingJob", "InferenceService")
_PAUSE = 2.0
"""Seconds between two looks for a pod that is on its way."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What a terminal would obey, but for tab, line feed and carriage return."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", shell_complete=NamesOf(*_KINDS))
@namespace_option
@click.option("-f", "--follow", is_flag=True, help="Wait for the pod, and go on until it ends.")
@click.option("--attempt", type=click.IntRange(0), help="Attempt of a job.  [default: the newest]")
@click.option("--rank", type=click.IntRange(0), help="Pod of a job's attempt.  [default: the lowest]")
@click.option("--tail", type=click.IntRange(0), help="Only so many of the last lines.")
@kubeconfig_option
def logs(
    *,
    name: str,
    namespace: str | None,
    follow: bool,
    attempt: int | None,
    rank: int | None,
    tail: int | None,
    kubeconfig: Path | None,
) -> None:
    """Print the log of NAME (or KIND/NAME): of a job rank 0 of its newest attempt, of a service its newest replica, of
    a Model its import, of a Dataset its inspection."""
    kind, plain = kind_and_name(name, kinds=_KINDS)

    async def question(access: Access) -> None:
        obj = await _meant(access, kind, plain)
        await _print(access, obj, follow=follow, attempt=attempt, rank=rank, tail=tail)

    try:
        ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    except BrokenPipeError:
        # Whoever read it, such as head, has enough.
        sys.stderr.close()


async def _meant(access: Access, kind: str, name: str) -> Object:
    """The object; a Model is mostly called like the job that made it, which then is the one that has a log."""
    if not kind:
        with contextlib.suppress(click.ClickException):
            return await find_target(access, kind, name, kinds=_FIRST)
    return await find_target(access, kind, name, kinds=_KINDS)


async def _print(
    access: Access, obj: Object, *, follow: bool, attempt: int | None, rank: int | None, tail: int | None
) -> None:
    announced = ""
    while True:
        pods = await _pods(access, obj)
        pod = chosen(obj, pods, attempt=attempt, rank=rank)
        waits = nothing_said(obj)
        if pod is not None:
            about = f"{heading(obj, pod)}; {others(pod, pods)} more pods" if others(pod, pods) else heading(obj, pod)
            try:
                await _copy(access, pod, follow=follow, tail=tail, about=about)
                return
            except (Invalid, NotFound) as error:
                # It has not begun, or has been deleted since it was listed.
                waits = f"{title(obj)} has a pod, {pod['metadata']['name']}, that has no log yet: {error}"
        if not follow or has_ended(obj):
            raise click.ClickException(waits)
        if waits != announced:
            click.echo(waits, err=True)
            announced = waits
        await asyncio.sleep(_PAUSE)
        obj = {"kind": obj["kind"]} | await access.client.get(
            resource_of(obj["kind"]), namespace=obj["metadata"]["namespace"], name=obj["metadata"]["name"]
        )


async def _pods(access: Access, obj: Object) -> list[Object]:
    """The object's pods; those that prepare its data where it has no others yet."""
    place = obj["metadata"]["namespace"]
    found = (await access.client.list(resource_of("Pod"), namespace=place, selector=selector_of(obj))).items
    if found or obj["kind"] != "TrainingJob":
        return found
    selector = selector_of(obj, preparation=True)
    return (await access.client.list(resource_of("Pod"), namespace=place, selector=selector)).items


async def _copy(access: Access, pod: Object, *, follow: bool, tail: int | None, about: str) -> None:
    metadata = pod["metadata"]
    path = resource_of("Pod").path(namespace=metadata["namespace"], name=metadata["name"], subresource="log")
    query = {"container": container_of(pod), "follow": str(follow).lower()}
    if tail is not None:
        query["tailLines"] = str(tail)
    out = sys.stdout.buffer
    to_people = out.isatty()
    async with access.client.text(path, query=query) as content:
        click.echo(about, err=True)
        async for piece in content.iter_any():
            # What trains may be anybody's code, and its words are not for the terminal to obey.
            out.write(_CONTROLS.sub(b"?", piece) if to_people else piece)
            out.flush()


def heading(obj: Object, pod: Object) -> str:
    """Whose log it is."""
    name = pod["metadata"]["name"]
    if obj["kind"] == "TrainingJob" and attempt_of(pod):
        return f"{title(obj)}, attempt {attempt_of(pod)}, rank {rank_of(pod)} (pod {name})"
    return f"{title(obj)} (pod {name})"


def nothing_said(obj: Object) -> str:
    """Why there is no pod, in the words of the object's status."""
    ready = condition(obj, "Ready")
    why = ready.get("message") or ready.get("reason") or "the operator has not looked at it yet; is it running?"
    name, place = obj["metadata"]["name"], obj["metadata"]["namespace"]
    more = f" hostler explain {name} -n {place} says more." if obj["kind"] in _FIRST else ""
    return f"{title(obj)} has no pods now, and so no log: {str(why).rstrip('.')}.{more}"
