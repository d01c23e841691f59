"""What imports a Model: a claim for its files, a Job of one small pod, and the Job's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostler.api.common import HubSource, Source
from hostler.api.model import Importer, ModelSpec
from hostler.manifests.configfile import CONFIG_DIRECTORY
from hostler.manifests.credentials import credentials
from hostler.manifests.hashing import content_hash
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
from hostler.manifests.podtemplate import Image, Mount, container_security, pod_security, value, volume_mount
from hostler.planning import quantities
from hostler.planning.demand import HTTP_PORT
from hostler.planning.imports import source_hash
from hostler_contract.importing import FOR_GOOD, ImportConfig, ModelSource

IMPORT_FILE = "import.json"
PUBLIC_HUB = "https://huggingface.co"
"""What an absent endpoint means, where an administrator names no mirror."""
_VOLUME = "/models"
_CERTIFICATES = "/etc/hostler-ca"
_BUNDLE = "ca.crt"
_TRIES = 6
"""Pods of the Job: each goes on where the last one ended, and the Job controller waits longer before each."""
_GRACE_SECONDS = 5
"""What has arrived stays on the volume."""


@dataclass(frozen=True, kw_only=True)
class ImportRules:
    """What an administrator says about imports."""

    hub_endpoint: str = PUBLIC_HUB
    """Hub of models that name none."""
    proxies: Sequence[tuple[str, str]] = ()
    """Environment variables that name proxies, such as HTTPS_PROXY."""
    ca_config_map: str | None = None
    """ConfigMap in every namespace of workloads with certificates beside the image's own."""
    ca_key: str = _BUNDLE
    """Its key."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import: of which Model, with which image, by which rules."""

    model: Mapping[str, Any]
    """Metadata of the Model."""
    spec: ModelSpec
    image: Image
    rules: ImportRules = field(default_factory=ImportRules)
    traffic: TrafficRules | None = None

    @property
    def options(self) -> Importer:
        """The Model's own, or the defaults."""
        return self.spec.importer or Importer()

    @property
    def name(self) -> str:
        """Of the Job and its file: by what would make another Job, so that a changed Model gets another one."""
        wanted = [
            self.model["name"],
            self.spec.artifacts.source.model_dump(mode="json", exclude_none=True),
            self.spec.accepted_license,
            self.options.model_dump(mode="json", exclude_none=True),
        ]
        return import_name(self.model["name"], content_hash(wanted, length=8))

    @property
    def source(self) -> Source:
        """With the endpoint that is asked."""
        found = self.spec.artifacts.source
        return found.model_copy(update={"hf": _with_endpoint(found.hf, self.rules)})


def _with_endpoint(source: HubSource | None, rules: ImportRules) -> HubSource | None:
    return source and source.model_copy(update={"endpoint": source.endpoint or rules.hub_endpoint})


def import_children(wanted: Import, *, enlarged: str | None = None) -> tuple[Manifest, ...]:
    """Claim, file and Job, in the order in which they are written, after a policy where there are rules.

    ``enlarged`` is the size of a claim that is there already, which the server refuses to make smaller.
    """
    policy = () if wanted.traffic is None else (_policy(wanted, wanted.traffic),)
    return (*policy, _claim(wanted, enlarged=enlarged), _config_map(wanted), _job(wanted))


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
    hub = wanted.source.hf
    config = ImportConfig(
        name=wanted.model["name"],
        namespace=wanted.model["namespace"],
        source=_model_source(wanted.source),
        directory=import_directory(wanted.spec),
        volume=_VOLUME,
        volume_bytes=int(quantities.parse(wanted.options.storage.size)),
        accepted_license=wanted.spec.accepted_license,
        secret=hub.secret_ref.name if hub and hub.secret_ref else None,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(wanted, wanted.name),
        "data": {IMPORT_FILE: config.to_json()},
    }


def _model_source(source: Source) -> ModelSource:
    if source.http is not None:
        return ModelSource(kind="http", url=source.http.url, sha256=source.http.sha256)
    if source.hf is None:
        raise ValueError(f"a source of {source.member} is not imported")
    hub = source.hf
    endpoint = hub.endpoint or PUBLIC_HUB
    return ModelSource(kind="hf", repository=hub.repository, revision=hub.revision, path=hub.path, endpoint=endpoint)


def _job(wanted: Import) -> Manifest:
    labels = import_labels(wanted.model["name"])
    options = PodOptions(
        pull_secrets=wanted.options.image_pull_secrets, service_account=wanted.options.service_account_name
    )
    mounts = _mounts(wanted)
    template = {
        "metadata": {"labels": NO_SIDECAR_LABELS | labels, "annotations": NO_SIDECAR_ANNOTATIONS},
        "spec": {
            **options.spec_fields(of_image=wanted.image.pull_secrets),
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
    mounts = [
        Mount(name="config", path=CONFIG_DIRECTORY, source={"configMap": {"name": wanted.name}}),
        Mount(name="models", path=_VOLUME, source=claim, read_only=False),
        Mount(name="tmp", path="/tmp", source={"emptyDir": {}}, read_only=False),
    ]
    if wanted.rules.ca_config_map is not None:
        items = [{"key": wanted.rules.ca_key, "path": _BUNDLE}]
        bundle = {"configMap": {"name": wanted.rules.ca_config_map, "items": items}}
        mounts.append(Mount(name="certificates", path=_CERTIFICATES, source=bundle))
    return mounts


def _container(wanted: Import, mounts: list[Mount]) -> Manifest:
    resources = wanted.options.resources
    bundle = [] if wanted.rules.ca_config_map is None else [value("HOSTLER_CA_BUNDLE", f"{_CERTIFICATES}/{_BUNDLE}")]
    return {
        "name": "importer",
        "image": wanted.image.reference,
        "imagePullPolicy": wanted.image.pull_policy,
        "command": ["python", "-m", "hostler_runtime.importing"],
        "env": [
            value("OMP_NUM_THREADS", 1),
            value("HF_HUB_OFFLINE", 1),
            value("HOME", "/tmp"),
            *(value(name, text) for name, text in wanted.rules.proxies),
            *bundle,
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
