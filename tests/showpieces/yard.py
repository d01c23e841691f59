"""A namespace with a hub in it, and what is done there: import a model, train one, ask one."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from e2e.conftest import ALLOWED_HUB
from exampleruns import finished, trained
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

    def model(self, name: str) -> Object:
        """A Model as it is now."""
        found: Object = self.stack.get("models", name, namespace=NAMESPACE)
        return found

    def of_catalog(self, name: str) -> Object:
        """The Model that an entry of the catalog has become here, since a service or job named it."""
        wanted = ("models", f"catalog-{name}", "Ready", "True")
        return self.stack.wait_condition(*wanted, namespace=NAMESPACE, timeout=2 * PATIENCE)

    def hostler(self, *arguments: str) -> str:
        """What a command of ours prints, as a user types it."""
        program = Path(sys.executable).with_name("hostler")
        where = ("--kubeconfig", str(self.stack.tools.kubeconfig), "-n", NAMESPACE)
        done = subprocess.run([program, *arguments, *where], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dataset(self, name: str, rows: Sequence[Mapping[str, Any]], *, held_out: int) -> str:
        """The name of a Dataset of JSON lines, of which some percent are held out."""
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        return self._dataset(name, "jsonl", {"data": {"rows": text}}, held_out=held_out)

    def recordings(self, name: str, shard: bytes, *, held_out: int) -> str:
        """The name of a Dataset of one small shard, of which some percent are held out."""
        content = {"binaryData": {"rows": base64.b64encode(shard).decode()}}
        return self._dataset(name, "webdataset", content, held_out=held_out)

    def _dataset(self, name: str, format: str, content: Mapping[str, Any], *, held_out: int) -> str:
        meta = {"name": name, "namespace": NAMESPACE}
        source = {"configMap": {"name": name, "key": "rows"}}
        self.stack.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **content},
            _object(
                "Dataset",
                name,
                {"source": source, "format": format, "license": "CC0-1.0", "validationPercent": held_out},
            ),
        )
        return name

    def begun(self, entry: str, *, dataset: str, settings: Mapping[str, object]) -> Object:
        """The job that `hostler tune --dry-run` prints, to be changed further."""
        return yaml.safe_load(self.hostler(*_tune(entry, dataset, settings), "--dry-run"))  # type: ignore[no-any-return]

    def tuned(self, entry: str, name: str, *, dataset: str, settings: Mapping[str, object]) -> Object:
        """The job that `hostler tune` makes of an entry, at its end; its Model is Ready."""
        self.hostler(*_tune(entry, dataset, settings), "--name", name)
        return finished(self.stack, name, namespace=NAMESPACE, timeout=3600)

    def train(self, name: str, spec: Mapping[str, Any]) -> Object:
        """A job at its end; its Model is Ready."""
        return trained(self.stack, _object("TrainingJob", name, spec), namespace=NAMESPACE, timeout=3600)

    def used(self, entry: str) -> AbstractContextManager[openai.OpenAI]:
        """The client of the service that `hostler use` makes of an entry."""
        self.hostler("use", entry, "--pool", "ipu")
        return self._asked(entry)

    def served(self, name: str, *, memory: str) -> AbstractContextManager[openai.OpenAI]:
        """The client of a service of a Model."""
        spec = {
            "modelRef": {"name": name},
            "accelerators": {"pool": "ipu", "perPod": 1},
            "resources": {"cpu": "1", "memory": memory},
        }
        self.stack.apply(_object("InferenceService", name, spec))
        return self._asked(name)

    @contextmanager
    def _asked(self, name: str) -> Iterator[openai.OpenAI]:
        """The unmodified client of a service, which ends with the block."""
        wanted = ("inferenceservices", name, "Ready", "True")
        self.stack.wait_condition(*wanted, namespace=NAMESPACE, timeout=2 * PATIENCE)
        tools, target = self.stack.tools, f"service/{name}"
        with forward(tools.kubectl, tools.kubeconfig, namespace=NAMESPACE, target=target, port=80) as url:
            yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
        tools.kubectl_run("-n", NAMESPACE, "delete", "inferenceservice", name)


def _tune(entry: str, dataset: str, settings: Mapping[str, object]) -> list[str]:
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return ["tune", entry, "--dataset", dataset, "--pool", "gpu", *chosen]


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
