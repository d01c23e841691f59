"""The local cluster does what the rest is built on: DNS, Services, shared volumes, logs and exec on every node."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from clusters import provider
from patience import PATIENCE
from podmaker import pod, wait_until

from hostler.local import ClusterHandle, LocalClusterError, default_spec, load_image
from hostler.local.images import ensure_loaded
from hostler.local.naming import names_of

native_only = pytest.mark.skipif(provider() != "native", reason="the native provider promises this, kind does not")

NODES = [node.name for node in default_spec().nodes]
NAMESPACE = "local-cluster"
WAITING = f"--timeout={PATIENCE:.0f}s"
SERVE = ("python3", "-m", "http.server", "8000", "--directory", "/data")


@pytest.fixture(scope="module")
def image(cluster: ClusterHandle) -> str:
    return ensure_loaded(cluster.name, ["base"])["base"]


@pytest.fixture(scope="module")
def world(cluster: ClusterHandle, image: str) -> Iterator[ClusterHandle]:
    """A web server on each node, all on one claim, behind a Service and a headless one."""
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "shared", "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        service("web", clusterIP=""),
        service("direct", clusterIP="None"),
        *(web(node, image) for node in NODES),
    ]
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    cluster.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod", "--all", WAITING)
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def web(node: str, image: str) -> dict[str, Any]:
    return pod(f"web-{node}", NAMESPACE, image=image, node=node, command=SERVE, claim="shared", port=8000)


def service(name: str, **spec: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}], **spec},
    }


def python(cluster: ClusterHandle, node: str, program: str) -> str:
    """Run Python inside the pod of a node."""
    return cluster.kubectl("-n", NAMESPACE, "exec", f"web-{node}", "--", "python3", "-c", program).strip()


@pytest.mark.parametrize("node", NODES)
def test_names_of_services_pods_and_the_api_resolve_on_every_node(world: ClusterHandle, node: str) -> None:
    names = (
        "web",
        f"web.{NAMESPACE}.svc.cluster.local",
        "direct",
        f"web-gpu-0.direct.{NAMESPACE}",
        "kubernetes.default",
    )
    program = f"""
import json, socket
print(json.dumps([sorted({{a[4][0] for a in socket.getaddrinfo(name, 80)}}) for name in {names!r}]))
"""
    found = json.loads(python(world, node, program))
    assert len(found[2]) == len(NODES), "a headless Service resolves to its pods"
    assert found[0] == found[1]
    assert found[3][0] in found[2]
    assert found[4] == [str(names_of(world.name).api_service_ip)]


@pytest.fixture(scope="module")
def reachable(world: ClusterHandle) -> ClusterHandle:
    """The world once its Service has rules: they follow a pod's readiness, and until then it refuses connections."""
    wait_until(lambda: answers(world, NODES[0], requests=1) == "{200}", what="the Service web's rules")
    return world


def answers(cluster: ClusterHandle, node: str, *, requests: int) -> str:
    """The set of statuses, or of errors, that a pod gets from the Service."""
    return python(
        cluster,
        node,
        f"""
import urllib.request, urllib.error
def status():
    try:
        return urllib.request.urlopen("http://web/", timeout=60).status
    except urllib.error.URLError as error:
        return str(error)
print({{status() for _ in range({requests})}})
""",
    )


@pytest.mark.parametrize("node", NODES)
def test_a_service_reaches_pods_on_every_node(reachable: ClusterHandle, node: str) -> None:
    assert answers(reachable, node, requests=12) == "{200}"


@native_only
def test_pods_and_services_are_reachable_from_the_machine(reachable: ClusterHandle) -> None:
    address = reachable.kubectl("-n", NAMESPACE, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    with urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE) as answer:
        assert answer.status == 200


@native_only
def test_a_claim_is_the_same_directory_in_every_pod(world: ClusterHandle) -> None:
    """What a kubelet has not mounted is an empty directory of its own that looks just as good from inside."""
    (directory,) = names_of(world.name).volumes.glob(f"{NAMESPACE}_shared_*")
    found = {node: python(world, node, "import os; print(os.stat('/data').st_ino)") for node in NODES}
    assert found == dict.fromkeys(NODES, str(directory.stat().st_ino))


@native_only
def test_pods_of_two_nodes_and_users_write_to_one_claim(world: ClusterHandle) -> None:
    write = "import os; open('/data/from-gpu', 'w').write('hello'); print(os.getuid(), os.stat('/data').st_gid)"
    assert python(world, "gpu-0", write) == "1234 2000", "the volume belongs to fsGroup"
    assert python(world, "ipu-0", "print(open('/data/from-gpu').read())") == "hello"
    assert python(world, "ipu-0", "import os; print(oct(os.stat('/data/from-gpu').st_gid))") == oct(2000)


@native_only
def test_a_deleted_claim_takes_its_data_along(world: ClusterHandle) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "brief", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    world.kubectl("apply", "-f", "-", stdin=json.dumps(claim))
    world.kubectl("-n", NAMESPACE, "wait", "--for=jsonpath={.status.phase}=Bound", "pvc/brief", WAITING)
    volume = world.kubectl("-n", NAMESPACE, "get", "pvc", "brief", "-o", "jsonpath={.spec.volumeName}")
    volumes = names_of(world.name).volumes
    assert list(volumes.glob(f"{NAMESPACE}_brief_*"))
    world.kubectl("-n", NAMESPACE, "delete", "pvc", "brief", WAITING)
    world.kubectl("wait", "--for=delete", f"pv/{volume}", WAITING)
    assert not list(volumes.glob(f"{NAMESPACE}_brief_*"))


@pytest.mark.parametrize("node", NODES)
def test_logs_and_exec_on_every_node(world: ClusterHandle, node: str) -> None:
    assert "Serving HTTP" in world.kubectl("-n", NAMESPACE, "logs", f"web-{node}")
    assert python(world, node, "import socket; print(socket.gethostname())") == f"web-{node}"


def test_nodes_carry_what_their_description_says(cluster: ClusterHandle) -> None:
    for node in default_spec().nodes:
        metadata = json.loads(cluster.kubectl("get", "node", node.name, "-o", "json"))["metadata"]
        assert node.all_labels().items() <= metadata["labels"].items()
        assert node.annotations().items() <= metadata["annotations"].items()


@native_only
def test_metrics_of_containers_name_pod_and_container(world: ClusterHandle) -> None:
    def named() -> bool:
        text = world.kubectl("get", "--raw", "/api/v1/nodes/gpu-0/proxy/metrics/cadvisor")
        series = (line for line in text.splitlines() if line.startswith("container_cpu_usage_seconds_total{"))
        return any('container="c"' in line and 'pod="web-gpu-0"' in line for line in series)

    wait_until(named, what="cAdvisor to name the container")


@native_only
def test_an_image_is_imported_once(cluster: ClusterHandle, image: str) -> None:
    assert load_image(cluster.name, image) == [], "every node has it already"


def test_loading_into_a_cluster_that_is_not_there_says_so() -> None:
    with pytest.raises(LocalClusterError, match=r"'nowhere' has no nodes .*: run `hostler local up --name nowhere`"):
        load_image("nowhere", "localhost/hostler/base:1")
