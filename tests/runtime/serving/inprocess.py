"""The whole application in this process, over a fake family that a test can hold still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from runtime.serving.fake_batch import FakeBatchModel
from runtime.serving.replica import serving_config
from runtime.serving.waiting import eventually

from hostler_contract import ServingConfig
from hostler_runtime.server.app import build_app
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.lifecycle import Lifecycle, Phase
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.observer import Run
from hostler_runtime.server.routes import all_endpoints

SECRET = "open sesame"


class Bench:
    """One replica of a batch model without process and socket; use as an asynchronous context manager."""

    def __init__(self, model: FakeBatchModel, **changes: Any) -> None:
        config = ServingConfig.model_validate(serving_config(Path("/nowhere"), **changes))
        self.model = model
        self.metrics = ServingMetrics(config, revision="r")
        self.lifecycle = Lifecycle()
        self.lifecycle.phase = Phase.READY
        self.engine = Engine(
            lambda: model, slots=config.max_batch_size, max_waiting=config.max_queue, observe=self._observe
        )
        desk = Desk(config, engine=self.engine, metrics=self.metrics, revision="r")
        self.endpoints = all_endpoints(desk)
        self.app = build_app(desk, self.endpoints, lifecycle=self.lifecycle, sample_secret=SECRET)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://server")

    async def __aenter__(self) -> Bench:
        self.engine.start()
        await asyncio.wrap_future(self.engine.loaded)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.engine.close("the test is over")
        self.model.allowed.release(1000)
        await self.http.aclose()

    async def until(self, condition: Callable[[], Any], *, what: str = "the engine's thread") -> None:
        """Wait for the other thread."""
        await asyncio.to_thread(eventually, condition, what=what)

    def _observe(self, run: Run) -> None:
        (self.metrics.run if self.lifecycle.answering else self.metrics.sampled)(run)
