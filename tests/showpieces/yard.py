"""A namespace with a hub in it, and what is done there: import a model, train one, ask one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from e2e.conftest import ALLOWED_HUB
from exampleruns import trained
from hubpod import FILES_AT, hub_objects
from patience import PATIENCE
from showpieces.packages import Unavailable
from showpieces.report import Report
from showpieces.shelves import ALL, Shelved
from stack import Object, Stack

from hostler.demo.forward import forward

NAMESPACE = "imports"
"""Where the chart of these tests allows a hub."""
_COMPLETE = "complete"
_PROGRAM = """
import json, threading, time
from pathlib import Path
from runtime.importing.modelhub import ModelHub, Shelf
root = Path(__FILES__)
while not (root / __COMPLETE__).exists():
    time.sleep(0.2)
def shelf(place, license):
    files = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return Shelf(files=files, license=license)
named = json.loads((root / __COMPLETE__).read_text())
ModelHub({name: shelf(root / place, license) for name, (place, license) in named.items()}, address=("0.0.0.0", 8000))
threading.Event().wait()
"""
_IMPORTER: Mapping[str, Any] = {"storage": {"size": "2Gi"}, "resources": {"cpu": "250m", "memory": "1Gi"}}


@dataclass
class Yard:
    """The cluster with its hub."""

    stack: Stack
    directories: Mapping[str, Path]
    """Of the models that the hub has, by name."""
    missing: Mapping[str, str]
    """Why it does not have the others."""
    report: Report = field(default_factory=Report)
    """What was measured."""

    def require(self, name: str) -> None:
        """Skips the test where the hub does not have a model."""
        if name in self.missing:
            pytest.skip(self.missing[name])

    def imported(self, name: str) -> Object:
        """The Model of a repository as soon as it is Ready. Skips the test where the hub does not have it."""
        self.require(name)
        source = {"hf": {"repository": ALL[name].repository, "endpoint": ALLOWED_HUB}}
        spec = {"artifacts": {"source": source}, "importer": _IMPORTER}
        self.stack.apply(_object("Model", name, spec))
        return self.stack.wait_condition("models", name, "Ready", "True", namespace=NAMESPACE, timeout=2 * PATIENCE)

    def of_catalog(self, name: str) -> Object:
        """The Model that an entry of the catalog has become here, since a service or job named it."""
        wanted = ("models", f"catalog-{name}", "Ready", "True")
        return self.stack.wait_condition(*wanted, namespace=NAMESPACE, timeout=2 * PATIENCE)

    def train(self, name: str, rows: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> Object:
        """A job on JSON lines, at its end; its Model is Ready."""
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        meta = {"name": f"{name}-data", "namespace": NAMESPACE}
        self.stack.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"rows.jsonl": text}})
        source = {"configMap": {"name": meta["name"], "key": "rows.jsonl"}}
        dataset = {"source": source, "format": "jsonl", "license": "CC0-1.0", **spec.get("dataset", {})}
        job = _object("TrainingJob", name, {**spec, "dataset": dataset})
        return trained(self.stack, job, namespace=NAMESPACE, timeout=3600)

    @contextmanager
    def served(self, name: str, *, memory: str, kind: str = "Model") -> Iterator[openai.OpenAI]:
        """The unmodified client of a service of a Model or of an entry of the catalog, which ends with the block."""
        resources = {"cpu": "1", "memory": memory}
        spec = {
            "modelRef": {"kind": kind, "name": name},
            "accelerators": {"pool": "ipu", "perPod": 1},
            "resources": resources,
        }
        self.stack.apply(_object("InferenceService", name, spec))
        wanted = ("inferenceservices", name, "Ready", "True")
        self.stack.wait_condition(*wanted, namespace=NAMESPACE, timeout=2 * PATIENCE)
        tools, target = self.stack.tools, f"service/{name}"
        with forward(tools.kubectl, tools.kubeconfig, namespace=NAMESPACE, target=target, port=80) as url:
            yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
        tools.kubectl_run("-n", NAMESPACE, "delete", "inferenceservice", name)


def open_yard(stack: Stack, namespace: Callable[[str], str], scratch: Path) -> Yard:
    """Fetch what the index has, and put it onto the shelves of a hub."""
    directories, missing = {}, {}
    for name, model in ALL.items():
        try:
            directories[name] = model.directory(scratch)
        except Unavailable as reason:
            missing[name] = str(reason)
    namespace(NAMESPACE)
    program = _PROGRAM.replace("__FILES__", repr(FILES_AT)).replace("__COMPLETE__", repr(_COMPLETE))
    stack.apply(*hub_objects(stack.images["runtime-train"], namespace=NAMESPACE, program=program))
    stack.tools.kubectl_run(
        "-n", NAMESPACE, "wait", "pod/hub", "--for=jsonpath={.status.phase}=Running", f"--timeout={PATIENCE:.0f}s"
    )
    for name, directory in directories.items():
        _copy(stack, directory, ALL[name])
    named = {ALL[name].repository: (name, ALL[name].license) for name in directories}
    _in_hub(stack, ["sh", "-c", f"cat > {FILES_AT}/{_COMPLETE}"], json.dumps(named).encode())
    stack.tools.kubectl_run("-n", NAMESPACE, "wait", "pod/hub", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s")
    return Yard(stack=stack, directories=directories, missing=missing)


def _copy(stack: Stack, directory: Path, model: Shelved) -> None:
    place = f"{FILES_AT}/{model.name}"
    archive = subprocess.run(["tar", "-c", "-C", str(directory), "."], capture_output=True, check=True).stdout
    _in_hub(stack, ["sh", "-c", f"mkdir -p {place} && tar -x -m -C {place}"], archive)


def _in_hub(stack: Stack, command: Sequence[str], given: bytes) -> None:
    tools = stack.tools
    base = [str(tools.kubectl), "--kubeconfig", str(tools.kubeconfig), "-n", NAMESPACE, "exec", "-i", "hub", "--"]
    done = subprocess.run([*base, *command], input=given, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Object:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "hostler.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": dict(spec)}
