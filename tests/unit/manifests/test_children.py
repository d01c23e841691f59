"""Each child as it is written, against a file that people can read.

After a wanted change: ``HOSTLER_WRITE_GOLDEN=1 pytest tests/unit/manifests`` writes the files anew; review the diff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_dataset, make_imported_model, make_inference_service, make_model, make_pool, make_training_job
from fakes import FakeCluster
from floor import view_of
from tables import table
from world import success

from hostler.api.common import ModelReference, PvcSource
from hostler.api.dataset import DatasetSpec
from hostler.api.inferenceservice import InferenceServiceSpec, InferenceServiceStatus
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec, TrainingJobStatus
from hostler.controllers.inferenceservice import children as serving
from hostler.controllers.inferenceservice.observed import Observed as ServiceObserved
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children as training
from hostler.controllers.trainingjob.config import job_config
from hostler.controllers.trainingjob.observed import Observed as JobObserved
from hostler.controllers.trainingjob.preparing import Preparing, asked_of, name_of
from hostler.manifests.configfile import JOB_CONFIG
from hostler.manifests.datasetjob import inspection_children
from hostler.manifests.deployment import ServerPlan, server_deployment
from hostler.manifests.downloads import NO_RULES, DownloadRules
from hostler.manifests.importjob import Import, import_children
from hostler.manifests.model import Origin, trained_model
from hostler.manifests.naming import owner_reference
from hostler.manifests.networkpolicy import TrafficRules
from hostler.manifests.podtemplate import Image
from hostler.manifests.yamltext import to_yaml
from hostler.planning.acceptance import PoolChoice
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.rollout import Strategy

GOLDEN = Path(__file__).parent / "golden"
_OTHERS = {f"train-{name}": "registry/train:1" for name in ("cuda", "hpu", "poplar")}
SETTINGS = Settings(
    train_image="registry/train:1",
    serve_image="registry/serve:1",
    variant_images={**_OTHERS, "serve-poplar": "registry/serve:1"},
)
Object = dict[str, Any]


SEATS = {1: {"n": 1}, 2: {"n": 1, "other": 1}}
"""One pod, and two on two nodes."""


def pool_view(kind: str = "nvidia-a100-80", *, resource: str | None = "nvidia.com/gpu", **spec: Any) -> PoolView:
    """A pool of one real node with eight devices."""
    cluster = FakeCluster()
    name = kind.partition("-")[0]
    node = cluster.node("node-1", labels={"hostler.dev/pool": name}, devices={resource: 8} if resource else {})
    pool_spec = AcceleratorPoolSpec.model_validate(make_pool(name, acceleratorType=kind, **spec)["spec"])
    return view_of(read_pool(name, pool_spec), node)


def job_seen(view: PoolView, **spec: Any) -> JobObserved:
    """A job that has nothing yet."""
    job = make_training_job("tiny", **spec)
    job["metadata"] |= {"uid": "uid-of-job", "generation": 1}
    return JobObserved(
        job=job,
        spec=TrainingJobSpec.model_validate(job["spec"]),
        status=TrainingJobStatus(),
        now="2026-01-01T00:00:00Z",
        attempts=(),
        unended=(),
        pool=PoolChoice(view=view),
        start_grace_seconds=300.0,
    )


def service_seen(view: PoolView, **spec: Any) -> ServiceObserved:
    """A service that has nothing yet."""
    service = make_inference_service("tiny", **spec)
    service["metadata"] |= {"uid": "uid-of-service", "generation": 1}
    return ServiceObserved(
        service=service,
        spec=InferenceServiceSpec.model_validate(service["spec"]),
        status=InferenceServiceStatus(),
        served=NamedModel(path="spec.modelRef", reference=ModelReference(name="tiny"), model=None),
        pool=PoolChoice(view=view),
    )


def attempt(view: PoolView, *, pods: int = 1, **spec: Any) -> dict[str, Object]:
    """Children of attempt 0 by kind."""
    seen = job_seen(view, **spec)
    made = training.attempt_children(seen, number=0, seats=SEATS[pods], view=view, settings=SETTINGS)
    return {child["kind"]: child for child in made}


def file_of(children: dict[str, Object]) -> Object:
    """What the pods of an attempt find as ``job.json``."""
    file: Object = json.loads(children["Job"]["spec"]["template"]["metadata"]["annotations"][JOB_CONFIG])
    return file


def served(view: PoolView, **spec: Any) -> dict[str, Object]:
    """Children of a service by kind."""
    seen = service_seen(view, **spec)
    model = ModelSpec.model_validate(make_model("tiny")["spec"])
    config = serving.config(seen, model, view)
    deployment = serving.replicas(
        seen,
        model,
        view,
        config_map=config["metadata"]["name"],
        strategy=Strategy(max_surge=1, max_unavailable=0),
        image=Image(reference="registry/serve:1"),
    )
    return {child["kind"]: child for child in (serving.endpoint(seen, view.pool.name), config, deployment)}


def gpu_attempt() -> dict[str, Object]:
    return attempt(pool_view(), pods=2, accelerators={"pool": "nvidia", "perPod": 2}, resources={"cpu": "2500m"})


def cpu_attempt() -> dict[str, Object]:
    source = {"pvc": {"claimName": "corpus", "path": "books"}}
    return attempt(
        pool_view("cpu", resource=None),
        dataset={"source": source},
        storage={"claimName": "shared"},
        accelerators={"pool": "cpu"},
    )


def gaudi_attempt() -> dict[str, Object]:
    view = pool_view("intel-gaudi2", resource="habana.ai/gaudi", allowedPrivileges=["hostIPC", "SYS_NICE"])
    source = {"http": {"url": "https://example.org/text", "sha256": "c" * 64}}
    return attempt(view, dataset={"source": source}, accelerators={"pool": "intel"})


def tuned_attempt() -> dict[str, Object]:
    """A base, and data with credentials."""
    store = {"s3": {"bucket": "pictures", "prefix": "a", "region": "eu-1", "secretRef": {"name": "keys"}}}
    view = pool_view()
    seen = job_seen(
        view,
        family="text-to-image",
        objective="finetune",
        base={"name": "painter"},
        output={},
        lora={"rank": 4},
        dataset={"source": store, "format": "webdataset"},
        accelerators={"pool": "nvidia"},
    )
    seen = replace(seen, inputs=(named("spec.base", seen.spec.base, family="text-to-image"),))
    made = training.attempt_children(seen, number=0, seats=SEATS[1], view=view, settings=SETTINGS)
    return {child["kind"]: child for child in made}


def joined_attempt() -> dict[str, Object]:
    """Two parts of other models."""
    view = pool_view()
    parts = {"autoencoder": {"name": "vae"}, "textEncoder": {"name": "painter"}}
    seen = job_seen(
        view,
        family="text-to-video",
        parts=parts,
        output={"video": {"imageSize": 8}},
        dataset={"source": {"pvc": {"claimName": "clips"}}, "format": "webdataset"},
        accelerators={"pool": "nvidia"},
    )
    wanted = seen.spec.parts
    inputs = (
        named("spec.parts.autoencoder", wanted.autoencoder, family="vae", part="autoencoder"),
        named("spec.parts.textEncoder", wanted.text_encoder, family="text-to-image", part="text_encoder"),
    )
    made = training.attempt_children(
        replace(seen, inputs=inputs), number=0, seats=SEATS[1], view=view, settings=SETTINGS
    )
    return {child["kind"]: child for child in made}


def preparation() -> dict[str, Object]:
    """What prepares data with credentials for a base, on a pool with a taint."""
    view = pool_view(tolerations=[{"key": "gpu", "effect": "NoSchedule"}])
    store = {"s3": {"bucket": "books", "prefix": "a", "region": "eu-1", "secretRef": {"name": "keys"}}}
    seen = job_seen(
        view,
        objective="finetune",
        base={"name": "tiny"},
        output={},
        dataset={"source": store, "format": "jsonl"},
        accelerators={"pool": "nvidia", "perPod": 4},
        resources={"cpu": "3", "memory": "6Gi"},
        scratch={"size": "1Gi"},
    )
    seen = replace(seen, inputs=(named("spec.base", seen.spec.base, family="chat"),))
    config = asked_of(job_config(seen, number=0, pods=2, view=view))
    step = Preparing(name=name_of(config), config=config)
    traffic = TrafficRules(operator_namespace="hostler-system")
    made = training.preparation_children(seen, step, settings=replace(SETTINGS, traffic=traffic, imports=MIRRORED))
    return {child["kind"]: child for child in made}


def named(path: str, reference: ModelReference, *, family: str, part: str | None = None) -> NamedModel:
    """A model that is there."""
    described = ModelSpec.model_validate(make_model(reference.name, family=family)["spec"])
    return NamedModel(path=path, reference=reference, model=described, part=part, claim={"metadata": {}})


def styled_service() -> dict[str, Object]:
    """A server that requests may ask for a style."""
    view = pool_view("graphcore-c600", resource="c600.graphcore.ai/ipu")
    adapters = [{"name": "bold", "modelRef": {"name": "bold-style"}}]
    seen = service_seen(view, adapters=adapters)
    bold = named("spec.adapters[0].modelRef", seen.spec.adapters[0].model_ref, family="text-to-image")
    model = ModelSpec.model_validate(make_model("tiny", family="text-to-image")["spec"])
    deployment = serving.replicas(
        replace(seen, adapters=(bold,)),
        model,
        view,
        config_map="tiny-abc",
        strategy=Strategy(max_surge=1, max_unavailable=0),
        image=Image(reference="registry/serve:1"),
    )
    return {"Deployment": deployment}


def ipu_service() -> dict[str, Object]:
    view = pool_view(
        "graphcore-c600", resource="c600.graphcore.ai/ipu", tolerations=[{"key": "ipu", "effect": "NoSchedule"}]
    )
    return served(view, pods={"min": 2, "max": 2}, serving={"drainSeconds": 20})


def inspection(**spec: Any) -> dict[str, Object]:
    """What looks at a dataset, by kind."""
    dataset = make_dataset("books", **spec)
    dataset["metadata"] |= {"uid": "uid-of-dataset", "generation": 3}
    parsed = DatasetSpec.model_validate(dataset["spec"])
    made = inspection_children(parsed, dataset["metadata"], image=Image(reference="registry/train:1"))
    return {child["kind"]: child for child in made}


def importing(rules: DownloadRules = NO_RULES, **spec: Any) -> dict[str, Object]:
    """What imports a model, by kind."""
    model = make_imported_model("tiny", **spec)
    model["metadata"] |= {"uid": "uid-of-model", "generation": 2}
    wanted = Import(
        model=model["metadata"],
        spec=ModelSpec.model_validate(model["spec"]),
        image=Image(reference="registry/train:1"),
        rules=rules,
    )
    return {child["kind"]: child for child in import_children(wanted)}


def private_importing() -> dict[str, Object]:
    """A gated model of a hub of one's own, through a proxy."""
    hub = {"repository": "acme/tiny", "endpoint": "https://hub.example.org", "secretRef": {"name": "hub-token"}}
    storage = {"size": "40Gi", "storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}
    rules = DownloadRules(proxies=(("HTTPS_PROXY", "http://proxy.example.org:3128"),), ca_config_map="company-ca")
    return importing(
        rules,
        artifacts={"source": {"hf": hub}},
        acceptedLicense="llama3.1",
        importer={"storage": storage, "resources": {"cpu": "2", "memory": "4Gi"}},
    )


def private_inspection() -> dict[str, Object]:
    """Data with credentials."""
    store = {"s3": {"bucket": "pictures", "prefix": "a", "secretRef": {"name": "keys"}}}
    return inspection(source=store, format="images", columns={}, resources={"cpu": "2", "memory": "4Gi"})


MIRRORED = DownloadRules(
    hub_endpoint="https://mirror.example.org",
    proxies=(("HTTPS_PROXY", "http://proxy.example.org:3128"), ("NO_PROXY", "10.0.0.0/8")),
    ca_config_map="company-ca",
)
"""An installation behind a proxy, with a mirror and an authority of its own."""
REGISTERED = {"source": {"oci": {"reference": "registry.example.org/models/tiny:v1", "secretRef": {"name": "pull"}}}}


def mounting(**step: Any) -> dict[str, Object]:
    """What looks at a model of a registry, by kind."""
    model = make_imported_model("tiny", artifacts=REGISTERED)
    model["metadata"] |= {"uid": "uid-of-model", "generation": 2}
    spec = ModelSpec.model_validate(model["spec"])
    wanted = Import(model=model["metadata"], spec=spec, image=Image(reference="registry/train:1"), **step)
    return {child["kind"]: child for child in import_children(wanted)}


def looking() -> dict[str, Object]:
    """The same once it is known which image it is."""
    known = f"registry.example.org/models/tiny@sha256:{'d' * 64}"
    return mounting(mountable=True, known=known, mounted=True)


def behind_a_proxy() -> Object:
    """A trainer whose data comes from a hub."""
    view = pool_view()
    seen = job_seen(view, dataset={"source": {"hf": {"repository": "org/set"}}, "format": "jsonl"})
    settings = replace(SETTINGS, imports=MIRRORED)
    made = training.attempt_children(seen, number=0, seats=SEATS[1], view=view, settings=settings)
    return next(child for child in made if child["kind"] == "Job")


def claim_of_model() -> Object:
    model = {"name": "tiny", "uid": "uid-of-model"}
    return training.own_claim(job_seen(pool_view()), owner_reference("Model", model))


def model() -> Object:
    seen = job_seen(pool_view())
    return trained_model(seen.spec, success(), Origin(job=seen.job["metadata"], attempt=1, claim="tiny"))


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
        assert "annotations" not in child["metadata"]


def test_builders_give_the_same_output_for_the_same_input() -> None:
    assert gpu_attempt() == gpu_attempt()
    assert ipu_service() == ipu_service()
