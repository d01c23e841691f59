"""What `hostler bench` is going to run, decided before anything is written: which load on which pool, and why not."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hostler.accelerators import AcceleratorType, Verb, accelerators, compatibility
from hostler.api.benchmark import LABEL
from hostler.api.schema import API_VERSION
from hostler.api.trainingjob import NAME_LIMIT
from hostler.manifests.hashing import content_hash
from hostler.planning.benchmarks.loads import Load, loads, per_pod_for, size_for

Object = dict[str, Any]
KEPT_SECONDS = 3600
"""After which a job goes by itself where nobody waits for it any more."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One load on one pool."""

    load: Load
    pool: str
    per_pod: int

    @property
    def name(self) -> str:
        """Of the job; the same for everybody who benchmarks this pool in this namespace."""
        name = f"benchmark-{self.load.name}-{self.pool}"
        if len(name) <= NAME_LIMIT:
            return name
        return f"{name[: NAME_LIMIT - 11].rstrip('-.')}-{content_hash(name)}"

    def config_map(self, *, namespace: str) -> Object:
        """The data."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.load.config_map, "namespace": namespace, "labels": {LABEL: self.load.family}},
            # As binary data whatever it is: what the server makes of text is its affair.
            "binaryData": {self.load.data.key: base64.b64encode(self.load.data.content()).decode()},
        }

    def job(self, *, namespace: str, owner: Object | None, storage_class: str | None) -> Object:
        """The job, which goes when the ConfigMap goes that is its ``owner``."""
        metadata: Object = {"name": self.name, "namespace": namespace, "labels": {LABEL: self.load.name}}
        if owner is not None:
            reference = {"apiVersion": "v1", "kind": "ConfigMap"}
            metadata["ownerReferences"] = [reference | {key: owner["metadata"][key] for key in ("name", "uid")}]
        spec = self.load.spec(pool=self.pool, per_pod=self.per_pod)
        spec["ttlSecondsAfterFinished"] = KEPT_SECONDS
        if storage_class is not None:
            spec["storage"] = {"storageClassName": storage_class}
        return {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": metadata, "spec": spec}


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A pool on which a family is not run."""

    pool: str
    family: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asks for."""

    families: Sequence[str]
    size: str | None = None
    """None takes the one that says something of the pool's devices."""
    variants: Sequence[str] = ()
    """Of families that pack; none means all."""


def planned(pools: Sequence[Object], wish: Wish) -> tuple[list[Planned], list[LeftOut]]:
    """What is run, pool by pool in the order of the loads, and what is not."""
    run: list[Planned] = []
    left: list[LeftOut] = []
    for pool in pools:
        name = pool["metadata"]["name"]
        kind = accelerators().get(pool["spec"]["acceleratorType"])
        simulated = bool((pool.get("status") or {}).get("simulated"))
        for family in wish.families:
            why = _unfit(pool, kind, family=family, simulated=simulated)
            if why:
                left.append(LeftOut(pool=name, family=family, why=why))
                continue
            size = wish.size or size_for(kind, simulated=simulated)
            found = [load for load in loads().values() if (load.family, load.size) == (family, size)]
            run += [
                Planned(load=load, pool=name, per_pod=per_pod_for(kind))
                for load in found
                if not load.variant or not wish.variants or load.variant in wish.variants
            ]
    return run, left


def _unfit(pool: Object, kind: AcceleratorType | None, *, family: str, simulated: bool) -> str:
    """Why a pool cannot hold a family's load; empty where it can."""
    status = pool.get("status") or {}
    if kind is None:
        return f"no registry file describes its type {pool['spec']['acceleratorType']}"
    answer = compatibility(family=family, accelerator=kind, verb=Verb.TRAIN, simulated=simulated)
    if not answer.possible:
        return answer.reason
    if not status:
        return "the operator has not looked at it yet: is it running?"
    if status.get("capacity", 0) < per_pod_for(kind) and not pool["spec"].get("scaling"):
        return f"it has {status.get('capacity', 0)} accelerators, and the load takes {per_pod_for(kind)}"
    return ""
