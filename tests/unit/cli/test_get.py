"""`hostler get`: tables that fit, the objects themselves, and where a name is instead."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from builders import make_dataset, make_inference_service, make_model, make_pool
from click.testing import CliRunner
from rich.console import Console
from tables import table
from unit.cli.kubeserver import KubeServer
from unit.cli.lines import in_line, job, placed

from hostler.cli import get as command
from hostler.cli.main import main
from hostler.cli.rows import short_count


@pytest.fixture(autouse=True)
def objects(kube: KubeServer) -> None:
    running = placed(job("bert"), "n0", progress={"percent": 42, "loss": "1.93", "eta": "12m00s"}, model="bert")
    kube.put(running, in_line(job("llama"), 20), job("other", "team-b"), plurals="trainingjobs")
    kube.put(make_inference_service("chat", namespace="team-a"), plurals="inferenceservices")
    kube.put(make_model("bert", namespace="team-a"), plurals="models")
    kube.put(make_dataset("books", namespace="team-a"), plurals="datasets")
    kube.put(make_pool("gpu"), plurals="acceleratorpools")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["get", *arguments])


def lines(*arguments: str) -> list[str]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("word", ["jobs", "job", "trainingjobs", "TrainingJob", "tjob", "trainingjobs.hostler.dev"])
def test_jobs_of_the_contexts_namespace_by_any_word_for_them(word: str) -> None:
    head, bert, llama = lines(word)
    assert head == "NAME STATE DONE LOSS ETA POOL LINE MODEL AGE"
    assert bert.startswith("bert Training 42% 1.93 12m00s gpu bert ")
    assert llama.startswith("llama WaitingForCapacity gpu <=20 ")


def test_of_all_namespaces_each_says_its_own() -> None:
    assert [line.split()[:2] for line in lines("jobs", "-A")[1:]] == [
        ["team-a", "bert"],
        ["team-a", "llama"],
        ["team-b", "other"],
    ]


def test_without_a_kind_there_is_a_table_for_each() -> None:
    headings = [line for line in lines() if line in ("JOBS", "SERVICES", "MODELS", "DATASETS")]
    assert headings == ["JOBS", "SERVICES", "MODELS", "DATASETS"]


def test_one_object_is_printed_whole_and_without_bookkeeping(kube: KubeServer) -> None:
    for at, obj in kube.objects.items():
        if at.endswith("/models/bert"):
            obj["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    found = yaml.safe_load(run("models", "bert", "-o", "yaml").stdout)
    assert (found["kind"], found["metadata"]["name"]) == ("Model", "bert")
    assert "managedFields" not in found["metadata"]


def test_many_are_a_list_that_kubectl_reads() -> None:
    found = json.loads(run("jobs", "--json").stdout)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert {item["kind"] for item in found["items"]} == {"TrainingJob"}


@table(
    ("arguments", "code", "want"),
    {
        "a slip in the name": (("jobs", "brt"), 1, "no TrainingJob brt in namespace team-a; did you mean bert?"),
        "another namespace": (("jobs", "other"), 1, "TrainingJob other is in namespace team-b: add -n team-b"),
        "a slip, elsewhere": (("jobs", "othr"), 1, "did you mean other -n team-b?"),
        "nothing alike": (("jobs", "zzz"), 1, "hostler get jobs shows what is there, and -A of all namespaces"),
        "a pool, which has no namespace": (("pools", "gpus"), 1, "there is no AcceleratorPool gpus; did you mean gpu?"),
        "a slip in the kind": (("jbs",), 2, "'jbs' is no kind that this command knows: did you mean jobs?"),
        "no kind at all": (("pods",), 2, "'pods' is no kind"),
        "a name in all namespaces": (("jobs", "bert", "-A"), 2, "a name is of one namespace: say which with -n"),
    },
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is(arguments: tuple[str, ...], code: int, want: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Traceback" in result.output) == (code, False)
    assert want in result.output


def test_an_empty_namespace_says_how_to_look_into_others() -> None:
    result = run("jobs", "-n", "team-z")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No jobs in namespace team-z; -A looks into all." in result.stderr


def test_long_names_and_every_kind_fit_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(command, "terminal", lambda: Console(file=out, width=80))
    long = "a-name-that-is-rather-long-for-anything-and-goes-on-until-its-end"
    found = [
        in_line(job(long, long), 7),
        make_inference_service(long, namespace=long),
        make_model(long, namespace=long),
        make_dataset(long, namespace=long),
        make_pool(long[:40]),
    ]
    kinds = ("TrainingJob", "InferenceService", "Model", "Dataset")
    command.show_objects(kinds, found, namespaces=True)
    assert max(map(len, out.getvalue().splitlines())) <= 80


@table(("value", "want"), {"few": (999, "999"), "thousands": (1500, "1.5k"), "billions": (1_236_000_000, "1.24G")})
def test_large_counts_have_three_figures(value: int, want: str) -> None:
    assert short_count(value) == want
