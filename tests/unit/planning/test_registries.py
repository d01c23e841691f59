"""Whether the nodes of a cluster mount images, by what they say of themselves."""

from __future__ import annotations

from typing import Any

from tables import table

from hostler.planning.registries import ImageVolumes, mountable


def node(kubelet: str, runtime: str) -> dict[str, Any]:
    """As the API has it."""
    return {"status": {"nodeInfo": {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}}}


NEW = node("v1.35.1", "containerd://2.1.4")


@table(
    ("nodes", "wanted", "want"),
    {
        "new nodes": ([NEW, NEW], ImageVolumes.AUTO, "mounted"),
        "a distribution's version": ([node("v1.36.0+k3s1", "containerd://2.2.0-k3s1")], ImageVolumes.AUTO, "mounted"),
        "another runtime": ([node("v1.35.0", "cri-o://1.35.0")], ImageVolumes.AUTO, "mounted"),
        "one older kubelet, where the gate is off by itself": (
            [NEW, node("v1.34.4", "containerd://2.1.4")],
            ImageVolumes.AUTO,
            "pulled",
        ),
        "one older runtime": ([NEW, node("v1.35.1", "containerd://1.7.27")], ImageVolumes.AUTO, "pulled"),
        "a runtime that is not known to": ([node("v1.35.1", "docker://28.1.0")], ImageVolumes.AUTO, "pulled"),
        "a node that is none": ([NEW, node("kwok-v0.8.0", "")], ImageVolumes.AUTO, "pulled"),
        "a node that says nothing": ([NEW, {}], ImageVolumes.AUTO, "pulled"),
        "no nodes": ([], ImageVolumes.AUTO, "pulled"),
        "an administrator who has set the gate": ([node("v1.33.0", "x://1.0")], ImageVolumes.ALWAYS, "mounted"),
        "an administrator who does not want it": ([NEW], ImageVolumes.NEVER, "pulled"),
    },
)
def test_images_are_mounted_where_every_node_can(nodes: list[dict[str, Any]], wanted: ImageVolumes, want: str) -> None:
    assert ("mounted" if mountable(nodes, wanted) else "pulled") == want
