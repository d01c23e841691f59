"""From start to end of a real process: what makes it ready, what stops it, and that stopping loses nothing."""

from __future__ import annotations

import base64
import contextlib
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from patience import PATIENCE
from runtime.serving import tiny_model
from runtime.serving.recordings import recording
from runtime.serving.replica import Replica, fake_replica, serving_config
from runtime.serving.waiting import eventually

from hostler_contract import ErrorReason
from hostler_runtime.server.drain import Drain

SAMPLE = {"path": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "Hi"}]}}


def no_weights(directory: Path) -> None:
    """Weights that do not load."""
    (directory / "model.safetensors").write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("damage", "changes", "want_reason", "want_text"),
    [
        pytest.param(
            no_weights, {}, ErrorReason.ARTIFACT_UNREADABLE, "cannot read", id="weights that cannot be read"
        ),
        pytest.param(
            None, {"sampleRequest": SAMPLE | {"path": "/v1/embeddings"}}, ErrorReason.SAMPLE_REQUEST_FAILED,
            "status 404", id="a sample request that the server refuses",
        ),
    ],
)  # fmt: skip
def test_what_cannot_serve_ends_with_a_typed_reason(
    tiny_directory: Path,
    tmp_path: Path,
    damage: Callable[[Path], None] | None,
    changes: dict[str, Any],
    want_reason: ErrorReason,
    want_text: str,
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_directory, model)
    if damage is not None:
        damage(model)
    with Replica(tmp_path / "replica", serving_config(model, **changes)) as replica:
        # It may have ended before anybody asks.
        with contextlib.suppress(httpx.TransportError):
            assert replica.get("readyz").status_code == 503
        assert replica.wait() == 1
    result = replica.result()
    assert result.reason is want_reason
    assert result.message is not None
    assert want_text in result.message


@pytest.mark.parametrize(
    ("config", "environment", "want"),
    [
        pytest.param("{", {}, "document", id="half a configuration"),
        pytest.param('{"service": "s"}', {}, "sampleRequest", id="a configuration without its fields"),
        pytest.param(None, {"HOSTLER_SERVING_CONFIG": "/nowhere.json"}, "/nowhere.json", id="no configuration"),
        pytest.param(None, {"HOSTLER_PORT": "eighty"}, "HOSTLER_PORT", id="a port that is a word"),
        pytest.param(None, {"HOSTLER_LOG_LEVEL": "loud"}, "HOSTLER_LOG_LEVEL", id="an unknown log level"),
    ],
)
def test_a_wrong_configuration_ends_with_a_typed_reason(
    tmp_path: Path, config: str | None, environment: dict[str, str], want: str
) -> None:
    whole = serving_config(tmp_path) if config is None else config
    with Replica(tmp_path, whole, **environment) as replica:
        assert replica.wait() == 1
    assert replica.result().reason is ErrorReason.INVALID_CONFIGURATION
    assert want in (replica.result().message or "")


def test_a_port_in_use_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Replica(tmp_path, serving_config(tmp_path), HOSTLER_PORT=port) as replica:
            assert replica.wait() == 1
    assert port in (replica.result().message or "")


def test_sigterm_while_loading_ends_at_once_without_a_failure(tiny_directory: Path, tmp_path: Path) -> None:
    with Replica(tmp_path, serving_config(tiny_directory), plain=True) as replica:
        assert replica.port
        replica.terminate()
        assert replica.wait() == 0
    assert not replica.termination_log.exists()


