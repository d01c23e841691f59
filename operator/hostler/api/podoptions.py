"""What people may set on the pods of a workload: few fields, each of which keeps what is ours as it is."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.schema import ApiModel, ByteQuantity, ObjectName, cel, rules

QUEUE_LABELS = ("kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class")
"""Kueue's labels. They stand on the Job or Deployment, where Kueue reads them, and not on its pods."""
SIDECAR_LABEL = "sidecar.istio.io/inject"
SIDECAR_ANNOTATION = "linkerd.io/inject"
_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_OURS = r"^([^/]*[.])?(hostler[.]dev|kubernetes[.]io|(x-)?k8s[.]io|prometheus[.]io)/"
"""Keys of Hostler's, of Kubernetes' own and of the scrape annotations that our pods carry."""


def _all(condition: str, message: str) -> dict[str, str]:
    return cel(f"self.all(key, {condition})", message)


_QUEUES = ", ".join(f"'{label}'" for label in QUEUE_LABELS)
_RESERVED = (
    "keys below hostler.dev, kubernetes.io, k8s.io, x-k8s.io and prometheus.io are taken: "
    "choose a prefix of your own{but}"
)
_WELL_FORMED = _all(
    f"key.matches(r'{_KEY}')", "every key must be a name of up to 63 characters, such as example.org/team"
)

Labels = Annotated[
    dict[str, Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]],
    Field(
        max_length=16,
        json_schema_extra=rules(
            _WELL_FORMED,
            _all(
                f"key in [{_QUEUES}] || !key.matches(r'{_OURS}')",
                _RESERVED.format(but="; of Kueue's, queue-name and priority-class may be set"),
            ),
        ),
    ),
]
Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(
        max_length=16,
        json_schema_extra=rules(_WELL_FORMED, _all(f"!key.matches(r'{_OURS}')", _RESERVED.format(but=""))),
    ),
]


class PodMetadata(ApiModel):
    """Labels and annotations of the pods, such as for chargeback. Nothing is copied from the object's own metadata."""

    labels: Labels = Field(default={})
    """Labels of the pods; Kueue's go to the Job or Deployment."""
    annotations: Annotations = Field(default={})
    """Annotations of the pods."""


class Scratch(ApiModel):
    """Limits of what pods write beside their volumes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.size) || has(self.sharedMemory)", "scratch has a size, sharedMemory or both")
        )
    )

    size: ByteQuantity | None = None
    """Room on the node's disk for /tmp and the container's logs, requested and limited; a pod that writes more is
    evicted. Absent means no request and no limit but the namespace's."""
    shared_memory: ByteQuantity | None = None
    """Size of /dev/shm, which counts as memory of the pod. Absent means up to the pod's memory, where it is mounted."""


PullSecrets = Annotated[
    tuple[ObjectName, ...],
    Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
]
"""Names of Secrets with registry credentials."""

SHARED_MEMORY_RULE = cel(
    "!has(self.scratch) || !has(self.scratch.sharedMemory) || "
    "!quantity(string(self.scratch.sharedMemory)).isGreaterThan(quantity(string(self.resources.memory)))",
    "sharedMemory counts as memory of the pod: it must not be above resources.memory",
    field_path=".scratch.sharedMemory",
)


def no_sidecar_rules() -> list[dict[str, str]]:
    """For pods that must end: an injected sidecar would outlive them, so the switches that keep it out are ours."""
    return [
        cel(
            f"!has(self.podMetadata) || !has(self.podMetadata.{member}) || !('{key}' in self.podMetadata.{member})",
            "a job's pods get no sidecar, which would outlive them: remove it",
            field_path=f".podMetadata.{member}",
        )
        for member, key in (("labels", SIDECAR_LABEL), ("annotations", SIDECAR_ANNOTATION))
    ]
