"""Models as directories: where containers find the models that they start from or choose among."""

from __future__ import annotations

from hostler.api.common import PvcSource
from hostler.manifests.podtemplate import Mount
from hostler.planning.imports import MountedImage, Place

BASE = "/inputs/base"
"""The model that training starts from."""
OTHER_WORKSPACE = "/resume"
"""The volume of another job, whose checkpoints training starts from."""
_PARTS = "/inputs/parts"
_ADAPTERS = "/adapters"


def part_path(name: str) -> str:
    """Directory of a part that is taken from another model."""
    return f"{_PARTS}/{name}"


def adapter_path(name: str) -> str:
    """Directory of an adapter that requests choose by this name."""
    return f"{_ADAPTERS}/{name}"


def directory_in(mounted: str, source: Place | None) -> str:
    """Where the files are below the path at which :func:`model_mount` mounts them.

    An image is mounted whole: containerd before 2.2 ignores a subPath of one without a word, and shows the root.
    """
    inner = source.path.strip("/") if isinstance(source, MountedImage) else ""
    return f"{mounted}/{inner}" if inner else mounted


def base_mount(source: Place) -> Mount:
    """The base model, read-only."""
    return model_mount("base", BASE, source)


def other_workspace_mount(claim: str) -> Mount:
    """The whole volume of another job, read-only: it may be the same claim as the job's own."""
    return model_mount("resume", OTHER_WORKSPACE, PvcSource(claim_name=claim))


def part_mount(name: str, source: Place) -> Mount:
    """A part, read-only."""
    return model_mount(f"part-{name.replace('_', '-')}", part_path(name), source)


def adapter_mount(name: str, source: Place, *, index: int) -> Mount:
    """A model with an adapter in it, read-only. Volumes are numbered, because an adapter's name may be as long as a
    volume's."""
    return model_mount(f"adapter-{index}", adapter_path(name), source)


def model_mount(name: str, path: str, source: Place) -> Mount:
    """A model's files, read-only: its directory of a claim, or the whole image, which the kubelet pulls once for each
    node (see :func:`directory_in`)."""
    if isinstance(source, MountedImage):
        volume = {"image": {"reference": source.reference, "pullPolicy": "IfNotPresent"}}
        secret = source.secret_ref.name if source.secret_ref else None
        return Mount(name=name, path=path, source=volume, pull_secret=secret)
    claim = {"persistentVolumeClaim": {"claimName": source.claim_name}}
    return Mount(name=name, path=path, source=claim, sub_path=source.path.strip("/"))
