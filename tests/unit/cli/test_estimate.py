"""`hostler estimate`: files without a cluster, jobs and pools of one, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_inference_service, make_model, make_pool, make_training_job
from click.testing import CliRunner
from floor import node
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.cli.estimate import REFUSED
from hostler.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"
GPT3 = str(EXAMPLES / "real-size" / "gpt-3.yaml")
A100 = ("--type", "nvidia-a100-80")
SIZES = {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 1024, "vocabularySize": 50304}
PRICE = {"amount": "2.50", "currency": "EUR", "source": "a contract", "date": "2026-11-01"}


def run(*arguments: str, **more: Any) -> Any:
    return CliRunner().invoke(main, ["estimate", *arguments], **more)


def asked(*arguments: str) -> list[dict[str, Any]]:
    """As a program gets it."""
    result = run(*arguments, "--json")
    assert result.exit_code in (0, REFUSED), result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def written(tmp_path: Path, *documents: dict[str, Any]) -> str:
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def large(name: str = "large", **spec: Any) -> dict[str, Any]:
    """A job of GPT-2's size."""
    given = {"output": {"transformer": SIZES}, "training": {"steps": 1000}}
    return make_training_job(name, namespace="team-a", **given | spec)


def test_gpt_3_takes_what_its_paper_says() -> None:
    """Table D.1 of arXiv 2005.14165: 3.64e3 petaflop/s-days for 300 billion tokens."""
    (found,) = asked(GPT3, *A100, "--devices", "1024", "--tokens", "300e9")
    assert 3634 <= found["petaflopDays"] <= 3646
    assert (found["devices"], found["pods"], found["basis"]) == (1024, 128, "published")
    assert found["parameters"] == pytest.approx(175e9, rel=0.005)
    assert found["operations"] == pytest.approx(found["petaflopDays"] * 8.64e19 + found["attentionOperations"])


def test_a_job_that_would_be_refused_is_estimated_all_the_same_and_the_exit_status_says_so() -> None:
    result = run(GPT3, *A100, "--devices", "1024", "--tokens", "300e9")
    assert result.exit_code == REFUSED
    assert "would refuse it: spec.output: such a network does not fit: it needs at least 648.2Gi" in result.output
    assert "3637 petaflop/s-days" in result.output


def test_the_steps_of_the_paper_are_nearly_as_many_tokens() -> None:
    (found,) = asked(GPT3, *A100)
    assert found["units"] == pytest.approx(300e9, rel=0.02)


def test_the_users_own_figure_wins() -> None:
    (found,) = asked(GPT3, *A100, "--utilization", "0.21")
    assert (found["basis"], found["utilization"]["expected"]) == ("given", 0.21)
    seconds = found["operations"] / (1024 * 312e12 * 0.21)
    assert found["seconds"]["expected"] == pytest.approx(seconds, rel=0.001)


def test_money_to_the_hour_and_the_minute(tmp_path: Path) -> None:
    (found,) = asked(written(tmp_path, large()), *A100, "--devices", "2", "--price", "2.5 EUR")
    cost = found["cost"]
    assert (cost["currency"], cost["perHour"]) == ("EUR", 5.0)
    assert cost["perMinute"] == pytest.approx(5 / 60)
    assert cost["total"]["expected"] == pytest.approx(found["seconds"]["expected"] / 3600 * 5, abs=0.01)


def test_several_types_are_a_table_with_the_cheapest_first(tmp_path: Path) -> None:
    kinds = [part for kind in ("nvidia-a100-80", "nvidia-h100-sxm") for part in ("--type", kind)]
    result = run(written(tmp_path, large()), *kinds, "--price", "3 USD")
    assert result.exit_code == 0, result.output
    heading, head, first, second = (" ".join(line.split()) for line in result.stdout.splitlines())
    assert heading.startswith("TrainingJob large (chat, pretrain): 124.5 million weights, 8.192 million tokens")
    assert head == "POOL TYPE DEVICES TIME COST ENERGY MEMORY BASIS"
    assert first.startswith("nvidia-h100-sxm")
    assert second.endswith("published")


def test_every_job_of_a_file_and_no_other_kind(tmp_path: Path) -> None:
    path = written(tmp_path, large("one"), make_inference_service("chat"), large("two"))
    assert [found["name"] for found in asked(path, *A100)] == ["one", "two"]


def test_a_file_from_standard_input() -> None:
    result = run("-", *A100, "--json", input=yaml.safe_dump(large()))
    assert json.loads(result.stdout)[0]["name"] == "large"


def test_a_base_of_the_same_file_or_of_the_catalog_is_known(tmp_path: Path) -> None:
    architecture = {"parameters": 1_000_000_000, "contextLength": 4096, "vocabularySize": 32000}
    job = large(objective="finetune", output={}, base={"name": "own"}, training={"steps": 10})
    path = written(tmp_path, job, make_model("own", architecture=architecture))
    assert asked(path, *A100)[0]["parameters"] == 1_000_000_000
    entry = {"kind": "ClusterModel", "name": "llama-3-1-8b-instruct"}
    path = written(tmp_path, large(objective="finetune", output={}, base=entry, lora={}, training={"steps": 10}))
    assert asked(path, *A100)[0]["parameters"] == pytest.approx(8.03e9, rel=0.01)


