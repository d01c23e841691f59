"""`hostler explain`: the whole story of one job or service, from the cluster's objects and with the user's rights."""

from __future__ import annotations

import difflib
from pathlib import Path

import click
from rich.console import Console

from hostler.cli.access import kubeconfig_option, namespace_option
from hostler.cli.completing import NamesOf
from hostler.cli.explanation import Explanation, explanation
from hostler.cli.failures import JsonCommand
from hostler.cli.kindwords import kind_and_name
from hostler.cli.lineview import KINDS, LineView, Object, full_name, read_view, title
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table, terminal

_NODE_COLUMNS = (
    Column(name="NODE", wraps=True),
    Column(name="FREE", right=True),
    Column(name="FITS", right=True),
    Column(name="WHY NOT", wraps=True),
)
_EVENT_COLUMNS = (Column(name="AGO", right=True), Column(name="REASON"), Column(name="MESSAGE", wraps=True))


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", shell_complete=NamesOf(*KINDS))
@namespace_option
@kubeconfig_option
@output_options
def explain(*, name: str, namespace: str | None, kubeconfig: Path | None, output: str) -> None:
    """Tell the whole story of the TrainingJob or InferenceService NAME (or KIND/NAME): its place in line, each node of
    its pool and why it does not do, quota, preemptions, attempts and Events."""
    kind, name = kind_and_name(name, kinds=KINDS)
    view = read_view(kubeconfig, namespace=namespace, explained=(kind, name))
    obj = find(view, kind, name, namespace=namespace or view.here)
    told = explanation(view, obj)
    if output != TABLE:
        click.echo(document(told.facts(), output=output))
        return
    print_explanation(terminal(), told)


def find(view: LineView, kind: str, name: str, *, namespace: str) -> Object:
    """The object that is meant. Raises ``click.ClickException`` that says where it is instead."""
    called = [obj for obj in view.workloads if obj["metadata"]["name"] == name and kind in ("", obj["kind"])]
    here = [obj for obj in called if obj["metadata"]["namespace"] == namespace]
    if len(here) == 1:
        return here[0]
    if here:
        raise click.ClickException(
            f"there are a TrainingJob and an InferenceService {name} in namespace {namespace}: "
            f"write trainingjob/{name} or inferenceservice/{name}"
        )
    what = kind or "TrainingJob or InferenceService"
    if called:
        places = ", ".join(f"{obj['kind']} {name} is in namespace {obj['metadata']['namespace']}" for obj in called)
        raise click.ClickException(
            f"there is no {what} {name} in namespace {namespace}; {places}: add -n {called[0]['metadata']['namespace']}"
        )
    text = f"there is no {what} {name} in namespace {namespace}"
    names = [obj["metadata"]["name"] for obj in view.workloads if kind in ("", obj["kind"])]
    if alike := difflib.get_close_matches(name, names, n=1):
        nearest = next(obj for obj in view.workloads if obj["metadata"]["name"] == alike[0])
        text = f"{text}; did you mean {full_name(nearest)}?"
    elif view.namespace is not None:
        text = f"{text}, and you may not look into others"
    raise click.ClickException(text)


def print_explanation(out: Console, told: Explanation) -> None:
    """For people, no wider than the terminal."""

    def say(text: str) -> None:
        out.print(text, markup=False, highlight=False)

    say(f"{title(told.obj)}: {told.state}")
    for sentence in told.now:
        say(sentence)
    for heading, sentences in told.sections():
        if sentences:
            out.print()
            out.print(heading, style="bold", markup=False, highlight=False)
            for sentence in sentences:
                say(sentence)
    if told.nodes:
        out.print()
        out.print(told.nodes_heading, style="bold", markup=False, highlight=False)
        rows = [(n.name, str(n.free), str(n.fits), n.why) for n in told.nodes]
        show_table(_NODE_COLUMNS, rows, to=out)
        if told.nodes_left_out:
            say(f"and {told.nodes_left_out} more nodes; --output json has all.")
    if told.events:
        out.print()
        out.print("Events", style="bold")
        events = [(event.ago, event.reason, event.message) for event in told.events]
        show_table(_EVENT_COLUMNS, events, to=out)
    for sentence in told.unseen:
        out.print()
        say(sentence)