def handles_sigterm(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM, as the kernel sees it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_sigterm_while_libraries_are_imported_ends_at_once_without_a_failure(
    tiny_directory: Path, tmp_path: Path
) -> None:
    """Process number 1 of a container ignores a signal that it has no handler for."""
    with Replica(tmp_path, serving_config(tiny_directory), plain=True) as replica:
        eventually(lambda: handles_sigterm(replica.pid), what="a handler")
        assert "listening" not in replica.log.read_text()
        replica.terminate()
        assert replica.wait() == 0
    assert not replica.termination_log.exists()


def test_a_service_answers_to_its_own_name_and_not_to_that_of_the_model_behind_it(tmp_path: Path) -> None:
    """Also where the Model's own sample request names the Model. Metrics say which Model it is."""
    sample = {"path": "/v1/embeddings", "body": {"model": "tiny", "input": "sample"}}
    with fake_replica(tmp_path, servedModelName="front", sampleRequest=sample) as replica:
        replica.wait_ready()
        for path, body in (
            ("embeddings", {"input": "x"}),
            ("classify", {"inputs": "x"}),
            ("videos", {"prompt": "x"}),
        ):
            answer = replica.post(f"v1/{path}", json={"model": "front", **body})
            assert (answer.status_code, answer.json()["model"]) == (200, "front"), (path, answer.text)
            refused = replica.post(f"v1/{path}", json={"model": "tiny", **body})
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found"), path
            assert "front" in refused.json()["error"]["message"]
        (listed,) = replica.client().models.list()
        assert listed.id == "front"
        assert 'model="tiny"' in httpx.get(f"{replica.url}/metrics", timeout=PATIENCE).text


def test_a_form_with_a_file_makes_a_replica_ready(tmp_path: Path) -> None:
    tone = base64.b64encode(recording("wav", 0.2)).decode()
    sample = {"path": "/v1/audio/transcriptions", "files": [{"name": "tone.wav", "contentBase64": tone}]}
    with fake_replica(tmp_path, sampleRequest=sample) as replica:
        replica.wait_ready()
        assert replica.value("hostler_audio_seconds_total") == 0
        assert "hostler_audio_seconds_total" in replica.samples()
        replica.terminate()
        assert replica.wait() == 0


@pytest.mark.parametrize(
    ("sample", "want"),
    [
        pytest.param({"path": "/v1/embeddings", "body": {"input": "poison"}}, "status 500", id="a model that fails"),
        pytest.param(
            {"path": "/v1/fill-mask", "body": {"inputs": "no mask"}}, "nothing in 'data.0.masks.0'",
            id="an answer without anything in it",
        ),
        pytest.param(
            {"path": "/v1/embeddings", "body": {"input": "x"}, "expect": "data.1.embedding"},
            "nothing in 'data.1.embedding'", id="an answer without what the sample expects",
        ),
    ],
)  # fmt: skip
def test_a_sample_request_must_bring_something(tmp_path: Path, sample: dict[str, Any], want: str) -> None:
    with fake_replica(tmp_path, sampleRequest=sample) as replica:
        assert replica.wait() == 1
    assert replica.result().reason is ErrorReason.SAMPLE_REQUEST_FAILED
    assert want in (replica.result().message or "")


def test_sigterm_lets_every_accepted_batch_finish(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with fake_replica(tmp_path / "replica") as replica:
        client = replica.wait_ready().client()

        def ask(text: str) -> int:
            return len(client.embeddings.create(model="tiny", input=text).data[0].embedding)

        with ThreadPoolExecutor(12) as pool:
            answers = [pool.submit(ask, f"until {go}")]
            eventually(lambda: replica.value("hostler_requests_in_flight") == 1, what="the first in flight")
            answers += [pool.submit(ask, f"text {number}") for number in range(11)]
            eventually(lambda: replica.value("hostler_requests_in_flight") == 12, what="all in flight")
            replica.terminate()
            eventually(lambda: replica.get("readyz").status_code == 503, what="readiness to go")
            go.touch()
            assert [answer.result() for answer in answers] == [4] * 12
        assert replica.wait() == 0
    assert not replica.termination_log.exists()


def test_a_batch_that_outlives_the_drain_time_gets_an_error(tmp_path: Path) -> None:
    with fake_replica(tmp_path / "replica", drainSeconds=1) as replica:
        client = replica.wait_ready().client()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.embeddings.create, model="tiny", input=f"until {tmp_path / 'never'}")
            eventually(lambda: replica.value("hostler_requests_in_flight") == 1, what="it to be in flight")
            replica.terminate()
            with pytest.raises(openai.InternalServerError, match="had to end before"):
                answer.result()
        assert replica.wait() == 0


def test_sigterm_under_load_loses_no_request(tiny_directory: Path, tmp_path: Path) -> None:
    """20 clients, some streaming; most ask again and again until SIGTERM, some only after it. Each answer is whole; the
    process ends then."""
    config = serving_config(tiny_directory, maxBatchSize=8)
    with Replica(tmp_path, config, HOSTLER_LINGER_SECONDS="10") as replica:
        client = replica.wait_ready().client()
        terminated = threading.Event()

        def ask(number: int) -> tuple[int, str | None]:
            ask_for: dict[str, Any] = {
                "model": "tiny", "prompt": f"request {number}", "max_tokens": 120, "temperature": 0
            }  # fmt: skip
            if number % 2:
                answer = client.completions.create(**ask_for)
                assert answer.usage is not None
                return answer.usage.completion_tokens, answer.choices[0].finish_reason
            chunks = list(client.completions.create(**ask_for, stream=True, stream_options={"include_usage": True}))
            assert chunks[-1].usage is not None
            return chunks[-1].usage.completion_tokens, chunks[-2].choices[0].finish_reason

        def keep_asking(number: int) -> set[tuple[int, str | None]]:
            if number >= 14:
                assert terminated.wait(PATIENCE)
            # Else the last of them might be answered before anybody has looked.
            found = {ask(number)}
            while not terminated.is_set():
                found.add(ask(number))
            return found

        with ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(keep_asking, number) for number in range(20)]
            eventually(lambda: replica.value("hostler_requests_in_flight") >= 5, what="five requests in flight")
            replica.terminate()
            eventually(lambda: replica.get("readyz").status_code == 503, what="readiness to go")
            terminated.set()
            late = replica.post("v1/completions", json={"model": "tiny", "prompt": "late"})
            assert [answer.result() for answer in answers] == [{(120, "length")}] * 20
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert replica.wait() == 0
    assert not replica.termination_log.exists()


