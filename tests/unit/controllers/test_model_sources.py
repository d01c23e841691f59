"""Models of buckets and registries: what their Jobs are asked, and what of an image is mounted instead of copied."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bench import SETTINGS, Bench, make_bench
from builders import make_cluster_model, make_inference_service, make_training_job
from tables import table
from unit.controllers.imports import SHA, arrived, job_of, moved_on, ready, report, submitted

from hostler.manifests.downloads import DownloadRules
from hostler.planning.endpoints import read_patterns
from hostler.planning.registries import ImageVolumes
from hostler_contract import ImportConfig, ImportReport

HOST = "registry.example.org"
DIGEST = f"sha256:{SHA}"
IMAGE = f"{HOST}/models/tiny@{DIGEST}"
TAGGED: dict[str, Any] = {"source": {"oci": {"reference": f"{HOST}/models/tiny:v1", "secretRef": {"name": "pull"}}}}
STORE: dict[str, Any] = {
    "source": {
        "s3": {
            "bucket": "store",
            "prefix": "models/tiny/",
            "endpoint": "http://minio.storage.svc:9000",
            "region": "eu-central-1",
            "secretRef": {"name": "keys"},
        }
    }
}


def allowing(*hosts: str, volumes: ImageVolumes = ImageVolumes.NEVER) -> Bench:
    """An installation that allows these hosts."""
    bench = make_bench()
    rules = DownloadRules(image_volumes=volumes)
    bench.restart(settings=replace(SETTINGS, allowed_endpoints=read_patterns(hosts), imports=rules))
    return bench


def asked(bench: Bench, name: str = "tiny") -> ImportConfig:
    """What the Job of a model is asked."""
    job = job_of(bench, name)["metadata"]["name"]
    return ImportConfig.from_json(bench.cluster.object("ConfigMap", job)["data"]["import.json"])


def pod_of(bench: Bench, name: str = "tiny") -> dict[str, Any]:
    """The spec of the pods of a model's Job."""
    found: dict[str, Any] = job_of(bench, name)["spec"]["template"]["spec"]
    return found


async def test_a_bucket_is_imported_with_the_keys_of_its_secret() -> None:
    bench = allowing("http://minio.storage.svc:9000")
    await submitted(bench, artifacts=STORE)

    source = asked(bench).source
    assert (source.kind, source.repository, source.path) == ("s3", "store", "models/tiny")
    assert (source.endpoint, source.region, asked(bench).secret) == (
        "http://minio.storage.svc:9000",
        "eu-central-1",
        "keys",
    )
    keys = [each["name"] for each in pod_of(bench)["containers"][0]["env"] if "valueFrom" in each]
    assert keys == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    await arrived(bench)
    assert ready(bench)[2].startswith("s3://store/models/tiny at 0123456789ab is on claim tiny-import, ")


@table(
    ("artifacts", "hosts", "want"),
    {
        "a store that nobody allowed": (STORE, (), "EndpointNotAllowed"),
        "a store that is allowed": (STORE, ("http://minio.storage.svc:9000",), "Importing"),
        "the cloud's own store": ({"source": {"s3": {"bucket": "store"}}}, (), "Importing"),
        "a tag of a registry that nobody allowed": (TAGGED, (), "EndpointNotAllowed"),
        "a tag of a registry that is allowed": (TAGGED, (HOST,), "Importing"),
        "a tag of a registry that is allowed below a name": (TAGGED, ("*.example.org",), "Importing"),
        "a digest says what comes": ({"source": {"oci": {"reference": IMAGE}}}, (), "Importing"),
    },
)
async def test_models_come_from_where_an_administrator_allows(
    artifacts: dict[str, Any], hosts: tuple[str, ...], want: str
) -> None:
    bench = allowing(*hosts)

    await submitted(bench, artifacts=artifacts)

    assert ready(bench)[1] == want
    assert bool(bench.cluster.all("Job")) == (want == "Importing")


@table(
    ("reference", "hosts", "want"),
    {
        "a registry over https": (f"{HOST}/models/tiny:v1", (HOST,), f"https://{HOST} models/tiny v1"),
        "one over http, where that is allowed": (
            "registry.svc:5000/tiny:v1",
            ("http://registry.svc:5000",),
            "http://registry.svc:5000 tiny v1",
        ),
        "a digest counts more than the tag beside it": (
            f"{HOST}/models/tiny:v1@{DIGEST}",
            (),
            f"https://{HOST} models/tiny {DIGEST}",
        ),
        "the registry that is known by another name": (
            "docker.io/tiny:v1",
            ("docker.io",),
            "https://registry-1.docker.io library/tiny v1",
        ),
    },
)
async def test_a_registry_is_asked_at_its_own_host(reference: str, hosts: tuple[str, ...], want: str) -> None:
    bench = allowing(*hosts)

    await submitted(bench, artifacts={"source": {"oci": {"reference": reference}}})

    source = asked(bench).source
    assert f"{source.endpoint} {source.repository} {source.revision}" == want


async def test_without_image_volumes_an_image_is_pulled_with_the_credentials_of_its_secret() -> None:
    bench = allowing(HOST)
    await submitted(bench, artifacts=TAGGED)

    config = asked(bench)
    assert (config.source.kind, config.resolve, config.secret) == ("oci", False, "pull")
    assert config.registry_file == "/etc/hostler-registry/config.json"
    items = [{"key": ".dockerconfigjson", "path": "config.json"}]
    secret = {"secretName": "pull", "items": items}
    assert {"name": "registry", "secret": secret} in pod_of(bench)["volumes"]
    assert bench.cluster.object("PersistentVolumeClaim", "tiny-import")
    await arrived(bench)
    assert ready(bench)[0] == "True"


