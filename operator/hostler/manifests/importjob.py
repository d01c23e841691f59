"""What imports a Model: a claim for its files, a Job of one small pod, and the Job's file. A model of a registry whose
image pods can mount needs no claim: one Job says which image it is, another one looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostler.api.common import OciSource, Source
from hostler.api.model import Importer, ModelSpec
from hostler.manifests.configfile import CONFIG_DIRECTORY
from hostler.manifests.credentials import credentials
from hostler.manifests.downloads import (
    NO_RULES,
    PUBLIC_HUB,
    DownloadRules,
    at_mirror,
    download_environment,
    download_mounts,
)
from hostler.manifests.hashing import content_hash
from hostler.manifests.inputs import model_mount
from hostler.manifests.naming import (
    Manifest,
    import_claim,
    import_labels,
    import_name,
    metadata,
    owner_reference,
)
from hostler.manifests.networkpolicy import TrafficRules, importer_policy
from hostler.manifests.podoptions import NO_SIDECAR_ANNOTATIONS, NO_SIDECAR_LABELS, PodOptions
from hostler.manifests.podtemplate import (
    Image,
    Mount,
    container_security,
    pod_security,
    pull_secrets,
    value,
    volume_mount,
)
from hostler.planning import quantities, registries
from hostler.planning.demand import HTTP_PORT
from hostler.planning.endpoints import EndpointPattern
from hostler.planning.imports import MountedImage, source_hash
from hostler_contract.importing import FOR_GOOD, ImportConfig, ModelSource

IMPORT_FILE = "import.json"
_VOLUME = "/models"
_IMAGE = "/image"
_REGISTRY = "/etc/hostler-registry"
_REGISTRY_FILE = "config.json"
_TRIES = 6
"""Pods of the Job: each goes on where the last one ended, and the Job controller waits longer before each."""
_GRACE_SECONDS = 5
"""What has arrived stays on the volume."""


class Step(StrEnum):
    """What a Job is for."""

    FETCH = "fetch"
    """Bring the files onto a claim."""
    RESOLVE = "resolve"
    """Say which image or artifact a reference means, and whether pods can mount it."""
    LOOK = "look"
    """Read the facts of an image that is mounted."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import: of which Model, with which image, by which rules."""

    model: Mapping[str, Any]
    """Metadata of the Model."""
    spec: ModelSpec
    image: Image
    rules: DownloadRules = NO_RULES
    traffic: TrafficRules | None = None
    allowed: Sequence[EndpointPattern] = ()
    """Endpoints that an administrator has allowed, some over plain http."""
    mountable: bool = False
    """Whether pods can mount images."""
    known: str | None = None
    """Reference by digest of the image or artifact, once it was resolved."""
    mounted: bool = False
    """Whether that is to be mounted."""

    @property
    def step(self) -> Step:
        """What comes next."""
        if self.spec.artifacts.source.oci is None or not self.mountable:
            return Step.FETCH
        if self.known is None:
            return Step.RESOLVE
        return Step.LOOK if self.mounted else Step.FETCH

    @property
    def options(self) -> Importer:
        """The Model's own, or the defaults."""
        return self.spec.importer or Importer()

    @property
    def name(self) -> str:
        """Of the Job and its file: by what would make another Job, so that a changed Model gets another one."""
        wanted: list[Any] = [
            self.model["name"],
            self.spec.artifacts.source.model_dump(mode="json", exclude_none=True),
            self.spec.accepted_license,
            self.options.model_dump(mode="json", exclude_none=True),
        ]
        if self.step is not Step.FETCH or self.known is not None:
            wanted += [self.step.value, self.known]
        return import_name(self.model["name"], content_hash(wanted, length=8))

    @property
    def source(self) -> Source:
        """With the endpoint that is asked."""
        return at_mirror(self.spec.artifacts.source, self.rules)


def import_children(wanted: Import, *, enlarged: str | None = None) -> tuple[Manifest, ...]:
    """Claim, file and Job, in the order in which they are written, after a policy where there are rules.

    ``enlarged`` is the size of a claim that is there already, which the server refuses to make smaller.
    """
    policy = () if wanted.traffic is None else (_policy(wanted, wanted.traffic),)
    claim = (_claim(wanted, enlarged=enlarged),) if wanted.step is Step.FETCH else ()
    return (*policy, *claim, _config_map(wanted), _job(wanted))


def import_directory(spec: ModelSpec) -> str:
    """Directory of the files on the claim: another source lies beside it, because replicas may still read the first."""
    return source_hash(spec.artifacts.source)


def _metadata(wanted: Import, name: str) -> Manifest:
    return metadata(
        name,
        namespace=wanted.model["namespace"],
        labels=import_labels(wanted.model["name"]),
        owner=owner_reference("Model", wanted.model),
    )


def _policy(wanted: Import, traffic: TrafficRules) -> Manifest:
    return importer_policy(
        wanted.model["name"],
        wanted.source,
        namespace=wanted.model["namespace"],
        rules=traffic,
        owner=owner_reference("Model", wanted.model),
    )


