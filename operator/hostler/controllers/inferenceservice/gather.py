"""All reads of one look at an InferenceService."""

from __future__ import annotations

from collections.abc import Iterator

from hostler.api.inferenceservice import InferenceServiceSpec, InferenceServiceStatus
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.inferenceservice.observed import Observed, claim_names, config_name, superseded_names
from hostler.controllers.named import named_model
from hostler.controllers.ports import Admission, Object, Reader
from hostler.controllers.volumes import reaches
from hostler.manifests import naming
from hostler.manifests.networkpolicy import server_policy_name as policy_name
from hostler.planning import pods as read
from hostler.planning.models import NamedModel
from hostler.planning.verdicts import Workload


class Gatherer:
    """Reads caches; asks the API server for what is not watched, and only while replicas are not all ready."""

    def __init__(self, reader: Reader, *, admission: Admission, failures: CreationFailures) -> None:
        self._reader = reader
        self._admission = admission
        self._failures = failures

    async def gather(self, service: Object) -> Observed:
        """One moment. Raises ``pydantic.ValidationError`` where the stored spec is not one of this release."""
        spec = InferenceServiceSpec.model_validate(service["spec"])
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        labels = {naming.INFERENCE_SERVICE: name}
        served = named_model(self._reader, spec.model_ref, path="spec.modelRef", namespace=namespace)
        deployment = self._own("Deployment", service)
        pods = tuple(self._reader.list("Pod", namespace=namespace, labels=labels))
        settled = _all_ready(deployment)
        adapters = tuple(self._adapters(spec, namespace))
        claims = [str(each.claim["metadata"]["name"]) for each in (served, *adapters) if each.claim is not None]
        return Observed(
            service=service,
            spec=spec,
            status=InferenceServiceStatus.model_validate(service.get("status") or {}),
            served=served,
            adapters=adapters,
            deployment=deployment,
            endpoint=self._own("Service", service),
            budget=self._own("PodDisruptionBudget", service),
            policy=self._own("NetworkPolicy", service, name=policy_name(name)),
            pods=pods,
            reachable=self._reachable(namespace, name),
            held_up="" if settled else await self._held_up(deployment, pods, namespace),
            lost_claim=self._lost_claim(deployment, namespace),
            config_missing=not settled and await self._config_missing(deployment, namespace),
            superseded=await self._superseded(deployment, namespace),
            pool=self._admission.pool(spec.accelerators.pool),
            volumes=await reaches(self._reader, claims, namespace=namespace),
            classes=tuple(self._reader.list("PriorityClass")),
            taken_back=self._admission.lost(Workload("InferenceService", namespace, name)),
        )

    def _adapters(self, spec: InferenceServiceSpec, namespace: str) -> Iterator[NamedModel]:
        for index, adapter in enumerate(spec.adapters):
            path = f"spec.adapters[{index}].modelRef"
            yield named_model(self._reader, adapter.model_ref, path=path, namespace=namespace)

    def _own(self, kind: str, service: Object, *, name: str = "") -> Object | None:
        """A child of exactly this service, under its name or another one; one of an earlier service of the same name is
        being removed."""
        metadata = service["metadata"]
        child = self._reader.get(kind, namespace=metadata["namespace"], name=name or metadata["name"])
        owners = (child or {}).get("metadata", {}).get("ownerReferences") or ()
        return child if any(owner["uid"] == metadata["uid"] for owner in owners) else None

    def _reachable(self, namespace: str, name: str) -> frozenset[str]:
        """Pods behind the Service that are ready, by the slices that its controller writes."""
        labels = {naming.INFERENCE_SERVICE: name, naming.SERVICE_NAME: name}
        slices = self._reader.list("EndpointSlice", namespace=namespace, labels=labels)
        return frozenset(
            endpoint["targetRef"]["name"]
            for each in slices
            for endpoint in each.get("endpoints") or ()
            # Absent means ready.
            if (endpoint.get("conditions") or {}).get("ready") is not False
            and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        )

    async def _held_up(self, deployment: Object | None, pods: tuple[Object, ...], namespace: str) -> str:
        """Why a replica does not begin, where its status does not say it."""
        for pod in pods:
            if not read.is_ready(pod) and (said := await self._failures.of_pod(pod)):
                return said
        for name in claim_names(deployment):
            claim = self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name)
            if claim is not None and (said := await self._failures.of_claim(claim)):
                return said
        return ""

    def _lost_claim(self, deployment: Object | None, namespace: str) -> str:
        for name in claim_names(deployment):
            claim = self._reader.get("PersistentVolumeClaim", namespace=namespace, name=name)
            if claim is not None and claim["metadata"].get("deletionTimestamp"):
                return name
        return ""

    async def _config_missing(self, deployment: Object | None, namespace: str) -> bool:
        name = config_name(deployment)
        # Not watched: a watch would keep every ConfigMap of the cluster in memory.
        return name is not None and await self._reader.live("ConfigMap", namespace=namespace, name=name) is None

    async def _superseded(self, deployment: Object | None, namespace: str) -> tuple[Object, ...]:
        found = [
            await self._reader.live("ConfigMap", namespace=namespace, name=name)
            for name in superseded_names(deployment)
        ]
        return tuple(config for config in found if config is not None)


def _all_ready(deployment: Object | None) -> bool:
    status = (deployment or {}).get("status") or {}
    return bool(status.get("replicas")) and status.get("readyReplicas") == status.get("replicas")