async def resolved(bench: Bench, *, mountable: bool) -> None:
    """The first Job says which image it is."""
    await moved_on(bench, "tiny", ImportReport(revision=DIGEST, image=IMAGE, mountable=mountable))


async def looked_at(bench: Bench, path: str | None = "models") -> None:
    """The second Job says what is in it."""
    await moved_on(bench, "tiny", report().model_copy(update={"path": path, "revision": DIGEST}))


async def test_an_image_is_mounted_by_whoever_uses_it_and_never_copied() -> None:
    bench = allowing(HOST, volumes=ImageVolumes.ALWAYS)
    await submitted(bench, artifacts=TAGGED)
    assert asked(bench).resolve
    assert bench.cluster.all("PersistentVolumeClaim") == []

    await resolved(bench, mountable=True)

    assert ready(bench) == ("Unknown", "Importing", "The files are being brought into the namespace.")
    assert (asked(bench).source.kind, asked(bench).resolve) == ("image", False)
    pod = pod_of(bench)
    assert {"name": "image", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}} in pod["volumes"]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert not any("secret" in volume for volume in pod["volumes"])

    await looked_at(bench)

    assert ready(bench) == ("True", "ArtifactsAvailable", f"{IMAGE}, models, is mounted by whoever uses it.")
    found = bench.status("Model", "tiny")["import"]
    assert (found["image"], found["mounted"], found["path"], found["revision"]) == (IMAGE, True, "models", DIGEST)
    assert "claimName" not in found
    assert bench.status("Model", "tiny")["facts"]["family"] == "chat"
    assert bench.cluster.all("Job") == []
    assert bench.cluster.all("PersistentVolumeClaim") == []


async def test_services_and_jobs_mount_the_image_read_only() -> None:
    bench = allowing(HOST, volumes=ImageVolumes.ALWAYS)
    await submitted(bench, artifacts=TAGGED)
    await resolved(bench, mountable=True)
    await looked_at(bench)
    job = make_training_job("tuned", objective="finetune", base={"name": "tiny"})
    job["spec"]["output"].pop("transformer", None)
    bench.cluster.put(make_inference_service())
    bench.cluster.put(job)

    await bench.settle()

    for kind, name, volume, path in (
        ("Deployment", "tiny", "models", "/models"),
        ("Job", "tuned-0", "base", "/inputs/base"),
    ):
        spec = bench.cluster.object(kind, name)["spec"]["template"]["spec"]
        assert {"name": volume, "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}} in spec["volumes"]
        mounts = {each["name"]: each for each in spec["containers"][0]["volumeMounts"]}
        # No subPath: containerd before 2.2 ignores one of an image without a word, and shows the root.
        assert mounts[volume] == {"name": volume, "mountPath": path, "readOnly": True}
        assert {"name": "pull"} in spec["imagePullSecrets"]
    assert bench.job_config("tuned-0").inputs.base == "/inputs/base/models"
    (served,) = [
        each for key, each in bench.cluster.objects.items() if key[0] == "ConfigMap" and "serving.json" in each["data"]
    ]
    assert json.loads(served["data"]["serving.json"])["artifactPath"] == "/models/models"


async def test_an_artifact_is_pulled_by_its_digest_where_images_are_mounted() -> None:
    bench = allowing(HOST, volumes=ImageVolumes.ALWAYS)
    await submitted(bench, artifacts=TAGGED)

    await resolved(bench, mountable=False)

    config = asked(bench)
    assert (config.source.kind, config.source.revision, config.resolve) == ("oci", DIGEST, False)
    assert bench.cluster.object("PersistentVolumeClaim", "tiny-import")
    await arrived(bench)
    assert bench.status("Model", "tiny")["import"]["claimName"] == "tiny-import"


async def test_an_image_that_cannot_be_mounted_says_so_and_is_pulled_once_that_is_switched_off() -> None:
    bench = allowing(HOST, volumes=ImageVolumes.ALWAYS)
    await submitted(bench, artifacts=TAGGED)
    await resolved(bench, mountable=True)
    (pod, *_) = bench.cluster.make_pods(job_of(bench)["metadata"]["name"], node="gpu-1")
    waiting = {"reason": "ImagePullBackOff", "message": "the runtime mounts no images"}
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"image": "i:1", "state": {"waiting": waiting}}]}
    bench.cluster.put(pod)
    await bench.settle()
    assert "the runtime mounts no images" in ready(bench)[2]

    rules = DownloadRules(image_volumes=ImageVolumes.NEVER)
    bench.restart(settings=replace(SETTINGS, allowed_endpoints=read_patterns([HOST]), imports=rules))
    await bench.settle()

    config = asked(bench)
    assert (config.source.kind, config.source.revision) == ("oci", DIGEST)
    await arrived(bench)
    assert ready(bench)[2].endswith(f"is on claim tiny-import, {bench.status('Model', 'tiny')['import']['path']}.")


async def test_an_entry_of_the_catalog_that_is_an_image_is_copied_into_no_namespace() -> None:
    bench = allowing(HOST, volumes=ImageVolumes.ALWAYS)
    bench.cluster.put(make_cluster_model("tiny", artifacts=TAGGED))
    service = make_inference_service(modelRef={"kind": "ClusterModel", "name": "tiny"})
    bench.cluster.put(service)
    await bench.settle()
    for said in (
        ImportReport(revision=DIGEST, image=IMAGE, mountable=True),
        report().model_copy(update={"path": None, "revision": DIGEST}),
    ):
        await moved_on(bench, "catalog-tiny", said)

    assert bench.condition("ClusterModel", "tiny", "Ready")[1] == "ArtifactsAvailable"
    assert bench.cluster.all("PersistentVolumeClaim") == []
    volumes = bench.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "models", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}} in volumes
