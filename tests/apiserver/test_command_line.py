"""The command line at a real API server: as a plugin of the real kubectl, with dry runs that change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_training_job
from kubeclient import KubeClient, item

from hostler.local.tools import ensure_binaries

pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture(scope="module")
def kubectl() -> Path:
    """The program that was built with the cluster."""
    return ensure_binaries(lambda _: None).program("kubectl")


def run(kubectl: Path, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kubectl hostler ARGUMENTS`, with the entry point of this environment in the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return subprocess.run(
        [kubectl, "hostler", *arguments],
        env={"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_kubectl_finds_it_and_a_job_is_suspended_listed_and_cancelled(
    api: KubeClient, kubeconfig: Path, kubectl: Path, namespace: str
) -> None:
    job = make_training_job("bert", namespace=namespace)
    assert api.create(job).is_success
    place = ("-n", namespace)

    assert run(kubectl, kubeconfig, "suspend", "bert", *place, "--dry-run").returncode == 0
    assert not api.get(item(job)).json()["spec"]["suspend"], "a dry run changes nothing"
    done = run(kubectl, kubeconfig, "suspend", "bert", *place)
    assert done.returncode == 0, done.stderr
    found = api.get(item(job)).json()
    assert found["spec"]["suspend"]
    assert "hostler-cli" in [entry["manager"] for entry in found["metadata"]["managedFields"]]

    listed = json.loads(run(kubectl, kubeconfig, "get", "jobs", *place, "-o", "json").stdout)
    assert [each["metadata"]["name"] for each in listed["items"]] == ["bert"]
    assert "Usage: kubectl hostler get" in run(kubectl, kubeconfig, "get", "--help").stdout
    slip = run(kubectl, kubeconfig, "resume", "brt", *place)
    assert (slip.returncode, "did you mean bert?" in slip.stderr) == (1, True)

    assert run(kubectl, kubeconfig, "cancel", "bert", *place, "--dry-run").returncode == 0
    assert api.get(item(job)).is_success, "a dry run deletes nothing"
    assert run(kubectl, kubeconfig, "cancel", "bert", *place, "--yes").returncode == 0
    assert api.get(item(job)).status_code == 404


def test_the_doctor_finds_what_is_missing_at_a_real_api_server(kubeconfig: Path, kubectl: Path, namespace: str) -> None:
    done = run(kubectl, kubeconfig, "doctor", "-n", namespace, "--operator-namespace", namespace, "--json")
    assert done.returncode == 2, done.stderr
    found = {(each["check"], each["result"]): each["message"] for each in json.loads(done.stdout)}
    assert "there is no Lease of an operator" in found["operator", "FAIL"]
    assert "all 6 are of this release's schema" in found["CRDs", "OK"]
    assert f"you may run jobs and services in namespace {namespace}" in found["permissions", "OK"]
    absent = run(kubectl, kubeconfig, "doctor", "-n", "nowhere-at-all")
    assert (absent.returncode, "there is no namespace nowhere-at-all" in absent.stderr) == (1, True)
