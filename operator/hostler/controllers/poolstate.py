"""A pool as one workload sees it, put together from the caches."""

from __future__ import annotations

from collections import defaultdict

from pydantic import ValidationError

from hostler.api.pool import AcceleratorPoolSpec
from hostler.controllers.ledger import Ledger, Workload
from hostler.controllers.ports import Object, Reader
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning.acceptance import PoolChoice
from hostler.planning.demand import Demand, of_deployment, of_job
from hostler.planning.pods import holds_resources
from hostler.planning.pools import Pool, PoolView, promise, read_pool, see


def load_pool(reader: Reader, name: str) -> Pool | None:
    """A pool that is there and is not going away. Raises ``pydantic.ValidationError`` for a spec of another release."""
    found = reader.get("AcceleratorPool", name=name)
    if found is None or found["metadata"].get("deletionTimestamp"):
        return None
    return read_pool(name, AcceleratorPoolSpec.model_validate(found["spec"]))


def choose(reader: Reader, ledger: Ledger, name: str, *, asks: Workload) -> PoolChoice:
    """What ``spec.accelerators.pool`` leads to, with everybody else's pods and promises taken off."""
    try:
        pool = load_pool(reader, name)
    except ValidationError as error:
        return PoolChoice(view=None, unreadable=invalid_spec_sentence(error))
    if pool is None:
        return PoolChoice(view=None, names=[p["metadata"]["name"] for p in reader.list("AcceleratorPool")])
    return PoolChoice(view=look(reader, ledger, pool, asks=asks))


def look(reader: Reader, ledger: Ledger, pool: Pool, *, asks: Workload) -> PoolView:
    """The pool now. Synchronous, so that a note in the ledger can follow without an await between."""
    others = [pod for pod in reader.list("Pod") if not asks.owns(pod)]
    bound = [
        pod
        for pod in others
        if (pod["metadata"].get("labels") or {}).get(naming.POOL) == pool.name and holds_resources(pod)
    ]
    view = see(pool, nodes=reader.list("Node"), pods=others)
    return promise(view, _demands(reader, ledger, pool, others, asks), bound=bound)


def _demands(reader: Reader, ledger: Ledger, pool: Pool, pods: list[Object], asks: Workload) -> list[Demand]:
    labels = {naming.MANAGED_BY: naming.MANAGER, naming.POOL: pool.name}
    by_workload: dict[tuple[str, ...], list[Object]] = defaultdict(list)
    for pod in pods:
        by_workload[_group(pod)].append(pod)
    found = [
        of_job(job, by_workload[_group(job)], pool=pool.name, resource=pool.resource)
        for job in reader.list("Job", labels=labels)
        if not asks.owns(job)
    ]
    found += [
        of_deployment(deployment, by_workload[_group(deployment)], pool=pool.name, resource=pool.resource)
        for deployment in reader.list("Deployment", labels=labels)
        if not asks.owns(deployment)
    ]
    return [*found, *ledger.open(pool.name, but=asks)]


def _group(candidate: Object) -> tuple[str, ...]:
    metadata = candidate["metadata"]
    labels = metadata.get("labels") or {}
    return (
        metadata.get("namespace", ""),
        labels.get(naming.TRAINING_JOB, ""),
        labels.get(naming.ATTEMPT, ""),
        labels.get(naming.INFERENCE_SERVICE, ""),
    )
