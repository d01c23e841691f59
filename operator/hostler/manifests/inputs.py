"""Models as directories: where containers find the models that they start from or choose among."""

from __future__ import annotations

from hostler.api.common import PvcSource
from hostler.manifests.podtemplate import Mount

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


def base_mount(source: PvcSource) -> Mount:
    """The base model, read-only."""
    return _mount("base", BASE, source)


def other_workspace_mount(claim: str) -> Mount:
    """The whole volume of another job, read-only: it may be the same claim as the job's own."""
    return _mount("resume", OTHER_WORKSPACE, PvcSource(claim_name=claim))


def part_mount(name: str, source: PvcSource) -> Mount:
    """A part, read-only."""
    return _mount(f"part-{name.replace('_', '-')}", part_path(name), source)


def adapter_mount(name: str, source: PvcSource, *, index: int) -> Mount:
    """A model with an adapter in it, read-only. Volumes are numbered, because an adapter's name may be as long as a
    volume's."""
    return _mount(f"adapter-{index}", adapter_path(name), source)


def _mount(name: str, path: str, source: PvcSource) -> Mount:
    claim = {"persistentVolumeClaim": {"claimName": source.claim_name}}
    return Mount(name=name, path=path, source=claim, sub_path=source.path.strip("/"))
