"""Examples as a user runs them: make the data, put it into the cluster, apply both files, send a request."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from stack import Object, Stack, wait

from hostler.demo.forward import forward
from hostler.demo.text import help_topics

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
RUNTIME_PYTHON = ROOT / ".venv-runtime" / "bin" / "python"
"""The recipes of images, speech and video need scikit-learn, espeak-ng and av, which it has."""

Check = Callable[[httpx.Client, str], None]
"""Sends the example's request to a model and looks at the answer."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One folder."""

    folder: str
    recipe: str | None = None
    """Script that makes the data; None where the text of the demo is meant."""
    check: Check
    data: str
    """Name of what the recipe writes."""
    fewer: Sequence[str] = ()
    """Arguments of the recipe for a short run."""
    short: Mapping[str, Any] = field(default_factory=dict)
    """Changes to ``spec.training`` for a short run, which also has no gates."""


def documents(folder: str, name: str) -> list[Object]:
    """The objects of one of an example's files."""
    return list(yaml.safe_load_all((EXAMPLES / folder / name).read_text(encoding="utf-8")))


def run(stack: Stack, example: Example, *, namespace: str, scratch: Path, short: bool = False) -> Object:
    """From data to answer; returns the finished TrainingJob."""
    (job,) = documents(example.folder, "trainingjob.yaml")
    if short:
        job["spec"]["training"] |= example.short
        job["spec"].pop("evaluation", None)
    name = job["metadata"]["name"]
    deliver(stack, example, job["spec"]["dataset"]["source"], namespace=namespace, scratch=scratch, short=short)
    stack.apply(job, namespace=namespace)

    def ended() -> Object | None:
        found = stack.get("trainingjobs", name, namespace=namespace)
        conditions = {c["type"]: c["status"] for c in (found or {}).get("status", {}).get("conditions", [])}
        return found if "True" in (conditions.get("Succeeded"), conditions.get("Stalled")) else None

    found: Object = wait(
        ended, what=f"{name} ends", timeout=900, why=lambda: stack.get("trainingjobs", name, namespace=namespace)
    )
    assert found["status"].get("model") == name, found["status"]
    stack.wait_condition("models", name, "Ready", "True", namespace=namespace)
    stack.apply(*documents(example.folder, "inferenceservice.yaml"), namespace=namespace)
    stack.wait_condition("inferenceservices", name, "Ready", "True", namespace=namespace, timeout=300)
    target = f"service/{name}"
    with (
        forward(stack.tools.kubectl, stack.tools.kubeconfig, namespace=namespace, target=target, port=80) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        example.check(client, name)
    stack.tools.kubectl_run("-n", namespace, "delete", "inferenceservice", name)
    return found


def deliver(stack: Stack, example: Example, source: Object, *, namespace: str, scratch: Path, short: bool) -> None:
    """Make the data and put it where the job looks for it."""
    made = make_data(example, scratch, arguments=example.fewer if short else ())
    if "configMap" in source:
        reference = source["configMap"]
        named = f"--from-file={reference['key']}={made}"
        create = ("create", "configmap", reference["name"], named, "--dry-run=client", "-o", "yaml")
        text = stack.tools.kubectl_run("-n", namespace, *create)
        stack.tools.kubectl_run("-n", namespace, "apply", "--server-side", "-f", "-", stdin=text)
    else:
        fill_claim(stack, made, folder=example.folder, namespace=namespace)


def make_data(example: Example, scratch: Path, *, arguments: Sequence[str] = ()) -> Path:
    """What the recipe writes."""
    target = scratch / example.data
    if example.recipe is None:
        target.write_text(help_topics(limit=600_000), encoding="utf-8")
        return target
    python = str(RUNTIME_PYTHON) if RUNTIME_PYTHON.exists() else sys.executable
    command = [python, str(EXAMPLES / example.recipe), str(target), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def fill_claim(stack: Stack, made: Path, *, folder: str, namespace: str) -> None:
    """As the example's ``claim.yaml`` says: a claim, and a pod to copy through."""
    claim, pod = documents(folder, "claim.yaml")
    pod["spec"]["containers"][0]["image"] = stack.images["operator"]
    loader = pod["metadata"]["name"]
    stack.apply(claim, pod, namespace=namespace)
    stack.tools.kubectl_run("-n", namespace, "wait", f"pod/{loader}", "--for=condition=Ready", "--timeout=120s")
    what = ("-C", str(made), ".") if made.is_dir() else ("-C", str(made.parent), made.name)
    archive = subprocess.run(["tar", "-c", *what], capture_output=True, check=True).stdout
    command = [str(stack.tools.kubectl), "--kubeconfig", str(stack.tools.kubeconfig), "-n", namespace]
    command += ["exec", "-i", loader, "--", "tar", "-x", "-m", "--no-overwrite-dir", "-C", "/data"]
    # kubectl waits forever for a process that ended without reading all of its input.
    done = subprocess.run(command, input=archive, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    stack.tools.kubectl_run("-n", namespace, "delete", "pod", loader)


# What is asked of each family, and what an answer must hold.


def _post(client: httpx.Client, path: str, body: Object) -> Object:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: Object = answer.json()
    return found


def ask_chat(client: httpx.Client, model: str) -> None:
    """A conversation."""
    messages = [{"role": "user", "content": "What does the with statement do?"}]
    answer = _post(client, "/v1/chat/completions", {"model": model, "messages": messages, "max_tokens": 12})
    assert answer["choices"][0]["message"]["content"].strip()


def ask_code(client: httpx.Client, model: str) -> None:
    """A middle between two pieces."""
    body = {"prompt": "def total(values):\n", "suffix": "\n    return result\n", "max_tokens": 24}
    assert _post(client, "/v1/completions", {"model": model, **body})["choices"][0]["text"]


def ask_bert(client: httpx.Client, model: str) -> None:
    """A hidden word, and vectors."""
    masked = {"inputs": "The [MASK] statement is used for conditional execution.", "top_k": 3}
    assert json.dumps(_post(client, "/v1/fill-mask", {"model": model, **masked})).count("score") >= 3
    answer = _post(client, "/v1/embeddings", {"model": model, "input": ["the with statement", "a context manager"]})
    assert len(answer["data"]) == 2


def ask_images(client: httpx.Client, model: str, *, prompt: str) -> None:
    """A picture."""
    body = {"model": model, "prompt": prompt, "n": 2, "response_format": "b64_json"}
    assert len([image["b64_json"] for image in _post(client, "/v1/images/generations", body)["data"]]) == 2


def ask_video(client: httpx.Client, model: str) -> None:
    """A clip, waited for."""
    made = _post(client, "/v1/videos", {"model": model, "prompt": "a seven moving left", "wait": True})
    assert made["status"] == "completed", made
    content = client.get(f"/v1/videos/{made['id']}/content")
    assert content.content[4:8] == b"ftyp"


def ask_speech(client: httpx.Client, model: str) -> None:
    """A recording, written in its own language and in another one."""
    silence = io.BytesIO()
    with wave.open(silence, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(16_000))
    for path, extra in (("transcriptions", {}), ("translations", {"target_language": "lb"})):
        files = {"file": ("voice.wav", silence.getvalue(), "audio/wav")}
        answer = client.post(f"/v1/audio/{path}", data={"model": model, **extra}, files=files)
        assert answer.status_code == 200, answer.text
        assert "text" in answer.json()


ALL = (
    Example(folder="chat", data="text", check=ask_chat),
    Example(folder="code", data="data.jsonl", recipe="code/data.py", check=ask_code),
    Example(
        folder="bert", data="data.jsonl", recipe="bert/data.py", check=ask_bert, short={"steps": 60, "warmupSteps": 5}
    ),
    Example(
        folder="text-to-image",
        data="data.parquet",
        recipe="data/digits.py",
        check=lambda client, model: ask_images(client, model, prompt="a handwritten seven"),
    ),
    Example(
        folder="text-to-video",
        data="clips.tar",
        recipe="text-to-video/data.py",
        check=ask_video,
        fewer=("120",),
        short={"steps": 24, "warmupSteps": 5},
    ),
    Example(
        folder="speech-to-text",
        data="recordings",
        recipe="speech-to-text/data.py",
        check=ask_speech,
        fewer=("150",),
        short={"steps": 30, "warmupSteps": 5},
    ),
    Example(
        folder="gan",
        data="data.parquet",
        recipe="data/digits.py",
        check=lambda client, model: ask_images(client, model, prompt="seven"),
    ),
    Example(
        folder="vae",
        data="data.parquet",
        recipe="data/digits.py",
        check=lambda client, model: ask_images(client, model, prompt=""),
        short={"steps": 60, "warmupSteps": 5},
    ),
)
