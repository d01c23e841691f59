"""A cluster in memory for controllers: Reader, Writer, Clock and Facts, and the hands of Job controller,
scheduler, kubelet and Deployment controller, moved step by step.

It keeps what controllers rely on: uids, resourceVersions, generations, owner references that are collected, a Job's
immutable template, and a writer that skips what would change nothing. The real API server is asked in tests/apiserver.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from hostler.cluster.store import Change
from hostler.planning.seats import gated, node_of
from hostler_contract import DatasetReport, Progress, Result
from hostler_contract.importing import ImportProgress, ImportReport
from hostler_contract.preparing import PreparationReport

Object = dict[str, Any]
CLUSTER_SCOPED = frozenset({"AcceleratorPool", "ClusterModel", "Node", "PersistentVolume"})
UNWATCHED = frozenset({"ConfigMap", "Event", "PersistentVolume"})


class Crash(BaseException):
    """The process ends here, as with SIGKILL."""


_BEGINNING = datetime(2026, 1, 1)


class FakeClock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.off = 0.0
        """By how much the wall clock is wrong, in seconds."""

    def now(self) -> str:
        moment = _BEGINNING + timedelta(seconds=int(self.seconds + self.off))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class FakeFacts:
    """What pods have told, by their UID."""

    def __init__(self) -> None:
        self.answers: dict[str, Progress] = {}
        self.imports: dict[str, ImportProgress] = {}

    def progress(self, pod_uid: str) -> Progress | None:
        return self.answers.get(pod_uid)

    def importing(self, pod_uid: str) -> ImportProgress | None:
        return self.imports.get(pod_uid)

    def age(self, pod_uid: str) -> float | None:
        return 0.0 if pod_uid in self.answers else None


class _Objects(dict[tuple[str, str, str], Object]):
    """Tells of every change, as the store does."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[Callable[[Change], None]] = []

    def __setitem__(self, key: tuple[str, str, str], obj: Object) -> None:
        old = self.get(key)
        super().__setitem__(key, obj)
        self._tell(Change(key[0], old, obj))

    def pop(self, key: tuple[str, str, str], default: Any = None) -> Any:
        old = super().pop(key, default)
        if old is not None:
            self._tell(Change(key[0], old, None))
        return old

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)


