"""Everything that one decision about an InferenceService looks at, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.inferenceservice import InferenceServiceSpec, InferenceServiceStatus
from hostler.api.model import ModelSpec
from hostler.controllers.ports import Object
from hostler.manifests.deployment import REVISION, SUPERSEDED
from hostler.planning.acceptance import PoolChoice
from hostler.planning.models import NamedModel
from hostler.planning.priorities import NO_CLASS, Priority, find_priority
from hostler.planning.rollout import Rollout, read
from hostler.planning.verdicts import TakeBack
from hostler.planning.volumes import Reach


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a service and of all that it depends on."""

    service: Object
    spec: InferenceServiceSpec
    status: InferenceServiceStatus
    served: NamedModel
    """What spec.modelRef leads to."""
    adapters: tuple[NamedModel, ...] = ()
    """Models of the adapters, in the order of the spec."""
    deployment: Object | None = None
    """The replicas as they are; None before the first time."""
    endpoint: Object | None = None
    """The Service under which clients reach them."""
    pods: tuple[Object, ...] = ()
    reachable: frozenset[str] = frozenset()
    """Names of pods to which the Service leads."""
    held_up: str = ""
    """Sentence where a replica cannot mount, or a claim has no volume: said in Events only."""
    budget: Object | None = None
    """The PodDisruptionBudget of the replicas."""
    policy: Object | None = None
    """The NetworkPolicy of the replicas."""
    lost_claim: str = ""
    """Name of the claim that running replicas use and that is being deleted; empty where none is."""
    config_missing: bool = False
    """Whether somebody has deleted the ConfigMap that starting replicas need."""
    superseded: tuple[Object, ...] = ()
    """ConfigMaps of earlier revisions that are still there."""
    pool: PoolChoice
    """What the pool of the spec has, whatever is free of it."""
    volumes: tuple[Reach, ...] = ()
    """Where the volumes with the model and its adapters can be mounted, of those that not every node can mount."""
    taken_back: TakeBack | None = None
    """Why seats of the service were taken back, where they were."""
    classes: tuple[Object, ...] = ()
    """The cluster's PriorityClasses."""

    @property
    def model(self) -> ModelSpec | None:
        """The model to serve; None where the reference leads nowhere."""
        return self.served.model

    @property
    def priority(self) -> Priority:
        """Where it stands in line; of a class that does not exist, acceptance has refused it."""
        return find_priority(self.spec.priority_class_name, self.classes) or NO_CLASS

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
    found: str | None = (_volume(deployment, "config").get("configMap") or {}).get("name")
    return found


def claim_names(deployment: Object | None) -> tuple[str, ...]:
    """Claims that the Deployment's replicas mount."""
    claims = [volume.get("persistentVolumeClaim") or {} for volume in _volumes(deployment)]
    return tuple(claim["claimName"] for claim in claims if claim.get("claimName"))


def _volume(deployment: Object | None, name: str) -> Object:
    return next((volume for volume in _volumes(deployment) if volume.get("name") == name), {})


def _volumes(deployment: Object | None) -> list[Object]:
    template = ((deployment or {}).get("spec") or {}).get("template") or {}
    return list((template.get("spec") or {}).get("volumes") or ())
