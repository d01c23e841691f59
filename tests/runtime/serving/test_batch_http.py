"""What a server of whole requests refuses, measures and forgets; over a model that a test can hold still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from runtime.serving.fake_batch import STEPS, FakeBatchModel
from runtime.serving.inprocess import SECRET, Bench
from runtime.serving.recordings import recording

from hostler_contract import metrics as names
from hostler_runtime.protocols.tasks import (
    BatchReport,
    EmbeddingRequest,
    ImageRequest,
    SpeechResult,
    VideoRequest,
    Work,
)
from hostler_runtime.server.engine import FAILURES_UNTIL_DEATH
from hostler_runtime.server.lifecycle import Phase
from hostler_runtime.server.observer import Run
from hostler_runtime.server.units import UnitMetrics

EMBED: dict[str, Any] = {"model": "tiny", "input": "x"}
COMMON = {names.REQUEST_DURATION, names.QUEUE_DURATION, names.BATCH_SIZE, names.REQUESTS_IN_FLIGHT}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Two to a batch, two may wait; nothing runs before it is allowed to."""
    async with Bench(FakeBatchModel(held=True), maxBatchSize=2, maxQueue=2) as one:
        yield one


async def samples(bench: Bench) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Our metrics: family's name to labels beside the common ones and value."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families((await bench.http.get("/metrics")).text):
        for sample in family.samples:
            extra = {key: value for key, value in sample.labels.items() if key not in names.SERVING_LABELS}
            found.setdefault(sample.name, []).append((extra, sample.value))
    return found


async def value(bench: Bench, name: str, **labels: str) -> float:
    """Sum of a series' values."""
    return sum(number for extra, number in (await samples(bench)).get(name, []) if labels.items() <= extra.items())


async def families(bench: Bench) -> set[str]:
    """Names of our metrics that exist."""
    texts = text_string_to_metric_families((await bench.http.get("/metrics")).text)
    found = {f"{family.name}_total" if family.type == "counter" else family.name for family in texts}
    return {name for name in found if name.startswith("hostler_")}


async def test_a_full_queue_answers_429_with_retry_after(bench: Bench) -> None:
    running = asyncio.create_task(bench.http.post("/v1/embeddings", json=EMBED))
    await bench.until(lambda: bench.engine.running == 1)
    waiting = [asyncio.create_task(bench.http.post("/v1/embeddings", json=EMBED)) for _ in range(2)]
    await bench.until(lambda: bench.engine.waiting == 2)
    refused = await bench.http.post("/v1/embeddings", json=EMBED)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    film = await bench.http.post("/v1/videos", json={"model": "tiny", "prompt": "x"})
    assert film.status_code == 429
    bench.model.allowed.release(10)
    assert [(await one).status_code for one in (running, *waiting)] == [200] * 3
    assert bench.model.batches == [["x"], ["x", "x"]]
    listed = await bench.http.get("/v1/videos")
    assert listed.json()["data"] == [], "a refused job is no job"


async def test_a_long_request_whose_first_portion_was_accepted_is_finished(bench: Bench) -> None:
    long = asyncio.create_task(bench.http.post("/v1/embeddings", json={**EMBED, "input": list("abcdef")}))
    await bench.until(lambda: bench.engine.running == 2)
    others = [asyncio.create_task(bench.http.post("/v1/embeddings", json={**EMBED, "input": one})) for one in "yz"]
    await bench.until(lambda: bench.engine.waiting == 2)
    bench.model.allowed.release(10)
    assert [(await one).status_code for one in (long, *others)] == [200] * 3
    assert bench.model.batches[:2] == [["a", "b"], ["y", "z"]], "others do not wait for all of it"
    assert len((await long).json()["data"]) == 6


async def test_a_request_larger_than_the_queue_is_accepted_though_others_are_there() -> None:
    async with Bench(FakeBatchModel(held=True), maxBatchSize=4, maxQueue=2) as bench:
        busy = asyncio.create_task(bench.http.post("/v1/embeddings", json=EMBED))
        await bench.until(lambda: bench.engine.running == 1)
        large = asyncio.create_task(bench.http.post("/v1/embeddings", json={**EMBED, "input": list("abcd")}))
        await bench.until(lambda: bench.engine.waiting == 2)
        bench.model.allowed.release(10)
        assert [(await one).status_code for one in (busy, large)] == [200] * 2


async def test_a_task_that_is_cancelled_in_the_middle_of_its_portions_ends_there(bench: Bench) -> None:
    body = {**EMBED, "input": list("abcdef")}
    long = asyncio.create_task(bench.http.post("/v1/embeddings", json=body))
    await bench.until(lambda: bench.engine.running == 2)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    bench.model.allowed.release(10)
    await bench.until(lambda: bench.engine.running == 0)
    assert bench.model.batches == [["a", "b"]]


async def test_a_dead_model_thread_fails_liveness_and_refuses(bench: Bench) -> None:
    bench.model.failures_left = FAILURES_UNTIL_DEATH
    bench.model.allowed.release(FAILURES_UNTIL_DEATH)
    codes = [(await bench.http.post("/v1/embeddings", json=EMBED)).status_code for _ in range(FAILURES_UNTIL_DEATH)]
    assert codes == [500] * FAILURES_UNTIL_DEATH
    await bench.until(lambda: not bench.engine.alive)
    assert (await bench.http.get("/healthz")).status_code == 503
    assert (await bench.http.get("/readyz")).status_code == 503
    assert (await bench.http.post("/v1/embeddings", json=EMBED)).status_code == 503


