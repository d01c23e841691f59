"""What is missing on a cluster, decided from facts that were read once. Nothing here asks anybody.

A fact that could not be read is None: its checks are warnings that say so, never silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from hostler.accelerators import Verb, accelerators, compatibility
from hostler.api.crd import crds
from hostler.cli.lineview import condition
from hostler.families import families
from hostler.planning import moments

Object = dict[str, Any]

PRICE_DAYS = 365
"""Age of a price from which it is doubted."""
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_ENFORCED = "pod-security.kubernetes.io/enforce"
_NAMED = 5


class Result(StrEnum):
    """Of one check."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row: what was looked at, and the way out where something is missing."""

    check: str
    result: Result
    message: str
    way_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The cluster at one moment; None where it could not be read."""

    now: str
    """RFC 3339."""
    namespace: str
    """In which the caller would work."""
    operator_namespace: str
    leases: Sequence[Object] | None = None
    """Of the operator's namespace."""
    crds: Sequence[Object] | None = None
    served: frozenset[str] | None = None
    """Plurals of our group that the API server serves."""
    pools: Sequence[Object] | None = None
    nodes: Sequence[Object] | None = None
    storage_classes: Sequence[Object] | None = None
    volumes: Sequence[Object] | None = None
    """PersistentVolumes."""
    deployments: Sequence[Object] | None = None
    """Of the operator's namespace."""
    monitors: frozenset[str] | None = None
    """Kinds of monitors of ours that exist; None where the API server knows no monitors."""
    namespace_labels: Mapping[str, str] | None = None
    policies: Sequence[Object] | None = None
    """NetworkPolicies of the caller's namespace."""
    denied: frozenset[str] = field(default_factory=frozenset)
    """What the caller may not do, as ``create trainingjobs``."""


def diagnosis(facts: Facts) -> list[Finding]:
    """Every check, those that others depend on first."""
    checks = (
        _operator, _crds, _permissions, _pools, _prices, _device_plugins, _storage, _images, _namespace, _monitoring,
    )  # fmt: skip
    return [finding for check in checks for finding in check(facts)]


def _ok(check: str, message: str) -> Finding:
    return Finding(check=check, result=Result.OK, message=message)


def _warn(check: str, message: str, way_out: str) -> Finding:
    return Finding(check=check, result=Result.WARN, message=message, way_out=way_out)


def _fail(check: str, message: str, way_out: str) -> Finding:
    return Finding(check=check, result=Result.FAIL, message=message, way_out=way_out)


def _unseen(check: str, what: str) -> Finding:
    return _warn(check, f"you may not list {what}, so this is not known", "ask an administrator to call hostler doctor")


def _operator(facts: Facts) -> Iterator[Finding]:
    check, place = "operator", facts.operator_namespace
    if facts.leases is None:
        yield _unseen(check, f"the Leases of namespace {place}")
        return
    ours = [each for each in facts.leases if each["metadata"]["name"].endswith("hostler-operator")]
    if not ours:
        yield _fail(
            check,
            f"there is no Lease of an operator in namespace {place}",
            "install the chart (helm/hostler), or name its namespace with --operator-namespace",
        )
        return
    for lease in ours:
        spec = lease.get("spec") or {}
        holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
        silent = moments.elapsed(str(renewed), now=facts.now) if renewed else None
        if holder and silent is not None and silent <= 2 * float(spec.get("leaseDurationSeconds") or 15):
            yield _ok(check, f"{holder} leads")
        else:
            since = f" for {moments.duration(silent)}" if silent is not None else ""
            yield _fail(
                check, f"no operator has led{since}", f"see its pods and their logs: kubectl get pods -n {place}"
            )


def _crds(facts: Facts) -> Iterator[Finding]:
    check = "CRDs"
    wanted = {crd["metadata"]["name"]: crd for crd in crds()}
    plurals = {name: crd["spec"]["names"]["plural"] for name, crd in wanted.items()}
    install = "upgrade the chart to this release, or kubectl apply -f crds/"
    if facts.served is not None and (absent := sorted(set(plurals.values()) - facts.served)):
        yield _fail(check, f"the API server does not know {_listed(absent)}", install)
        return
    if facts.crds is None:
        yield _unseen(check, "CustomResourceDefinitions")
        return
    found = {crd["metadata"]["name"]: crd for crd in facts.crds}
    other = sorted(name for name, crd in wanted.items() if name not in found or _schema(found[name]) != _schema(crd))
    if other:
        yield _warn(check, f"not of this release's schema: {_listed(other)}", install)
    else:
        yield _ok(check, f"all {len(wanted)} are of this release's schema")


