"""A story, played before the real API server, controller-manager and scheduler."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiserver.gangs.api import AsyncApi, Chores
from apiserver.gangs.fleet import Fleet, label_of
from apiserver.gangs.referee import Referee, job_of
from apiserver.gangs.story import DEVICES, POOLS, Gang, Story, Trouble
from apiserver.process import Process
from apiserver.site import GPU
from builders import make_pool, make_training_job
from patience import PATIENCE
from world import success

Object = dict[str, Any]

IN_LINE = 40
"""Gangs that are there and not over."""
MOST_STRANGERS = 2
"""At once, each on a node of its own at most: more could keep the largest gang out for ever."""
_AMBUSHES = (Trouble.SQUATTER, Trouble.NODE_GOES)
"""What waits until seats are promised, and comes before the pods."""
_JOBS = "/apis/hostler.dev/v1alpha1/namespaces/{}/trainingjobs"
_POOLS = "/apis/hostler.dev/v1alpha1/acceleratorpools"


@dataclass(kw_only=True)
class Counts:
    """What came to pass, so that a test can say that it tested something."""

    ambushes: int = 0
    deaths: int = 0
    strangers: int = 0
    nodes: int = 0
    seconds: float = 0.0


@dataclass
class Play:
    """Gangs come as others are over; troubles come after so many gangs."""

    story: Story
    api: AsyncApi
    namespace: str
    operators: Operators
    referee: Referee = field(init=False)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.referee = Referee({gang.name: gang for gang in self.story.gangs})
        self._dice = random.Random(self.story.seed)
        self._chores = Chores()
        self._fleet = Fleet(self.api, self._chores, prefix=self.namespace)
        self._news = asyncio.Event()
        self._to_come = deque(self.story.gangs)
        self._troubles = deque(self.story.troubles)
        self._ambushes: deque[Trouble] = deque()
        self._outstanding: dict[str, Gang] = {}
        self._ended: set[str] = set()
        """Pods that were told to end, by uid."""
        self._deleted: set[str] = set()
        self._strangers: deque[str] = deque()
        self._over = 0
        self._last_progress = time.monotonic()

    async def run(self) -> None:
        """Until every gang is over. An ``AssertionError`` where nothing has been over for a long time."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(work) for work in await self._set_up()]
            try:
                await self._until_all_are_over()
                await self._clear_the_way()
                await self._until_all_is_free_again()
            finally:
                for task in background:
                    task.cancel()
                await self._chores.stop()
        self.counts.seconds = time.monotonic() - began

    async def tear_down(self) -> None:
        """Remove what has no namespace."""
        for node in list(self._fleet.nodes):
            await self._fleet.remove(node)
        for pool in POOLS:
            await self.api.delete(f"{_POOLS}/{self.pool(pool)}")

    def pool(self, name: str) -> str:
        """The pool's name in the cluster, which other tests share."""
        return f"{self.namespace}-{name}"

    # -- scenes ----------------------------------------------------------------------------------------------------

    async def _set_up(self) -> Sequence[Any]:
        for pool in POOLS:
            selector = {label_of(self.namespace, pool): "yes"}
            await self.api.create(_POOLS, make_pool(self.pool(pool), nodeSelector=selector))
        for pools in self.story.nodes:
            await self._add_node(pools)
        await self.operators.start()
        return (
            self.api.watch("/api/v1/pods", self._on_pod),
            self.api.watch(_JOBS.format(self.namespace), self._on_job),
            self._fleet.beat(),
        )

    async def _until_all_are_over(self) -> None:
        while self._to_come or self._outstanding:
            await self._step()
            while self._to_come and len(self._outstanding) < IN_LINE:
                await self._submit(self._to_come.popleft())

    async def _clear_the_way(self) -> None:
        while self._strangers:
            await self._send_away(self._strangers.popleft())

    async def _until_all_is_free_again(self) -> None:
        """A gang that needs every device there is: it runs only where nothing is held any more by anybody."""
        last = Gang(name="everything", pool="all", pods=len(self._fleet.nodes), devices=DEVICES, leaves=False)
        self.referee.add(last)
        await self._submit(last)
        while self._outstanding or self.referee.unended():
            await self._step()

    async def _step(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._news.wait()
        self._news.clear()
        if self._chores.failure is not None:
            raise self._chores.failure
        self.operators.require_alive()
        assert not self.referee.complaints, f"seed {self.story.seed}: {self.referee.complaints}"
        for name, pods in list(self.referee.whole(self._outstanding)):
            if self._outstanding[name].leaves:
                continue
            for pod in pods:
                if pod["metadata"]["uid"] not in self._ended:
                    self._ended.add(pod["metadata"]["uid"])
                    self._chores.add(self._fleet.end(pod, success()))
        self._count_what_is_over()
        while self._troubles and self._troubles[0][0] <= self._over:
            await self._trouble(self._troubles.popleft()[1])
        assert time.monotonic() - self._last_progress < PATIENCE, self._stuck()

    def _count_what_is_over(self) -> None:
        over = [
            name
            for name, gang in self._outstanding.items()
            if name in (self.referee.gone if gang.leaves else self.referee.succeeded)
        ]
        for name in over:
            del self._outstanding[name]
            self._over += 1
            self._last_progress = time.monotonic()

    def _stuck(self) -> str:
        waiting = "\n  ".join(self.referee.halves())
        return (
            f"seed {self.story.seed}: {self._over} gangs are over, and nothing more in {PATIENCE:.0f} s; "
            f"{len(self._outstanding)} are there. Their pods:\n  {waiting}\n{self.operators.last_words()}"
        )

    async def _submit(self, gang: Gang) -> None:
        job = make_training_job(
            gang.name,
            namespace=self.namespace,
            accelerators={"pool": self.pool(gang.pool), "perPod": gang.devices},
            pods={"min": gang.pods, "max": gang.pods},
            storage={"claimName": "tiny"},
        )
        # A sequence for each process at least.
        job["spec"]["training"]["batchSize"] = 128
        self._outstanding[gang.name] = gang
        await self.api.create(_JOBS.format(self.namespace), job)

    # -- what the watches tell -------------------------------------------------------------------------------------

    def _on_pod(self, event: str, pod: Object) -> None:
        if pod["metadata"]["namespace"] != self.namespace:
            return
        self._fleet.on_pod(event, pod)
        name = job_of(pod)
        if not name:
            return
        self.referee.on_pod(event, pod)
        gang = self._outstanding.get(name)
        if gang is not None and gang.leaves and name not in self._deleted and self.referee.seated(name):
            self._deleted.add(name)
            self._chores.add(self.api.delete(f"{_JOBS.format(self.namespace)}/{name}"))
        self._news.set()

    def _on_job(self, event: str, job: Object) -> None:
        self.referee.on_job(event, job)
        placement = (job.get("status") or {}).get("placement") or {}
        seats = [seat["name"] for seat in placement.get("nodes") or () if seat["name"] in self._fleet.nodes]
        name = job["metadata"]["name"]
        awaited = event != "DELETED" and placement.get("deadline") and not self.referee.seated(name)
        if awaited and seats and self._ambushes:
            self.counts.ambushes += 1
            self._chores.add(self._spring(self._ambushes.popleft(), self._dice.choice(seats)))
        self._news.set()

    # -- troubles --------------------------------------------------------------------------------------------------

    async def _trouble(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.STRANGER_COMES:
                await self._invite(self._dice.choice(sorted(self._fleet.nodes)))
            case Trouble.STRANGER_GOES if self._strangers:
                await self._send_away(self._strangers.popleft())
            case Trouble.OPERATOR_DIES:
                self.counts.deaths += 1
                await self.operators.replace()
            case _ if trouble in _AMBUSHES:
                self._ambushes.append(trouble)

    async def _spring(self, trouble: Trouble, node: str) -> None:
        if trouble is Trouble.SQUATTER:
            await self._invite(node)
        elif node in self._fleet.nodes:
            self.counts.nodes += 1
            pools = self._fleet.nodes[node]
            await self._fleet.remove(node)
            await self._add_node(pools)

    async def _add_node(self, pools: Sequence[str]) -> None:
        self.referee.node(await self._fleet.add(pools), pools)

    async def _invite(self, node: str) -> None:
        """Somebody's pod that wants devices of this node, and goes through the scheduler as any other."""
        if len(self._strangers) >= MOST_STRANGERS:
            await self._send_away(self._strangers.popleft())
        self.counts.strangers += 1
        name = f"stranger-{self.counts.strangers}"
        self._strangers.append(name)
        devices = str(self._dice.randint(1, DEVICES))
        container = {"name": "c", "image": "none", "resources": {"limits": {GPU: devices}}}
        spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        await self.api.create(f"/api/v1/namespaces/{self.namespace}/pods", pod)

    async def _send_away(self, name: str) -> None:
        await self.api.delete(f"/api/v1/namespaces/{self.namespace}/pods/{name}", grace=0)


class Operators:
    """One operator at a time, each a process of its own."""

    def __init__(self, *, kubeconfig: Path, namespace: str, logs: Path) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._logs = logs
        self._number = 0
        self._process: Process | None = None

    async def start(self) -> None:
        """One that leads soon."""
        self._number += 1
        self._process = Process(self._kubeconfig, self._namespace, self._logs / f"operator-{self._number}.log")

    async def replace(self) -> None:
        """Kill it wherever it is, and start another one, which waits until the Lease has run out.

        To delete the Lease would be quicker and wrong: a write that the killed one has sent may reach the server later
        than the new one's first list, and the Lease is what keeps the two apart.
        """
        assert self._process is not None
        self._process.kill()
        await self.start()

    def require_alive(self) -> None:
        """Nobody but us ends one."""
        if self._process is not None:
            self._process.require_alive()

    def last_words(self) -> str:
        """The end of the log."""
        return "" if self._process is None else self._process.log.read_text()[-3000:]

    def stop(self) -> None:
        """Nothing runs on."""
        if self._process is not None:
            self._process.kill()
