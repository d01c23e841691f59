"""`hostler suspend`, `resume` and `cancel`: what changes a job, each with a dry run at the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hostler.cli.access import FIELD_MANAGER, Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.completing import NamesOf
from hostler.cli.failures import JsonCommand
from hostler.cli.kindwords import kind_and_name
from hostler.cli.lineview import condition, has_ended, title
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.targets import find_target
from hostler.cluster.errors import Conflict
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
_JOBS = ("TrainingJob", "InferenceService")
_CONTEXT = {"help_option_names": ["-h", "--help"]}


def _options(function: F) -> F:
    """What all three take."""
    for option in (
        output_options,
        click.option("--dry-run", is_flag=True, help="Let the API server check it, and change nothing."),
        kubeconfig_option,
        namespace_option,
        click.argument("name", shell_complete=NamesOf(*_JOBS)),
    ):
        function = option(function)
    return function


@click.command(cls=JsonCommand, context_settings=_CONTEXT)
@_options
def suspend(*, name: str, namespace: str | None, kubeconfig: Path | None, dry_run: bool, output: str) -> None:
    """Stop the pods of job NAME and keep its checkpoints; its accelerators are free for others."""
    _set_suspend(name, namespace=namespace, kubeconfig=kubeconfig, dry_run=dry_run, output=output, value=True)


@click.command(cls=JsonCommand, context_settings=_CONTEXT)
@_options
def resume(*, name: str, namespace: str | None, kubeconfig: Path | None, dry_run: bool, output: str) -> None:
    """Bring the suspended job NAME into line again; it goes on from its newest checkpoint."""
    _set_suspend(name, namespace=namespace, kubeconfig=kubeconfig, dry_run=dry_run, output=output, value=False)


def _set_suspend(
    given: str, *, namespace: str | None, kubeconfig: Path | None, dry_run: bool, output: str, value: bool
) -> None:
    kind, name = kind_and_name(given, kinds=_JOBS)

    async def question(access: Access) -> tuple[Object, str]:
        obj = await find_target(access, kind or "TrainingJob", name, kinds=_JOBS)
        refuse_suspending(obj, value=value)
        if bool(obj["spec"].get("suspend")) is value:
            return obj, already(obj, value=value)
        # Of this incarnation: one that was made anew meanwhile under the same name is not what was meant.
        patch = {"metadata": {"uid": obj["metadata"]["uid"]}, "spec": {"suspend": value}}
        await access.client.merge(
            resource_of(obj["kind"]),
            namespace=obj["metadata"]["namespace"],
            name=name,
            patch=patch,
            manager=FIELD_MANAGER,
            dry_run=dry_run,
        )
        return obj, changed(obj, value=value)

    obj, said = ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    _report(obj, said, action="suspend" if value else "resume", dry_run=dry_run, output=output)


def refuse_suspending(obj: Object, *, value: bool) -> None:
    """Raises ``click.ClickException`` where it makes no sense."""
    if obj["kind"] != "TrainingJob":
        raise click.ClickException(
            f"{title(obj)} cannot be suspended: a service keeps no state; cancel it, and create it again from its file"
        )
    verb = "suspend" if value else "resume"
    if obj["metadata"].get("deletionTimestamp"):
        raise click.ClickException(f"{title(obj)} is being deleted: there is nothing left to {verb}")
    if has_ended(obj):
        reason = condition(obj, "Ready").get("reason") or "ended"
        raise click.ClickException(
            f"{title(obj)} has ended ({reason}): there is nothing left to {verb}; create a new job to train again"
        )


def already(obj: Object, *, value: bool) -> str:
    """What is said where nothing is to be done."""
    return f"{title(obj)} {'is suspended already' if value else 'is not suspended'}: nothing to do"


def changed(obj: Object, *, value: bool) -> str:
    """What was done, and what comes of it."""
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    if value:
        return (
            f"{title(obj)} suspended: its pods save a checkpoint and end; hostler resume {name} -n {namespace} goes on "
            "from there"
        )
    return f"{title(obj)} resumed: it is in line again; hostler explain {name} -n {namespace} says when it starts"


@click.command(cls=JsonCommand, context_settings=_CONTEXT)
@_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def cancel(*, name: str, namespace: str | None, kubeconfig: Path | None, dry_run: bool, output: str, yes: bool) -> None:
    """Delete the job or service NAME with its pods, and say what stays."""
    kind, plain = kind_and_name(name, kinds=_JOBS)

    async def look(access: Access) -> Object:
        return await find_target(access, kind, plain, kinds=_JOBS)

    obj = ask_cluster(look, kubeconfig=kubeconfig, namespace=namespace)
    if not yes and not dry_run:
        if output != TABLE:
            raise click.UsageError("a program cannot be asked: give --yes with --output json or yaml")
        click.echo(f"{title(obj)}: {stays(obj)}", err=True)
        click.confirm("Delete it?", abort=True, err=True)

    async def delete(access: Access) -> None:
        metadata = obj["metadata"]
        try:
            await access.client.delete(
                resource_of(obj["kind"]),
                namespace=metadata["namespace"],
                name=metadata["name"],
                uid=metadata["uid"],
                dry_run=dry_run,
            )
        except Conflict as error:
            raise click.ClickException(
                f"{title(obj)} was deleted and made anew meanwhile: that one is left alone; look at it, and repeat"
            ) from error

    ask_cluster(delete, kubeconfig=kubeconfig, namespace=namespace)
    _report(obj, f"{title(obj)} deleted: {stays(obj)}", action="cancel", dry_run=dry_run, output=output)


def stays(obj: Object) -> str:
    """What goes with it, and what is left, by who owns what."""
    name = obj["metadata"]["name"]
    if obj["kind"] == "InferenceService":
        model = obj["spec"]["modelRef"]
        return f"its pods and its URL go; {model.get('kind', 'Model')} {model['name']} stays"
    made = (obj.get("status") or {}).get("model")
    if made:
        return f"its pods go; the Model {made}, with the weights on its claim, stays until that is deleted"
    claim = ((obj["spec"].get("storage") or {}).get("claimName")) or ""
    if claim:
        return f"its pods go; the claim {claim} is yours and stays, with the checkpoints on it; no Model was made"
    return (
        f"its pods go, and so does its claim {name} with all checkpoints: no Model was made yet; "
        f"hostler suspend {name} stops it and keeps them"
    )


def _report(obj: Object, said: str, *, action: str, dry_run: bool, output: str) -> None:
    if output == TABLE:
        click.echo(f"{said} (dry run: nothing was changed)" if dry_run else said)
        return
    metadata = obj["metadata"]
    facts = {"kind": obj["kind"], **{key: metadata[key] for key in ("namespace", "name", "uid")}}
    click.echo(document({**facts, "action": action, "dryRun": dry_run, "message": said}, output=output))
