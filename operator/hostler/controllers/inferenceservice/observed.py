"""Everything that one decision about an InferenceService looks at, frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hostler.api.inferenceservice import InferenceServiceSpec, InferenceServiceStatus
from hostler.api.model import ModelSpec
from hostler.controllers.ports import Object
from hostler.manifests.deployment import REVISION, SUPERSEDED
from hostler.planning.acceptance import PoolChoice
from hostler.planning.models import NamedModel
from hostler.planning.rollout import Rollout, read


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a service and of all that it depends on."""

    service: Object
    spec: InferenceServiceSpec
    status: InferenceServiceStatus
    model: ModelSpec | None
    """None where the reference leads nowhere."""
    claim_exists: bool = False
    """Whether the claim with the model's artifacts is there."""
    adapters: tuple[NamedModel, ...] = ()
    """Models of the adapters, in the order of the spec."""
    deployment: Object | None = None
    """The replicas as they are; None before the first time."""
    endpoint: Object | None = None
    """The Service under which clients reach them."""
    pods: tuple[Object, ...] = ()
    config_missing: bool = False
    """Whether somebody has deleted the ConfigMap that starting replicas need."""
    superseded: tuple[Object, ...] = ()
    """ConfigMaps of earlier revisions that are still there."""
    pool: Callable[[], PoolChoice]
    """Looks at the pool, with this service's own pods counted as free. Reads caches, nothing else."""

    @property
    def name(self) -> str:
        """The service's name."""
        return str(self.service["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The service's namespace."""
        return str(self.service["metadata"]["namespace"])

    @property
    def generation(self) -> int:
        """The spec's generation."""
        return int(self.service["metadata"].get("generation") or 0)

    @property
    def rollout(self) -> Rollout | None:
        """How far the replicas are."""
        return read(self.deployment) if self.deployment else None


def annotation(obj: Object | None, name: str) -> str | None:
    """An annotation's value."""
    found: str | None = ((obj or {}).get("metadata", {}).get("annotations") or {}).get(name)
    return found


def revision_of(obj: Object | None) -> str | None:
    """The revision that a Deployment or pod stands for."""
    return annotation(obj, REVISION)


def superseded_names(deployment: Object | None) -> tuple[str, ...]:
    """ConfigMaps of earlier revisions that the Deployment remembers."""
    return tuple(filter(None, (annotation(deployment, SUPERSEDED) or "").split(",")))


def config_name(deployment: Object | None) -> str | None:
    """The ConfigMap that the Deployment's replicas mount."""
    template = ((deployment or {}).get("spec") or {}).get("template") or {}
    for volume in (template.get("spec") or {}).get("volumes") or ():
        if volume.get("name") == "config":
            found: str | None = (volume.get("configMap") or {}).get("name")
            return found
    return None
