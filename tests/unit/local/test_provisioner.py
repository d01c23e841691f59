"""Dynamic volumes: which claims get one, which volumes are reclaimed, and what a volume looks like."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, cast

from tables import table

from hostler.local.kubeapi import KubeApi
from hostler.local.native.provisioner import (
    PROVISIONER,
    Provision,
    Provisioner,
    Reclaim,
    decide,
    directory_of,
    volume_for,
    volume_name,
)

Json = dict[str, Any]


def claim(**changes: Any) -> Json:
    metadata = {
        "uid": "0123456789ab",
        "name": "data",
        "namespace": "team",
        "annotations": {"volume.kubernetes.io/storage-provisioner": PROVISIONER},
    }
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "local",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {
        "metadata": {**metadata, **changes.get("metadata", {})},
        "spec": {**spec, **changes.get("spec", {})},
    }


def volume(phase: str, **changes: Any) -> Json:
    return {
        "metadata": {
            "uid": "v",
            "name": "pvc-x",
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            **changes.get("metadata", {}),
        },
        "spec": {"persistentVolumeReclaimPolicy": "Delete", **changes.get("spec", {})},
        "status": {"phase": phase},
    }


@table(
    ("wanted", "provisions"),
    {
        "a claim of our class": (claim(), True),
        "a claim that the controller manager has not yet assigned": (claim(metadata={"annotations": {}}), False),
        "a claim of another provisioner": (
            claim(metadata={"annotations": {"volume.kubernetes.io/storage-provisioner": "other"}}),
            False,
        ),
        "a claim that is bound": (claim(spec={"volumeName": "pvc-0123456789ab"}), False),
        "a claim that is going away": (claim(metadata={"deletionTimestamp": "now"}), False),
        "a raw block device, which a directory cannot be": (claim(spec={"volumeMode": "Block"}), False),
    },
)
def test_claims_that_get_a_volume(*, wanted: Json, provisions: bool) -> None:
    assert decide([wanted], []) == ([Provision(wanted)] if provisions else [])


def test_a_claim_gets_one_volume_only() -> None:
    existing = volume("Available", metadata={"name": volume_name(claim())})
    assert decide([claim()], [existing]) == []


@table(
    ("found", "reclaims"),
    {
        "released": (volume("Released"), True),
        "a reclaim that failed before": (volume("Failed"), True),
        "in use": (volume("Bound"), False),
        "kept on purpose": (volume("Released", spec={"persistentVolumeReclaimPolicy": "Retain"}), False),
        "somebody else's": (volume("Released", metadata={"annotations": {}}), False),
        "already going away": (volume("Released", metadata={"deletionTimestamp": "now"}), False),
    },
)
def test_volumes_that_are_reclaimed(*, found: Json, reclaims: bool) -> None:
    assert decide([], [found]) == ([Reclaim(found)] if reclaims else [])


def test_the_volume_can_be_mounted_on_every_node_and_belongs_to_its_claim() -> None:
    made = volume_for(claim(), {"reclaimPolicy": "Retain"}, root=Path("/volumes"))
    spec = made["spec"]
    assert spec["accessModes"] == ["ReadWriteMany"]
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["local"]["path"] == str(directory_of(claim(), root=Path("/volumes"))) == "/volumes/team_data_01234567"
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/os", "operator": "Exists"}]
    assert (spec["claimRef"]["namespace"], spec["claimRef"]["uid"]) == ("team", "0123456789ab")


class Api:
    """An API server that has one StorageClass and takes every volume."""

    def __init__(self) -> None:
        self.made: list[Json] = []

    def get(self, path: str) -> Json:
        return {"reclaimPolicy": "Delete"}

    def request(self, method: str, path: str, body: Json) -> Json:
        self.made.append(body)
        return {**body, "metadata": {**body["metadata"], "uid": f"volume {len(self.made)}"}}


def test_a_claim_that_is_answered_twice_keeps_what_the_kubelet_did_to_its_directory(tmp_path: Path) -> None:
    """The bit by which new files get the pod's group, set between the two answers."""
    api = Api()
    provisioner = Provisioner(cast(KubeApi, api), tmp_path)
    provisioner._provision(claim())
    directory = directory_of(claim(), root=tmp_path)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o777
    directory.chmod(0o2777)
    (directory / "kept").touch()

    provisioner._provision(claim())

    assert stat.S_IMODE(directory.stat().st_mode) == 0o2777
    assert (directory / "kept").exists()
    assert len(api.made) == 2