def _schema(crd: Object) -> Any:
    return [version.get("schema") for version in crd["spec"]["versions"] if version.get("storage")]


def _permissions(facts: Facts) -> Iterator[Finding]:
    check = "permissions"
    if not facts.denied:
        yield _ok(check, f"you may run jobs and services in namespace {facts.namespace}")
        return
    pools = {each for each in facts.denied if each.endswith(" acceleratorpools")}
    if facts.denied - pools:
        yield _fail(
            check,
            f"in namespace {facts.namespace} you may not {_listed(sorted(facts.denied - pools))}",
            "ask for a RoleBinding to the ClusterRole edit there, or name another namespace with -n",
        )
    if pools:
        yield _warn(
            check, "you may not list acceleratorpools", "ask for a binding to the ClusterRole hostler-pool-reader"
        )


def _pools(facts: Facts) -> Iterator[Finding]:
    check = "pools"
    if facts.pools is None:
        yield _unseen(check, "AcceleratorPools")
    elif not facts.pools:
        yield _fail(check, "there are no AcceleratorPools", "describe your nodes with one: docs/concepts/pools.md")
    for pool in facts.pools or ():
        name, ready = pool["metadata"]["name"], condition(pool, "Ready")
        if ready.get("status") == "True":
            yield _ok(check, f"{name} is ready")
        elif not ready:
            yield _fail(check, f"{name}: nobody has looked at it", "is the operator running?")
        else:
            said = f"{name} ({ready.get('reason')}): {ready.get('message') or 'no message'}"
            yield _fail(check, said, f"docs/concepts/pools.md explains {ready.get('reason')}")


def _prices(facts: Facts) -> Iterator[Finding]:
    check = "prices"
    today = date.fromisoformat(facts.now[:10])
    for pool in facts.pools or ():
        name, price = pool["metadata"]["name"], pool["spec"].get("price")
        if not price:
            yield _warn(check, f"{name} has no price: nothing can be said of costs", "set spec.price of the pool")
            continue
        try:
            age = (today - date.fromisoformat(str(price.get("date") or ""))).days
        except ValueError:
            yield _warn(check, f"the price of {name} has no date", "set spec.price.date, as YYYY-MM-DD")
            continue
        said = f"{price['amount']} {price['currency']} of {price['date']}"
        if age < 0:
            yield _fail(check, f"the price of {name} is of the future: {said}", "correct spec.price.date")
        elif age > PRICE_DAYS:
            yield _warn(
                check, f"the price of {name} is older than a year: {said}", "look it up, and set amount and date"
            )
        else:
            yield _ok(check, f"{name}: {said}")


def _device_plugins(facts: Facts) -> Iterator[Finding]:
    check = "device plugins"
    if facts.nodes is None:
        yield _unseen(check, "nodes")
        return
    silent: dict[str, list[str]] = {}
    kinds = list(accelerators().values())
    for node in facts.nodes:
        labels = node["metadata"].get("labels") or {}
        offered = (node.get("status") or {}).get("capacity") or {}
        # One product label may stand for several types (partitions): any of their resources will do.
        said = [kind for kind in kinds if any(labels.get(each.key) in each.values for each in kind.node_labels)]
        if said and not any(kind.accepts_resource(name) for kind in said for name in offered):
            resource = said[0].resource_name or said[0].example_resource_name or said[0].id
            silent.setdefault(f"{said[0].id} ({resource})", []).append(node["metadata"]["name"])
    for what, names in silent.items():
        yield _fail(
            check,
            f"nodes are labelled as {what} and advertise none: {_listed(names)}",
            "install the vendor's device plugin, and see its pod on that node",
        )
    if not silent:
        yield _ok(check, "every node that is labelled with an accelerator advertises it")


