"""How replicas are replaced, and what a Deployment's status says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A rolling update, and why it goes that way."""

    max_surge: int
    max_unavailable: int
    remark: str = ""
    """Sentence for people where an update costs capacity; empty where it costs none."""

    @staticmethod
    def of(deployment: Object) -> Strategy | None:
        """The strategy of a Deployment, without its remark; None where it is none of ours."""
        found = (deployment.get("spec") or {}).get("strategy") or {}
        rolling = found.get("rollingUpdate") or {}
        pair = rolling.get("maxSurge"), rolling.get("maxUnavailable")
        if found.get("type") != "RollingUpdate" or pair not in ((1, 0), (0, 1)):
            return None
        return Strategy(max_surge=pair[0], max_unavailable=pair[1])


def strategy(*, replicas: int, room_for_one_more: bool, unit: str) -> Strategy:
    """New before old where the pool has room for one more replica, else old before new.

    With ``maxUnavailable: 0`` and no free accelerator the first new replica would wait for ever for one that only an
    old replica's end can free.
    """
    if room_for_one_more:
        return Strategy(max_surge=1, max_unavailable=0)
    remark = f"The pool has no {unit} free for a further replica: an update ends one replica before it starts the next"
    if replicas == 1:
        remark += ", so this service of one replica pauses meanwhile"
    return Strategy(max_surge=0, max_unavailable=1, remark=f"{remark}.")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A Deployment's status, read."""

    wanted: int
    replicas: int
    updated: int
    ready: int
    """Ready ones of any revision."""
    available: int
    observed: bool
    """Whether the status speaks of the newest spec."""
    proved: bool = False
    """Whether every replica of the current template was available once; stays true when one is not ready later."""

    @property
    def complete(self) -> bool:
        """True when exactly the wanted replicas of the current template exist and are ready."""
        return self.observed and self.wanted == self.replicas == self.updated == self.ready == self.available

    @property
    def settled(self) -> bool:
        """True when no replica of an older template is left and the current one has proved that it works."""
        return self.observed and self.updated == self.replicas and (self.ready > 0 or self.proved)


def read(deployment: Object) -> Rollout:
    """The rollout of a Deployment."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas")
    return Rollout(
        wanted=1 if wanted is None else int(wanted),
        replicas=int(status.get("replicas") or 0),
        updated=int(status.get("updatedReplicas") or 0),
        ready=int(status.get("readyReplicas") or 0),
        available=int(status.get("availableReplicas") or 0),
        observed=int(status.get("observedGeneration") or 0) >= int(deployment["metadata"].get("generation") or 0),
        proved=any(
            condition.get("type") == "Progressing" and condition.get("reason") == "NewReplicaSetAvailable"
            for condition in status.get("conditions") or ()
        ),
    )
