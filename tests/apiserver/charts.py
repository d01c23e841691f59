"""Rendering the chart, and finding one's way in what came out."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

CHART = Path(__file__).parents[2] / "helm" / "hostler"
NAMESPACE = "hostler-system"
EVERYTHING = (
    "simulator.enabled=true",
    "monitoring.enabled=true",
    "monitoring.rules.enabled=true",
    "networkPolicy.enabled=true",
    "operator.replicas=2",
    "image.pullSecrets[0]=registry",
)
"""Values with which every template puts something out."""


def template(helm: Path, *values: str, release: str = "hostler") -> list[Object]:
    """What `helm template` puts out for values as `--set` takes them, or with JSON after the sign."""
    text = _rendered(helm, values, release=release)
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


@functools.cache
def _rendered(helm: Path, values: tuple[str, ...], *, release: str) -> str:
    command = [str(helm), "template", release, str(CHART), "-n", NAMESPACE, "--kube-version", "1.34.0"]
    done = subprocess.run([*command, *_sets(values)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(helm: Path, *values: str) -> str:
    """What helm says about values that it does not take."""
    command = [str(helm), "template", "hostler", str(CHART), "--kube-version", "1.34.0"]
    done = subprocess.run([*command, *_sets(values)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


def _sets(values: tuple[str, ...]) -> list[str]:
    flags = ("--set-json" if value.partition("=")[2][:1] in ("{", "[", '"') else "--set" for value in values)
    return [part for flag, value in zip(flags, values, strict=True) for part in (flag, value)]


def named(documents: list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind by name."""
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def pods(documents: list[Object]) -> list[tuple[str, Object]]:
    """Every pod's spec with the name of what makes it."""
    found = [(d["metadata"]["name"], d["spec"]) for d in documents if d["kind"] == "Pod"]
    workloads = [d for d in documents if d["kind"] in ("Deployment", "DaemonSet")]
    return found + [(d["metadata"]["name"], d["spec"]["template"]["spec"]) for d in workloads]


def operator(documents: list[Object], name: str = "hostler-operator") -> Object:
    """The operator's Deployment."""
    return named(documents, "Deployment")[name]


def container(documents: list[Object]) -> Object:
    """The operator's container."""
    (found,) = operator(documents)["spec"]["template"]["spec"]["containers"]
    return found