class FakeCluster:
    """Objects by kind, namespace and name."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.objects = _Objects()
        self.hidden: set[tuple[str, str, str]] = set()
        """Objects that exist and that no cache shows yet."""
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    # -- what people and other controllers do ----------------------------------------------------------------------

    def put(self, manifest: Object) -> Object:
        """Create or replace, as a person does."""
        obj = copy.deepcopy(manifest)
        key = key_of(obj)
        before = self.objects.get(key)
        metadata = obj["metadata"]
        if before is None:
            metadata["uid"] = f"uid-{next(self._uids)}"
            metadata["creationTimestamp"] = self.clock.now()
            metadata["generation"] = 1
        else:
            metadata["uid"] = before["metadata"]["uid"]
            metadata["creationTimestamp"] = before["metadata"]["creationTimestamp"]
            changed = before.get("spec") != obj.get("spec")
            metadata["generation"] = before["metadata"]["generation"] + changed
            obj.setdefault("status", before.get("status", {}))
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = obj
        return obj

    def edit(self, kind: str, name: str, *, namespace: str = "default", **spec: Any) -> Object:
        """Change fields of a spec."""
        obj = copy.deepcopy(self.object(kind, name, namespace=namespace))
        obj["spec"] |= spec
        return self.put(obj)

    def object(self, kind: str, name: str, *, namespace: str = "default") -> Object:
        """One object, which must exist."""
        return self.objects[kind, "" if kind in CLUSTER_SCOPED else namespace, name]

    def find(self, kind: str, name: str, *, namespace: str = "default") -> Object | None:
        """One object, or None."""
        return self.objects.get((kind, "" if kind in CLUSTER_SCOPED else namespace, name))

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind, by name."""
        return [obj for key, obj in sorted(self.objects.items()) if key[0] == kind]

    def set_status(self, obj: Object, **status: Any) -> None:
        """Merge into a status, as another controller does."""
        found = copy.deepcopy(self.objects[key_of(obj)])
        found["status"] = {**found.get("status", {}), **status}
        found["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key_of(obj)] = found

    def remove(self, obj: Object) -> None:
        """Delete, and let the garbage collector follow."""
        gone = self.objects.pop(key_of(obj), None)
        if gone is None:
            return
        uid = gone["metadata"]["uid"]
        for dependent in list(self.objects.values()):
            owners = dependent["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners):
                self.remove(dependent)

    # -- a node, a pod ---------------------------------------------------------------------------------------------

    def node(
        self,
        name: str,
        *,
        labels: Mapping[str, str],
        devices: Mapping[str, int] | None = None,
        healthy: Mapping[str, int] | None = None,
        cpu: str = "8",
        memory: str = "32Gi",
        ready: bool = True,
        **spec: Any,
    ) -> Object:
        """A node with devices."""
        host = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"}
        counts = {resource: str(count) for resource, count in (devices or {}).items()}
        sound = {resource: str(count) for resource, count in (healthy or devices or {}).items()}
        return self.put(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": dict(labels)},
                "spec": spec,
                "status": {
                    "capacity": host | counts,
                    "allocatable": host | sound,
                    "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
                },
            }
        )

    def stranger(self, name: str, *, node: str, requests: Mapping[str, str]) -> Object:
        """A running pod that is not Hostler's."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "other"},
            "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": dict(requests)}}]},
            "status": {"phase": "Running"},
        }
        return self.put(pod)

    def claim(self, name: str, *, namespace: str = "default") -> Object:
        """A user's volume claim."""
        metadata = {"name": name, "namespace": namespace}
        return self.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}})

    def text(self, name: str = "text", *, namespace: str = "default", **data: str) -> Object:
        """A ConfigMap with data."""
        metadata = {"name": name, "namespace": namespace}
        return self.put(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"text": "words"}}
        )

    # -- the Job controller, the scheduler, the kubelet ------------------------------------------------------------

    def pods_of(self, owner: Object) -> list[Object]:
        """Pods whose controller this is."""
        uid = owner["metadata"]["uid"]
        return [p for p in self.all("Pod") if any(o["uid"] == uid for o in p["metadata"].get("ownerReferences", ()))]

    def make_pods(self, name: str, *, namespace: str = "default", node: str | None = None) -> list[Object]:
        """What the Job controller does, and the scheduler where a node is given."""
        job = self.object("Job", name, namespace=namespace)
        template = job["spec"]["template"]
        for index in range(job["spec"].get("parallelism", 1)):
            annotations = {
                **template["metadata"].get("annotations", {}),
                "batch.kubernetes.io/job-completion-index": str(index),
            }
            self._pod(f"{name}-{index}-xyz", job, template, annotations, node=node, number=index)
        return self.pods_of(job)

    def schedule(self) -> list[Object]:
        """What the scheduler does with pods that may go to one node only, and the kubelet there; returns those."""
        placed = []
        for pod in self.all("Pod"):
            node = node_of(pod)
            if gated(pod) or pod["spec"].get("nodeName") or node is None or self.find("Node", node) is None:
                continue
            bound = self.put({**pod, "spec": {**pod["spec"], "nodeName": node}})
            self.run(bound)
            placed.append(bound)
        return placed

    def run(self, pod: Object, *, ready: bool = True) -> None:
        """The kubelet starts the container."""
        number = pod["metadata"]["uid"].removeprefix("uid-")
        self.set_status(
            pod,
            phase="Running",
            podIP=f"10.0.0.{number}",
            conditions=[{"type": "Ready", "status": "True" if ready else "False"}],
            containerStatuses=[{"name": _main(pod), "state": {"running": {}}, "ready": ready}],
        )

    def end(
        self,
        pod: Object,
        *,
        result: Result | DatasetReport | ImportReport | PreparationReport | None = None,
        code: int | None = None,
        reason: str = "",
    ) -> None:
        """The container ends; its last words are the termination message."""
        if code is None:
            failed = result.reason is not None if result is not None else False
            code = 1 if failed else 0
        ended = {
            "exitCode": code,
            "reason": reason or ("Completed" if code == 0 else "Error"),
            "message": result.to_termination_message() if result else "",
            "finishedAt": self.clock.now(),
        }
        self.set_status(
            pod,
            phase="Succeeded" if code == 0 else "Failed",
            conditions=[{"type": "Ready", "status": "False"}],
            containerStatuses=[{"name": _main(pod), "state": {"terminated": ended}}],
        )

    def finish(self, name: str, condition: str, *, namespace: str = "default") -> None:
        """The Job controller says Complete or Failed, and deletes what still runs."""
        job = self.object("Job", name, namespace=namespace)
        for pod in self.pods_of(job):
            if pod["status"]["phase"] not in ("Succeeded", "Failed"):
                self.remove(pod)
        self.set_status(job, conditions=[{"type": condition, "status": "True", "lastTransitionTime": self.clock.now()}])

    # -- the Deployment controller ---------------------------------------------------------------------------------

    def roll(
        self, name: str, *, namespace: str = "default", ready: bool = True, node: str | None = None
    ) -> list[Object]:
        """Replace all pods of a Deployment by ones of its template, in one step."""
        deployment = self.object("Deployment", name, namespace=namespace)
        for pod in self.pods_of(deployment):
            self.remove(pod)
        template = deployment["spec"]["template"]
        count = deployment["spec"]["replicas"]
        for number in range(count):
            pod = self._pod(
                f"{name}-{deployment['metadata']['generation']}-{number}",
                deployment,
                template,
                dict(template["metadata"]["annotations"]),
                node=node,
                number=number,
            )
            self.run(pod, ready=ready)
        self.set_status(
            self.object("Deployment", name, namespace=namespace),
            observedGeneration=deployment["metadata"]["generation"],
            replicas=count,
            updatedReplicas=count,
            readyReplicas=count if ready else 0,
            availableReplicas=count if ready else 0,
        )
        return self.pods_of(deployment)

    def _pod(
        self, name: str, owner: Object, template: Object, annotations: Object, *, node: str | None, number: int
    ) -> Object:
        metadata = owner["metadata"]
        reference = {"kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"], "controller": True}
        spec = copy.deepcopy(template["spec"]) | ({"nodeName": node} if node else {})
        if node:
            spec.pop("schedulingGates", None)
        pod_metadata = {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": annotations,
            "ownerReferences": [reference],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": pod_metadata,
            "spec": spec,
            "status": {"phase": "Pending"},
        }
        return self.put(pod)


def _main(pod: Object) -> str:
    """Name of the pod's container."""
    return str(pod["spec"]["containers"][0]["name"])


def key_of(obj: Object) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    kind, metadata = obj["kind"], obj["metadata"]
    return kind, "" if kind in CLUSTER_SCOPED else metadata.get("namespace", "default"), metadata["name"]