async def test_while_draining_requests_are_answered_and_close_their_connection(bench: Bench) -> None:
    bench.lifecycle.phase = Phase.DRAINING
    bench.model.allowed.release(1)
    answer = await bench.http.post("/v1/embeddings", json=EMBED)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "embeddings": ("/v1/embeddings", {"json": {"model": "tiny", "input": ["ab", "cd"]}}),
    "images": ("/v1/images/generations", {"json": {"model": "tiny", "prompt": "x", "n": 2}}),
    "speech": (
        "/v1/audio/transcriptions", {"data": {"model": "tiny"}, "files": {"file": ("t.wav", recording("wav", 2.5))}}
    ),
    "videos": ("/v1/videos", {"json": {"model": "tiny", "prompt": "x", "wait": True, "seconds": 1.5}}),
}  # fmt: skip
WANT: dict[str, dict[str, float]] = {
    "embeddings": {f'{names.TOKENS_TOTAL}{{type="input"}}': 4},
    "images": {names.IMAGES_TOTAL: 2, names.DENOISE_STEPS_TOTAL: 2 * STEPS},
    "speech": {names.AUDIO_SECONDS_TOTAL: 2.5, f'{names.TOKENS_TOTAL}{{type="output"}}': 3},
    "videos": {names.VIDEO_SECONDS_TOTAL: 1.5, names.DENOISE_STEPS_TOTAL: STEPS},
}
EVERY_BATCH = {names.PADDING_RATIO, names.PHASE_SECONDS_TOTAL}


def unit_series(want: dict[str, float]) -> set[str]:
    """Names without their label."""
    return {name.partition("{")[0] for name in want}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_task_is_measured_in_its_own_units_and_in_no_other(kind: str) -> None:
    path, given = REQUESTS[kind]
    want = WANT[kind]
    real_time = {names.REAL_TIME_FACTOR} if kind == "speech" else set()
    async with Bench(FakeBatchModel()) as bench:
        assert await families(bench) == COMMON
        bench.lifecycle.phase = Phase.WARMING_UP
        sample = await bench.http.post(path, headers={"x-hostler-sample": SECRET}, **given)
        assert sample.status_code == 200, sample.text
        assert await families(bench) == COMMON | unit_series(want) | EVERY_BATCH | real_time
        counted = [
            (name, number)
            for name, found in (await samples(bench)).items()
            for _, number in found
            if name.startswith("hostler_") and name.endswith(("_total", "_count", "_sum"))
        ]
        assert len(counted) >= 8
        assert {number for _, number in counted} == {0.0}, "the sample request is not measured"

        bench.lifecycle.phase = Phase.READY
        assert (await bench.http.post(path, **given)).status_code == 200
        for series, amount in want.items():
            name, _, label = series.partition("{")
            labels = {"type": label.split('"')[1]} if label else {}
            assert await value(bench, name, **labels) == pytest.approx(amount), series
        assert await value(bench, names.PHASE_SECONDS_TOTAL, phase="denoise") == 0.5
        assert await value(bench, f"{names.PADDING_RATIO}_sum") == 0.25
        assert await value(bench, f"{names.BATCH_SIZE}_count") == 1
        assert await value(bench, f"{names.REQUEST_DURATION}_count", code="200") == 1
        assert await value(bench, names.REQUESTS_IN_FLIGHT) == 0


def test_the_real_time_factor_is_computing_by_audio_over_the_batch() -> None:
    """0.5 s of computing for 4 x 2.5 s of audio is 0.05, however many files that was."""
    registry = CollectorRegistry()
    labels = ["any"] * len(names.SERVING_LABELS)
    results = tuple(SpeechResult("", "en", (), Work(audio_seconds=2.5)) for _ in range(4))
    UnitMetrics(registry, labels).count(Run(4, 0.5, BatchReport(results)))
    given = dict(zip(names.SERVING_LABELS, labels, strict=True))
    assert registry.get_sample_value(f"{names.REAL_TIME_FACTOR}_sum", given) == pytest.approx(0.05)
    assert registry.get_sample_value(f"{names.REAL_TIME_FACTOR}_count", given) == 1
    assert registry.get_sample_value(names.AUDIO_SECONDS_TOTAL, given) == 10


@pytest.mark.parametrize(
    ("tasks", "path", "want"),
    [
        pytest.param({ImageRequest}, "/v1/images/generations", 200, id="images of an image model"),
        pytest.param({ImageRequest}, "/v1/videos", 404, id="videos of an image model"),
        pytest.param({VideoRequest}, "/v1/videos", 200, id="videos of a video model"),
        pytest.param({VideoRequest}, "/v1/images/generations", 404, id="images of a video model"),
        pytest.param({EmbeddingRequest}, "/v1/completions", 404, id="completions of an encoder"),
    ],
)
async def test_only_what_the_model_answers_is_there(tasks: set[type], path: str, want: int) -> None:
    async with Bench(FakeBatchModel(tasks=frozenset(tasks))) as bench:
        answer = await bench.http.post(path, json={"model": "tiny", "prompt": "x"})
        assert answer.status_code == want
        if want == 404:
            assert (await bench.http.get(f"{path}/any")).status_code == 404


def test_the_contract_s_unit_buckets_are_in_order() -> None:
    for buckets in (names.REAL_TIME_FACTOR_BUCKETS, names.PADDING_BUCKETS):
        assert np.all(np.diff(buckets) > 0)