def _storage(facts: Facts) -> Iterator[Finding]:
    check = "storage"
    if facts.storage_classes is None:
        yield _unseen(check, "StorageClasses")
        return
    default = [each for each in facts.storage_classes if _annotations(each).get(_DEFAULT_CLASS) == "true"]
    if default:
        yield _ok(check, f"{default[0]['metadata']['name']} is the default StorageClass")
    else:
        there = _listed([each["metadata"]["name"] for each in facts.storage_classes]) or "there are none"
        yield _fail(
            check,
            f"there is no default StorageClass ({there})",
            "annotate one as default, or set spec.storage.storageClassName of every job",
        )
    shared = {
        str(volume["spec"].get("storageClassName") or "")
        for volume in facts.volumes or ()
        if "ReadWriteMany" in (volume["spec"].get("accessModes") or ())
    } - {""}
    if shared:
        yield _ok(check, f"ReadWriteMany was provisioned by {_listed(sorted(shared))}")
    else:
        yield _warn(
            check,
            "no volume is ReadWriteMany: whether a class provides it shows with the first claim",
            "jobs ask for it: use shared storage (NFS, CephFS), or accessModes: [ReadWriteOnce] in spec.storage",
        )


def _images(facts: Facts) -> Iterator[Finding]:
    check = "images"
    if facts.deployments is None:
        yield _unseen(check, f"the Deployments of namespace {facts.operator_namespace}")
        return
    arguments = [text for each in facts.deployments for text in _arguments(each)]
    if not arguments or facts.pools is None:
        return
    default = next((a.partition("=")[2] for a in arguments if a.startswith("--default-variant=")), "cpu")
    images = {a.partition("=")[2].partition("=")[0] for a in arguments if a.startswith("--variant-image=")}
    images |= {f"{verb.value}-{default}" for verb in Verb}
    for pool in facts.pools:
        kind = accelerators().get(pool["spec"]["acceleratorType"])
        if kind is None:
            continue
        needed = {
            f"{verb.value}-{found.variant}"
            for verb in Verb
            for family in families()
            if (found := compatibility(family=family, accelerator=kind, verb=verb)).variant
            and found.verdict.value != "unsupported"
        }
        if needed and not needed & images:
            yield _fail(
                check,
                f"pool {pool['metadata']['name']} ({kind.id}) needs one of {_listed(sorted(needed))}; there is "
                f"{_listed(sorted(images))}",
                "set images.variants of the chart: docs/operations/images.md",
            )
        else:
            yield _ok(check, f"there is an image for pool {pool['metadata']['name']} ({kind.id})")


def _arguments(deployment: Object) -> list[str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return [str(text) for each in containers if each["name"] == "operator" for text in each.get("args") or ()]


def _namespace(facts: Facts) -> Iterator[Finding]:
    check, name = "namespace", facts.namespace
    level = (facts.namespace_labels or {}).get(_ENFORCED, "privileged")
    needing = [p["metadata"]["name"] for p in facts.pools or () if p["spec"].get("allowedPrivileges")]
    if facts.namespace_labels is None:
        yield _unseen(check, f"the labels of namespace {name}")
    elif level != "privileged" and needing:
        yield _warn(
            check,
            f"{name} enforces Pod Security {level}, and pods on {_listed(needing)} need more (allowedPrivileges)",
            f"label the namespace {_ENFORCED}=privileged, or use other pools there",
        )
    else:
        yield _ok(check, f"Pod Security of {name} ({level}) admits our pods")
    arguments = [text for each in facts.deployments or () for text in _arguments(each)]
    closed = [p["metadata"]["name"] for p in facts.policies or () if _closes(p)]
    if facts.policies is None:
        yield _unseen(check, f"the NetworkPolicies of namespace {name}")
    elif closed and "--workload-policies" not in arguments:
        yield _warn(
            check,
            f"{_listed(closed)} of {name} keeps pods from all traffic: peers, data and progress may be out of reach",
            "set networkPolicy.workloads.enabled of the chart, which allows what is needed, or add policies of yours",
        )
    else:
        yield _ok(check, f"no NetworkPolicy of {name} keeps our pods from all traffic")


def _closes(policy: Object) -> bool:
    """Whether it selects every pod and allows nothing in some direction."""
    spec = policy["spec"]
    if spec.get("podSelector"):
        return False
    return any(not spec.get(direction.lower()) for direction in spec.get("policyTypes") or ("Ingress",))


def _monitoring(facts: Facts) -> Iterator[Finding]:
    check, enable = (
        "monitoring",
        "set monitoring.enabled of the chart, or scrape by annotations: docs/reference/metrics.md",
    )
    if facts.monitors is None:
        yield _warn(check, "the Prometheus Operator is not installed, or its monitors may not be listed", enable)
    elif facts.monitors:
        yield _ok(check, f"there are {_listed(sorted(facts.monitors))} of Hostler")
    else:
        yield _warn(check, "nothing of Hostler is scraped by monitors", enable)


def _annotations(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
