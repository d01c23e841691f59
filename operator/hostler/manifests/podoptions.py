"""What people and administrators choose for pods, put into a pod template. What is absent leaves no trace in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hostler.api.podoptions import (
    QUEUE_LABELS,
    SIDECAR_ANNOTATION,
    SIDECAR_LABEL,
    PodMetadata,
    Scratch,
)
from hostler.manifests.naming import Manifest

NO_SIDECAR_LABELS = {SIDECAR_LABEL: "false"}
NO_SIDECAR_ANNOTATIONS = {SIDECAR_ANNOTATION: "disabled"}
"""For pods that must end: Istio and Linkerd would put a container beside ours that does not."""


@dataclass(frozen=True, kw_only=True)
class PodOptions:
    """Choices for the pods of one workload."""

    pull_secrets: Sequence[str] = ()
    service_account: str | None = None
    metadata: PodMetadata | None = None
    scratch: Scratch | None = None
    priority_class: str | None = None
    """PriorityClass; None leaves it to the API server."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of ours beside those that selectors know."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of ours."""

    @property
    def pod_labels(self) -> dict[str, str]:
        """Labels of the pods, without those that stand on what makes the pods."""
        chosen = self.metadata.labels if self.metadata is not None else {}
        return {key: text for key, text in chosen.items() if key not in QUEUE_LABELS} | dict(self.labels)

    @property
    def pod_annotations(self) -> dict[str, str]:
        """Annotations of the pods."""
        chosen = self.metadata.annotations if self.metadata is not None else {}
        return {**chosen, **self.annotations}

    @property
    def scratch_limit(self) -> str | None:
        """Bytes of the node's disk for /tmp and logs, as a quantity."""
        return self.scratch.size if self.scratch is not None else None

    @property
    def shared_memory(self) -> str | None:
        """Size of /dev/shm, as a quantity."""
        return self.scratch.shared_memory if self.scratch is not None else None

    def spec_fields(self, *, of_image: Sequence[str] = ()) -> Manifest:
        """Fields of the pod's spec. ``of_image`` are pull secrets of the installation's."""
        found: Manifest = {}
        if names := [*dict.fromkeys((*self.pull_secrets, *of_image))]:
            found["imagePullSecrets"] = [{"name": name} for name in names]
        if self.service_account is not None:
            found["serviceAccountName"] = self.service_account
        if self.priority_class is not None:
            found["priorityClassName"] = self.priority_class
        return found


def queue_labels(metadata: PodMetadata | None) -> dict[str, str]:
    """Kueue's labels, for the metadata of a Job or Deployment."""
    chosen = metadata.labels if metadata is not None else {}
    return {key: chosen[key] for key in QUEUE_LABELS if key in chosen}


def scratch_volume(limit: str | None) -> Manifest:
    """The volume behind /tmp."""
    return {"emptyDir": {"sizeLimit": limit} if limit is not None else {}}
