"""What others have added to a child of ours, in the parts of which we own everything.

Server-side apply puts back what we ask for and leaves alone what others add. That is right for labels and annotations,
and wrong for a selector: a Service whose selector has one more key finds no pod, whatever else stands in it. So below
the roots in :data:`ROOTS` everything that we did not ask for is drift, but for what the API server itself fills in
(:data:`FILLED`). Kinds without a root (a Job's template can never be changed, a claim is filled in by others) are
compared by containment alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]

ROOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ConfigMap": ("data", "binaryData"),
    "Deployment": ("spec",),
    "NetworkPolicy": ("spec",),
    "PodDisruptionBudget": ("spec",),
    "Service": ("spec",),
}
"""Top-level fields of which we own all, by kind."""

LOOSE = frozenset({"Deployment.spec.template.metadata"})
"""Below the roots, and yet everybody's: ``kubectl rollout restart`` leaves its time here."""


class _Any:
    """A value that the server or another controller chooses."""


ANY: Final = _Any()


@dataclass(frozen=True)
class SameAs:
    """A value that the server copies from a sibling field."""

    field: str


_ALIASES: Final[Mapping[str, str]] = {
    "Deployment.spec.template.spec": "pod",
    "pod.initContainers": "pod.containers",
    "pod.containers.startupProbe": "probe",
    "pod.containers.livenessProbe": "probe",
    "pod.containers.readinessProbe": "probe",
    "pod.containers.lifecycle.postStart": "probe",
    "pod.containers.lifecycle.preStop": "probe",
    "NetworkPolicy.spec.ingress.ports": "networkport",
    "NetworkPolicy.spec.egress.ports": "networkport",
}

FILLED: Final[Mapping[str, Mapping[str, Any]]] = {
    "Service.spec": {
        "clusterIP": ANY,
        "clusterIPs": ANY,
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ANY,
        "ipFamilyPolicy": ANY,
        "sessionAffinity": "None",
        "type": "ClusterIP",
    },
    "Service.spec.ports": {"protocol": "TCP", "targetPort": SameAs("port")},
    "Deployment.spec": {
        "progressDeadlineSeconds": 600,
        # Whoever scales it, where we do not.
        "replicas": ANY,
        "revisionHistoryLimit": 10,
        "strategy": ANY,
    },
    "Deployment.spec.strategy": {"rollingUpdate": ANY, "type": "RollingUpdate"},
    "Deployment.spec.strategy.rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    "NetworkPolicy.spec": {"policyTypes": ANY},
    "networkport": {"protocol": "TCP"},
    "pod": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": SameAs("serviceAccountName"),
        "terminationGracePeriodSeconds": 30,
    },
    "pod.containers": {
        # By the image's tag.
        "imagePullPolicy": ANY,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    # With the network of its host, a container's port is the host's.
    "pod.containers.ports": {"hostPort": SameAs("containerPort"), "protocol": "TCP"},
    "pod.containers.env.valueFrom.fieldRef": {"apiVersion": "v1"},
    "pod.containers.env.valueFrom.resourceFieldRef": {"divisor": "0"},
    "probe": {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
    "probe.httpGet": {"path": "/", "scheme": "HTTP"},
    "probe.grpc": {"service": ""},
    "pod.volumes.configMap": {"defaultMode": 420},
    "pod.volumes.downwardAPI": {"defaultMode": 420},
    "pod.volumes.downwardAPI.items.fieldRef": {"apiVersion": "v1"},
    "pod.volumes.hostPath": {"type": ""},
    "pod.volumes.projected": {"defaultMode": 420},
    "pod.volumes.projected.sources.serviceAccountToken": {"expirationSeconds": 3600},
    "pod.volumes.secret": {"defaultMode": 420},
}
"""Defaults of the API server by path, without indices."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "Service.spec.ports": ("port", "protocol"),
    "pod.containers": ("name",),
    "pod.containers.env": ("name",),
    "pod.containers.ports": ("containerPort", "protocol"),
    "pod.containers.volumeMounts": ("mountPath",),
    "pod.imagePullSecrets": ("name",),
    "pod.volumes": ("name",),
}
"""What an item of a list is known by. Items of other lists are known by their place."""

_KEY_DEFAULTS: Final = {"protocol": "TCP"}


@dataclass(frozen=True)
class Drift:
    """What is there beyond what we want."""

    paths: tuple[str, ...] = ()
    """Fields that others have added, such as ``spec.selector.extra``."""
    parts: Mapping[str, Any] | None = None
    """Whole top-level fields as they should be: what we want, with what the server has filled in."""


def drift(found: Object, wanted: Object) -> Drift:
    """Compare the parts of which we own everything; nothing where the kind has none."""
    walk = _Walk()
    parts = {
        root: walk.corrected(found.get(root), wanted.get(root), rule=f"{wanted['kind']}.{root}", path=root)
        for root in ROOTS.get(wanted["kind"], ())
    }
    return Drift(tuple(walk.paths), parts) if walk.paths else Drift()


class _Walk:
    """One comparison; collects the paths of what does not belong there."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def corrected(self, found: Any, wanted: Any, *, rule: str, path: str) -> Any:
        """What should stand here."""
        rule = _ALIASES.get(rule, rule)
        if rule in LOOSE:
            return found
        if isinstance(found, dict) and (isinstance(wanted, dict) or wanted is None):
            return self._object(found, wanted or {}, rule=rule, path=path)
        if _objects(found) and (_objects(wanted) or not wanted):
            return self._items(found, wanted or [], rule=rule, path=path)
        return found if wanted is None else wanted

    def _object(self, found: Object, wanted: Object, *, rule: str, path: str) -> Object:
        result: Object = {}
        for key, value in found.items():
            where = f"{path}.{key}"
            if key in wanted:
                result[key] = self.corrected(value, wanted[key], rule=f"{rule}.{key}", path=where)
            elif value in (None, "", []) or _filled(rule, key, value, wanted):
                result[key] = value
            else:
                self.paths.append(where)
        return result | {key: value for key, value in wanted.items() if key not in result}

    def _items(self, found: list[Object], wanted: list[Object], *, rule: str, path: str) -> list[Any]:
        there = dict(enumerate(found))
        result = []
        for place, item in enumerate(wanted):
            match = _found_by_key(KEYS[rule], there, item) if rule in KEYS else place if place in there else None
            if match is None:
                result.append(item)
            else:
                result.append(self.corrected(there.pop(match), item, rule=rule, path=f"{path}[{match}]"))
        self.paths += [f"{path}[{index}]" for index in there]
        return result


def _objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _filled(rule: str, key: str, value: Any, wanted: Object) -> bool:
    default = FILLED.get(rule, {}).get(key, _MISSING)
    if isinstance(default, SameAs):
        return bool(value == wanted.get(default.field))
    return default is ANY or bool(value == default)


_MISSING: Final = object()


def _found_by_key(keys: tuple[str, ...], there: Mapping[int, Object], item: Object) -> int | None:
    known_by = [(key, item.get(key, _KEY_DEFAULTS.get(key))) for key in keys]
    for index, other in there.items():
        if all(other.get(key, _KEY_DEFAULTS.get(key)) == value for key, value in known_by):
            return index
    return None