def _claim(wanted: Import, *, enlarged: str | None) -> Manifest:
    storage = wanted.options.storage
    size = storage.size
    if enlarged is not None and quantities.parse(enlarged) > quantities.parse(size):
        size = enlarged
    spec: Manifest = {
        "accessModes": [mode.value for mode in storage.access_modes],
        "resources": {"requests": {"storage": size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(wanted, import_claim(wanted.model["name"])),
        "spec": spec,
    }


def _config_map(wanted: Import) -> Manifest:
    config = ImportConfig(
        name=wanted.model["name"],
        namespace=wanted.model["namespace"],
        source=_model_source(wanted),
        directory=import_directory(wanted.spec),
        volume=_VOLUME,
        volume_bytes=int(quantities.parse(wanted.options.storage.size)),
        accepted_license=wanted.spec.accepted_license,
        secret=_secret(wanted.source),
        registry_file=f"{_REGISTRY}/{_REGISTRY_FILE}" if _registry_secret(wanted) else None,
        resolve=wanted.step is Step.RESOLVE,
        mount=_IMAGE,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(wanted, wanted.name),
        "data": {IMPORT_FILE: config.to_json()},
    }


def _secret(source: Source) -> str | None:
    given = source.hf or source.s3 or source.oci
    return given.secret_ref.name if given is not None and given.secret_ref is not None else None


def _registry_secret(wanted: Import) -> str | None:
    """The Secret that the pod itself shows to a registry; for a mounted image it is the kubelet that does."""
    return _secret(wanted.source) if wanted.source.oci is not None and wanted.step is not Step.LOOK else None


def _model_source(wanted: Import) -> ModelSource:
    source = wanted.source
    if source.http is not None:
        return ModelSource(kind="http", url=source.http.url, sha256=source.http.sha256)
    if source.s3 is not None:
        s3 = source.s3
        return ModelSource(
            kind="s3", repository=s3.bucket, path=s3.prefix.strip("/"), endpoint=s3.endpoint or "", region=s3.region
        )
    if source.oci is not None:
        return _registry_source(wanted, source.oci)
    if source.hf is None:
        raise ValueError(f"a source of {source.member} is not imported")
    hub = source.hf
    endpoint = hub.endpoint or PUBLIC_HUB
    return ModelSource(kind="hf", repository=hub.repository, revision=hub.revision, path=hub.path, endpoint=endpoint)


def _registry_source(wanted: Import, source: OciSource) -> ModelSource:
    """By the digest, once that is known."""
    given = registries.parse(source.reference)
    reference = registries.parse(wanted.known) if wanted.known is not None else given
    return ModelSource(
        kind="image" if wanted.step is Step.LOOK else "oci",
        repository=given.repository,
        revision=reference.revision,
        path=source.path.strip("/"),
        endpoint=registries.endpoint_of(given, allowed=wanted.allowed),
        url=source.reference,
    )


def _job(wanted: Import) -> Manifest:
    labels = import_labels(wanted.model["name"])
    options = PodOptions(
        pull_secrets=wanted.options.image_pull_secrets, service_account=wanted.options.service_account_name
    )
    mounts = _mounts(wanted)
    template = {
        "metadata": {"labels": NO_SIDECAR_LABELS | labels, "annotations": NO_SIDECAR_ANNOTATIONS},
        "spec": {
            **options.spec_fields(of_image=(*wanted.image.pull_secrets, *pull_secrets(mounts))),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": pod_security(),
            "containers": [_container(wanted, mounts)],
            "volumes": [{"name": mount.name, **mount.source} for mount in mounts],
        },
    }
    on_exit = {"containerName": "importer", "operator": "In", "values": [FOR_GOOD]}
    spec: Manifest = {
        "backoffLimit": _TRIES - 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": on_exit}]},
        "template": template,
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(wanted, wanted.name), "spec": spec}


def _mounts(wanted: Import) -> list[Mount]:
    claim = {"persistentVolumeClaim": {"claimName": import_claim(wanted.model["name"])}}
    return [
        Mount(name="config", path=CONFIG_DIRECTORY, source={"configMap": {"name": wanted.name}}),
        *([Mount(name="models", path=_VOLUME, source=claim, read_only=False)] if wanted.step is Step.FETCH else ()),
        Mount(name="tmp", path="/tmp", source={"emptyDir": {}}, read_only=False),
        *_registry_mounts(wanted),
        *download_mounts(wanted.rules),
    ]


def _registry_mounts(wanted: Import) -> list[Mount]:
    """The image itself, or credentials as a file: a variable would be read by everything that the pod starts."""
    source = wanted.source.oci
    if source is not None and wanted.step is Step.LOOK:
        image = MountedImage(reference=wanted.known or "", secret_ref=source.secret_ref)
        return [model_mount("image", _IMAGE, image)]
    if (secret := _registry_secret(wanted)) is None:
        return []
    items = [{"key": ".dockerconfigjson", "path": _REGISTRY_FILE}]
    return [Mount(name="registry", path=_REGISTRY, source={"secret": {"secretName": secret, "items": items}})]


def _container(wanted: Import, mounts: list[Mount]) -> Manifest:
    resources = wanted.options.resources
    return {
        "name": "importer",
        "image": wanted.image.reference,
        "imagePullPolicy": wanted.image.pull_policy,
        "command": ["python", "-m", "hostler_runtime.importing"],
        "env": [
            value("OMP_NUM_THREADS", 1),
            value("HF_HUB_OFFLINE", 1),
            value("HOME", "/tmp"),
            *download_environment(wanted.rules),
            *credentials(wanted.spec.artifacts.source),
        ],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory},
        },
        "securityContext": container_security({"drop": ["ALL"]}),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [volume_mount(mount) for mount in mounts],
    }
