"""The replicas of an InferenceService."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.schema import GROUP
from hostler.manifests.configfile import serving_config_volume
from hostler.manifests.inputs import model_mount
from hostler.manifests.naming import Manifest, metadata, server_labels, server_selector
from hostler.manifests.podoptions import PodOptions, queue_labels
from hostler.manifests.podtemplate import Image, Mount, PodPlan, pod_template, value
from hostler.planning.imports import Place
from hostler.planning.pools import Pool
from hostler.planning.rollout import Strategy

MODELS = "/models"
REVISION = f"{GROUP}/revision"
"""Annotation on the Deployment and on its pods: hash of what the replicas were asked to run."""
SUPERSEDED = f"{GROUP}/superseded-configs"
"""Annotation: ConfigMaps of earlier revisions, to be deleted when their last replica has gone."""
_GRACE_BEYOND_DRAIN = 15
"""The kubelet's patience beyond the drain: endpoints propagate before it, and abandoned requests end after it."""


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """What the replicas of one revision run."""

    name: str
    namespace: str
    revision: str
    config_map: str
    files: Place
    """Where the model is."""
    image: Image
    adapters: tuple[Mount, ...] = ()
    superseded: tuple[str, ...] = ()


def server_deployment(
    spec: InferenceServiceSpec, plan: ServerPlan, *, pool: Pool, strategy: Strategy, owner: Manifest
) -> Manifest:
    """A rolling update keeps as much capacity as the pool allows; the strategy is not part of the template."""
    labels = server_labels(plan.name, pool=pool.name)
    annotations = {REVISION: plan.revision}
    if plan.superseded:
        annotations[SUPERSEDED] = ",".join(plan.superseded)
    rolling = {"maxSurge": strategy.max_surge, "maxUnavailable": strategy.max_unavailable}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            plan.name,
            namespace=plan.namespace,
            labels={**labels, **queue_labels(spec.pod_metadata)},
            owner=owner,
            annotations=annotations,
        ),
        "spec": {
            "replicas": spec.pods.max,
            "revisionHistoryLimit": 2,
            # The server's own values, said so that others are seen to be somebody else's.
            "paused": False,
            "minReadySeconds": 0,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": server_selector(plan.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": pod_template(_pod(spec, plan, pool=pool, labels=labels)),
        },
    }


def _pod(spec: InferenceServiceSpec, plan: ServerPlan, *, pool: Pool, labels: dict[str, str]) -> PodPlan:
    return PodPlan(
        container="server",
        image=plan.image,
        module="hostler_runtime.serve",
        labels=labels,
        pool=pool,
        per_pod=spec.accelerators.per_pod,
        resources=spec.resources,
        config=serving_config_volume(plan.config_map),
        env=[value("HOSTLER_REVISION", plan.revision)],
        mounts=[model_mount("models", MODELS, plan.files), *plan.adapters],
        restart_policy="Always",
        grace_seconds=spec.serving.drain_seconds + _GRACE_BEYOND_DRAIN,
        probes=_PROBES,
        annotations={REVISION: plan.revision},
        # Each replica is told its node: the scheduler knows nothing of the seats of others.
        gated=True,
        options=PodOptions(
            pull_secrets=spec.image_pull_secrets,
            service_account=spec.service_account_name,
            metadata=spec.pod_metadata,
            scratch=spec.scratch,
            priority_class=spec.priority_class_name,
        ),
    )


def _probe(path: str, *, period: int, failures: int, timeout: int = 5) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


_PROBES: Manifest = {
    # Importing the framework from a cold disk takes its time; loading the model happens behind /healthz.
    "startupProbe": _probe("/healthz", period=1, failures=300),
    "livenessProbe": _probe("/healthz", period=10, failures=6),
    "readinessProbe": _probe("/readyz", period=2, failures=2),
}
