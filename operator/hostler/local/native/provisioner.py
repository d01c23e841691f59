"""Dynamic volumes that pods on every node can mount: a host process that answers claims of one StorageClass.

Each volume is a directory of the machine behind a `local` PersistentVolume whose node affinity every node fulfils.
So it is ReadWriteMany across the nodes of this cluster, and, unlike hostPath, it honours fsGroup.
"""

from __future__ import annotations

import http.client
import logging
import queue
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostler.local.kubeapi import ApiError, KubeApi

PROVISIONER = "local.hostler.dev/directory"
STORAGE_CLASS = "local"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_PROVISION_WITH = "volume.kubernetes.io/storage-provisioner"
_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"

Json = dict[str, Any]
log = logging.getLogger("provisioner")


@dataclass(frozen=True)
class Provision:
    """Make a directory and a volume for this claim."""

    claim: Json


@dataclass(frozen=True)
class Reclaim:
    """Delete this released volume and its data."""

    volume: Json


def volume_name(claim: Json) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def decide(claims: Iterable[Json], volumes: Iterable[Json]) -> list[Provision | Reclaim]:
    """What is to be done; deciding twice before the first result is seen does no harm."""
    volumes = list(volumes)
    existing = {volume["metadata"]["name"] for volume in volumes}
    todo: list[Provision | Reclaim] = []
    for claim in claims:
        if _wants_volume(claim) and volume_name(claim) not in existing:
            todo.append(Provision(claim))
    todo.extend(Reclaim(volume) for volume in volumes if _is_reclaimable(volume))
    return todo


def _wants_volume(claim: Json) -> bool:
    annotations = claim["metadata"].get("annotations", {})
    return (
        annotations.get(_PROVISION_WITH) == PROVISIONER
        and not claim["spec"].get("volumeName")
        and claim["spec"].get("volumeMode", "Filesystem") == "Filesystem"
        and "deletionTimestamp" not in claim["metadata"]
    )


def _is_reclaimable(volume: Json) -> bool:
    return (
        volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and volume.get("status", {}).get("phase") in ("Released", "Failed")
        and "deletionTimestamp" not in volume["metadata"]
    )


def directory_of(claim: Json, *, root: Path) -> Path:
    meta = claim["metadata"]
    return root / f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}"


def volume_for(claim: Json, storage_class: Json, *, root: Path) -> Json:
    """The PersistentVolume that answers a claim, bound to it beforehand."""
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "local": {"path": str(directory_of(claim, root=root))},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}]
                }
            },
        },
    }


class Provisioner:
    """Keeps claims and volumes in sync with the directories below a root."""

    def __init__(self, api: KubeApi, root: Path) -> None:
        self._api = api
        self._root = root
        self._events: queue.Queue[tuple[str, str, Json]] = queue.Queue()
        self._objects: dict[str, dict[str, Json]] = {_CLAIMS: {}, _VOLUMES: {}}

    def run(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        for path in self._objects:
            threading.Thread(target=self._follow, args=(path,), daemon=True).start()
        while True:
            self._record(*self._events.get())
            while not self._events.empty():
                self._record(*self._events.get())
            for action in decide(self._objects[_CLAIMS].values(), self._objects[_VOLUMES].values()):
                self._act(action)

    def _follow(self, path: str) -> None:
        while True:
            try:
                listed = self._api.get(path)
                self._events.put((path, "LISTED", listed))
                for event in self._api.watch(path, resource_version=listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    self._events.put((path, event["type"], event["object"]))
            except (OSError, ApiError, ValueError, http.client.HTTPException) as error:
                log.warning("watching %s: %s", path, error)
                time.sleep(1)

    def _record(self, path: str, kind: str, body: Json) -> None:
        if kind == "LISTED":
            self._objects[path] = {item["metadata"]["uid"]: item for item in body.get("items", [])}
        elif kind == "DELETED":
            self._objects[path].pop(body["metadata"]["uid"], None)
        elif kind != "BOOKMARK":
            self._objects[path][body["metadata"]["uid"]] = body

    def _act(self, action: Provision | Reclaim) -> None:
        try:
            if isinstance(action, Provision):
                self._provision(action.claim)
            else:
                self._reclaim(action.volume)
        except (OSError, ApiError, http.client.HTTPException) as error:
            log.error("%s: %s", type(action).__name__.lower(), error)
            # The next event or relist decides again; without one a failed write would wait for it forever.
            threading.Timer(1, self._events.put, [(_VOLUMES, "BOOKMARK", {})]).start()

    def _provision(self, claim: Json) -> None:
        storage_class = self._api.get(f"{_CLASSES}/{claim['spec']['storageClassName']}")
        directory = directory_of(claim, root=self._root)
        if not directory.exists():
            directory.mkdir()
            # Pods run under any user; those that set no fsGroup must be able to write as well. Only once: a second look
            # at the claim, before its volume was seen, may come after the kubelet has given the directory its group,
            # and would take the bit away by which new files belong to that group.
            directory.chmod(0o777)
        try:
            made = self._api.request("POST", _VOLUMES, volume_for(claim, storage_class, root=self._root))
        except ApiError as error:
            if error.status != 409:
                raise
            return
        self._objects[_VOLUMES][made["metadata"]["uid"]] = made
        log.info("provisioned %s", directory.name)

    def _reclaim(self, volume: Json) -> None:
        directory = Path(volume["spec"]["local"]["path"])
        if directory.parent == self._root:
            shutil.rmtree(directory, ignore_errors=True)
        try:
            self._api.request("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:
                raise
        self._objects[_VOLUMES].pop(volume["metadata"]["uid"], None)
        log.info("reclaimed %s", directory.name)


def main(kubeconfig: str, root: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Provisioner(KubeApi(Path(kubeconfig)), Path(root)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
