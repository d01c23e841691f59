"""`hostler logs`: whose log is meant, and why there is none."""

from __future__ import annotations

from typing import Any

import click
import pytest
from builders import make_inference_service, make_model
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer
from unit.cli.lines import in_line, job, placed

from hostler.cli.main import main
from hostler.cli.podchoice import chosen

Object = dict[str, Any]
PODS = "/api/v1/namespaces/team-a/pods"


def trainer(attempt: int, rank: int, *, created: str = "2026-11-30T18:00:00Z", job_name: str = "bert") -> Object:
    name = f"{job_name}-{attempt}-{rank}-{created[11:13]}"
    labels = {"hostler.dev/training-job": job_name, "hostler.dev/attempt": str(attempt)}
    annotations = {"batch.kubernetes.io/job-completion-index": str(rank)}
    metadata = {"name": name, "namespace": "team-a", "labels": labels, "annotations": annotations}
    containers = [{"name": "sidecar"}, {"name": "trainer"}]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"creationTimestamp": created},
        "spec": {"containers": containers},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def objects(kube: KubeServer) -> None:
    kube.put(placed(job("bert"), "n0"), in_line(job("llama"), 1), plurals="trainingjobs")
    kube.put(make_inference_service("chat", namespace="team-a"), plurals="inferenceservices")
    kube.put(make_model("base", namespace="team-a"), plurals="models")
    kube.put(trainer(1, 0), trainer(2, 0), trainer(2, 1), plurals="pods")
    for name in ("bert-1-0-18", "bert-2-0-18", "bert-2-1-18"):
        kube.texts[f"{PODS}/{name}/log"] = f"step 1 of {name}\n"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["logs", *arguments])


@table(
    ("arguments", "want"),
    {
        "the newest attempt": (("bert",), "bert-2-0-18"),
        "another rank": (("job/bert", "--rank", "1"), "bert-2-1-18"),
        "an earlier attempt": (("bert", "--attempt", "1", "-f"), "bert-1-0-18"),
    },
)
def test_the_log_of_the_pod_that_is_meant(kube: KubeServer, arguments: tuple[str, ...], want: str) -> None:
    result = run(*arguments, "--tail", "5")
    assert (result.exit_code, result.stdout) == (0, f"step 1 of {want}\n"), result.output
    assert f"(pod {want})" in result.stderr
    (query,) = [query for _, path, query, _ in kube.requests if path.endswith("/log")]
    assert query == {"container": "trainer", "follow": str("-f" in arguments).lower(), "tailLines": "5"}


@table(
    ("arguments", "want"),
    {
        "it waits in line": (("llama",), "has no pods now, and so no log: Pool gpu has 3 of 8 nvidia.com/gpu free"),
        "the way to its story": (("llama",), "hostler explain llama -n team-a says more."),
        "nobody has looked at it": (("chat",), "the operator has not looked at it yet; is it running?"),
        "a model that was not imported": (("model/base",), "Model team-a/base has no pods now"),
        "a model without its kind": (("base",), "Model team-a/base has no pods now"),
        "an attempt that is gone": (("bert", "--attempt", "7"), "attempt 7 any more: there are those of 1, 2"),
        "a rank too many": (("bert", "--rank", "9"), "attempt 2 has no pod of rank 9: there are ranks 0, 1"),
        "a rank of a service": (("chat", "--rank", "0"), "--attempt and --rank are for jobs"),
        "a slip": (("brt",), "did you mean bert?"),
    },
)  # fmt: skip
def test_where_there_is_no_log_it_is_said_why(arguments: tuple[str, ...], want: str) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert want in result.output


def test_a_container_that_has_not_begun_is_told_as_that(kube: KubeServer) -> None:
    kube.errors[f"{PODS}/bert-2-0-18/log"] = (400, {"message": "container is waiting to start: ContainerCreating"})
    assert "has a pod, bert-2-0-18, that has no log yet: container is waiting to start" in run("bert").output


def test_of_two_pods_of_one_rank_the_newer_one_is_meant() -> None:
    pods = [trainer(1, 0, created="2026-11-30T19:00:00Z"), trainer(1, 0, created="2026-11-30T18:00:00Z")]
    found = chosen(job("bert"), pods, attempt=None, rank=None)
    assert found is pods[0]


def test_many_ranks_are_told_as_a_range() -> None:
    with pytest.raises(click.ClickException, match="there are ranks 0 to 63"):
        chosen(job("bert"), [trainer(1, rank) for rank in range(64)], attempt=None, rank=64)
