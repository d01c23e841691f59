"""`hostler doctor`: what is missing on this cluster, and the way out."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hostler.api.kinds import KINDS
from hostler.api.schema import GROUP, VERSION
from hostler.cli.access import Access, ask_cluster, kubeconfig_option, namespace_option
from hostler.cli.diagnosis import Facts, Result, diagnosis
from hostler.cli.failures import JsonCommand
from hostler.cli.output import TABLE, document, output_options
from hostler.cli.tables import Column, show_table
from hostler.cluster.errors import Forbidden, NotFound

Object = dict[str, Any]
_COLUMNS = (
    Column(name="CHECK"),
    Column(name="RESULT"),
    Column(name="WHAT", wraps=True),
    Column(name="WAY OUT", wraps=True),
)
_OURS = f"/apis/{GROUP}/{VERSION}"
_VERBS = ("create", "delete", "list", "patch")
_PAGE = 500


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@namespace_option
@click.option("--operator-namespace", default="hostler-system", show_default=True, help="Where the operator runs.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings and no failures.")
@kubeconfig_option
@output_options
def doctor(
    *, namespace: str | None, operator_namespace: str, strict: bool, kubeconfig: Path | None, output: str
) -> None:
    """Say what is missing on this cluster, and the way out. Exit status 2 where a check fails."""
    facts = ask_cluster(
        lambda access: read_facts(access, operator_namespace=operator_namespace),
        kubeconfig=kubeconfig,
        namespace=namespace,
    )
    findings = diagnosis(facts)
    counts = Counter(finding.result for finding in findings)
    if output != TABLE:
        click.echo(document([asdict(finding) for finding in findings], output=output))
    else:
        show_table(_COLUMNS, [(each.check, each.result, each.message, each.way_out) for each in findings])
        click.echo(f"{counts[Result.FAIL]} failures, {counts[Result.WARN]} warnings, {counts[Result.OK]} in order.")
    if counts[Result.FAIL] or (strict and counts[Result.WARN]):
        raise click.exceptions.Exit(2 if counts[Result.FAIL] else 1)


async def read_facts(access: Access, *, operator_namespace: str) -> Facts:
    """Everything that the checks need, each read once and all at the same time."""
    place, theirs = f"/namespaces/{access.namespace}", f"/namespaces/{operator_namespace}"
    paths = {
        "leases": f"/apis/coordination.k8s.io/v1{theirs}/leases",
        "crds": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "pools": f"{_OURS}/acceleratorpools",
        "nodes": "/api/v1/nodes",
        "storage_classes": "/apis/storage.k8s.io/v1/storageclasses",
        "volumes": "/api/v1/persistentvolumes",
        "deployments": f"/apis/apps/v1{theirs}/deployments",
        "policies": f"/apis/networking.k8s.io/v1{place}/networkpolicies",
    }
    # Whether there is a way at all is told as of every command, before a failure means that something is not known.
    await access.client.raw("/version")
    lists, served, labels, monitors, denied = await asyncio.gather(
        asyncio.gather(*(_items(access, path) for path in paths.values())),
        _served(access),
        _labels(access),
        _monitors(access, operator_namespace),
        _denied(access),
    )
    return Facts(
        now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        namespace=access.namespace,
        operator_namespace=operator_namespace,
        served=served,
        namespace_labels=labels,
        monitors=monitors,
        denied=denied,
        **dict(zip(paths, lists, strict=True)),
    )


async def _items(access: Access, path: str) -> list[Object] | None:
    """All pages of a list; None where it may not be read or does not exist."""
    found: list[Object] = []
    token = ""
    while True:
        try:
            page = await access.client.raw(f"{path}?limit={_PAGE}" + (f"&continue={token}" if token else ""))
        except (Forbidden, NotFound):
            return None
        found += page.get("items") or ()
        token = page["metadata"].get("continue") or ""
        if not token:
            return found


async def _served(access: Access) -> frozenset[str]:
    try:
        answer = await access.client.raw(_OURS)
    except NotFound:
        return frozenset()
    return frozenset(str(each["name"]) for each in answer.get("resources") or ())


async def _labels(access: Access) -> dict[str, str] | None:
    try:
        found = await access.client.raw(f"/api/v1/namespaces/{access.namespace}")
    except NotFound as error:
        raise click.ClickException(
            f"there is no namespace {access.namespace}: name another one with -n, or kubectl create namespace "
            f"{access.namespace}"
        ) from error
    except Forbidden:
        return None
    return dict(found["metadata"].get("labels") or {})


async def _monitors(access: Access, namespace: str) -> frozenset[str] | None:
    found = set()
    for kind, plural in (("PodMonitor", "podmonitors"), ("ServiceMonitor", "servicemonitors")):
        items = await _items(access, f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}/{plural}")
        if items is None:
            return None
        if any((i["metadata"].get("labels") or {}).get("app.kubernetes.io/part-of") == "hostler" for i in items):
            found.add(kind)
    return frozenset(found)


async def _denied(access: Access) -> frozenset[str]:
    """What the caller may not do, by one review of all rules; each that it leaves out is asked for by itself, because
    authorizers that are no RBAC name no rules."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    answer = await access.client.review(review | {"spec": {"namespace": access.namespace}})
    status = answer.get("status") or {}
    rules = status.get("resourceRules") or ()
    asked = [(verb, kind.plural) for kind in KINDS if kind.namespaced for verb in _VERBS]
    asked.append(("list", "acceleratorpools"))
    denied = [(verb, plural) for verb, plural in asked if not any(_allows(rule, verb, plural) for rule in rules)]
    if not status.get("incomplete"):
        return frozenset(f"{verb} {plural}" for verb, plural in denied)
    answers = await asyncio.gather(*(_may(access, verb, plural) for verb, plural in denied))
    return frozenset(f"{verb} {plural}" for (verb, plural), may in zip(denied, answers, strict=True) if not may)


def _allows(rule: Object, verb: str, plural: str) -> bool:
    def among(field: str, value: str) -> bool:
        return bool({"*", value} & set(rule.get(field) or ()))

    named = bool(rule.get("resourceNames"))
    return among("apiGroups", GROUP) and among("resources", plural) and among("verbs", verb) and not named


async def _may(access: Access, verb: str, plural: str) -> bool:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    place = {} if plural == "acceleratorpools" else {"namespace": access.namespace}
    attributes = {"group": GROUP, "resource": plural, "verb": verb} | place
    answer = await access.client.review(review | {"spec": {"resourceAttributes": attributes}})
    return bool((answer.get("status") or {}).get("allowed"))
