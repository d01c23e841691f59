"""Choices for pods that the API server refuses."""

from __future__ import annotations

from typing import Any

from apiserver.refusal import Invalid
from builders import make_dataset, make_inference_service, make_training_job

_TAKEN = "are taken: choose a prefix of your own"


def _labelled(**labels: str) -> dict[str, Any]:
    return make_training_job(podMetadata={"labels": labels})


def _annotated(**annotations: str) -> dict[str, Any]:
    return make_inference_service(podMetadata={"annotations": annotations})


_LABELS, _ANNOTATIONS = "spec.podMetadata.labels", "spec.podMetadata.annotations"
_METADATA = (
    *(
        Invalid(f"a label that is taken: {key}", _labelled(**{key: "x"}), _LABELS, _TAKEN)
        for key in (
            "hostler.dev/training-job",
            "app.kubernetes.io/managed-by",
            "batch.kubernetes.io/job-name",
            "kubernetes.io/os",
            "x-k8s.io/mine",
            "kueue.x-k8s.io/pod-group-name",
        )
    ),
    *(
        Invalid(f"an annotation that is taken: {key}", _annotated(**{key: "x"}), _ANNOTATIONS, _TAKEN)
        for key in (
            "hostler.dev/revision",
            "prometheus.io/port",
            "container.apparmor.security.beta.kubernetes.io/server",
            "kueue.x-k8s.io/queue-name",
        )
    ),
    Invalid("a label key that is no name", _labelled(**{"my team": "x"}), _LABELS, "every key must be a name"),
    Invalid("a label key of 64 characters", _labelled(**{"a" * 64: "x"}), _LABELS, "every key must be a name"),
    Invalid("a label value with a blank", _labelled(team="a b"), f"{_LABELS}.team", "should match"),
    Invalid("too many labels of pods", _labelled(**{f"k{n}": "" for n in range(17)}), _LABELS, "at most 16"),
    Invalid("too many annotations", _annotated(**{f"k{n}": "" for n in range(17)}), _ANNOTATIONS, "at most 16"),
    Invalid("an annotation as long as a file", _annotated(k="x" * 1025), f"{_ANNOTATIONS}.k", "1024"),
    Invalid("a sidecar that a job waits for", _labelled(**{"sidecar.istio.io/inject": "true"}), _LABELS, "outlive"),
    Invalid(
        "another sidecar",
        make_training_job(podMetadata={"annotations": {"linkerd.io/inject": "enabled"}}),
        _ANNOTATIONS,
        "outlive",
    ),
)

_IDENTITY = (
    Invalid("a pull secret of no name", make_dataset(imagePullSecrets=[""]), "spec.imagePullSecrets[0]", "at least 1"),
    Invalid(
        "the same pull secret twice",
        make_training_job(imagePullSecrets=["a", "a"]),
        "spec.imagePullSecrets[1]",
        "Duplicate value",
    ),
    Invalid(
        "too many pull secrets",
        make_inference_service(imagePullSecrets=[f"s{n}" for n in range(9)]),
        "spec.imagePullSecrets",
        "at most 8",
    ),
    Invalid(
        "an account of another namespace",
        make_training_job(serviceAccountName="other/account"),
        "spec.serviceAccountName",
        "should match",
    ),
)

_LIMITS = (
    Invalid("a scratch of nothing", make_training_job(scratch={}), "spec.scratch", "has a size, sharedMemory or both"),
    Invalid("a forgotten unit", make_training_job(scratch={"size": "20"}), "spec.scratch.size", "at least 1Mi"),
    Invalid(
        "more shared memory than memory",
        make_inference_service(scratch={"sharedMemory": "4Gi"}, resources={"memory": "2Gi"}),
        "spec.scratch.sharedMemory",
        "must not be above resources.memory",
    ),
    Invalid(
        "a volume of one node for pods on several",
        make_training_job(storage={"accessModes": ["ReadWriteOnce"]}, pods={"min": 1, "max": 2}),
        "spec.storage.accessModes",
        "add ReadWriteMany, or set pods.max to 1",
    ),
    Invalid(
        "access modes of a claim that is there already",
        make_training_job(storage={"claimName": "work", "accessModes": ["ReadWriteOnce"]}),
        "spec.storage.accessModes",
        "has no effect beside claimName",
    ),
    Invalid(
        "a volume that can only be read",
        make_training_job(storage={"accessModes": ["ReadOnlyMany"]}),
        "spec.storage.accessModes[0]",
        '"ReadWriteMany", "ReadWriteOnce"',
    ),
    Invalid("no access mode", make_training_job(storage={"accessModes": []}), "spec.storage.accessModes", "at least 1"),
)

_AVAILABILITY = (
    Invalid(
        "a budget that blocks every drain",
        make_inference_service(availability={"maxUnavailable": 0}),
        "spec.availability.maxUnavailable",
        "greater than or equal to 1",
    ),
    Invalid(
        "a spread over racks",
        make_inference_service(availability={"spread": "rack"}),
        "spec.availability.spread",
        'supported values: "node", "zone"',
    ),
)

PODS = (*_METADATA, *_IDENTITY, *_LIMITS, *_AVAILABILITY)