@table(
    ("arguments", "words"),
    {
        "a file that is not there": (("nowhere.yaml", *A100), "nowhere.yaml cannot be read: No such file"),
        "a slip in the type": ((GPT3, "--type", "nvidia-a100"), "did you mean nvidia-a100-40, nvidia-a100-80"),
        "no tokens": ((GPT3, *A100, "--tokens", "0"), "0 is no number above 0"),
        "fewer than none": ((GPT3, *A100, "--tokens=-1"), "-1 is no number above 0"),
        "tokens in words": ((GPT3, *A100, "--tokens", "many"), "'many' is no number such as 300e9"),
        "images for text": (
            (GPT3, *A100, "--images", "5"),
            "--images says nothing of a family that learns from tokens",
        ),
        "epochs of what": ((GPT3, *A100, "--epochs", "5"), "say how much it is with --tokens"),
        "more than the peak": ((GPT3, *A100, "--utilization", "1.5"), "a share, above 0 and at most 1, not 1.5"),
        "a price without a currency": ((GPT3, *A100, "--price", "3"), "such as '2.79 EUR'"),
        "a price of nothing": ((GPT3, *A100, "--price", "0 EUR"), "such as '2.79 EUR'"),
        "devices of a pool": ((GPT3, "--devices", "8"), "--devices and --price go with --type"),
        "a pool without its cluster": ((GPT3, *A100, "--pool", "gpu"), "give one"),
        "devices that do not fill nodes": ((GPT3, *A100, "--devices", "12"), "12 devices cannot be on nodes of 8"),
        "a job's name without a cluster": (("bert", *A100), "bert is no file, and --type asks no cluster"),
        "no job at all": ((str(EXAMPLES / "pools" / "gpu.yaml"), *A100), "it has AcceleratorPool"),
    },
)
def test_what_cannot_be_asked_is_told(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output


@table(
    ("text", "words"),
    {
        "no YAML": ("a: [", "is no YAML"),
        "a document that is no object": ("- 1\n", "document 1 of"),
        "without a name": ("kind: TrainingJob\n", "is no object with metadata.name"),
        "nothing": ("", "it has nothing"),
        "a field that there is not": (
            yaml.safe_dump(make_training_job("odd", trainin={})), "TrainingJob odd: spec.trainin: Extra inputs",
        ),
    },
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    result = run(str(path), *A100)
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert words in " ".join(result.output.split())


@pytest.fixture
def cluster(kube: KubeServer) -> KubeServer:
    """Two pools of real devices, one of which has a price and has run the job before."""
    dear = make_pool("dear", acceleratorType="nvidia-h100-sxm", price=PRICE)
    kube.put(make_pool("cheap", price=PRICE | {"amount": "0.50"}), dear, plurals="acceleratorpools")
    for name in ("cheap", "dear"):
        found = {"apiVersion": "v1", "kind": "Node"} | node(f"{name}-0", labels={"hostler.dev/pool": name})
        kube.put(found, plurals="nodes")
    kube.put(large(accelerators={"pool": "cheap"}), plurals="trainingjobs")
    return kube


def test_a_job_of_the_cluster_on_its_own_pool_and_on_all(cluster: KubeServer) -> None:
    assert [found["pool"] for found in asked("large")] == ["cheap"]
    found = asked("large", "--all")
    assert [each["pool"] for each in found] == ["cheap", "dear"], "the cheapest first"
    assert found[1]["seconds"]["expected"] < found[0]["seconds"]["expected"]
    assert [each["pool"] for each in asked("large", "--pool", "dear")] == ["dear"]


def test_a_file_on_the_pools_of_the_cluster(cluster: KubeServer, tmp_path: Path) -> None:
    path = written(tmp_path, large(accelerators={"choose": {"optimize": "cost"}}))
    assert [found["pool"] for found in asked(path)] == ["cheap", "dear"]


def test_what_runs_have_measured_counts(cluster: KubeServer) -> None:
    (before,) = asked("large")
    shape = {"family": "chat", "objective": "pretrain", "network": _network(), "precision": "auto", "batch": 8}
    run = {
        "run": "uid", "at": "2026-11-30T00:00:00Z", "unitsPerSecond": "100000", "unitsPerStep": "8192",
        "overheadSeconds": "30",
    }  # fmt: skip
    shape |= {"length": 1024, "packed": True, "devices": before["devices"]}
    pool = cluster.objects["/apis/hostler.dev/v1alpha1/acceleratorpools/cheap"]
    pool["status"] = {"measurements": [{"shape": shape, "runs": [run]}]}
    (found,) = asked("large")
    assert (before["basis"], found["basis"]) == ("published", "measured")
    assert found["unitsPerSecond"]["expected"] == 100000
    assert found["seconds"]["expected"] == pytest.approx(30 + 8192 * 1000 / 100000)


def _network() -> str:
    from hostler.api.trainingjob import TrainingJobSpec
    from hostler.planning.estimate.jobs import shape_of

    return shape_of(TrainingJobSpec.model_validate(large()["spec"]), base=None, devices=1).network


@table(
    ("arguments", "words"),
    {
        "a pool that there is not": (
            ("large", "--pool", "chep"),
            "there is no pool chep that can be used: did you mean",
        ),
        "a job that there is not": (("lrge",), "no TrainingJob lrge in namespace team-a; did you mean large?"),
    },
)
def test_what_is_not_in_the_cluster_is_told(cluster: KubeServer, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert words in " ".join(result.output.split())


def test_who_may_not_list_nodes_is_told_and_models_are_left_out(cluster: KubeServer) -> None:
    cluster.errors["/apis/hostler.dev/v1alpha1/clustermodels"] = (403, {"message": "no", "reason": "Forbidden"})
    assert asked("large")[0]["pool"] == "cheap"
