"""One operator process from start to end.

    probes answer -> CRDs and rights are there -> kopf's watches are open -> first sweep, now the store is complete
    -> Lease -> workers ... -> SIGTERM -> workers stop -> Lease released -> servers closed -> kopf stopped

kopf takes the event loop for its own: at its end it waits for, and then cancels, every task that began after it. So
everything of ours is stopped before kopf is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import kopf
from aiohttp import web

from hostler.api.kinds import KINDS
from hostler.api.schema import API_VERSION
from hostler.cluster.client import Client
from hostler.cluster.connection import Connection
from hostler.cluster.errors import ApiError, Forbidden, NotFound
from hostler.cluster.events import EventRecorder
from hostler.cluster.feed import Feed, feeds, kopf_registry, kopf_settings, quiet_kopf
from hostler.cluster.lease import LeaseElector
from hostler.cluster.queue import Priority, WorkQueue
from hostler.cluster.reader import CachedReader
from hostler.cluster.resources import watched
from hostler.cluster.store import Store
from hostler.cluster.sweeper import Sweeper
from hostler.cluster.watches import WatchMonitor
from hostler.cluster.writer import ApiWriter
from hostler.controllers.admitter import Admitter
from hostler.controllers.costledger import CostMetrics
from hostler.controllers.linefigures import pool_lines
from hostler.controllers.passes import NOT_WRITTEN
from hostler.controllers.ports import Admission, Clock, Controller, Facts, Key, Reader, Writer
from hostler.controllers.references import INDEXERS
from hostler.controllers.settings import Settings
from hostler.controllers.workloads import WORKLOADS
from hostler.metrics.domain import DomainCollector, WatchCollector
from hostler.metrics.operator import OperatorMetrics
from hostler.operator.clock import SystemClock
from hostler.operator.dispatch import RESULTS, Dispatcher, Workers
from hostler.operator.ending import ended, within
from hostler.operator.garbage import GarbagePolicy
from hostler.operator.health import liveness, metrics_app, probes_app, readiness, serve
from hostler.operator.loopwatch import Bystander, LoopWatch
from hostler.operator.podhttp import PodHttp
from hostler.operator.prober import RESULTS as PROBE_RESULTS
from hostler.operator.prober import Prober
from hostler.operator.progress import Answer, ProgressFacts, ProgressQuestion
from hostler.operator.settings import OperatorSettings
from hostler.planning.demand import HTTP_PORT
from hostler.planning.failures import CONTAINER_FAILED, POD_DELETED, POD_LOST, RESULT_MISSING
from hostler.planning.verdicts import Loss, Obstacle, Preemption
from hostler_contract import ErrorReason

_log = logging.getLogger(__name__)

START_PATIENCE = 120.0
"""Seconds to wait for our CRDs and roles, which a release installs together with the operator."""
STOP_PATIENCE = 3.0
"""Seconds for workers and for everything else of ours to notice that it is over."""
FLUSH_PATIENCE = 1.0
"""Seconds for Events that are still to be written."""
CLOSE_PATIENCE = 2.0
"""Seconds for connections to be closed."""
KOPF_PATIENCE = 5.0
LINE_PATIENCE = 60.0
"""Seconds within which all workloads have been looked at after a start, or admission begins without the rest."""
_FAILURES = (*(reason.value for reason in ErrorReason), CONTAINER_FAILED, POD_DELETED, POD_LOST, RESULT_MISSING)
"""Reasons of failures that are counted from zero; others appear when they happen."""


class BuildControllers(Protocol):
    """How the controllers come into being; tests bring their own."""

    def __call__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        facts: Facts,
        admission: Admission,
        settings: Settings,
        cost: CostMetrics | None = None,
    ) -> Sequence[Controller]:
        """One controller per kind."""


class MissingError(Exception):
    """What the operator needs is not there: our kinds, or the right to read."""


class LeaseLostError(Exception):
    """Another replica may lead now."""


class Operator:
    """The parts of the process, wired. Made inside the running loop; runs once."""

    def __init__(self, settings: OperatorSettings, *, connection: Connection, build: BuildControllers) -> None:
        self.settings = settings
        self.connection = connection
        clock = self._clock = SystemClock()
        self.metrics = OperatorMetrics()
        self.client = Client(connection, observe=self.metrics.request)
        self.store = Store(indexers=INDEXERS)
        self.watched = watched(policies=settings.workload_policies)
        self.monitor = WatchMonitor(self.watched, namespaces=settings.watch_namespaces, observe=self.metrics.request)
        # A connection of its own: a renewal must not wait behind a hundred writes.
        self.lease_client = Client(connection, observe=self.metrics.request)
        self.lease = LeaseElector(
            self.lease_client, namespace=settings.namespace, name=settings.lease, identity=settings.identity
        )
        self.events = EventRecorder(
            self.client,
            instance=settings.identity,
            now=clock.now,
            dropped=self.metrics.event_dropped,
            quiet=lambda: self.queue.calm(),
        )
        self.pods = PodHttp(port=HTTP_PORT)
        self.facts = ProgressFacts(lambda key: self.queue.add(key), interval=settings.progress_interval)
        question = ProgressQuestion(self.pods, store=self.store, facts=self.facts)
        self.prober: Prober[Answer] = Prober(question, interval=settings.progress_interval, metrics=self.metrics.probes)
        self.store.subscribe(lambda change: question.follow(change, self.prober))
        self.writer = ApiWriter(
            self.client, store=self.store, fence=self.lease, events=self.events, skipped=self.metrics.write_skipped
        )
        for_controllers = settings.for_controllers()
        self.admitter = Admitter(
            clock=clock,
            wake=lambda workload: self.dispatcher.wake(Key(workload.kind, workload.namespace, workload.name)),
            wake_granted=lambda workload: self.dispatcher.wake(
                Key(workload.kind, workload.namespace, workload.name), priority=Priority.START
            ),
            wake_pool=lambda pool: self.dispatcher.wake(Key("AcceleratorPool", "", pool)),
            grace=for_controllers.seat_grace_seconds,
            metrics=self.metrics.admission,
        )
        # Before the dispatcher: whoever is woken by a change finds it counted.
        self.store.subscribe(self.admitter.changed)
        controllers = build(
            CachedReader(self.store, self.client),
            self.writer,
            clock=clock,
            facts=self.facts,
            admission=self.admitter,
            settings=for_controllers,
            cost=self.metrics.cost,
        )
        self.queue: WorkQueue[Key] = WorkQueue(metrics=self.metrics.queue)
        self.dispatcher = Dispatcher(controllers, queue=self.queue, store=self.store)
        self.workers = Workers(controllers, queue=self.queue, metrics=self.metrics)
        self.sweeper = Sweeper(
            self.client,
            store=self.store,
            resources=self.watched,
            interval=settings.resync,
            namespaces=settings.watch_namespaces,
            whole=self.monitor.whole,
            on_round=self.dispatcher.enqueue_all,
            repaired=lambda kind, found: self.metrics.swept(kind, found.deleted),
        )
        self.monitor.on_relist = self.sweeper.request
        self.loop_watch = LoopWatch(self.metrics.lagged)
        self.bystander = Bystander(self.loop_watch)
        self.garbage = GarbagePolicy()
        self._register_collectors([controller.kind for controller in controllers])
        self._stopping = False
        self._exit_code: int | None = None
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._servers: list[web.AppRunner] = []
        self._kopfs: set[asyncio.Task[None]] = set()
        self._stop_kopf = asyncio.Event()

    async def run(self) -> int:
        """Until a signal (0), or until something has ended that must not end (1)."""
        self._catch_signals()
        try:
            await self._serve()
            self._spawn(self.loop_watch.run(), "loop watch")
            self.bystander.start()
            self._spawn(self.events.run(), "event recorder")
            self._spawn(self.connection.keep_fresh(), "credentials")
            self._spawn(self._live(), "life")
            await self._over.wait()
        finally:
            self._stopping = True
            await self._shut_down()
        return self._exit_code or 0

    def finish(self, code: int) -> None:
        """Come to an end; the first one to say so decides about the exit code."""
        if self._exit_code is None:
            self._exit_code = code
        self._over.set()

    async def _live(self) -> None:
        await self._wait_until_nothing_is_missing()
        self.garbage.load()
        await self._start_watching()
        self._spawn(self.sweeper.run(), "sweeper")
        await self.sweeper.synced.wait()
        self.garbage.loaded()
        self._spawn(self.garbage.run(), "garbage")
        _log.info("the caches are complete", extra={kind: self.store.count(kind) for kind in self.store.kinds})
        await self.lease.acquire()
        self.metrics.lead()
        self.workers.start(self.settings.workers)
        self.dispatcher.start()
        self._spawn(self._admit(), "admission")
        self._spawn(self.prober.run(), "prober")
        await self.lease.hold()
        raise LeaseLostError(f"{self.settings.identity} could not renew the Lease in time, or another replica has it")

    async def _admit(self) -> None:
        """Not before all seats are known that an earlier leader wrote down: its last ones may not have come through our
        watches, and would be given away a second time. And not before everybody who waits has come into line again:
        the oldest may be the last one to be looked at."""
        await self.sweeper.catch_up(WORKLOADS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINE_PATIENCE):
                await self.queue.caught_up()
        await self.admitter.run()

    async def _wait_until_nothing_is_missing(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        said = ""
        while missing := await self._missing_crds() or await self._missing_rights():
            if time.monotonic() > deadline:
                raise missing
            if str(missing) != said:
                _log.warning("waiting: %s", missing)
                said = str(missing)
            await asyncio.sleep(1.0)

    async def _missing_crds(self) -> MissingError | None:
        way_out = "install the chart with crds.enabled, or apply the files of crds/"
        try:
            found = await self.client.raw(f"/apis/{API_VERSION}")
        except NotFound:
            return MissingError(f"the API server does not know {API_VERSION}: {way_out}")
        except ApiError as error:
            return MissingError(str(error))
        known = {resource["name"] for resource in found.get("resources") or ()}
        missing = sorted(kind.crd_name for kind in KINDS if kind.plural not in known)
        return MissingError(f"the API server lacks {', '.join(missing)}: {way_out}") if missing else None

    async def _missing_rights(self) -> MissingError | None:
        """Without this look, a watch that is forbidden would be waited for in silence."""
        if not self.settings.watch_namespaces:
            return None
        for resource in self.watched:
            if resource.scopes(self.settings.watch_namespaces) != ("",):
                continue
            try:
                await self.client.raw(f"{resource.path()}?limit=1")
            except Forbidden as error:
                return MissingError(
                    f"{resource.plural} must be readable in the whole cluster, also where only some namespaces are "
                    f"served, because what others use on a node is used ({error}): bind the operator's ClusterRole for "
                    "reading, which the chart makes"
                )
            except ApiError as error:
                return MissingError(str(error))
        return None

    async def _start_watching(self) -> None:
        quiet_kopf()
        self.monitor.reset()
        for feed in feeds(self.watched, self.settings.watch_namespaces):
            await self._start_kopf(feed)
        # kopf has put its own signal handlers in place of ours.
        self._catch_signals()
        await self.monitor.all_open.wait()

    async def _start_kopf(self, feed: Feed) -> None:
        ready = asyncio.Event()
        registry = kopf_registry(feed.resources, store=self.store, connection=self.connection, monitor=self.monitor)
        task = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=kopf_settings(feed.resources),
                clusterwide=not feed.namespaces,
                namespaces=feed.namespaces,
                stop_flag=self._stop_kopf,
                ready_flag=ready,
            ),
            name="kopf",
        )
        self._kopfs.add(task)
        task.add_done_callback(self._ended)
        await ready.wait()

    async def _serve(self) -> None:
        live = liveness(
            loop=self.loop_watch,
            watch_ages=self.monitor.ages,
            answer_age=lambda: time.monotonic() - self.client.last_answer,
            workers=self.workers.trouble,
        )
        ready = readiness(synced=self.sweeper.synced.is_set, stopping=lambda: self._stopping)
        self._servers.append(await serve(probes_app(live=live, ready=ready), self.settings.probes_port))
        self._servers.append(await serve(metrics_app(self.metrics.registry), self.settings.metrics_port))

    async def _shut_down(self) -> None:
        """Together these take no longer than the pod's grace period less what the interpreter needs."""
        self.dispatcher.stop()
        idle = await within(STOP_PATIENCE, self.workers.stop(), what="workers")
        self.metrics.follow()
        await within(FLUSH_PATIENCE, self.events.flush(), what="Events")
        # Why others have ended was said when they did.
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        idle &= await ended(running, seconds=STOP_PATIENCE, what="tasks")
        if idle:
            await self.lease.release()
        else:
            _log.error("the Lease is left to expire: something of ours may still write")
        closing = (server.cleanup() for server in self._servers)
        self._stop_kopf.set()
        await within(CLOSE_PATIENCE, _all(*closing, self.pods.close()), what="servers")
        await ended(self._kopfs, seconds=KOPF_PATIENCE, what="kopf")
        await within(CLOSE_PATIENCE, _all(self.client.close(), self.lease_client.close()), what="connections")
        self.garbage.stop()
        self.bystander.stop()
        _log.info("stopped", extra={"exit_code": self._exit_code or 0})

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Nothing that was spawned may end before the process does."""
        error = None if task.cancelled() else task.exception()
        if self._stopping:
            return
        if error is not None:
            _log.critical("%s: %s", task.get_name(), error, exc_info=None if _explained(error) else error)
        elif task in self._kopfs:
            _log.info("kopf was told to stop")
        else:
            _log.critical("%s has ended", task.get_name())
        self.finish(0 if task in self._kopfs and error is None else 1)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        _log.info("stopping", extra={"signal": number.name})
        self.finish(0)

    def _register_collectors(self, kinds: Sequence[str]) -> None:
        self.metrics.preset(dict.fromkeys(kinds, RESULTS))
        self.metrics.probes.preset(PROBE_RESULTS)
        self.metrics.admission.preset(
            kinds=WORKLOADS,
            losses=(*(loss.value for loss in Loss), NOT_WRITTEN),
            preemptions=tuple(reason.value for reason in Preemption),
        )
        states = {kind.kind: tuple(reason.value for reason in kind.reasons) for kind in KINDS}
        registry = self.metrics.registry
        registry.register(
            DomainCollector(
                self.store,
                leading=lambda: self.lease.leading,
                states=states,
                failure_reasons=_FAILURES,
                lines=lambda: pool_lines(self.admitter.usage, self.admitter.in_line(), now=self._clock.now()),
                obstacles=tuple(obstacle.value for obstacle in Obstacle),
            )
        )
        registry.register(
            WatchCollector(
                self.store, kinds=self.store.kinds, ages=self.monitor.age_by_kind, restarts=self.monitor.restarts
            )
        )


def _explained(error: BaseException) -> bool:
    """Whether the message says all; a traceback would bury it."""
    return isinstance(error, MissingError | LeaseLostError | ApiError)


async def _all(*steps: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(*steps)
