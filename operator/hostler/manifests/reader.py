"""A pod that mounts a model's claim for a while, so that a person can read the files through it."""

from __future__ import annotations

from hostler.api.common import PvcSource
from hostler.manifests.naming import Manifest
from hostler.manifests.podtemplate import container_security, pod_security

CONTAINER = "reader"
FILES = "/model"
_SLEEP = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); signal.pause()"
ARCHIVE = (
    "import sys, tarfile\n"
    "with tarfile.open(fileobj=sys.stdout.buffer, mode='w|') as archive:\n"
    f"    archive.add({FILES!r}, arcname='.')\n"
)
"""Python that writes the files to its standard output: the runtime's images have no other archiver for certain."""


def reader_pod(name: str, *, namespace: str, source: PvcSource, image: str, seconds: int) -> Manifest:
    """Read-only, without a device, without credentials, and gone after ``seconds`` whatever becomes of who asked."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "hostler-download"}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "command": ["python3", "-c", _SLEEP],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"memory": "128Mi"},
                    },
                    "securityContext": container_security({"drop": ["ALL"]}),
                    "volumeMounts": [
                        {"name": "model", "mountPath": FILES, "readOnly": True}
                        | ({"subPath": source.path.strip("/")} if source.path.strip("/") else {})
                    ],
                }
            ],
            "volumes": [{"name": "model", "persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}}],
        },
    }
