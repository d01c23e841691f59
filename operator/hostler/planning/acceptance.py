"""Whether a spec can be honoured: what jobs and services have in common. Only a person could change what is refused.

A rejection names the field by its path, what is wrong and the way out. Reasons are the values that
``TrainingReason`` and ``ServiceReason`` share. See ``jobacceptance`` and ``serviceacceptance`` for the whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hostler.accelerators import Verb, compatibility
from hostler.api.common import Accelerators, AcceleratorsOfPods, JobAccelerators, Source, Topology
from hostler.api.trainingjob import TrainingReason
from hostler.planning.placement import Ask, small_domain_sentence, too_small_grown_sentence, too_small_sentence
from hostler.planning.pools import Pool, PoolView
from hostler.planning.rejection import Rejection, rejection

TRAINABLE_SOURCES = ("pvc", "configMap", "http", "s3", "hf")
AskFor = Callable[[Pool], Ask]
"""The pods of a workload, given the pool."""
HasImage = Callable[[Verb, str], bool]
"""Whether there is a runtime image for a verb and a variant."""


@dataclass(frozen=True, kw_only=True)
class PoolChoice:
    """What spec.accelerators.pool led to."""

    view: PoolView | None
    """None where there is no such pool, or none that can be used."""
    names: Sequence[str] = ()
    """Pools that exist."""
    unreadable: str = ""
    """What is wrong with the stored spec of the pool, where this release cannot read it."""


def reject_pool(
    wanted: Accelerators | JobAccelerators, choice: PoolChoice, *, verb: Verb, family_name: str
) -> Rejection | None:
    """What speaks against the pool: it is not there, or cannot do this."""
    view = choice.view
    if choice.unreadable:
        return rejection(
            TrainingReason.INVALID_SPEC, "spec.accelerators.pool", f"pool {wanted.pool}: {choice.unreadable}"
        )
    if view is None:
        return rejection(
            TrainingReason.POOL_NOT_FOUND, "spec.accelerators.pool", _unknown_pool(wanted.pool or "", choice.names)
        )
    kind = view.pool.kind
    if kind is None:
        return None  # The pool's own condition has the reason; the workload waits for it.
    answer = compatibility(family=family_name, accelerator=kind, verb=verb, simulated=view.simulated)
    if not answer.possible:
        return rejection(TrainingReason.INCOMPATIBLE_ACCELERATOR, "spec.accelerators.pool", answer.reason)
    if view.pool.resource is None and wanted.per_pod != 1:
        return rejection(
            TrainingReason.UNSUPPORTED_COUNT,
            "spec.accelerators.perPod",
            f"pool {view.pool.name} is a cpu pool, where perPod must be 1: ask for cores with spec.resources.cpu",
        )
    if kind.allowed_counts and wanted.per_pod not in kind.allowed_counts:
        counts = ", ".join(map(str, kind.allowed_counts))
        text = f"{kind.id} comes in {counts} per pod, not in {wanted.per_pod}"
        return rejection(TrainingReason.UNSUPPORTED_COUNT, "spec.accelerators.perPod", text)
    missing = [name for name in kind.pod.privileges if name not in view.pool.spec.allowed_privileges]
    if missing:
        text = (
            f"pods on {kind.id} need {', '.join(missing)}, which pool {view.pool.name} does not allow: "
            "an administrator can add it to the pool's spec.allowedPrivileges"
        )
        return rejection(TrainingReason.PRIVILEGE_NOT_ALLOWED, "spec.accelerators.pool", text)
    return None


def reject_image(choice: PoolChoice, has_image: HasImage, *, verb: Verb, family_name: str) -> Rejection | None:
    """An image of another variant would compute on the cores while the pod holds accelerators."""
    view = choice.view
    if view is None or view.pool.kind is None or not (view.nodes or view.grows):
        return None  # Without a node, nobody knows whether the devices will be simulated; and nothing can start.
    kind = view.pool.kind
    answer = compatibility(family=family_name, accelerator=kind, verb=verb, simulated=view.simulated)
    if has_image(verb, answer.variant):
        return None
    name, doing = f"{verb.value}-{answer.variant}", "training" if verb is Verb.TRAIN else "serving"
    text = (
        f"no runtime image of variant {answer.variant} is configured for {doing} on {kind.id}: "
        f"{'bring' if answer.image == 'bring' else 'build'} one and set images.variants.{name} in the chart's values "
        f"(--variant-image {name}=...)"
    )
    return Rejection(reason=TrainingReason.IMAGE_NOT_CONFIGURED.value, message=f"spec.accelerators.pool: {text}.")


def reject_size(choice: PoolChoice, ask_for: AskFor) -> Rejection | None:
    """What is too large even for the empty pool."""
    view = choice.view
    if view is None or view.pool.problem is not None:
        return None
    if view.pool.spec.scaling is not None:
        return _reject_grown(view, ask_for(view.pool))
    if view.capacity == 0:
        return None
    expected = view.pool.spec.expected_accelerators
    if expected is not None and view.capacity < expected:
        return None  # Promised devices are missing now; that is a reason to wait, not to refuse.
    ask = ask_for(view.pool)
    if view.largest_ever(ask.need) >= ask.least:
        return None
    return rejection(TrainingReason.POOL_TOO_SMALL, "spec.accelerators", too_small_sentence(view, ask))


def _reject_grown(view: PoolView, ask: Ask) -> Rejection | None:
    if view.largest_grown(ask.need) >= ask.least:
        return None
    return rejection(TrainingReason.POOL_TOO_SMALL, "spec.accelerators", too_small_grown_sentence(view, ask))


def reject_topology(wanted: AcceleratorsOfPods, choice: PoolChoice) -> Rejection | None:
    """A domain of a pool that has none. Where one is only preferred, nodes are looked at alone."""
    view = choice.view
    if view is None or wanted.topology is not Topology.REQUIRED or view.pool.spec.topology_key is not None:
        return None
    text = (
        f"pool {view.pool.name} has no topologyKey, so nobody knows its domains: remove topology or say preferred, or "
        "have an administrator set the pool's spec.topologyKey to a label of its nodes"
    )
    return rejection(TrainingReason.TOPOLOGY_NOT_CONFIGURED, "spec.accelerators.topology", text)


def reject_domain(wanted: AcceleratorsOfPods, choice: PoolChoice, ask_for: AskFor) -> Rejection | None:
    """Pods that must be in one domain and are too many even for the largest one when it is empty.

    Nobody knows into which domain an autoscaler puts a node: all that may come count as if they came into that one.
    """
    view = choice.view
    if view is None or wanted.topology is not Topology.REQUIRED or view.pool.problem is not None or not view.nodes:
        return None
    expected = view.pool.spec.expected_accelerators
    if view.capacity == 0 or (expected is not None and view.capacity < expected):
        return None  # As for the size: what is promised may yet come.
    ask = ask_for(view.pool)
    most = view.largest_domain_ever(ask.need)[1] + view.largest_growth(ask.need)
    if most >= ask.least:
        return None
    return rejection(TrainingReason.POOL_TOO_SMALL, "spec.accelerators.topology", small_domain_sentence(view, ask))


def reject_quota(namespace: str, choice: PoolChoice, ask_for: AskFor) -> Rejection | None:
    """What is more than the namespace may ever hold, borrowed accelerators included."""
    view = choice.view
    quotas = view.pool.spec.queue.quotas if view is not None else ()
    quota = next((each for each in quotas if namespace in each.namespaces), None)
    if view is None or quota is None or quota.borrowing_limit is None:
        return None
    ask, most = ask_for(view.pool), quota.nominal + quota.borrowing_limit
    needed = ask.least * view.pool.units(ask.need)
    if needed <= most:
        return None
    text = (
        f"namespace {namespace} may hold {most} {view.pool.unit} of pool {view.pool.name} (nominal {quota.nominal}, "
        f"borrowingLimit {quota.borrowing_limit}), and {ask.who} needs {needed}: ask for less, or have an "
        "administrator raise the pool's spec.queue.quotas"
    )
    return rejection(TrainingReason.QUOTA_TOO_SMALL, "spec.accelerators", text)


def reject_source(source: Source | None, path: str, supported: Sequence[str]) -> Rejection | None:
    """A place that this release cannot read from."""
    if source is None or source.member in supported:
        return None
    text = f"this release cannot read from {source.member}; use {' or '.join(supported)}"
    return rejection(TrainingReason.SOURCE_NOT_SUPPORTED, f"{path}.{source.member}", text)


def _unknown_pool(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"there is no AcceleratorPool {name}, and no other one either: create it"
    near = difflib.get_close_matches(name, known, n=1)
    listed = f"did you mean {near[0]}?" if near else f"pools: {', '.join(sorted(known)[:8])}"
    return f"there is no AcceleratorPool {name}; {listed}"
