"""Credentials of a source as environment variables of the pod that reads it."""

from __future__ import annotations

from hostler.api.common import Source
from hostler.manifests.naming import Manifest

_KEYS = {
    "hf": {"HF_TOKEN": True},
    "s3": {"AWS_ACCESS_KEY_ID": True, "AWS_SECRET_ACCESS_KEY": True, "AWS_SESSION_TOKEN": False},
}
"""By member of the source: the keys of the Secret, which are also the variables' names, and whether each must be there.

Never all keys of the Secret: a job would get what its author may not read, and a key such as PYTHONPATH or
AWS_ENDPOINT_URL would change what the pod does.
"""


def credentials(source: Source | None) -> list[Manifest]:
    """Named, not read: the kubelet resolves them, and the operator may read no Secret."""
    given = (source.s3 or source.hf) if source is not None else None
    if source is None or given is None or given.secret_ref is None:
        return []
    return [
        _variable(key, secret=given.secret_ref.name, required=required)
        for key, required in _KEYS[source.member].items()
    ]


def _variable(key: str, *, secret: str, required: bool) -> Manifest:
    reference: Manifest = {"name": secret, "key": key}
    if not required:
        reference["optional"] = True
    return {"name": key, "valueFrom": {"secretKeyRef": reference}}
