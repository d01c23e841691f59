"""Children with everything that can be chosen for pods, as the API server takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from bench import SETTINGS, make_bench
from builders import edited, make_dataset, make_inference_service, make_model, make_training_job
from kubeclient import KubeClient

from hostler.cluster.resources import resource_of

GOLDEN = Path(__file__).parents[1] / "unit" / "manifests" / "golden"
Object = dict[str, Any]

CHOSEN: Object = {
    "imagePullSecrets": ["registry"],
    "serviceAccountName": "default",
    "podMetadata": {"labels": {"example.org/team": "vision"}, "annotations": {"example.org/cost-centre": "4711"}},
    "scratch": {"size": "20Gi", "sharedMemory": "1Gi"},
}


async def children() -> list[Object]:
    """What the controllers write for a job, a service and a dataset that choose everything."""
    bench = make_bench()
    for claim in ("tiny", "data"):
        bench.cluster.claim(claim)
    bench.cluster.put(make_model("tiny"))
    several = {"pods": {"min": 2, "max": 2}, "availability": {"spread": "zone"}}
    bench.cluster.put(make_inference_service("tiny", **CHOSEN, **several))
    bench.cluster.put(make_training_job("learn", **CHOSEN, storage={"accessModes": ["ReadWriteOnce"]}))
    source = {"s3": {"bucket": "pictures", "secretRef": {"name": "keys"}}}
    chosen = {name: CHOSEN[name] for name in ("imagePullSecrets", "serviceAccountName")}
    bench.cluster.put(make_dataset("books", source=source, **chosen))
    await bench.settle()
    kinds = ("Job", "Deployment", "PodDisruptionBudget", "PersistentVolumeClaim")
    made = [found for kind in kinds for found in bench.cluster.all(kind)]
    return [each for each in made if each["metadata"].get("ownerReferences")]


def as_new(child: Object, namespace: str) -> Object:
    """Without what only a server gives."""
    kept = {name: child["metadata"][name] for name in ("name", "labels", "annotations") if name in child["metadata"]}
    return {key: child[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": kept | {"namespace": namespace}}


def tried(api: KubeClient, child: Object) -> httpx.Response:
    """The server's answer to a child that is not kept."""
    path = resource_of(child["kind"]).path(namespace=child["metadata"]["namespace"])
    return api.http.post(path, json=child, params={"dryRun": "All", "fieldValidation": "Strict"})


async def test_the_server_takes_all_that_can_be_chosen(api: KubeClient, namespace: str) -> None:
    assert SETTINGS.traffic is None, "policies are asked about below"
    found = await children()
    assert {child["kind"] for child in found} == {"Job", "Deployment", "PodDisruptionBudget", "PersistentVolumeClaim"}
    for child in found:
        answer = tried(api, as_new(child, namespace))
        assert answer.is_success, answer.text
        assert "Warning" not in answer.headers, answer.headers.get("Warning")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("networkpolicy-*.yaml")), ids=lambda path: path.stem)
def test_the_server_takes_the_policies(api: KubeClient, namespace: str, path: Path) -> None:
    policy = edited(yaml.safe_load(path.read_text(encoding="utf-8")), "metadata.namespace", namespace)
    answer = tried(api, policy)
    assert answer.is_success, answer.text
