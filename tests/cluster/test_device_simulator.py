"""The device simulator on a real kubelet: devices, allocations, health, restarts, and metrics that follow real work."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from prometheus_client.parser import text_string_to_metric_families
from stack import wait

from hostler.kubelet.podresources import SOCKET, DeviceId, PodResources, PodResourcesError
from hostler.local import ClusterHandle
from hostler.local.images import ensure_loaded
from hostler.local.kubeapi import KubeApi
from hostler.local.naming import names_of
from hostler.local.native import cgroups, node
from hostler.local.native.processes import Launcher
from hostler.local.native.provider import NativeCluster, nodes_of
from hostler.local.tools import ensure_binaries

CHART = Path(__file__).parents[2] / "helm" / "hostler"
TEMPLATES = ("templates/simulator/daemonset.yaml", "templates/rbac-generated.yaml")
NODE, GPU = "gpu-0", "nvidia.com/gpu"
SYSTEM, NAMESPACE = "hostler-system", "simulator-test"
Json = dict[str, Any]


def _of(found: dict[str, list[tuple[dict[str, str], float]]], metric: str, pod: str) -> list[float]:
    """A metric of the devices that a pod holds, in one snapshot."""
    return [value for labels, value in found.get(metric, []) if labels.get("pod") == pod]


class Simulated:
    """A cluster whose simulator runs, and the few questions that the tests ask."""

    def __init__(self, cluster: ClusterHandle, *, image: str) -> None:
        self.cluster = cluster
        self.image = image
        self.api = KubeApi(cluster.kubeconfig)

    def node(self) -> Json:
        return self.api.get(f"/api/v1/nodes/{NODE}")

    def count(self, field: str) -> int:
        """The node's ``capacity`` or ``allocatable`` of GPUs."""
        return int(self.node()["status"][field].get(GPU, 0))

    def annotate(self, value: str | None) -> None:
        annotations = {"hostler.dev/simulated-unhealthy": value}
        self.api.merge(f"/api/v1/nodes/{NODE}", {"metadata": {"annotations": annotations}})

    def metrics(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Everything on the simulator's port, by metric name."""
        addresses = self.node()["status"]["addresses"]
        address = next(entry["address"] for entry in addresses if entry["type"] == "InternalIP")
        with urllib.request.urlopen(f"http://{address}:9400/metrics", timeout=PATIENCE) as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for sample in (sample for family in families for sample in family.samples):
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def of_pod(self, metric: str, pod: str) -> list[float]:
        """A metric of the devices that a pod holds."""
        return _of(self.metrics(), metric, pod)

    def start(self, name: str, *, gpus: int, program: str, cpu: str | None = None) -> None:
        """A pod that holds GPUs and runs a Python program."""
        limits = {GPU: str(gpus), "memory": "256Mi", **({"cpu": cpu} if cpu else {})}
        container = {
            "name": "main",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", program],
            "resources": {"limits": limits, "requests": {"cpu": cpu or "10m"}},
        }
        spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.api.apply(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", body)
        wait(lambda: self.phase(name) == "Running", what=f"pod {name} to run", why=lambda: self.status(name))

    def status(self, name: str) -> Json:
        status: Json = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")["status"]
        return status

    def phase(self, name: str) -> str:
        return str(self.status(name)["phase"])

    def variable(self, pod: str, name: str) -> str:
        """An environment variable as the container sees it."""
        return self.cluster.kubectl("-n", NAMESPACE, "exec", pod, "--", "printenv", name).strip()

    def pods_gone(self) -> bool:
        items: list[Json] = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return not items


@pytest.fixture(scope="module")
def simulated(cluster: ClusterHandle) -> Iterator[Simulated]:
    image = ensure_loaded(cluster.name, ["device-simulator"])["device-simulator"]
    found = Simulated(cluster, image=image)
    for namespace in (SYSTEM, NAMESPACE):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        found.api.apply(f"/api/v1/namespaces/{namespace}", body)
    text = _manifests(cluster, image=image)
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    wait(lambda: found.count("allocatable") == 4, what="four devices", why=lambda: _words(cluster))
    yield found
    cluster.kubectl("delete", "--wait=false", "-f", "-", stdin=text)


@pytest.fixture(autouse=True)
def clean(simulated: Simulated) -> Iterator[None]:
    """No test leaves pods or sick devices to the next one."""
    yield
    simulated.annotate(None)
    simulated.cluster.kubectl("-n", NAMESPACE, "delete", "pods", "--all", "--wait=false")
    wait(simulated.pods_gone, what="pods to go")
    wait(lambda: simulated.count("allocatable") == 4, what="four healthy devices")


def _manifests(cluster: ClusterHandle, *, image: str) -> str:
    """The simulator as the chart deploys it, without the rest of the chart."""
    repository, _, tag = image.rpartition(":")
    settings = {"simulator": {"enabled": True}, "images": {"deviceSimulator": {"repository": repository, "tag": tag}}}
    values = ",".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
    shown = [argument for template in TEMPLATES for argument in ("--show-only", template)]
    helm = [str(cluster.program("helm")), "template", "hostler", str(CHART), "--namespace", SYSTEM]
    argv = [*helm, "--kube-version", "1.34.0", "--set-json", values, *shown]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _words(cluster: ClusterHandle) -> str:
    namespace = ("-n", SYSTEM)
    logs = cluster.kubectl(*namespace, "logs", "ds/hostler-device-simulator", "--tail=20", check=False)
    return cluster.kubectl(*namespace, "get", "pods", "-o", "wide", check=False) + logs


SLEEP = "import time; time.sleep(3600)"
BURN = "while True: pass"


def test_node_shows_devices_and_the_vendors_labels(simulated: Simulated) -> None:
    """Capacity comes from the kubelet, labels as the vendor's discovery would put them."""
    labels = simulated.node()["metadata"]["labels"]
    assert simulated.count("capacity") == 4
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-A100-SXM4-80GB"
    assert (labels["nvidia.com/gpu.count"], labels["nvidia.com/gpu.memory"]) == ("4", "81920")
    assert labels["hostler.dev/simulated"] == "true"


def test_pods_get_distinct_devices_of_one_numa_node_each(simulated: Simulated) -> None:
    """Two pods with two devices each share nothing, and the preferred allocation keeps each on one NUMA node."""
    for name in ("one", "two"):
        simulated.start(name, gpus=2, program=SLEEP)
    first, second = (simulated.variable(name, "NVIDIA_VISIBLE_DEVICES").split(",") for name in ("one", "two"))
    assert len(set(first) | set(second)) == 4
    assert simulated.variable("one", "HOSTLER_ACCELERATOR_TYPE") == "nvidia-a100-80"
    ordinals = {labels["UUID"]: int(labels["gpu"]) for labels, _ in simulated.metrics()["DCGM_FI_DEV_FB_USED"]}
    assert {frozenset(ordinals[i] // 2 for i in ids) for ids in (first, second)} == {frozenset({0}), frozenset({1})}


def test_a_sick_device_lowers_allocatable_not_capacity(simulated: Simulated) -> None:
    """A running pod keeps its device; the node offers one less until the device is well again."""
    simulated.start("holder", gpus=4, program=SLEEP)
    simulated.annotate("nvidia-a100-80/1")
    wait(lambda: simulated.count("allocatable") == 3, what="three allocatable devices")
    assert simulated.count("capacity") == 4
    assert simulated.phase("holder") == "Running"
    simulated.annotate(None)
    wait(lambda: simulated.count("allocatable") == 4, what="four allocatable devices")


def test_a_kubelet_restart_changes_nothing_for_long(simulated: Simulated) -> None:
    """The plugin registers again by itself, the running pod keeps its devices, and new pods get the others."""
    simulated.start("before", gpus=2, program=SLEEP)
    held = set(simulated.variable("before", "NVIDIA_VISIBLE_DEVICES").split(","))
    pods = simulated.api.get(f"/api/v1/namespaces/{SYSTEM}/pods")["items"]
    restarts = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}
    kubelet = _restart_kubelet(simulated.cluster.name)
    wait(lambda: len(_healthy(kubelet)) == 4, what="the new kubelet to have four devices")
    simulated.start("after", gpus=2, program=SLEEP)
    assert not held & set(simulated.variable("after", "NVIDIA_VISIBLE_DEVICES").split(","))
    assert simulated.phase("before") == "Running"
    now = simulated.api.get(f"/api/v1/namespaces/{SYSTEM}/pods")["items"]
    assert {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in now} == restarts


def _healthy(kubelet: PodResources) -> frozenset[DeviceId]:
    """The devices that the kubelet itself could hand out now; the node object lags behind it."""
    try:
        return asyncio.run(kubelet.allocatable())
    except PodResourcesError:
        return frozenset()


def _restart_kubelet(cluster: str) -> PodResources:
    """SIGKILL, as an out-of-memory kill would do it, then the same program again; returns its PodResources API."""
    names = names_of(cluster)
    spec = NativeCluster(names).recorded_spec()
    assert spec is not None
    entry = next(n for n in nodes_of(names, spec, ensure_binaries(lambda _: None)) if n.name == NODE)
    launcher = Launcher(names, cgroups.hierarchies())
    for pid in launcher.pids(entry.kubelet_component):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not launcher.pids(entry.kubelet_component), what="the kubelet's end")
    launcher.start(node.kubelet(entry, containerd_pid=launcher.pids(entry.containerd_component)[0]))
    return PodResources(f"{entry.home}/root{SOCKET}")


def test_metrics_follow_what_the_pod_really_burns(simulated: Simulated) -> None:
    """A loop that wants a core and may have half of one is fully busy; a sleeper is not; a free device is idle."""
    simulated.start("busy", gpus=2, program=BURN, cpu="200m")
    simulated.start("lazy", gpus=1, program=SLEEP, cpu="200m")

    def settled() -> dict[str, list[tuple[dict[str, str], float]]] | None:
        # One snapshot for everything that is asserted. A device handed out a moment ago has no utilization yet, and
        # a sleeper's first sample holds the start of its interpreter.
        found = simulated.metrics()
        busy = min(_of(found, "DCGM_FI_DEV_GPU_UTIL", "busy"), default=0)
        lazy = max(_of(found, "DCGM_FI_DEV_GPU_UTIL", "lazy"), default=100)
        return found if busy > 80 and lazy < 5 else None

    found = wait(
        settled,
        what="the busy pod's devices to be busy and the lazy pod's not",
        why=lambda: json.dumps(simulated.metrics().get("DCGM_FI_DEV_GPU_UTIL")),
    )
    utilization = {labels["UUID"]: value for labels, value in found["DCGM_FI_DEV_GPU_UTIL"]}
    watts = {labels["UUID"]: value for labels, value in found["DCGM_FI_DEV_POWER_USAGE"]}
    free = [labels["UUID"] for labels, _ in found["DCGM_FI_DEV_FB_USED"] if "pod" not in labels]
    assert len(_of(found, "DCGM_FI_DEV_GPU_UTIL", "busy")) == 2
    assert [(utilization[device], watts[device]) for device in free] == [(0, 60)]
    assert _of(found, "DCGM_FI_DEV_POWER_USAGE", "busy")[0] > 330
    assert 0 < _of(found, "DCGM_FI_DEV_FB_USED", "busy")[0] < 81920
    assert [labels for labels, _ in found["hostler_simulator_info"]] == [{"type": "nvidia-a100-80", "devices": "4"}]


def test_energy_grows_with_work(simulated: Simulated) -> None:
    """Millijoules of a busy device against those of an idle one, over the same time."""
    simulated.start("busy", gpus=1, program=BURN, cpu="200m")
    wait(lambda: min(simulated.of_pod("DCGM_FI_DEV_GPU_UTIL", "busy"), default=0) > 80, what="load")
    before = _energy(simulated)
    wait(lambda: max(_gains(before, _energy(simulated))) > 2_000_000, what="two kilojoules")
    *idle, busy = sorted(_gains(before, _energy(simulated)))
    assert idle == pytest.approx([idle[0]] * 3)
    # 400 W against 60 W, less what other work on the machine takes from the loop.
    assert busy > 2 * idle[0] > 0


def _energy(simulated: Simulated) -> dict[str, float]:
    name = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
    found = simulated.metrics()
    return {labels["UUID"]: value for labels, value in found.get(name) or found[f"{name}_total"]}


def _gains(before: dict[str, float], after: dict[str, float]) -> list[float]:
    return [after[device] - before[device] for device in before]
