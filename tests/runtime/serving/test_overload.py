"""Refusals that need a model held still: the whole application in this process, over a fake family."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from patience import PATIENCE
from runtime.serving.fake_model import FakeModel
from runtime.serving.replica import serving_config
from runtime.serving.waiting import eventually

from hostler_contract import ServingConfig
from hostler_runtime.server.app import build_app
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.engine import FAILURES_UNTIL_DEATH, Engine
from hostler_runtime.server.lifecycle import Lifecycle, Phase
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.routes import all_endpoints

BODY: dict[str, Any] = {"model": "tiny", "prompt": "x", "max_tokens": 4}


class Bench:
    """One slot and one place to wait."""

    def __init__(self) -> None:
        config = ServingConfig.model_validate(
            serving_config(Path("/nowhere"), maxBatchSize=1, maxQueue=1, maxNewTokens=50)
        )
        self.model = FakeModel()
        self.engine = Engine(lambda: self.model, slots=1, max_waiting=1)
        self.engine.start()
        self.engine.loaded.result(timeout=PATIENCE)
        self.lifecycle = Lifecycle()
        self.lifecycle.phase = Phase.READY
        metrics = ServingMetrics(config, revision="r")
        metrics.serves_tokens()
        desk = Desk(config, engine=self.engine, metrics=metrics, revision="r")
        app = build_app(desk, all_endpoints(desk), lifecycle=self.lifecycle, sample_secret="open sesame")
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")

    async def until(self, condition: Any) -> None:
        """Wait for the engine's thread."""
        await asyncio.to_thread(eventually, condition, what="the engine's thread")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Nothing moves before the model is allowed steps."""
    one = Bench()
    yield one
    one.engine.close("the test is over")
    one.model.steps.release(1000)
    await one.http.aclose()


async def test_a_full_queue_answers_429_with_retry_after(bench: Bench) -> None:
    running = asyncio.create_task(bench.http.post("/v1/completions", json=BODY))
    await bench.until(lambda: bench.engine.running == 1)
    waiting = asyncio.create_task(bench.http.post("/v1/completions", json=BODY))
    await bench.until(lambda: bench.engine.waiting == 1)
    refused = await bench.http.post("/v1/completions", json=BODY)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "queue_full"
    assert int(refused.headers["retry-after"]) >= 1
    bench.model.steps.release(50)
    assert [(await one).status_code for one in (running, waiting)] == [200, 200]


async def test_a_suffix_reaches_the_model_in_the_model_s_own_layout(bench: Bench) -> None:
    bench.model.steps.release(50)
    answer = await bench.http.post("/v1/completions", json={**BODY, "prompt": "begin", "suffix": "end"})
    assert (answer.status_code, answer.json()["choices"][0]["text"]) == (200, "abcd")
    assert answer.json()["usage"]["prompt_tokens"] == len("<begin|end>")
    await bench.http.post("/v1/completions", json={**BODY, "prompt": "begin", "suffix": ""})
    assert bench.model.admitted == [tuple(map(ord, text)) for text in ("<begin|end>", "begin")]


async def test_a_suffix_is_refused_where_the_model_was_not_trained_for_it(bench: Bench) -> None:
    answer = await bench.http.post("/v1/completions", json={**BODY, "suffix": "refused"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "suffix", "suffix_not_supported")
    assert bench.model.admitted == []


async def test_a_failing_model_answers_500_before_a_stream_begins_too(bench: Bench) -> None:
    for stream in (False, True):
        bench.model.answer = [0x110000]  # no character: the text cannot be assembled
        answer = await bench.http.post("/v1/completions", json={**BODY, "stream": stream})
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "server_error"


async def test_a_failure_in_the_middle_of_a_stream_is_its_last_event(bench: Bench) -> None:
    answer = asyncio.create_task(bench.http.post("/v1/completions", json={**BODY, "stream": True}))
    await bench.until(lambda: bench.engine.running == 1)
    bench.model.failures_left = 1
    bench.model.steps.release(1)
    events = [line for line in (await answer).text.splitlines() if line]
    assert '"text":"a"' in events[0]
    assert '"code":"internal_error"' in events[-1]
    assert "[DONE]" not in events[-1]


@pytest.mark.parametrize("phase", [Phase.LOADING, Phase.WARMING_UP])
async def test_before_the_sample_request_nobody_else_is_answered(bench: Bench, phase: Phase) -> None:
    bench.lifecycle.phase = phase
    bench.model.steps.release(50)
    assert (await bench.http.get("/readyz")).status_code == 503
    assert (await bench.http.get("/healthz")).status_code == 200
    refused = await bench.http.post("/v1/completions", json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_not_ready")
    pretender = await bench.http.post("/v1/completions", json=BODY, headers={"x-hostler-sample": "guess"})
    assert pretender.status_code == 503
    sample = await bench.http.post("/v1/completions", json=BODY, headers={"x-hostler-sample": "open sesame"})
    assert sample.status_code == 200


async def test_the_sample_request_is_not_measured(bench: Bench) -> None:
    bench.model.steps.release(50)
    await bench.http.post("/v1/completions", json=BODY, headers={"x-hostler-sample": "open sesame"})
    metrics = (await bench.http.get("/metrics")).text
    counted = [line for line in metrics.splitlines() if "_count{" in line or line.startswith("hostler_tokens_total{")]
    assert len(counted) >= 7
    assert all(line.endswith(" 0.0") for line in counted), counted


async def test_while_draining_requests_are_answered_but_readiness_is_gone(bench: Bench) -> None:
    bench.lifecycle.phase = Phase.DRAINING
    bench.model.steps.release(50)
    assert (await bench.http.get("/readyz")).status_code == 503
    answer = await bench.http.post("/v1/completions", json=BODY)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_a_dead_engine_fails_liveness_and_readiness(bench: Bench) -> None:
    bench.model.failures_left = FAILURES_UNTIL_DEATH
    bench.model.steps.release(FAILURES_UNTIL_DEATH)
    for _ in range(FAILURES_UNTIL_DEATH):
        await bench.http.post("/v1/completions", json=BODY)
    await bench.until(lambda: not bench.engine.alive)
    assert (await bench.http.get("/healthz")).status_code == 503
    assert (await bench.http.get("/readyz")).status_code == 503
    assert (await bench.http.post("/v1/completions", json=BODY)).status_code == 503
