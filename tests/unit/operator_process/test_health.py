"""What makes a process worth restarting, and what does not."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from ports import free_port

from hostler.metrics.operator import OperatorMetrics
from hostler.operator.health import PortError, liveness, metrics_app, probes_app, readiness, serve
from hostler.operator.loopwatch import LoopWatch


class Loop(LoopWatch):
    def __init__(self, lag: float) -> None:
        super().__init__()
        self._lag = lag

    @property
    def lag(self) -> float:
        return self._lag


CASES = {
    "all is well": ({}, []),
    "the loop is blocked": ({"lag": 6.0}, ["the event loop was 6.0 s late"]),
    "a watch is silent": ({"age": 130.0}, ["the watch of Pod in x has been silent for 130 s"]),
    "a watch is silent because the API server answers nobody": ({"age": 130.0, "answered": 61.0}, []),
    "a worker is stuck": (
        {"workers": "1 workers are stuck in one reconcile"},
        ["1 workers are stuck in one reconcile"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_liveness(case: str) -> None:
    state, want = CASES[case]
    verdict = liveness(
        loop=Loop(float(state.get("lag", 0.0))),  # type: ignore[arg-type]
        watch_ages=lambda: {("Pod", "x"): state.get("age", 1.0), ("Node", ""): 1.0},  # type: ignore[dict-item]
        answer_age=lambda: state.get("answered", 1.0),  # type: ignore[return-value]
        workers=lambda: state.get("workers"),  # type: ignore[return-value]
    )
    assert verdict() == want


@pytest.mark.parametrize(
    ("synced", "stopping", "want"),
    [
        (False, False, ["the caches are not complete yet"]),
        (True, False, []),
        (True, True, ["the operator is stopping"]),
    ],
)
def test_readiness_does_not_ask_who_leads(synced: object, stopping: object, want: list[str]) -> None:
    assert readiness(synced=lambda: bool(synced), stopping=lambda: bool(stopping))() == want


async def test_probes_answer_with_what_is_wrong() -> None:
    port = free_port()
    runner = await serve(probes_app(live=list, ready=lambda: ["not yet"]), port)
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "not yet\n")
    finally:
        await runner.cleanup()


async def test_metrics_are_served() -> None:
    port = free_port()
    runner = await serve(metrics_app(OperatorMetrics().registry), port)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert "hostler_operator_leader 0.0" in await answer.text()
    finally:
        await runner.cleanup()


async def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"port {port} cannot be used"):
            await serve(probes_app(live=list, ready=list), port)
