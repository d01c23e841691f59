"""The end of the process comes in time, whatever hangs."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration
from virtualtime import now, virtual

from hostler.cluster.client import Client
from hostler.cluster.connection import Connection
from hostler.controllers.ports import Key, Outcome
from hostler.operator.ending import EXIT_PATIENCE, ended, leave_within, within
from hostler.operator.podhttp import PodHttp
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator

DEPLOYMENT = Path(__file__).parents[3] / "helm/hostler/templates/operator/deployment.yaml"


class Hung:
    """Work that does not mind being cancelled, until the test is over."""

    def __init__(self) -> None:
        self._over = False

    async def work(self, *_: Any) -> Any:
        while not self._over:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue

    def end(self) -> None:
        self._over = True


@pytest.fixture
def hung() -> Any:
    hung = Hung()
    yield hung
    hung.end()


@virtual
async def test_what_ends_in_time_is_waited_for_well_or_not() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise OSError("broken")

    assert await within(2, asyncio.sleep(1), what="a nap")
    assert await within(2, fails(), what="a failure")
    assert now() == 1002


def test_what_does_not_end_is_named_and_left_behind(hung: Hung, caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def run() -> None:
        task = asyncio.create_task(hung.work(), name="prober")
        assert not await ended([task], seconds=3, what="tasks")
        assert now() == 1003
        hung.end()

    run()
    assert "not ended within 3 s, and left behind: prober" in caplog.text


class Controller:
    """One whose reconcile hangs."""

    kind = "TrainingJob"

    def __init__(self, hung: Hung) -> None:
        self._hung = hung

    async def reconcile(self, key: Key) -> Outcome:
        await self._hung.work()
        return Outcome()

    def affected(self, change: Any) -> list[Key]:
        return []


class Lease:
    """Notes whether it was given back."""

    leading = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.released = False

    async def release(self) -> None:
        await asyncio.sleep(self._seconds)
        self.released = True


@asynccontextmanager
async def an_operator(controller: Controller) -> AsyncIterator[Operator]:
    """One that never meets an API server."""
    settings = OperatorSettings(train_image="t", serve_image="s", variant_images={}, identity="me")
    connection = Connection(Configuration(host="http://127.0.0.1:1"))
    operator = Operator(settings, connection=connection, build=lambda *_, **__: [controller])
    operator._stopping = True
    yield operator
    for client in (operator.client, operator.lease_client):
        await Client.close(client)
    await PodHttp.close(operator.pods)


def test_an_operator_of_which_everything_hangs_ends_within_the_pods_grace_period(
    hung: Hung, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    grace = yaml.safe_load(next(line for line in DEPLOYMENT.read_text().splitlines() if "terminationGrace" in line))

    @virtual
    async def run() -> None:
        async with an_operator(Controller(hung)) as operator:
            operator.lease = lease = Lease(4.0)  # type: ignore[assignment]
            operator.workers.start(2)
            operator.queue.add(Key("TrainingJob", "n", "a"))
            operator._spawn(hung.work(), "prober")
            operator._kopfs.add(asyncio.create_task(hung.work(), name="kopf"))
            operator.events.flush = operator.pods.close = operator.client.close = hung.work  # type: ignore[method-assign]
            await asyncio.sleep(1)
            begun = now()
            await operator._shut_down()
            assert now() - begun + EXIT_PATIENCE < grace["terminationGracePeriodSeconds"]
            assert not lease.released, "whoever still works might write"
            hung.end()
            await asyncio.sleep(600)

    run()
    for name in ("workers", "prober", "kopf", "servers", "connections"):
        assert name in caplog.text
    assert "the Lease is left to expire" in caplog.text
    assert "stopped" in caplog.text


@virtual
async def test_an_operator_of_which_nothing_hangs_gives_the_lease_back() -> None:
    async with an_operator(Controller(Hung())) as operator:
        operator.lease = lease = Lease(1.0)  # type: ignore[assignment]
        operator.workers.start(2)
        operator._spawn(asyncio.sleep(600), "prober")
        begun = now()
        await operator._shut_down()
        assert lease.released
        assert now() - begun == 1.0


def test_the_process_leaves_although_a_thread_hangs() -> None:
    code = (
        "import threading; from hostler.operator.ending import leave_within; "
        "threading.Thread(target=threading.Event().wait).start(); leave_within(0.1, 3)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 3


def test_a_process_that_ends_by_itself_is_not_ended() -> None:
    left: list[int] = []
    timer = leave_within(60, 1, leave=left.append)
    timer.cancel()
    timer.join()
    assert left == []
    assert timer.daemon, "it keeps nobody waiting"
