"""The chapters of the demo, in order. Each one ends in a check; what was not checked is not claimed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hostler.demo import checkout, install, prometheus
from hostler.demo.conversations import FILE, answer_to, conversations
from hostler.demo.forward import forward
from hostler.local.errors import StartError
from hostler.local.kubeapi import ApiError, KubeApi
from hostler.local.stages import Stages

NAMESPACE = "hostler-demo"
JOB = "tiny-chat"
SERVICE = "tiny-chat"
QUESTION = "Where does Ada live?"
"""Asked of the data too, which says what is right."""
REQUESTS = 8
"""Chat requests after the first one, so that a latency quantile means something."""

_API = "/apis/hostler.dev/v1alpha1"


@dataclass(kw_only=True)
class Story:
    """What the chapters share: the cluster, the clients and the facts found so far."""

    tools: install.Tools
    stages: Stages
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api = KubeApi(self.tools.kubeconfig)

    @cached_property
    def data(self) -> str:
        """What the model learns from, and is asked about."""
        return conversations()

    # -- chapters ------------------------------------------------------------------------------------------------

    def pools(self) -> None:
        """Every pool of the demo has its devices."""
        with self.stages.stage("pools report their devices") as note:
            for name in install.POOLS:
                note(f"waiting for pool {name}")
                pool = self._wait_ready(f"{_API}/acceleratorpools/{name}", timeout=120)
                status = pool["status"]
                self.facts[f"pool {name}"] = f"{status['capacity']} x {pool['spec']['acceleratorType']}" + (
                    " (simulated)" if status.get("simulated") else ""
                )

    def train(self, prometheus_url: str) -> None:
        """A TrainingJob on two simulated GPUs, with live progress, ends in a Model."""
        with self.stages.stage("train a model on the gpu pool") as note:
            self._fresh_namespace(note)
            self._apply("examples/chat/trainingjob.yaml")
        self._follow_training()
        model = self.api.get(f"{_API}/namespaces/{NAMESPACE}/models/{JOB}")
        figures = {entry["name"]: entry["value"] for entry in model["spec"].get("metrics", [])}
        self.facts["model"] = f"{JOB}: {float(figures['answer_accuracy']):.0%} of held-out questions answered right"
        with self.stages.stage("read the training pods' utilization from Prometheus"):
            busy = self._ask_until(
                prometheus_url,
                f"max_over_time(hostler_accelerator_utilization_ratio{{{_TRAINERS}}}[15m]) > 0",
            )
            for sample in busy:
                label = f"utilization of {sample.labels['type']} held by {sample.labels['pod']}"
                self.facts[label] = f"{sample.value:.0%}"

    def serve(self) -> None:
        """An InferenceService on the IPU pool serves that Model."""
        with self.stages.stage("serve it on the ipu pool"):
            self._apply("examples/chat/inferenceservice.yaml")
            self._wait_ready(f"{_API}/namespaces/{NAMESPACE}/inferenceservices/{SERVICE}", timeout=240)

    def ask(self, prometheus_url: str) -> None:
        """The unmodified OpenAI client gets an answer, and Prometheus knows how long it took."""
        with self.stages.stage("ask it through the OpenAI client"), self._service() as url:
            self.facts[QUESTION] = _chat(url, times=REQUESTS, right=answer_to(QUESTION, self.data))
        with self.stages.stage("read the latency from Prometheus"):
            for quantile in (0.5, 0.95):
                found = self._ask_until(prometheus_url, _latency(quantile))
                self.facts[f"request latency p{quantile * 100:.0f}"] = f"{found[0].value:.3f} s"

    # -- steps ---------------------------------------------------------------------------------------------------

    def _service(self) -> Any:
        tools = self.tools
        return forward(tools.kubectl, tools.kubeconfig, namespace=NAMESPACE, target=f"service/{SERVICE}", port=80)

    def _apply(self, path: str) -> None:
        self.tools.kubectl_run("apply", "--server-side", "-n", NAMESPACE, "-f", str(checkout.root() / path))

    def _fresh_namespace(self, note: Callable[[str], None]) -> None:
        """An empty namespace that enforces Pod Security restricted, with the data in it."""
        path = f"/api/v1/namespaces/{NAMESPACE}"
        try:
            self.api.request("DELETE", path)
            note("removing what an earlier demo left")
        except ApiError as error:
            if error.status != 404:
                raise
        _until(lambda: self._gone(path), what=f"namespace {NAMESPACE} did not go away", timeout=120)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        documents: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{JOB}-data", "namespace": NAMESPACE},
                "data": {FILE: self.data},
            },
        ]
        self.tools.kubectl_run("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def _gone(self, path: str) -> bool:
        try:
            self.api.get(path)
        except ApiError as error:
            return error.status == 404
        return False

    def _wait_ready(self, path: str, *, timeout: float) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def ready() -> bool:
            found.update(self.api.get(path))
            condition = _condition(found, "Ready")
            return condition.get("status") == "True" and _current(found)

        _until(ready, what=f"{path.rpartition('/')[2]} is not ready", timeout=timeout, why=lambda: _sentence(found))
        return found

    def _follow_training(self, *, timeout: float = 600) -> None:
        """Show the job's own status until it ends."""
        path = f"{_API}/namespaces/{NAMESPACE}/trainingjobs/{JOB}"
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
        )
        start = time.monotonic()
        shown = ""
        with Progress(*columns, console=self.stages.console, transient=True) as bar:
            task = bar.add_task("training", total=100)
            while True:
                job = self.api.get(path)
                line, percent = _training_line(job)
                bar.update(task, description=line, completed=percent)
                if not self.stages.console.is_terminal and line != shown:
                    self.stages.console.print(f"           {line}", soft_wrap=True)
                shown = line
                if _condition(job, "Succeeded").get("status") == "True":
                    break
                if _failed(job):
                    raise StartError(f"the training job failed: {_sentence(job)}")
                if time.monotonic() - start > timeout:
                    raise StartError(f"the training job did not end within {timeout:.0f} s: {_sentence(job)}")
                time.sleep(0.5)
        self.stages.finished.append(("training", time.monotonic() - start))
        self.stages.console.print(f"[green]{time.monotonic() - start:7.1f} s[/]  {shown}", soft_wrap=True)

    def _ask_until(self, url: str, expression: str, *, timeout: float = 60) -> list[prometheus.Sample]:
        """The answer to a query as soon as there is one; Prometheus scrapes every two seconds."""
        found: list[prometheus.Sample] = []

        def answered() -> bool:
            found[:] = prometheus.query(url, expression)
            return bool(found)

        _until(
            answered,
            what=f"Prometheus has no answer to {expression}",
            timeout=timeout,
        )
        return found


