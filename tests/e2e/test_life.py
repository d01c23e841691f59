"""A model's life on a real cluster: trained, killed and resumed, registered, served, updated under load, measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from builders import make_inference_service, make_training_job
from click.testing import CliRunner
from stack import Stack, condition, wait

from hostler.cli.download import artifacts_sha256
from hostler.cli.main import main
from hostler.demo import prometheus
from hostler.demo.forward import forward

NAMESPACE = "life"
JOB = "tiny"
STEPS = 1200
"""Some ten seconds on a fast machine, of which status tells every second one."""
TRAINER = {"cpu": "250m", "memory": "1Gi"}
TRANSFORMER = {"layers": 2, "hiddenSize": 64, "heads": 2, "contextLength": 64, "vocabularySize": 512}


def job(name: str, *, steps: int = 80, **spec: Any) -> dict[str, Any]:
    """A job small enough for a test and long enough to be watched."""
    fields: dict[str, Any] = {
        "output": {"license": "PSF-2.0", "transformer": TRANSFORMER},
        "dataset": {"source": {"configMap": {"name": "text", "key": "text"}}},
        "training": {"steps": steps, "batchSize": 16, "learningRate": "2e-3", "warmupSteps": 5, "seed": 7},
        "checkpoint": {"everySteps": 20},
        "accelerators": {"pool": "gpu", "perPod": 1},
        "resources": TRAINER,
    }
    return make_training_job(name, namespace=NAMESPACE, **(fields | spec))


@pytest.fixture(scope="module")
def life(stack: Stack, namespace: Callable[[str], str]) -> str:
    return namespace(NAMESPACE)


@pytest.fixture(scope="module")
def watched(stack: Stack, life: str) -> dict[str, Any]:
    """A two-pod job, followed to its end, with what was seen on the way."""
    stack.apply(job(JOB, steps=STEPS, pods={"min": 2, "max": 2}))
    steps: list[int] = []
    busy: list[prometheus.Sample] = []
    query = f'hostler_accelerator_utilization_ratio{{namespace="{NAMESPACE}",pod=~"{JOB}-0-.*"}} > 0'

    def ended() -> dict[str, Any] | None:
        found = stack.get("trainingjobs", JOB, namespace=NAMESPACE)
        step = (found or {}).get("status", {}).get("progress", {}).get("step", 0)
        if not steps or step > steps[-1]:
            steps.append(step)
        if condition(found, "Ready").get("reason") == "Training":
            busy.extend(prometheus.query(stack.prometheus_url, query))
        return found if "True" in (condition(found, k).get("status") for k in ("Succeeded", "Stalled")) else None

    found = wait(ended, what="the job ends", why=lambda: stack.get("trainingjobs", JOB, namespace=NAMESPACE))
    return {"job": found, "steps": steps, "busy": busy}


def test_a_job_on_two_accelerators_succeeds_with_a_model(stack: Stack, watched: dict[str, Any]) -> None:
    status = watched["job"]["status"]
    assert condition(watched["job"], "Succeeded")["status"] == "True", status
    placement = status["placement"]
    assert (placement["pool"], placement["acceleratorType"]) == ("gpu", "nvidia-a100-80")
    assert (placement["pods"], placement["perPod"]) == (2, 1)
    assert sum(seats["pods"] for seats in placement["nodes"]) == 2
    assert (status["progress"]["percent"], status["restarts"], status["model"]) == (100, 0, JOB)


def test_progress_was_visible_while_it_ran(watched: dict[str, Any]) -> None:
    between = [step for step in watched["steps"] if 0 < step < STEPS]
    assert len(between) >= 2, watched["steps"]


def test_prometheus_saw_both_accelerators_busy_while_it_trained(watched: dict[str, Any]) -> None:
    assert {sample.labels["type"] for sample in watched["busy"]} == {"nvidia-a100-80"}
    assert len({sample.labels["device"] for sample in watched["busy"]}) == 2
    assert all(0 < sample.value <= 1 for sample in watched["busy"])


def test_the_model_knows_where_it_comes_from(stack: Stack, watched: dict[str, Any]) -> None:
    model = stack.wait_condition("models", JOB, "Ready", "True", namespace=NAMESPACE)
    lineage = model["spec"]["lineage"]
    assert (lineage["trainingJob"], lineage["trainingJobUid"]) == (JOB, watched["job"]["metadata"]["uid"])
    figures = {entry["name"]: float(entry["value"]) for entry in model["spec"]["metrics"]}
    assert figures["validation_perplexity"] < figures["unigram_perplexity"]
    assert not model["metadata"].get("ownerReferences"), "deleting the job must not delete the model"


def test_its_files_come_out_of_the_cluster_unchanged(stack: Stack, watched: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "tiny"
    arguments = ["download", JOB, "-n", NAMESPACE, "--to", str(target), "--kubeconfig", str(stack.tools.kubeconfig)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"of Model {JOB}" in done.output
    model = stack.get("models", JOB, namespace=NAMESPACE)
    assert model is not None
    assert artifacts_sha256(target) == model["spec"]["artifacts"]["sha256"]
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= {path.name for path in target.iterdir()}
    assert not [pod for pod in stack.pods(NAMESPACE, "app.kubernetes.io/name=hostler-download") if not _is_going(pod)]


def _is_going(pod: dict[str, Any]) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def test_the_workspace_passed_to_the_model(stack: Stack, watched: dict[str, Any]) -> None:
    claim = stack.api.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{JOB}")
    assert [owner["kind"] for owner in claim["metadata"]["ownerReferences"]] == ["Model"]


def test_a_killed_pod_is_replaced_and_the_job_goes_on_from_its_checkpoint(stack: Stack, life: str) -> None:
    name = "killed"
    stack.apply(job(name, steps=STEPS, checkpoint={"everySteps": 10}))

    def checkpoint() -> int:
        found = stack.get("trainingjobs", name, namespace=NAMESPACE) or {}
        return int(found.get("status", {}).get("progress", {}).get("checkpointStep", 0))

    wait(lambda: checkpoint() >= 10, what="a first checkpoint")
    (victim,) = stack.pods(NAMESPACE, f"hostler.dev/training-job={name}")
    stack.tools.kubectl_run("-n", NAMESPACE, "delete", "pod", victim["metadata"]["name"], "--grace-period=0", "--force")
    found = stack.wait_condition("trainingjobs", name, "Succeeded", "True", namespace=NAMESPACE)
    assert (found["status"]["restarts"], found["status"]["disruptions"]) == (0, 1)
    assert found["status"]["attempt"] == 1
    assert found["status"]["progress"]["resumedFromStep"] >= 10


@pytest.fixture(scope="module")
def service(stack: Stack, watched: dict[str, Any]) -> dict[str, Any]:
    """An InferenceService for the trained model, ready."""
    resources = {"cpu": "250m", "memory": "1Gi"}
    stack.apply(
        make_inference_service(
            JOB,
            namespace=NAMESPACE,
            modelRef={"name": JOB},
            accelerators={"pool": "ipu", "perPod": 1},
            resources=resources,
        )
    )
    return stack.wait_condition("inferenceservices", JOB, "Ready", "True", namespace=NAMESPACE)


@pytest.fixture(scope="module")
def client(stack: Stack, service: dict[str, Any]) -> Iterator[openai.OpenAI]:
    tools = stack.tools
    target = forward(tools.kubectl, tools.kubeconfig, namespace=NAMESPACE, target=f"service/{JOB}", port=80)
    with target as url:
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def test_a_ready_service_has_a_url_and_ready_replicas(service: dict[str, Any]) -> None:
    status = service["status"]
    assert status["url"] == f"http://{JOB}.{NAMESPACE}.svc"
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (1, 1, 1)


def test_the_openai_client_chats(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=JOB, messages=[{"role": "user", "content": "What is a class?"}], max_tokens=12
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 12


def test_a_stream_is_the_same_text_in_pieces(client: openai.OpenAI) -> None:
    question: dict[str, Any] = {"model": JOB, "prompt": "The statement", "max_tokens": 12, "temperature": 0}
    whole = client.completions.create(**question).choices[0].text
    pieces = [chunk.choices[0].text for chunk in client.completions.create(**question, stream=True) if chunk.choices]
    assert len(pieces) > 1
    assert "".join(pieces) == whole


def test_plain_transformers_loads_the_artifacts(stack: Stack, service: dict[str, Any]) -> None:
    (pod,) = stack.pods(NAMESPACE, f"hostler.dev/inference-service={JOB}")
    code = (
        "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
        "t = T.from_pretrained('/models'); m = M.from_pretrained('/models'); "
        "print(t.decode(m.generate(**t('The', return_tensors='pt'), max_new_tokens=4)[0]) != '')"
    )
    said = stack.tools.kubectl_run("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "python", "-c", code)
    assert said.strip().splitlines()[-1] == "True"


def test_prometheus_knows_the_latency_of_the_requests(stack: Stack, client: openai.OpenAI) -> None:
    labels = f'namespace="{NAMESPACE}",service="{JOB}",accelerator="graphcore-c600"'

    def more() -> list[prometheus.Sample]:
        client.completions.create(model=JOB, prompt="A", max_tokens=4)
        rate = f'sum by (le) (rate(hostler_request_duration_seconds_bucket{{{labels},code="200"}}[1m]))'
        return prometheus.query(stack.prometheus_url, f"histogram_quantile(0.9, {rate})")

    (latency,) = wait(more, what="a latency quantile")
    assert 0 < latency.value < math.inf
    assert stack.ask(f"sum(hostler_time_to_first_token_seconds_count{{{labels}}}) > 0")
    assert stack.ask(f'sum(hostler_tokens_total{{{labels},type="output"}}) > 0')


LOAD = """
import json, os, sys, threading, time, urllib.request
url, done, lost = sys.argv[1], [], []
def client(number):
    body = json.dumps({"model": "tiny", "prompt": f"client {number}", "max_tokens": 8}).encode()
    while not os.path.exists("/tmp/enough"):
        request = urllib.request.Request(url + "/v1/completions", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                done.append(json.load(answer)["usage"]["completion_tokens"])
                if 10 <= len(done) < 20: print("ten", flush=True)
        except Exception as error:
            lost.append(repr(error))
        time.sleep(0.05)
threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(json.dumps({"done": len(done), "lost": lost}))
"""


def _load_pod(stack: Stack) -> dict[str, Any]:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "load",
        "image": stack.images["operator"],
        "command": ["python3", "-c", LOAD, f"http://{JOB}.{NAMESPACE}.svc"],
        "securityContext": security,
    }
    pod_security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load", "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 3600,
            "securityContext": pod_security,
            "containers": [container],
        },
    }


def test_a_rolling_update_under_load_loses_no_request(stack: Stack, service: dict[str, Any]) -> None:
    stack.apply(_load_pod(stack))
    wait(lambda: "ten" in _said(stack), what="the load is there", why=lambda: _phase(stack, "load"))
    before = service["status"]["revision"]
    patch = json.dumps({"spec": {"serving": {"maxNewTokens": 64}}})
    stack.tools.kubectl_run("-n", NAMESPACE, "patch", "hisvc", JOB, "--type=merge", "-p", patch)
    updated = stack.wait_condition("inferenceservices", JOB, "Ready", "True", namespace=NAMESPACE)
    assert updated["status"]["revision"] != before
    assert _phase(stack, "load") == "Running", "the update must happen under load"
    stack.tools.kubectl_run("-n", NAMESPACE, "exec", "load", "--", "touch", "/tmp/enough")
    wait(lambda: _phase(stack, "load") in ("Succeeded", "Failed"), what="the load ends")
    report = json.loads(_said(stack).splitlines()[-1])
    assert report["lost"] == []
    assert report["done"] >= 10


def _said(stack: Stack) -> str:
    """What the load has printed; nothing before it runs."""
    if _phase(stack, "load") == "Pending":
        return ""
    return stack.tools.kubectl_run("-n", NAMESPACE, "logs", "load").strip()


def _phase(stack: Stack, name: str) -> str:
    return str(stack.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")["status"]["phase"])
