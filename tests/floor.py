"""A floor of nodes for tests of admission: usage that is filled by short words, without a cluster."""

from __future__ import annotations

from typing import Any

from builders import make_pool

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.admission import plan
from hostler.planning.pools import Pool, PoolView, read_pool
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, Verdict, Workload

GPU = "nvidia.com/gpu"
Object = dict[str, Any]


def node(name: str, *, gpus: int = 8, cpu: str = "64", ready: bool = True, labels: Object | None = None) -> Object:
    """A node as the API server shows it."""
    amounts = {"cpu": cpu, "memory": "512Gi", "pods": "110", GPU: str(gpus)}
    return {
        "metadata": {"name": name, "labels": labels or {"hostler.dev/pool": "gpu"}},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def usage(*gpus: int, **spec: Any) -> PoolUsage:
    """The pool ``gpu`` over one node for each count of devices."""
    found = PoolUsage()
    put_pool(found, "gpu", **spec)
    for number, count in enumerate(gpus):
        found.put_node(node(f"n{number}", gpus=count))
    return found


def view_of(pool: Pool, *nodes: Object) -> PoolView:
    """A pool over these nodes, with nothing on them."""
    found = PoolUsage()
    found.put_pool(pool)
    for each in nodes:
        found.put_node(each)
    view = found.shape(pool.name)
    assert view is not None
    return view


def put_pool(found: PoolUsage, name: str, **spec: Any) -> None:
    """A pool of GPUs."""
    found.put_pool(read_pool(name, AcceleratorPoolSpec.model_validate(make_pool(name, **spec)["spec"])))


def need(devices: int = 1, cpu: int = 1000) -> dict[str, int]:
    """What a pod with so many devices counts with."""
    return {"cpu": cpu, "memory": 2**30, "pods": 1, GPU: devices}


def workload(name: str) -> Workload:
    """A training job."""
    return Workload("TrainingJob", "default", name)


def request(name: str, pods: int | tuple[int, int] = 1, *, devices: int = 1, since: int = 0, **more: Any) -> Request:
    """Somebody in line since so many seconds after midnight."""
    least, most = (pods, pods) if isinstance(pods, int) else pods
    moment = f"2026-01-01T{since // 3600:02d}:{since // 60 % 60:02d}:{since % 60:02d}Z"
    fields = {"pool": "gpu", "need": need(devices), "since": moment} | more
    return Request(workload=workload(name), least=least, most=most, **fields)


def answers(found: PoolUsage, *requests: Request, now: float = 0.0) -> dict[str, Verdict]:
    """Verdicts by name."""
    snapshot = found.snapshot({each.pool for each in requests}, {each.volumes for each in requests})
    return {key.name: verdict for key, verdict in plan(snapshot, requests, now).verdicts.items()}


def hold(found: PoolUsage, asked: Request, verdict: Admit, **more: Any) -> Reservation:
    """Write a verdict down."""
    seats = dict(verdict.seats)
    for name, pods in verdict.surge.items():
        seats[name] = seats.get(name, 0) + pods
    reservation = Reservation(workload=asked.workload, pool=asked.pool, need=asked.need, seats=seats, **more)
    found.put_reservation(reservation)
    return reservation


def pod(uid: str, *, devices: int = 1, cpu: str = "1") -> Object:
    """A pod of one container."""
    requests = {"cpu": cpu, "memory": "1Gi", GPU: str(devices)}
    return {"metadata": {"uid": uid}, "spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}
