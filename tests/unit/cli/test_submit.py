"""`hostler submit`: what it takes first, then the job, then its end; and who is asked before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_inference_service, make_pool, make_training_job
from click.testing import CliRunner
from floor import node
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.cli import following
from hostler.cli.estimate import REFUSED
from hostler.cli.jobview import changed_of, end_of, lines_of, sparkline
from hostler.cli.main import main
from hostler.cli.submit import DEAR

Object = dict[str, Any]
PRICE = {"amount": "2.50", "currency": "EUR", "source": "a contract", "date": "2026-11-01"}
SIZES = {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 1024, "vocabularySize": 50304}
JOBS = "/apis/hostler.dev/v1alpha1/namespaces/team-a/trainingjobs"
DATA = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text": "x"}}


@pytest.fixture(autouse=True)
def cluster(kube: KubeServer, monkeypatch: pytest.MonkeyPatch) -> KubeServer:
    """A pool of real devices with a price."""
    monkeypatch.setattr(following, "PAUSE", 0.0)
    monkeypatch.delenv("HOSTLER_MAX_COST", raising=False)
    kube.put(make_pool("gpu", price=PRICE), plurals="acceleratorpools")
    kube.put({"apiVersion": "v1", "kind": "Node"} | node("gpu-0"), plurals="nodes")
    return kube


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """A file of these documents."""

    def write(*documents: Object) -> str:
        path = tmp_path / "file.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    return write


def job(name: str = "large", **spec: Any) -> Object:
    found = make_training_job(name, **({"output": {"transformer": SIZES}, "training": {"steps": 1000}} | spec))
    del found["metadata"]["namespace"]
    return found


def run(*arguments: str, **more: Any) -> Any:
    return CliRunner().invoke(main, ["submit", *arguments], **more)


def ready(reason: str, *, status: str = "True", **rest: Any) -> Object:
    conditions = [{"type": "Ready", "status": status, "reason": reason, "message": "Why."}]
    return {"conditions": conditions, **rest}


def goes_through(cluster: KubeServer, monkeypatch: pytest.MonkeyPatch, *statuses: Object | None) -> None:
    """Each look at the job finds the next status; None is a server that is away, and the last one stays."""
    answer, left = cluster.answer, list(statuses)

    def answered(method: str, path: str, query: dict[str, str]) -> tuple[int, Object | str]:
        if method == "GET" and path == f"{JOBS}/large" and path in cluster.objects:
            status = left.pop(0) if len(left) > 1 else left[0]
            if status is None:
                return 503, {"message": "away", "code": 503}
            cluster.objects[path] = cluster.objects[path] | {"status": status}
        return answer(method, path, query)

    monkeypatch.setattr(cluster, "answer", answered)


SUCCEEDED = {"conditions": [{"type": "Succeeded", "status": "True", "message": "Model large is registered."}]}
STALLED = {"conditions": [{"type": "Stalled", "status": "True", "reason": "TrainingDiverged", "message": "NaN."}]}


def test_it_says_what_the_job_takes_creates_it_and_follows_it_to_its_end(
    cluster: KubeServer, monkeypatch: pytest.MonkeyPatch, written: Callable[..., str]
) -> None:
    waiting = ready("WaitingForCapacity", status="False", queue={"position": 2})
    training = ready(
        "Training", progress={"percent": 42, "step": 420, "totalSteps": 1000, "loss": "1.9", "eta": "2m10s"}
    )
    goes_through(cluster, monkeypatch, waiting, waiting, None, training, SUCCEEDED)
    result = run(written(job(), DATA))
    assert result.exit_code == 0, result.output
    told = result.stdout.splitlines()
    assert told[0].startswith("TrainingJob large (chat, pretrain): 124.5 million weights")
    assert "TrainingJob team-a/large is created." in told
    assert "large: WaitingForCapacity, number 2 in line; Why." in told, "once, though it was looked at twice"
    assert "large: Training; [############..................] 42%, step 420 of 1000, 2m10s to go" in told
    assert told[-1] == "Model large is registered."
    posts = [
        (path.rsplit("/", 1)[-1], query.get("dryRun"))
        for method, path, query, _ in cluster.requests
        if method == "POST"
    ]
    assert posts == [("configmaps", "All"), ("trainingjobs", "All"), ("configmaps", None), ("trainingjobs", None)]


@table(
    ("statuses", "code", "words"),
    {
        "it fails": ([STALLED], 1, "TrainingDiverged: NaN."),
        "it is refused after all": (
            [{"conditions": [{"type": "Accepted", "status": "False", "reason": "NameTaken", "message": "No."}]}],
            1, "NameTaken: No. The job stays",
        ),
    },
)  # fmt: skip
def test_the_exit_status_says_how_it_ended(
    cluster: KubeServer,
    monkeypatch: pytest.MonkeyPatch,
    written: Callable[..., str],
    statuses: list[Object],
    code: int,
    words: str,
) -> None:
    goes_through(cluster, monkeypatch, *statuses)
    result = run(written(job()))
    assert result.exit_code == code
    assert words in result.stderr


def test_another_job_of_its_name_is_none_of_ours(
    cluster: KubeServer, monkeypatch: pytest.MonkeyPatch, written: Callable[..., str]
) -> None:
    answer = cluster.answer

    def answered(method: str, path: str, query: dict[str, str]) -> tuple[int, Object | str]:
        if method == "GET" and path == f"{JOBS}/large" and path in cluster.objects:
            other = cluster.objects[path]
            return 200, other | {"metadata": {**other["metadata"], "uid": "another"}, "status": SUCCEEDED}
        return answer(method, path, query)

    monkeypatch.setattr(cluster, "answer", answered)
    result = run(written(job()))
    assert (result.exit_code, "Somebody has deleted it." in result.stderr) == (1, True)


@table(
    ("arguments", "code", "created"),
    {
        "cheap enough": (("--max-cost", "20 EUR", "--detach"), 0, True),
        "too dear, and nobody to ask": (("--max-cost", "0.0001 EUR", "--detach"), DEAR, False),
        "too dear, and allowed all the same": (("--max-cost", "0.0001 EUR", "--detach", "--yes"), 0, True),
        "in a currency in which nobody knows": (("--max-cost", "20 USD", "--detach"), DEAR, False),
        "only looked at": (("--dry-run",), 0, False),
    },
)
def test_who_is_asked(
    cluster: KubeServer, written: Callable[..., str], arguments: tuple[str, ...], code: int, *, created: bool
) -> None:
    result = run(written(job()), *arguments)
    assert result.exit_code == code, result.output
    assert (f"{JOBS}/large" in cluster.objects) is created


def test_the_limit_may_stand_in_the_environment(cluster: KubeServer, written: Callable[..., str]) -> None:
    result = run(written(job()), "--detach", env={"HOSTLER_MAX_COST": "0.0001 EUR"})
    assert result.exit_code == DEAR
    assert "0.0001 EUR is the most. Nothing was created" in " ".join(result.stderr.split())


def test_what_no_pool_would_take_is_not_created(cluster: KubeServer, written: Callable[..., str]) -> None:
    result = run(written(job(accelerators={"pool": "gpu", "perPod": 16})))
    assert result.exit_code == REFUSED
    assert "Pool gpu would refuse it" in result.stdout
    assert f"{JOBS}/large" not in cluster.objects


@table(
    ("documents", "arguments", "words"),
    {
        "a service": ([job(), make_inference_service("s")], (), "has InferenceService: submit creates a TrainingJob"),
        "two jobs": ([job("a"), job("b")], (), "has 2 TrainingJobs: give each a file of its own"),
        "no job": ([DATA], (), "has no TrainingJobs"),
        "two namespaces": (
            [job() | {"metadata": {"name": "large", "namespace": "team-b"}}], ("-n", "team-a"),
            "TrainingJob large is of namespace team-b, and -n says team-a",
        ),
        "no sum": ([job()], ("--max-cost", "twenty"), "'twenty' is no sum such as '20 EUR'"),
    },
)  # fmt: skip
def test_what_cannot_be_submitted_is_told(
    written: Callable[..., str], documents: list[Object], arguments: tuple[str, ...], words: str
) -> None:
    result = run(written(*documents), *arguments)
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_name_that_is_taken_is_told_and_data_that_is_there_stays(
    cluster: KubeServer, written: Callable[..., str]
) -> None:
    existing = {**DATA, "metadata": {"name": "text", "namespace": "team-a"}, "data": {"text": "before"}}
    cluster.put(existing, plurals="configmaps")
    result = run(written(job(), DATA), "--detach")
    assert result.exit_code == 0, result.output
    assert "ConfigMap text is there already, and stays as it is." in result.stderr
    assert cluster.objects["/api/v1/namespaces/team-a/configmaps/text"]["data"] == {"text": "before"}
    again = run(written(job(), DATA), "--detach")
    assert "there is a TrainingJob large already: choose another name, or `hostler cancel large` first" in " ".join(
        again.output.split()
    )


def test_lines_of_a_job() -> None:
    obj = {"metadata": {"name": "bert"}, "status": ready("Training", progress={"percent": 100})}
    assert lines_of(obj, now="2026-12-01T00:00:00Z", losses=[3.0, 2.0, 1.0]) == [
        "bert: Training",
        f"[{'#' * 30}] 100%",
        "loss █▅▁ 1",
    ]
    assert end_of(obj) is None
    assert changed_of(obj) == ("Training", None, 10)


@table(
    ("values", "want"),
    {
        "falling": ([3, 2, 1], "█▅▁"),
        "always the same": ([1, 1], "▁▁"),
        "no number in between": ([1, float("nan"), 2], "▁ █"),
        "nothing but that": ([float("inf")], ""),
        "only the newest": (list(range(100)), sparkline(list(range(60, 100)))),
    },
)
def test_a_sparkline(values: list[float], want: str) -> None:
    assert sparkline(values) == want
