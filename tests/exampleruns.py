"""Examples as a user runs them: make the data, put it into the cluster, apply both files, send a request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import exampleasks
import httpx
import yaml
from exampleasks import Ask, Asked
from patience import PATIENCE
from stack import Object, Stack, wait

from hostler.demo.forward import forward

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
RUNTIME_PYTHON = ROOT / ".venv-runtime" / "bin" / "python"
"""The recipes of images, speech and video need scikit-learn, espeak-ng and av, which it has."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One folder."""

    folder: str
    recipe: str
    """Script that makes the data."""
    ask: Ask
    """Sends requests to the model and looks at the answers."""
    data: str
    """Name of what the recipe writes."""
    job: str = "trainingjob.yaml"
    """File with the job."""
    arguments: Sequence[str] = ()
    """Of the recipe, beside where to write."""
    fewer: Sequence[str] = ()
    """Arguments of the recipe for a short run."""
    short: Mapping[str, Any] = field(default_factory=dict)
    """Changes to ``spec.training`` for a short run, which also has no gates."""


def documents(folder: str, name: str) -> list[Object]:
    """The objects of one of an example's files."""
    return list(yaml.safe_load_all((EXAMPLES / folder / name).read_text(encoding="utf-8")))


def run(stack: Stack, example: Example, *, namespace: str, scratch: Path, short: bool = False) -> Object:
    """From data to answer; returns the finished TrainingJob."""
    (job,) = documents(example.folder, example.job)
    if short:
        job["spec"]["training"] |= example.short
        job["spec"].pop("evaluation", None)
    name = job["metadata"]["name"]
    made = make_data(example, scratch, arguments=example.fewer if short else example.arguments)
    deliver(stack, example, made, source=job["spec"]["dataset"]["source"], namespace=namespace)
    found = trained(stack, job, namespace=namespace)
    stack.apply(*documents(example.folder, "inferenceservice.yaml"), namespace=namespace)
    stack.wait_condition("inferenceservices", name, "Ready", "True", namespace=namespace)
    target = f"service/{name}"
    with (
        forward(stack.tools.kubectl, stack.tools.kubeconfig, namespace=namespace, target=target, port=80) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        example.ask(Asked(client=client, model=name, data=made, in_full=not short))
    stack.tools.kubectl_run("-n", namespace, "delete", "inferenceservice", name)
    return found


def trained(stack: Stack, job: Object, *, namespace: str, timeout: float = 900) -> Object:
    """A job to its end; returns it, once its Model is Ready."""
    stack.apply(job, namespace=namespace)
    return finished(stack, job["metadata"]["name"], namespace=namespace, timeout=timeout)


def finished(stack: Stack, name: str, *, namespace: str, timeout: float) -> Object:
    """A job that somebody has made, at its end; its Model is Ready."""

    def ended() -> Object | None:
        found = stack.get("trainingjobs", name, namespace=namespace)
        conditions = {c["type"]: c["status"] for c in (found or {}).get("status", {}).get("conditions", [])}
        return found if "True" in (conditions.get("Succeeded"), conditions.get("Stalled")) else None

    found: Object = wait(
        ended, what=f"{name} ends", timeout=timeout, why=lambda: stack.get("trainingjobs", name, namespace=namespace)
    )
    assert found["status"].get("model") == name, found["status"]
    stack.wait_condition("models", name, "Ready", "True", namespace=namespace)
    return found


def deliver(stack: Stack, example: Example, made: Path, *, source: Object, namespace: str) -> None:
    """Put the data where the job looks for it."""
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
    stack.tools.kubectl_run(
        "-n", namespace, "wait", f"pod/{loader}", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s"
    )
    archive = subprocess.run(["tar", "-c", "-C", str(made.parent), made.name], capture_output=True, check=True).stdout
    command = [str(stack.tools.kubectl), "--kubeconfig", str(stack.tools.kubeconfig), "-n", namespace]
    command += ["exec", "-i", loader, "--", "tar", "-x", "-m", "-C", "/data"]
    command += ["--strip-components=1"] if made.is_dir() else []
    # kubectl waits forever for a process that ended without reading all of its input.
    done = subprocess.run(command, input=archive, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    stack.tools.kubectl_run("-n", namespace, "delete", "pod", loader)


FROM_CHAT = tuple(
    Example(
        folder="objectives", recipe=recipe, data=data, arguments=arguments, job=f"{name}.yaml", ask=exampleasks.chat
    )
    for name, recipe, data, arguments in (
        ("finetune", "chat/data.py", "moved.jsonl", ("2",)),
        ("lora", "chat/data.py", "moved.jsonl", ("2",)),
        ("preference", "objectives/preferences.py", "preferences.jsonl", ()),
        ("distill", "chat/data.py", "conversations.jsonl", ()),
        ("prune", "chat/data.py", "conversations.jsonl", ()),
        ("quantize", "chat/data.py", "conversations.jsonl", ()),
    )
)
"""One job for each objective, all from the Model of the chat example."""
ALL = (
    Example(folder="chat", data="conversations.jsonl", recipe="chat/data.py", ask=exampleasks.chat),
    Example(folder="code", data="data.jsonl", recipe="code/data.py", ask=exampleasks.code),
    Example(
        folder="bert",
        data="data.jsonl",
        recipe="bert/data.py",
        ask=exampleasks.bert,
        short={"steps": 60, "warmupSteps": 5},
    ),
    Example(
        folder="text-to-image",
        data="data.parquet",
        recipe="data/digits.py",
        ask=partial(exampleasks.digits, template="a handwritten {}"),
    ),
    Example(
        folder="text-to-video",
        data="clips.tar",
        recipe="text-to-video/data.py",
        ask=exampleasks.video,
        fewer=("120",),
        short={"steps": 24, "warmupSteps": 5},
    ),
    Example(
        folder="speech-to-text",
        data="recordings",
        recipe="speech-to-text/data.py",
        ask=exampleasks.speech,
        fewer=("150",),
        short={"steps": 30, "warmupSteps": 5},
    ),
    Example(
        folder="gan",
        data="data.parquet",
        recipe="data/digits.py",
        ask=partial(exampleasks.digits, template="{}"),
    ),
    Example(
        folder="vae",
        data="data.parquet",
        recipe="data/digits.py",
        ask=exampleasks.samples,
        short={"steps": 60, "warmupSteps": 5},
    ),
)