def test_what_outlives_the_drain_time_gets_an_error_and_the_process_ends(tmp_path: Path) -> None:
    model = tiny_model.save(tmp_path / "model", layers=12)
    with Replica(tmp_path, serving_config(model, drainSeconds=1), HOSTLER_LINGER_SECONDS="0.1") as replica:
        ask: dict[str, Any] = {"model": "tiny", "prompt": "x", "max_tokens": 2000, "temperature": 0}
        stream = iter(replica.wait_ready().client().completions.create(**ask, n=8, stream=True))
        next(stream)
        replica.terminate()
        with pytest.raises(openai.APIError, match="had to end before"):
            list(stream)
        assert replica.wait() == 0


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "unstreamed"])
def test_a_client_that_goes_away_frees_its_slots(replica: Replica, streamed: bool) -> None:  # noqa: FBT001
    before = replica.value("hostler_tokens_total", type="output")
    body = {"model": "tiny", "prompt": "x", "max_tokens": 2000, "temperature": 0, "n": 8, "stream": streamed}
    with httpx.Client(base_url=replica.url, timeout=PATIENCE) as http:
        if streamed:
            with http.stream("POST", "/v1/completions", json=body) as answer:
                next(answer.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                http.post("/v1/completions", json=body, timeout=httpx.Timeout(PATIENCE, read=0.3))
    eventually(lambda: replica.value("hostler_requests_in_flight") == 0, what="the request to be over")
    assert replica.value("hostler_request_duration_seconds_count", code="499") >= 1
    # All eight slots are free again: a new request does not wait for 16000 tokens.
    replica.client().completions.create(model="tiny", prompt="x", max_tokens=4)
    assert replica.value("hostler_tokens_total", type="output") - before < 8000


class TestDrain:
    """When a terminating replica may stop accepting."""

    @pytest.mark.parametrize(
        ("passed", "quiet", "want"),
        [
            pytest.param(0.0, 100.0, 3.0, id="at first it accepts, however quiet it is"),
            pytest.param(2.0, 100.0, 1.0, id="to the end of the linger time"),
            pytest.param(3.0, 1.0, 0.0, id="then it closes, if it was quiet"),
            pytest.param(4.0, 0.25, 0.75, id="while requests still come it goes on"),
            pytest.param(14.5, 0.0, 0.5, id="but not beyond half of the drain time"),
            pytest.param(20.0, 0.0, -5.0, id="even under steady load"),
        ],
    )
    def test_seconds_to_accept(self, passed: float, quiet: float, want: float) -> None:
        now = 0.0
        drain = Drain(total=30, linger=3, clock=lambda: now)
        now = passed
        assert drain.seconds_to_accept(quiet=quiet) == pytest.approx(want)
        assert drain.remaining() == pytest.approx(30 - passed)

    def test_lingering_never_takes_more_than_the_drain_time(self) -> None:
        now = 0.0
        drain = Drain(total=2, linger=10, clock=lambda: now)
        assert drain.seconds_to_accept(quiet=100) == 2
        now = 2.0
        assert drain.seconds_to_accept(quiet=0) <= 0
