"""`down` leaves nothing behind: after an ordinary `up`, after a killed one, after parts of the cluster were killed.

What is left is looked for here by other means than the ones `down` uses.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from clusters import provider, reserved_name
from patience import PATIENCE
from podmaker import pod, wait_until

from hostler.local import ClusterHandle, ClusterSpec, LocalClusterError, NodeSpec, down, handle, load_image, status, up
from hostler.local.images import build
from hostler.local.naming import Names, names_of
from hostler.local.native import cgroups, cleanup
from hostler.local.native.node import PRIVATE_PATHS
from hostler.local.native.processes import Launcher

pytestmark = pytest.mark.skipif(
    provider() != "native", reason="kind cleans up after itself; this is the native provider"
)

SMALL = ClusterSpec(nodes=(NodeSpec(name="only"),))


@pytest.fixture
def name() -> Iterator[str]:
    """A name of its own, cleaned up also when the test fails."""
    with reserved_name("down") as reserved:
        down(reserved)
        yield reserved
        down(reserved)


def traces(names: Names) -> list[str]:
    """Everything on the machine that carries the cluster's name or state directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            groups = (process / "cgroup").read_text()
            if f"/{names.cgroup}/" in groups or str(names.state).encode() in (process / "environ").read_bytes():
                found.append(f"process {process.name}: {(process / 'cmdline').read_bytes()!r}")
        with suppress(OSError):
            found += [
                f"mount {line}" for line in (process / "mountinfo").read_text().splitlines() if f"{names.run}/" in line
            ]
    found += [str(root / names.cgroup) for root in cgroups.hierarchies().roots if (root / names.cgroup).exists()]
    found += [str(path) for path in (names.netns_path, names.run, names.kubeconfig) if path.exists()]
    for command in (["ip", "link"], ["nft", "list", "tables"], ["ip", "route"]):
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found += [line for line in output.splitlines() if names.veth in line or names.nft_table in line]
    return sorted(set(found))


def assert_no_traces(names: Names) -> None:
    """Nothing is left, at the latest when init has collected the dead."""
    with suppress(AssertionError):
        wait_until(lambda: not traces(names), what="init to reap")
    assert traces(names) == []


def test_a_running_cluster_leaves_traces_and_down_removes_them(name: str) -> None:
    names = names_of(name)
    cluster = up(name, spec=SMALL, provider="native")
    run_a_pod(cluster)
    assert len(traces(names)) > 10, "the search must find a running cluster"
    down(name)
    assert_no_traces(names)
    assert cleanup.leftovers(names) == []
    assert names.image_store("only").exists(), "images survive"
    assert status(name).state == "absent"


def run_a_pod(cluster: ClusterHandle) -> None:
    image = build(["base"])["base"]
    load_image(cluster.name, image)
    made = pod("sleeper", "default", image=image, command=("python3", "-c", "import time; time.sleep(3600)"))
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/sleeper", f"--timeout={PATIENCE:.0f}s")


def start_up(name: str, *options: str) -> subprocess.Popen[bytes]:
    """`hostler local up` as a process of its own."""
    program = "from hostler.cli.main import main; main()"
    argv = [sys.executable, "-c", program, "local", "up", "--provider", "native", "--name", name, *options]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def launcher(names: Names) -> Launcher:
    return Launcher(names, cgroups.hierarchies())


MOMENTS: dict[str, Callable[[Names], object]] = {
    "the network exists": lambda names: names.netns_path.exists(),
    "etcd runs": lambda names: launcher(names).pids("etcd"),
    "a kubelet runs": lambda names: launcher(names).pids("kubelet-gpu-0"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_down_after_a_killed_up(name: str, moment: str) -> None:
    names = names_of(name)
    process = start_up(name)
    try:
        wait_until(lambda: MOMENTS[moment](names), what=moment)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert traces(names), "a killed `up` cannot clean up after itself"
    assert status(name).state == "broken"
    down(name)
    assert_no_traces(names)


def test_an_interrupted_up_cleans_up_after_itself(name: str) -> None:
    names = names_of(name)
    process = start_up(name)
    wait_until(lambda: MOMENTS["etcd runs"](names), what="etcd")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) != 0
    assert_no_traces(names)


def test_down_after_its_parts_were_killed(name: str) -> None:
    names = names_of(name)
    cluster = up(name, spec=SMALL, provider="native")
    run_a_pod(cluster)
    for component in ("containerd-only", "kubelet-only", "etcd", "kube-apiserver"):
        os.kill(launcher(names).pids(component)[0], signal.SIGKILL)
    down(name)
    assert_no_traces(names)


def test_up_replaces_a_broken_cluster_and_finds_its_images(name: str) -> None:
    names = names_of(name)
    cluster = up(name, spec=SMALL, provider="native")
    run_a_pod(cluster)
    os.kill(launcher(names).pids("kube-apiserver")[0], signal.SIGKILL)
    cluster = up(name, spec=SMALL, provider="native")
    assert cluster.nodes == ("only",)
    assert load_image(name, build(["base"])["base"]) == []
    run_a_pod(cluster)


def test_up_of_a_running_cluster_keeps_it(name: str) -> None:
    first = up(name, spec=SMALL, provider="native", control_plane_only=True)
    before = launcher(names_of(name)).pids("etcd")
    second = up(name, spec=SMALL, provider="native", control_plane_only=True)
    assert first == second
    assert launcher(names_of(name)).pids("etcd") == before


def test_a_part_that_dies_fails_up_with_its_name_and_leaves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hostler.local.native import controlplane
    from hostler.local.native.processes import Component

    monkeypatch.setattr(
        controlplane, "scheduler", lambda layout: Component("kube-scheduler", ("sh", "-c", "echo no luck >&2; exit 1"))
    )
    with pytest.raises(LocalClusterError, match=r"kube-scheduler stopped: no luck: the logs are in .*/failed"):
        up(name, spec=SMALL, provider="native")
    assert_no_traces(names_of(name))


def test_down_of_one_cluster_leaves_the_nodes_of_another_their_directories(name: str, cluster: ClusterHandle) -> None:
    """What is removed on the machine is unmounted in every namespace: `down` may remove nothing that nodes share."""
    (kubelet, *_) = launcher(names_of(cluster.name)).pids("kubelet-gpu-0")

    def mounted() -> set[str]:
        lines = Path(f"/proc/{kubelet}/mountinfo").read_text().splitlines()
        return {line.split()[4] for line in lines} & set(PRIVATE_PATHS)

    assert mounted() == set(PRIVATE_PATHS)
    up(name, spec=SMALL, provider="native")
    down(name)
    assert mounted() == set(PRIVATE_PATHS)
    assert Path("/var/lib/kubelet").is_dir()


def test_two_clusters_run_side_by_side(name: str, control_plane: ClusterHandle) -> None:
    one = up(name, spec=SMALL, provider="native", control_plane_only=True)
    assert one.api_url != control_plane.api_url
    for cluster, namespace in ((one, "here"), (control_plane, "there")):
        cluster.kubectl("create", "namespace", namespace)
    assert "there" not in one.kubectl("get", "namespaces", "-o", "name")
    down(name)
    assert "namespace/there" in control_plane.kubectl("get", "namespaces", "-o", "name")
    assert handle(control_plane.name).api_url == control_plane.api_url
    control_plane.kubectl("delete", "namespace", "there")