def _chat(url: str, *, times: int, right: str) -> str:
    import openai  # a client for the demo alone; the operator never needs it

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    try:
        answers = [
            client.chat.completions.create(
                model=SERVICE, messages=[{"role": "user", "content": QUESTION}], max_tokens=24, temperature=0
            )
            for _ in range(1 + times)
        ]
    except openai.OpenAIError as error:
        raise StartError(f"the chat request failed: {error}") from error
    for answer in answers:
        text = " ".join((answer.choices[0].message.content or "").split())
        if text != right:
            raise StartError(f"asked {QUESTION!r}, the model answered {text!r}; its data says {right!r}")
    return right


def _latency(quantile: float) -> str:
    selector = f'namespace="{NAMESPACE}",service="{SERVICE}",code="200"'
    rate = f"sum by (le) (rate(hostler_request_duration_seconds_bucket{{{selector}}}[2m]))"
    return f"histogram_quantile({quantile}, {rate})"


def _training_line(job: dict[str, Any]) -> tuple[str, int | None]:
    status = job.get("status", {})
    progress = status.get("progress", {})
    parts = [_condition(job, "Ready").get("reason", "Pending")]
    if "step" in progress:
        parts.append(f"step {progress['step']}/{progress['totalSteps']}")
    parts += [f"{name} {_text(progress[key])}" for name, key in _SHOWN if key in progress]
    return ", ".join(parts), progress.get("percent")


_TRAINERS = f'namespace="{NAMESPACE}",pod=~"{JOB}-[0-9]+-.*"'
_SHOWN = (("loss", "loss"), ("speed", "speed"), ("ETA", "eta"))


def _text(figure: str | dict[str, str]) -> str:
    return figure if isinstance(figure, str) else " ".join((figure["value"], figure["unit"]))


def _condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def _failed(job: dict[str, Any]) -> bool:
    """Whether the job cannot get anywhere without a person."""
    return _condition(job, "Stalled").get("status") == "True" or _condition(job, "Accepted").get("status") == "False"


def _current(found: dict[str, Any]) -> bool:
    generation = found["metadata"].get("generation", 0)
    return bool(found.get("status", {}).get("observedGeneration") == generation)


def _sentence(found: dict[str, Any]) -> str:
    """The first condition that is not as it should be, in words."""
    for kind in ("Stalled", "Accepted", "Admitted", "Ready"):
        condition = _condition(found, kind)
        bad = condition.get("status") == ("True" if kind == "Stalled" else "False")
        if bad:
            return f"{kind}: {condition.get('reason')}: {condition.get('message')}"
    return "no condition says why; is the operator running?"


def _until(condition: Callable[[], object], *, what: str, timeout: float, why: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise StartError(f"{what} after {timeout:.0f} s. {why()}".strip())
        time.sleep(0.3)


def by_hand(kubectl: Path, kubeconfig: Path) -> str:
    """Command lines to go on with."""
    return "\n".join(
        (
            f"export KUBECONFIG={kubeconfig} PATH={kubectl.parent}:$PATH",
            "kubectl get hostler -A",
            f"kubectl -n {NAMESPACE} describe trainingjob {JOB}",
            f"kubectl -n {NAMESPACE} port-forward service/{SERVICE} 8000:80 &",
            "curl -s localhost:8000/v1/chat/completions -H 'content-type: application/json' \\",
            f'  -d \'{{"model": "{SERVICE}", "messages": [{{"role": "user", "content": "{QUESTION}"}}]}}\'',
            "kubectl -n monitoring port-forward service/prometheus 9090 &   # http://localhost:9090",
            "make demo-down",
        )
    )
