"""Samples what the holders of the devices really do, once in every interval."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from device_simulator.inventory import Device
from device_simulator.usage import Limits, Sample, memory_share, pod_limits, power, utilization
from device_simulator.vendormetrics import GIB, Reading
from hostler.kubelet.podresources import DeviceId, Holder

log = logging.getLogger(__name__)

REFRESH = 30.0
"""Seconds after which a pod is read again, because its limits can be changed in place."""

STATIC_POD_UID = "kubernetes.io/config.hash"
"""A static pod's cgroup carries this hash, not the uid of its mirror in the API."""


class PodUsage(Protocol):
    """Reads a pod's counters; see :class:`device_simulator.cgroups.Cgroups`."""

    def sample(self, uid: str, *, at: float) -> Sample | None: ...


PodReader = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""Namespace and name to the pod object, or None where there is none."""


@dataclass(frozen=True, slots=True)
class _Pod:
    uid: str
    spec: Mapping[str, Any]
    read_at: float


@dataclass(frozen=True, slots=True)
class _Load:
    """What all devices of one pod show."""

    busy: float | None
    memory: float | None


IDLE = _Load(busy=0.0, memory=0.0)
UNKNOWN = _Load(busy=None, memory=None)


class Sampler:
    """Turns pods' counters into readings; keeps what one sample needs from the one before."""

    def __init__(self, *, pods: PodReader, usage: PodUsage, clock: Callable[[], float]) -> None:
        self._read_pod = pods
        self._usage = usage
        self._clock = clock
        self._pods: dict[tuple[str, str], _Pod] = {}
        self._samples: dict[str, Sample] = {}
        self._energy: dict[str, float] = {}
        self._last: float | None = None

    async def sample(
        self, devices: Sequence[Device], holders: Mapping[DeviceId, Holder] | None, *, node: Limits
    ) -> tuple[Reading, ...]:
        """Readings of all devices for the interval that ends now.

        ``holders`` is None where the kubelet did not answer: then nobody knows who is idle.
        """
        now = self._clock()
        held = holders or {}
        present = {(holder.namespace, holder.pod) for holder in held.values()}
        loads = {pod: await self._load(pod, node=node, now=now) for pod in present}
        self._forget(present)
        elapsed = 0.0 if self._last is None else now - self._last
        self._last = now
        readings = []
        for device in devices:
            holder = held.get(DeviceId(device.resource, device.id))
            load = loads[holder.namespace, holder.pod] if holder else (UNKNOWN if holders is None else IDLE)
            readings.append(self._reading(device, holder, load, elapsed=elapsed))
        return tuple(readings)

    def _reading(self, device: Device, holder: Holder | None, load: _Load, *, elapsed: float) -> Reading:
        watts = power(device.kind.watts, load.busy)
        energy = None
        if device.kind.watts is not None:
            energy = self._energy.get(device.id, 0.0) + (watts or 0.0) * elapsed
            self._energy[device.id] = energy
        memory = device.kind.memory_gib
        used = None if load.memory is None or memory is None else load.memory * memory * GIB
        return Reading(device, holder, utilization=load.busy, memory_used=used, power=watts, energy=energy)

    async def _load(self, name: tuple[str, str], *, node: Limits, now: float) -> _Load:
        pod = await self._pod(name, now=now)
        sample = self._usage.sample(pod.uid, at=self._clock()) if pod else None
        if pod is None or sample is None:
            # Also the case of a pod that was replaced by one of the same name: the next look reads it afresh.
            self._pods.pop(name, None)
            return UNKNOWN
        limits = pod_limits(pod.spec, node=node)
        before, self._samples[pod.uid] = self._samples.get(pod.uid), sample
        return _Load(
            busy=utilization(before, sample, cores=limits.cores),
            memory=memory_share(sample, limit=limits.memory_bytes),
        )

    async def _pod(self, name: tuple[str, str], *, now: float) -> _Pod | None:
        known = self._pods.get(name)
        if known is not None and now - known.read_at < REFRESH:
            return known
        found = await self._read_pod(*name)
        if found is None:
            return None
        metadata = found["metadata"]
        uid = (metadata.get("annotations") or {}).get(STATIC_POD_UID) or metadata["uid"]
        self._pods[name] = _Pod(uid, found["spec"], now)
        return self._pods[name]

    def _forget(self, present: set[tuple[str, str]]) -> None:
        self._pods = {name: pod for name, pod in self._pods.items() if name in present}
        uids = {pod.uid for pod in self._pods.values()}
        self._samples = {uid: sample for uid, sample in self._samples.items() if uid in uids}
