"""The CRDs on a real API server: what it accepts, fills in and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.invalid import INVALID, Invalid
from apiserver.manifests import by_kind
from builders import (
    FAMILY_SIZES,
    edited,
    make_cluster_model,
    make_dataset,
    make_family_job,
    make_imported_model,
    make_inference_service,
    make_model,
    make_pool,
    make_training_job,
    make_transformer,
    without,
)
from kubeclient import OF_THE_CLUSTER, KubeClient

from hostler.api.kinds import KINDS, Kind
from hostler.api.queuepolicy import MOST_NAMESPACES, MOST_QUOTAS
from hostler.api.trainingjob import TrainingJobSpec

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
MINIMAL = (
    make_pool(),
    make_cluster_model(),
    make_cluster_model("shared", artifacts={"source": {"pvc": {"claimName": "models"}}}),
    make_model(),
    make_imported_model("imported"),
    make_dataset(),
    make_training_job(),
    make_inference_service(),
)

pytestmark = pytest.mark.usefixtures("crds")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_crd_is_structural_and_established(crds: dict[str, Object], kind: Kind) -> None:
    conditions = {entry["type"]: entry["status"] for entry in crds[kind.crd_name]["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_discovery_knows_every_kind_by_its_names(api: KubeClient, kind: Kind) -> None:
    resources = {entry["name"]: entry for entry in api.get("/apis/hostler.dev/v1alpha1").json()["resources"]}
    found = resources[kind.plural]
    assert found["kind"] == kind.kind
    assert found["namespaced"] is kind.namespaced
    assert tuple(found["shortNames"]) == kind.short_names
    listed = [] if kind.kind == "ClusterModel" else ["hostler"]
    assert found.get("categories", []) == listed, "`kubectl get hostler` lists what goes on, not the catalog"
    assert f"{kind.plural}/status" in resources


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_is_accepted(api: KubeClient, namespace: str, path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        ours = manifest["apiVersion"] == "hostler.dev/v1alpha1"
        namespaced = by_kind(manifest).namespaced if ours else manifest["kind"] not in OF_THE_CLUSTER
        moved = edited(manifest, "metadata.namespace", namespace) if namespaced else manifest
        answer = api.create(moved, dry_run=True)
        assert answer.status_code == 201, answer.text


def test_there_are_examples_of_what_people_write() -> None:
    kinds = {document["kind"] for path in EXAMPLES for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))}
    assert {"AcceleratorPool", "TrainingJob", "InferenceService"} <= kinds


TUNED = {"objective": "finetune", "base": {"name": "large"}, "output": {}}
CLASSIFIER = {"encoder": FAMILY_SIZES["bert"]["encoder"] | {"head": "classification"}}
ACCEPTED = (
    ("CPU as an integer, as in a Pod", make_training_job(resources={"cpu": 2, "memory": "4Gi"})),
    ("bytes as a large integer", make_training_job(resources={"memory": 4 * 2**30})),
    ("a claim with dots in its name", make_training_job(dataset={"source": {"pvc": {"claimName": "data.v1"}}})),
    ("a family without sizes", make_training_job(family="custom", output={})),
    ("as many pods as sequences", make_training_job(pods={"min": 1, "max": 8})),
    ("a job's name of 52 characters", make_training_job("a" * 52)),
    ("a claim of one's own", make_training_job(storage={"claimName": "work"})),
    ("an empty label value", make_pool(nodeSelector={"node-role.kubernetes.io/gpu": ""})),
    ("a toleration that compares", make_pool(tolerations=[{"key": "a", "operator": "Equal", "value": "b"}])),
    ("a resource that the type leaves open", make_pool(resourceName="amd.com/xilinx_u55c-gen3x16_xdma_base_3")),
    ("several replicas", make_inference_service(pods={"min": 3, "max": 3})),
    ("a dataset by its name", make_training_job(dataset={"ref": {"name": "books"}})),
    ("a dataset of a bucket", make_dataset(source={"s3": {"bucket": "books", "secretRef": {"name": "keys"}}})),
    ("a dataset's name of 45 characters", make_dataset("a" * 45)),
    ("an adapter of a video model", make_family_job("text-to-video", **TUNED, lora={"rank": 4})),
    ("next tokens as targets", make_training_job(supervision="self-supervised")),
    ("hidden tokens as targets", make_family_job("bert", supervision="self-supervised")),
    ("noise as a target", make_family_job("text-to-image", supervision="self-supervised")),
    ("recordings with texts", make_family_job("speech-to-text", supervision="supervised")),
    ("labels", make_family_job("bert", output=CLASSIFIER, supervision="supervised")),
    ("labels where there are some", make_family_job("bert", output=CLASSIFIER, supervision="semi-supervised")),
    ("the same, with the head of the base", make_family_job("bert", **TUNED, supervision="semi-supervised")),
    (
        "choices for pods",
        make_training_job(
            imagePullSecrets=["registry"],
            serviceAccountName="trainer",
            podMetadata={
                "labels": {"team": "a", "kueue.x-k8s.io/queue-name": "q"},
                "annotations": {"example.org/a": "b"},
            },
            scratch={"size": "20Gi", "sharedMemory": "1Gi"},
            storage={"accessModes": ["ReadWriteOnce"]},
        ),
    ),
    (
        "a sidecar of a service",
        make_inference_service(podMetadata={"labels": {"sidecar.istio.io/inject": "true"}}, scratch={"size": "1Gi"}),
    ),
    ("an estimate in hours and minutes", make_training_job(estimatedDuration="2h30m")),
    ("an estimate in seconds", make_training_job(estimatedDuration="5400s")),
    ("another manager", make_training_job(managedBy="kueue.x-k8s.io/multikueue")),
    ("ourselves as the manager", make_training_job(managedBy="hostler.dev/operator")),
    (
        "limits in time",
        make_training_job(activeDeadlineSeconds=3600, ttlSecondsAfterFinished=0, priorityClassName="team.high"),
    ),
    ("a rack for a gang", make_training_job(accelerators={"pool": "gpu", "topology": "required"})),
    (
        "as many quotas of as many namespaces as there may be",
        make_pool(
            queue={
                "order": "fifo",
                "usageHalfLife": "24h",
                "preemption": "disabled",
                "quotas": [
                    {
                        "namespaces": [f"n{quota}-{i}".ljust(63, "x") for i in range(MOST_NAMESPACES)],
                        "nominal": 8,
                        "borrowingLimit": 0,
                        "weight": "0.5",
                    }
                    for quota in range(MOST_QUOTAS)
                ],
            },
            topologyKey="topology.kubernetes.io/rack",
        ),
    ),
    (
        "a pool that grows from nothing",
        make_pool(scaling={"maxNodes": 4, "nodeShape": {"accelerators": 8, "cpu": 96, "memory": "1Ti"}, "spot": True}),
    ),
    (
        "a cpu pool that grows",
        make_pool(acceleratorType="cpu", scaling={"maxNodes": 4, "nodeShape": {"cpu": "4", "memory": "8Gi"}}),
    ),
    ("a budget and a spread", make_inference_service(availability={"maxUnavailable": 2, "spread": "zone"})),
    ("a model of the catalog", make_inference_service(modelRef={"kind": "ClusterModel", "name": "tiny"})),
)


@pytest.mark.parametrize("manifest", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_what_people_write_is_accepted(api: KubeClient, manifest: Object) -> None:
    answer = api.create(manifest, dry_run=True)
    assert answer.status_code == 201, answer.text
    by_kind(manifest).spec.model_validate(answer.json()["spec"])


@pytest.mark.parametrize("row", INVALID, ids=[row.sentence for row in INVALID])
def test_what_cannot_be_honoured_is_refused_with_the_field_to_blame(api: KubeClient, row: Invalid) -> None:
    answer = api.create(row.manifest, dry_run=True)
    assert answer.status_code == 422, answer.text
    causes = [f"{cause['field']}: {cause['message']}" for cause in answer.json()["details"]["causes"]]
    # Rules of the creation are one rule of spec, whose message names the field.
    blamed = [
        cause
        for cause in causes
        if cause.startswith(f"{row.want_path}: ") or (cause.startswith("spec: ") and f"{row.want_path}: " in cause)
    ]
    assert blamed, causes
    assert any(row.want_message in cause for cause in blamed), blamed
    assert row.want_path in answer.json()["message"]


def test_the_table_of_refusals_names_each_case_once() -> None:
    sentences = [row.sentence for row in INVALID]
    assert len(set(sentences)) == len(sentences) >= 40


UNKNOWN = (
    ("a field of spec", edited(make_training_job(), "spec.replicas", 3), "spec.replicas"),
    ("a nested field", edited(make_pool(), "spec.price", {"amout": "1"}), "spec.price.amout"),
    ("a pod's security", edited(make_inference_service(), "spec.podTemplate", {}), "spec.podTemplate"),
    (
        "a namespace in a reference",
        edited(make_inference_service(), "spec.modelRef.namespace", "b"),
        "spec.modelRef.namespace",
    ),
)


@pytest.mark.parametrize(("manifest", "want_path"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_an_unknown_field_is_no_silent_nothing(api: KubeClient, manifest: Object, want_path: str) -> None:
    answer = api.create(manifest, dry_run=True)
    assert answer.status_code == 400
    assert f'unknown field "{want_path}"' in answer.json()["message"]


def test_all_that_does_not_fit_together_is_named_at_once(api: KubeClient) -> None:
    job = make_training_job(lora={"rank": 4}, objective="pretrain", training={"steps": 0, "batchSize": 8})
    message = api.create(job, dry_run=True).json()["message"]
    assert "spec.lora: lora belongs to objective finetune or preference" in message
    assert "spec.training.steps: steps must be at least 1" in message


_OBJECTIVES = {
    "a low-rank adapter": {"objective": "finetune", "base": {"name": "large"}, "output": {}, "lora": {"rank": 4}},
    "preferences, padded anyway": {
        "objective": "preference",
        "base": {"name": "large"},
        "output": {},
        "training": {"steps": 1, "packing": {"mode": "off"}},
    },
    "preferences, with an adapter": {"objective": "preference", "base": {"name": "large"}, "output": {}, "lora": {}},
    "a pupil": {"objective": "distill", "base": {"name": "large"}, "distill": {"temperature": "3"}},
    "a lighter model": {"objective": "prune", "base": {"name": "large"}, "output": {}, "prune": {"sparsity": "0.3"}},
    "8-bit weights without a step": {
        "objective": "quantize",
        "base": {"kind": "ClusterModel", "name": "large"},
        "output": {"license": "MIT"},
        "training": {"steps": 0},
    },
    "a range as a gate": {"evaluation": {"gates": [{"metric": "spread", "min": "-0.7", "max": "1.3"}]}},
    "a gate beside the base": {
        "objective": "prune",
        "base": {"name": "large"},
        "output": {},
        "evaluation": {"gates": [{"metric": "validation_loss", "maxRelative": "1.1"}]},
    },
    "a size that is found by trying": {"training": {"steps": 20, "onOutOfMemory": "shrink"}},
    "a target": {"evaluation": {"everySteps": 5, "stopAt": {"metric": "loss", "max": "2e0"}}},
    "data of a hub": {"dataset": {"source": {"hf": {"repository": "a/b", "secretRef": {"name": "token"}}}}},
}


@pytest.mark.parametrize("family", FAMILY_SIZES)
def test_every_family_is_accepted_with_its_sizes_and_without_them_from_a_base(api: KubeClient, family: str) -> None:
    scratch = make_family_job(family)
    tuned = make_family_job(family, objective="finetune", base={"name": "large"}, output={})
    for manifest in (scratch, tuned, without(tuned, "spec.output")):
        answer = api.create(manifest, dry_run=True)
        assert answer.status_code == 201, answer.text
        filled_in = TrainingJobSpec.model_validate(answer.json()["spec"])
        assert filled_in == TrainingJobSpec.model_validate(manifest["spec"]), "both sides have the same defaults"


@pytest.mark.parametrize("spec", _OBJECTIVES.values(), ids=_OBJECTIVES.keys())
def test_every_objective_is_accepted_where_it_makes_sense(api: KubeClient, spec: Object) -> None:
    answer = api.create(make_training_job(**spec), dry_run=True)
    assert answer.status_code == 201, answer.text
    TrainingJobSpec.model_validate(answer.json()["spec"])


def test_an_image_model_may_take_its_first_stage_from_another_model(api: KubeClient) -> None:
    job = make_family_job("text-to-image", output={"diffusion": {}}, parts={"autoencoder": {"name": "vae"}})
    assert api.create(job, dry_run=True).status_code == 201


WANT_JOB_DEFAULTS = {
    "objective": "pretrain",
    "output": {
        "license": "unknown",
        "transformer": make_transformer() | {"architecture": "gpt2", "dropoutPercent": 0},
    },
    "dataset": {
        "source": {"configMap": {"name": "text", "key": "text"}},
        "format": "text",
        "validationPercent": 10,
    },
    "training": {
        "steps": 20,
        "batchSize": 8,
        "gradientAccumulation": 1,
        "learningRate": "3e-4",
        "warmupSteps": 0,
        "weightDecay": "0.1",
        "gradientClip": "1.0",
        "seed": 0,
        "precision": "auto",
        "deterministic": False,
        "parallelism": "replicated",
        "packing": {"mode": "auto", "strategy": "best-fit"},
        "onOutOfMemory": "fail",
        "overlong": "truncate",
    },
    "evaluation": {"samples": 4},
    "checkpoint": {"everySteps": 100, "keep": 2, "keepAfterSuccess": 1},
    "accelerators": {"pool": "gpu", "perPod": 1},
    "pods": {"min": 1, "max": 1},
    "resources": {"cpu": "1", "memory": "2Gi"},
    "storage": {"size": "2Gi", "accessModes": ["ReadWriteMany"]},
    "maxRestarts": 3,
    "maxDisruptions": 100,
    "preparation": "Auto",
    "suspend": False,
    "family": "chat",
}


def test_the_server_fills_in_the_documented_defaults(api: KubeClient) -> None:
    assert api.create(make_training_job(), dry_run=True).json()["spec"] == WANT_JOB_DEFAULTS


def test_a_half_written_object_gets_the_rest_of_its_defaults(api: KubeClient) -> None:
    spec = api.create(make_training_job(pods={"max": 4}, checkpoint={"keep": 5}), dry_run=True).json()["spec"]
    assert spec["pods"] == {"min": 1, "max": 4}
    assert spec["checkpoint"] == {"everySteps": 100, "keep": 5, "keepAfterSuccess": 1}


@pytest.mark.parametrize("manifest", MINIMAL, ids=[manifest["kind"] for manifest in MINIMAL])
def test_defaults_of_the_server_and_of_the_operator_are_the_same(api: KubeClient, manifest: Object) -> None:
    """The operator also reads objects that an older CRD stored, so its own defaults must not differ."""
    answer = api.create(manifest, dry_run=True)
    assert answer.status_code == 201, answer.text
    model = by_kind(manifest).spec
    assert model.model_validate(answer.json()["spec"]) == model.model_validate(manifest["spec"])
