"""An operator inside a test's own event loop, with a toy controller, and a way to break its watches."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from apiserver.proxying import Proxy
from patience import PATIENCE
from ports import free_port

from hostler.cluster.connection import Connection, connect
from hostler.cluster.store import Change
from hostler.controllers.ports import Key, Object, Outcome, Reader, Writer
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator

WRITES = ("apply", "delete", "patch", "patch_status")
"""Verbs of the write path; the Lease is created and updated, Events are created."""


async def until(condition: Callable[[], Any], *, what: str, timeout: float = PATIENCE) -> Any:
    """The first truthy value of a condition that the running loop makes true."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        await asyncio.sleep(0.02)
    return value


class Toy:
    """Makes one child of each sort for a TrainingJob, and a status; asks for nothing else."""

    kind = "TrainingJob"

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.reader = reader
        self.writer = writer
        self.reconciled: list[Key] = []

    async def reconcile(self, key: Key) -> Outcome:
        owner = self.reader.get(self.kind, namespace=key.namespace, name=key.name)
        if owner is not None:
            for child in children(owner):
                await self.writer.apply(child)
            await self.writer.patch_status(
                self.kind, namespace=key.namespace, name=key.name, uid=owner["metadata"]["uid"], status={"restarts": 1}
            )
        self.reconciled.append(key)
        return Outcome()

    def affected(self, change: Change) -> Iterable[Key]:
        for obj in filter(None, (change.old, change.new)):
            metadata = obj["metadata"]
            name = (
                metadata["name"]
                if change.kind == self.kind
                else (metadata.get("labels") or {}).get("hostler.dev/training-job")
            )
            if name:
                yield Key(kind=self.kind, namespace=metadata["namespace"], name=name)


def children(owner: Object) -> list[Object]:
    """Children whose fields the API server rewrites, leaves out, or fills in."""
    pod = {
        "metadata": {"labels": {"app": "toy"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "none",
                    "args": ["--a", "b"],
                    "env": [{"name": "EMPTY", "value": ""}, {"name": "FULL", "value": "x"}],
                    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "2Gi"}},
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "nodeSelector": {},
        },
    }
    job_pod = {**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}
    service = {"clusterIP": "None", "selector": {"app": "toy"}, "ports": [{"port": 80, "targetPort": "http"}]}
    job = {"suspend": True, "completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": job_pod}
    deployment = {"replicas": 0, "selector": {"matchLabels": {"app": "toy"}}, "template": pod}
    return [
        child(owner, "v1", "ConfigMap", data={"job.json": "{}"}),
        child(owner, "v1", "Service", spec=service),
        child(owner, "batch/v1", "Job", spec=job),
        child(owner, "apps/v1", "Deployment", spec=deployment),
    ]


def child(owner: Object, version: str, kind: str, **fields: Any) -> Object:
    """A child as a controller would build it."""
    metadata = owner["metadata"]
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": f"{metadata['name']}-0",
            "namespace": metadata["namespace"],
            "labels": {"app.kubernetes.io/managed-by": "hostler", "hostler.dev/training-job": metadata["name"]},
            "ownerReferences": [
                {
                    "apiVersion": owner["apiVersion"],
                    "kind": owner["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        **fields,
    }


class Running:
    """An operator at work."""

    def __init__(self, operator: Operator, toys: list[Toy]) -> None:
        self.operator = operator
        self.store = operator.store
        self._toys = toys

    @property
    def toy(self) -> Toy:
        return self._toys[0]

    def writes(self) -> int:
        """Requests of the write path so far."""
        metrics = self.operator.metrics.registry.collect()
        samples = [s for metric in metrics if metric.name == "hostler_operator_api_requests" for s in metric.samples]
        return int(sum(s.value for s in samples if s.labels["verb"] in WRITES))

    async def quiet(self) -> None:
        """Nothing waits and nothing is in hand."""
        queue = self.operator.queue
        await until(lambda: not len(queue) and not queue.in_hand, what="the queue to be empty")


@asynccontextmanager
async def operating(
    kubeconfig: Path, namespace: str, *, connection: Connection | None = None, **changes: Any
) -> AsyncIterator[Running]:
    """An operator that serves one namespace and leads."""
    settings = OperatorSettings(
        **{
            "train_image": "train",
            "serve_image": "serve",
            "variant_images": {},
            "namespace": namespace,
            "watch_namespaces": (namespace,),
            "identity": uuid.uuid4().hex,
            "metrics_port": free_port(),
            "probes_port": free_port(),
            **changes,
        }
    )
    toys: list[Toy] = []

    def build(reader: Reader, writer: Writer, **_: Any) -> list[Toy]:
        toys.append(Toy(reader, writer))
        return toys

    operator = Operator(settings, connection=connection or await connect(kubeconfig), build=build)
    task = asyncio.create_task(operator.run())
    try:
        await until(lambda: operator.lease.leading or task.done(), what="the operator to lead")
        running = Running(operator, toys)
        await running.quiet()
        yield running
    finally:
        operator.finish(0)
        assert await asyncio.wait_for(task, PATIENCE) == 0


class Breaker(Proxy):
    """A way to the API server that can forget: it cuts watches, and answers the next ones with 410 Gone."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._streams: dict[str, set[asyncio.Task[Any]]] = {}
        self.closed: set[str] = set()
        """Collections whose watches cannot be opened now."""
        self.gone: set[str] = set()
        """Collections whose next watch is told that it is too old."""

    async def cut(self, plural: str) -> None:
        """End all watches of a collection and let no new one begin."""
        self.closed.add(plural)
        for task in self._streams.pop(plural, set()):
            task.cancel()

    def heal(self, plural: str) -> None:
        """Let watches begin again, the first one with the news that it has missed too much."""
        self.gone.add(plural)
        self.closed.discard(plural)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """What the API server says, unless the watch is cut."""
        plural = request.path.rsplit("/", 1)[-1]
        if request.query.get("watch") == "true":
            if plural in self.closed:
                return web.Response(status=503, text="{}")
            if plural in self.gone:
                self.gone.discard(plural)
                return web.Response(
                    text=json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410}}) + "\n"
                )
        async with await self.ask(request) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            task = asyncio.current_task()
            assert task is not None
            self._streams.setdefault(plural, set()).add(task)
            try:
                async for data in answer.content.iter_any():
                    await response.write(data)
            except aiohttp.ClientConnectionResetError:
                # The operator has closed its end.
                return response
            finally:
                self._streams.get(plural, set()).discard(task)
            return response
