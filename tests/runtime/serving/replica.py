"""A real server process on a loopback port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
from patience import PATIENCE
from prometheus_client.parser import text_string_to_metric_families
from runtime.forked import Forked
from runtime.serving.waiting import eventually

from hostler_contract import Result

ROOT = Path(__file__).resolve().parents[3]


def serving_config(model: Path, **changes: Any) -> dict[str, Any]:
    """``serving.json`` with small limits."""
    sample = {
        "path": "/v1/chat/completions",
        "body": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4},
    }
    return {
        "service": "tiny-service",
        "namespace": "tests",
        "model": "tiny",
        "family": "chat",
        "task": "chat",
        "accelerator": "cpu",
        "artifactPath": str(model),
        "maxBatchSize": 8,
        "maxQueue": 32,
        "maxNewTokens": 2000,
        "sampleRequest": sample,
        "drainSeconds": 120,
        **changes,
    }


def fake_replica(directory: Path, **changes: Any) -> Replica:
    """A server of the fake family, whose model does whatever a request asks for."""
    sample = {"path": "/v1/embeddings", "body": {"input": "sample"}}
    config = serving_config(directory, **{"family": "fake", "task": "everything", "sampleRequest": sample, **changes})
    log = str(directory / "batches")
    return Replica(directory, config, module="runtime.serving.fake_server", FAKE_LOG=log)


def batches(directory: Path) -> list[list[str]]:
    """What the fake model of ``fake_replica`` ran, batch by batch."""
    return [json.loads(line) for line in (directory / "batches").read_text().splitlines()]


class Replica:
    """One process; use as a context manager."""

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any] | str,
        *,
        module: str = "hostler_runtime.serve",
        plain: bool = False,
        **environment: str,
    ) -> None:
        """``plain`` starts Python, for tests of how it begins; otherwise what it imports is there already."""
        self._module, self._plain = module, plain
        directory.mkdir(parents=True, exist_ok=True)
        config_path = directory / "serving.json"
        config_path.write_text(config if isinstance(config, str) else json.dumps(config))
        self.termination_log = directory / "termination-log"
        self.log = directory / "log"
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}:{ROOT / 'tests'}",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "HOSTLER_SERVING_CONFIG": str(config_path),
            "HOSTLER_TERMINATION_LOG": str(self.termination_log),
            "HOSTLER_REVISION": "rev-1",
            "HOSTLER_HOST": "127.0.0.1",
            "HOSTLER_PORT": "0",
            "HOSTLER_LINGER_SECONDS": "0.5",
            **environment,
        }

    def __enter__(self) -> Replica:
        with self.log.open("wb") as log:
            self._process: subprocess.Popen[bytes] | Forked
            if self._plain:
                command = [sys.executable, "-m", self._module]
                self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
            else:
                self._process = Forked(self._module, env=self._environment, stdout=log)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it chose, from its log."""

        def listening() -> int | None:
            for line in self.log.read_text().splitlines():
                if line.startswith("{") and json.loads(line)["message"] == "listening":
                    port: int = json.loads(line)["port"]
                    return port
            assert self._process.poll() is None, self.log.read_text()
            return None

        return eventually(listening, what="the server to listen") or 0

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self) -> Replica:
        """Until ``/readyz`` says so."""

        def ready() -> bool:
            assert self._process.poll() is None, self.log.read_text()
            return self.get("readyz").status_code == 200

        eventually(ready, what="the server to be ready")
        return self

    def client(self, *, prefix: str = "/v1") -> openai.OpenAI:
        """The unmodified client, without retries that would hide a lost request."""
        return openai.OpenAI(base_url=f"{self.url}{prefix}", api_key="none", max_retries=0)

    def get(self, path: str) -> httpx.Response:
        """What it answers, however long that takes on a busy machine."""
        return httpx.get(f"{self.url}/{path}", timeout=PATIENCE)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        """The same with a body, which ``arguments`` give as httpx takes them."""
        return httpx.post(f"{self.url}/{path}", timeout=PATIENCE, **arguments)

    def terminate(self) -> None:
        """SIGTERM, as the kubelet sends it."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = PATIENCE) -> int:
        """The exit status."""
        return self._process.wait(timeout)

    def result(self) -> Result:
        """What the termination message says."""
        return Result.from_json(self.termination_log.read_text())

    def samples(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """All metrics: name to labels and value."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(self.get("metrics").text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
        return found

    def value(self, name: str, **labels: str) -> float:
        """Sum of the samples of a name that carry these labels."""
        return sum(
            value
            for given, value in self.samples().get(name, [])
            if all(given.get(label) == wanted for label, wanted in labels.items())
        )
