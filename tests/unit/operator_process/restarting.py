"""A process that starts beside a cluster in which much is under way: what it looks at, and what it writes.

The real store, queue, workers, admission, controllers and writer. The API server behind them only counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import SETTINGS, Bench, make_bench
from builders import make_inference_service, make_model, make_training_job
from fakes import FakeClock, FakeFacts, key_of
from world import progress, running, told

from hostler.cluster.errors import NotFound
from hostler.cluster.events import EventRecorder
from hostler.cluster.queue import Priority, WorkQueue
from hostler.cluster.reader import CachedReader
from hostler.cluster.store import Store
from hostler.cluster.writer import ApiWriter
from hostler.controllers.admitter import Admitter
from hostler.controllers.all import build_controllers
from hostler.controllers.ports import Key
from hostler.controllers.references import INDEXERS
from hostler.metrics.operator import OperatorMetrics
from hostler.operator.dispatch import Dispatcher, Workers

Object = dict[str, Any]
WHOLE_NODE = {"pool": "gpu", "perPod": 4}


class Server:
    """What the API server is asked. It has the ConfigMap with data, and takes no write."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.writes: list[str] = []
        self.question = asyncio.Event()
        """Set with each of them."""

    async def get(self, resource: Any, *, namespace: str = "", name: str) -> Object:
        self.asked.append(f"{resource.kind} {name}")
        self.question.set()
        await asyncio.sleep(0.001)
        if (resource.kind, name) == ("ConfigMap", "text"):
            return {"metadata": {"name": name, "namespace": namespace}, "data": {"text": "words"}}
        raise NotFound(f"no {resource.kind} {name}", code=404)

    def __getattr__(self, verb: str) -> Any:
        async def write(*args: Any, **options: Any) -> Object:
            self.writes.append(f"{verb} {options.get('name') or args[0]['metadata']['name']}")
            raise NotFound("nothing is written here", code=404)

        return write


class _Leading:
    def seconds_left(self) -> float:
        return 10.0


class _Counting:
    """Metrics of queue and workers."""

    def __init__(self) -> None:
        self.reconciles: Counter[str] = Counter()

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        assert result == "success", kind
        self.reconciles[kind] += 1

    def added(self) -> None: ...

    def depth(self, waiting: int) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def worked(self, seconds: float) -> None: ...

    def retried(self) -> None: ...


async def a_cluster_with(*, runs: int, waits: int, services: int = 0) -> list[Object]:
    """Everything in a cluster where so many jobs hold a node each, have told how far they are, and so many jobs and
    services wait. Who waits was told its place before others came, as in any long line."""
    bench = make_bench()
    bench.cluster.claim("tiny")
    bench.cluster.put(make_model("tiny"))
    (pod,) = await running(bench, "alpha", accelerators=WHOLE_NODE)
    told(bench, pod, progress(10, eta_seconds=5000.0))
    bench.cluster.put(make_training_job("omega", accelerators=WHOLE_NODE))
    bench.cluster.put(make_inference_service("sigma", accelerators=WHOLE_NODE))
    await bench.settle()
    originals = list(bench.cluster.objects.values())
    once = [obj for obj in originals if not obj["metadata"]["name"].startswith(("alpha", "omega", "sigma", "gpu-1"))]
    ran = [json.dumps(obj) for obj in originals if obj["metadata"]["name"].startswith(("alpha", "gpu-1"))]
    (waited,) = (json.dumps(obj) for obj in originals if obj["metadata"]["name"] == "omega")
    (served,) = (json.dumps(obj) for obj in originals if obj["metadata"]["name"] == "sigma")
    whole = Bench(build=build_controllers, settings=SETTINGS)
    for obj in once:
        whole.cluster.objects[key_of(obj)] = obj
    for number in range(runs):
        for obj in (_copy(text, number, name="alpha") for text in ran):
            whole.cluster.objects[key_of(obj)] = obj
    for text, name, count in ((waited, "omega", waits), (served, "sigma", services)):
        for number in range(count):
            obj = _copy(text, number, name=name)
            whole.cluster.objects[key_of(obj)] = obj
    await whole.reconcile("AcceleratorPool", "gpu")
    await whole.reconcile("Model", "tiny")
    return list(whole.cluster.objects.values())


def _copy(text: str, number: int, *, name: str) -> Object:
    """The same under another name, on another node."""
    text = text.replace(name, f"{name}-{number:04}").replace("gpu-1", f"gpu-{number:04}")
    found: Object = json.loads(text.replace('"uid-', f'"uid-{name}-{number:04}-'))
    return found


@dataclass
class Restarted:
    """What a process has done since its start."""

    server: Server = field(default_factory=Server)
    metrics: _Counting = field(default_factory=_Counting)
    admitter: Admitter = field(init=False)
    clock: FakeClock = field(default_factory=FakeClock)
    store: Store = field(init=False)
    queue: WorkQueue[Key] = field(init=False)

    def put(self, obj: Object) -> None:
        """What a watch brings."""
        self.store.put(obj["kind"], obj)


@contextlib.asynccontextmanager
async def restarted(objects: Sequence[Object], *, workers: int = 16) -> AsyncIterator[Restarted]:
    """A process that leads, with its caches complete, until it has looked at everything and admission has answered."""
    world = Restarted()
    store = world.store = Store(indexers=INDEXERS)
    metrics = OperatorMetrics()
    queue = world.queue = WorkQueue(metrics=world.metrics)
    events = EventRecorder(
        world.server,  # type: ignore[arg-type]
        instance="test",
        now=world.clock.now,
        dropped=lambda: None,
    )
    writer = ApiWriter(world.server, store=store, fence=_Leading(), events=events)  # type: ignore[arg-type]

    def wake(priority: Priority) -> Any:
        return lambda found: dispatcher.wake(Key(found.kind, found.namespace, found.name), priority=priority)

    admitter = world.admitter = Admitter(
        clock=world.clock,
        wake=wake(Priority.CHANGE),
        wake_granted=wake(Priority.START),
        wake_pool=lambda pool: dispatcher.wake(Key("AcceleratorPool", "", pool)),
        grace=SETTINGS.seat_grace_seconds,
        metrics=metrics.admission,
    )
    store.subscribe(admitter.changed)
    controllers = build_controllers(
        CachedReader(store, world.server),  # type: ignore[arg-type]
        writer,
        clock=world.clock,
        facts=FakeFacts(),
        admission=admitter,
        settings=SETTINGS,
    )
    dispatcher = Dispatcher(controllers, queue=queue, store=store)
    for obj in objects:
        if store.watches(obj["kind"]):
            store.put(obj["kind"], obj)
    crew = Workers(controllers, queue=queue, metrics=world.metrics)
    crew.start(workers)
    dispatcher.start()
    await queue.caught_up()
    passes = asyncio.create_task(admitter.run())
    try:
        await idle(queue)
        yield world
    finally:
        passes.cancel()
        await crew.stop()


async def idle(queue: WorkQueue[Key]) -> None:
    """Return when nothing is to be done, and a pass of admission has had its time."""
    while True:
        await asyncio.sleep(1.0)
        if not len(queue) and not queue.in_hand:
            return
