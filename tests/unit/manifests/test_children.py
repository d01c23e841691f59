"""Each child as it is written, against a file that people can read.

After a wanted change: ``HOSTLER_WRITE_GOLDEN=1 pytest tests/unit/manifests`` writes the files anew; review the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tables import table
from unit.manifests.children import (
    MIRRORED,
    SEATS,
    SETTINGS,
    attempt,
    behind_a_proxy,
    claim_of_model,
    cpu_attempt,
    file_of,
    gaudi_attempt,
    gpu_attempt,
    importing,
    inspection,
    ipu_service,
    job_seen,
    joined_attempt,
    looking,
    model,
    mounting,
    pool_view,
    preparation,
    private_importing,
    private_inspection,
    service_seen,
    styled_service,
    tuned_attempt,
)

from hostler.api.common import PvcSource
from hostler.controllers.trainingjob import children as training
from hostler.manifests.deployment import ServerPlan, server_deployment
from hostler.manifests.naming import owner_reference
from hostler.manifests.podtemplate import Image
from hostler.manifests.yamltext import to_yaml
from hostler.planning.rollout import Strategy

Object = dict[str, Any]

GOLDEN = Path(__file__).parent / "golden"


@table(
    ("name", "build"),
    {
        "the Job of two pods with two GPUs each": ("job-gpu", lambda: gpu_attempt()["Job"]),
        "the Job of a cpu pool, on claims of the user's": ("job-cpu", lambda: cpu_attempt()["Job"]),
        "the Job on a type that needs privileges": ("job-gaudi", lambda: gaudi_attempt()["Job"]),
        "the Job that starts from another model": ("job-tuned", lambda: tuned_attempt()["Job"]),
        "the Job that takes parts of other models": ("job-joined", lambda: joined_attempt()["Job"]),
        "the file of an attempt that starts from another model": ("file-tuned", lambda: file_of(tuned_attempt())),
        "the replicas that have a style to choose": ("deployment-styled", lambda: styled_service()["Deployment"]),
        "the file of an attempt": ("file-job", lambda: file_of(gpu_attempt())),
        "the names of an attempt's pods": ("service-attempt", lambda: gpu_attempt()["Service"]),
        "the claim, while the job trains": ("claim-job", lambda: gpu_attempt()["PersistentVolumeClaim"]),
        "the claim, when the model has it": ("claim-model", claim_of_model),
        "the model": ("model", model),
        "the Job that looks at a dataset": ("job-inspect", lambda: inspection()["Job"]),
        "the Job that looks at a dataset with credentials": ("job-inspect-s3", lambda: private_inspection()["Job"]),
        "the Job that prepares data": ("job-prepare", lambda: preparation()["Job"]),
        "the policy of what prepares data": ("networkpolicy-prepare", lambda: preparation()["NetworkPolicy"]),
        "the Job that imports a model": ("job-import", lambda: importing()["Job"]),
        "the Job that imports a private model": ("job-import-private", lambda: private_importing()["Job"]),
        "the Job that imports from a bucket": (
            "job-import-s3",
            lambda: importing(
                MIRRORED,
                artifacts={"source": {"s3": {"bucket": "store", "prefix": "tiny", "secretRef": {"name": "keys"}}}},
            )["Job"],
        ),
        "the Job that pulls from a registry": ("job-import-oci", lambda: mounting()["Job"]),
        "the Job that says which image a tag means": ("job-import-resolve", lambda: mounting(mountable=True)["Job"]),
        "the Job that looks at an image where it is mounted": ("job-import-image", lambda: looking()["Job"]),
        "the file of a look at an image": ("configmap-import-image", lambda: looking()["ConfigMap"]),
        "the Job that trains on data from behind a proxy": ("job-proxied", behind_a_proxy),
        "the file of an import": ("configmap-import", lambda: private_importing()["ConfigMap"]),
        "the claim of an import": ("claim-import", lambda: private_importing()["PersistentVolumeClaim"]),
        "the file of an inspection": ("configmap-inspect", lambda: inspection()["ConfigMap"]),
        "the replicas of a service": ("deployment", lambda: ipu_service()["Deployment"]),
        "the file of a revision": ("configmap-serving", lambda: ipu_service()["ConfigMap"]),
        "the address of a service": ("service-inference", lambda: ipu_service()["Service"]),
    },
)
def test_a_child_is_what_the_golden_file_says(name: str, build: Callable[[], Object]) -> None:
    path, made = GOLDEN / f"{name}.yaml", build()
    if os.environ.get("HOSTLER_WRITE_GOLDEN"):
        path.write_text(to_yaml(made), encoding="utf-8")
    assert made == yaml.safe_load(path.read_text(encoding="utf-8"))


def templates() -> dict[str, Object]:
    return {
        "trainers on GPUs": gpu_attempt()["Job"]["spec"]["template"],
        "trainers on cores": cpu_attempt()["Job"]["spec"]["template"],
        "trainers that start from another model": tuned_attempt()["Job"]["spec"]["template"],
        "what prepares data": preparation()["Job"]["spec"]["template"],
        "what imports models": importing()["Job"]["spec"]["template"],
        "what pulls models": mounting()["Job"]["spec"]["template"],
        "what looks at images": looking()["Job"]["spec"]["template"],
        "trainers behind a proxy": behind_a_proxy()["spec"]["template"],
        "what looks at data": inspection()["Job"]["spec"]["template"],
        "servers on IPUs": ipu_service()["Deployment"]["spec"]["template"],
    }


@pytest.mark.parametrize("who", templates())
def test_pods_pass_pod_security_restricted(who: str) -> None:
    spec = templates()[who]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"hostIPC", "hostPID", "hostNetwork"}.isdisjoint(spec)
    allowed = {"configMap", "downwardAPI", "emptyDir", "image", "persistentVolumeClaim", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"])
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


@table(
    ("kind", "resource", "per_pod", "want"),
    {
        "one process on a type without a wish for it": ("graphcore-c600", "c600.graphcore.ai/ipu", 1, "no"),
        "several processes of one pod": ("graphcore-c600", "c600.graphcore.ai/ipu", 4, "yes"),
        "a type that wants it always": ("nvidia-a100-80", "nvidia.com/gpu", 1, "yes"),
    },
)
def test_shared_memory_is_there_for_those_who_need_it(kind: str, resource: str, per_pod: int, want: str) -> None:
    view = pool_view(kind, resource=resource)
    job = attempt(view, accelerators={"pool": view.pool.name, "perPod": per_pod})["Job"]
    paths = {mount["mountPath"] for mount in job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert ("yes" if "/dev/shm" in paths else "no") == want


def test_processes_of_one_pod_share_its_cores() -> None:
    spec = {"accelerators": {"pool": "nvidia", "perPod": 4}, "resources": {"cpu": "6"}}
    job = attempt(pool_view(), **spec)["Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in container["env"]


def test_only_the_template_decides_whether_pods_roll() -> None:
    """Strategy, replicas and the list of old files may change under running pods."""
    view = pool_view()
    seen = service_seen(view)
    plan = ServerPlan(
        name="tiny",
        namespace="default",
        revision="abc",
        config_map="tiny-abc",
        files=PvcSource(claim_name="tiny", path="model"),
        image=Image(reference="registry/serve:1"),
    )
    owner = owner_reference("InferenceService", seen.service["metadata"])
    spread = server_deployment(
        seen.spec, plan, pool=view.pool, strategy=Strategy(max_surge=1, max_unavailable=0), owner=owner
    )
    tight = server_deployment(
        seen.spec.model_copy(update={"pods": seen.spec.pods.model_copy(update={"min": 3, "max": 3})}),
        ServerPlan(**{**vars(plan), "superseded": ("tiny-old",)}),
        pool=view.pool,
        strategy=Strategy(max_surge=0, max_unavailable=1),
        owner=owner,
    )
    assert spread["spec"]["template"] == tight["spec"]["template"]
    assert spread != tight


def test_no_owner_asks_for_a_verb_on_finalizers() -> None:
    children = [*gpu_attempt().values(), *ipu_service().values()]
    owners = [owner for child in children for owner in child["metadata"]["ownerReferences"]]
    assert owners
    assert all("blockOwnerDeletion" not in owner for owner in owners)


def test_children_see_nothing_of_the_owners_labels_and_annotations() -> None:
    view = pool_view()
    seen = job_seen(view)
    seen.job["metadata"] |= {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {"note": "y"}}
    for child in training.attempt_children(seen, number=0, seats=SEATS[1], view=view, settings=SETTINGS):
        assert set(child["metadata"]["labels"]) <= {
            "app.kubernetes.io/managed-by",
            "app.kubernetes.io/component",
            "hostler.dev/training-job",
            "hostler.dev/attempt",
            "hostler.dev/pool",
        }
        ours = child["metadata"].get("annotations", {})
        assert set(ours) <= {"hostler.dev/asked"}


def test_builders_give_the_same_output_for_the_same_input() -> None:
    assert gpu_attempt() == gpu_attempt()
    assert ipu_service() == ipu_service()
