"""Counters of a pod, from trees as the two drivers and the two versions write them."""

import shutil
from pathlib import Path

import pytest

from device_simulator.cgroups import Cgroups
from device_simulator.usage import Sample

UID = "0f6a3c1e-5b0b-4c3e-9a55-8f2f1f0c7d11"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def version_one(root: Path, place: str, *, cpu: str = "cpuacct", memory: str | None = "memory") -> None:
    write(root / cpu / place / "cpuacct.usage", "1500000000\n")
    if memory is not None:
        write(root / memory / place / "memory.usage_in_bytes", "1000\n")
        write(root / memory / place / "memory.stat", "cache 500\ninactive_file 1\ntotal_inactive_file 300\n")


def version_two(root: Path, place: str) -> None:
    write(root / "cgroup.controllers", "cpu memory\n")
    write(root / place / "cpu.stat", "usage_usec 1500000\nuser_usec 1\n")
    write(root / place / "memory.current", "1000\n")
    write(root / place / "memory.stat", "anon 500\ninactive_file 300\n")


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(f"kubepods/pod{UID}", id="guaranteed"),
        pytest.param(f"kubepods/besteffort/pod{UID}", id="best effort"),
        pytest.param(f"hostler-demo/gpu-0/kubepods/burstable/pod{UID}", id="a node with a cgroup root of its own"),
        pytest.param(
            f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice",
            id="the systemd driver",
        ),
        pytest.param(f"kubelet/kubepods/burstable/pod{UID}", id="kind"),
    ],
)
@pytest.mark.parametrize("layout", [version_one, version_two])
def test_a_pod_is_found_by_its_uid(tmp_path: Path, layout: object, place: str) -> None:
    """CPU time in seconds, and the working set as the kubelet defines it."""
    layout(tmp_path, place)  # type: ignore[operator]
    assert Cgroups(tmp_path).sample(UID, at=7.0) == Sample(7.0, 1.5, 700.0)


def test_controllers_may_be_mounted_together(tmp_path: Path) -> None:
    version_one(tmp_path, f"kubepods/pod{UID}", cpu="cpu,cpuacct")
    found = Cgroups(tmp_path).sample(UID, at=0)
    assert found is not None
    assert found.cpu_seconds == 1.5


def test_without_a_memory_controller_memory_is_not_known(tmp_path: Path) -> None:
    version_one(tmp_path, f"kubepods/pod{UID}", memory=None)
    assert Cgroups(tmp_path).sample(UID, at=0) == Sample(0, 1.5, None)


def test_a_static_pod_is_found_by_its_hash(tmp_path: Path) -> None:
    version_two(tmp_path, "kubepods/burstable/pod" + UID.replace("-", ""))
    assert Cgroups(tmp_path).sample(UID.replace("-", ""), at=0) is not None


def test_a_pod_that_comes_later_is_found(tmp_path: Path) -> None:
    version_two(tmp_path, "kubepods/pod11111111-5b0b-4c3e-9a55-8f2f1f0c7d11")
    cgroups = Cgroups(tmp_path)
    assert cgroups.sample(UID, at=0) is None
    version_two(tmp_path, f"kubepods/burstable/pod{UID}")
    assert cgroups.sample(UID, at=1) is not None


def test_a_pod_that_is_gone_has_no_sample(tmp_path: Path) -> None:
    version_two(tmp_path, f"kubepods/pod{UID}")
    cgroups = Cgroups(tmp_path)
    assert cgroups.sample(UID, at=0) is not None
    shutil.rmtree(tmp_path / "kubepods")
    assert cgroups.sample(UID, at=1) is None


def test_a_missing_mount_is_named(tmp_path: Path) -> None:
    """Nothing can be measured, and the log says which mount the pod lacks."""
    cgroups = Cgroups(tmp_path / "nowhere")
    assert cgroups.sample(UID, at=0) is None
    assert "mount the host's /sys/fs/cgroup" in str(cgroups.problem())
    version_two(tmp_path, f"kubepods/pod{UID}")
    assert Cgroups(tmp_path).problem() is None
