"""`hostler suspend`, `resume` and `cancel`: what is sent, what is asked first, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import make_inference_service
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer
from unit.cli.lines import job, placed

from hostler.cli.acting import stays
from hostler.cli.main import main

Object = dict[str, Any]
JOB = "/apis/hostler.dev/v1alpha1/namespaces/team-a/trainingjobs/bert"


@pytest.fixture(autouse=True)
def objects(kube: KubeServer) -> None:
    ended = job("done") | {"status": {"conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}]}}
    kube.put(placed(job("bert"), "n0"), job("resting", suspend=True), ended, plurals="trainingjobs")
    kube.put(make_inference_service("chat", namespace="team-a"), plurals="inferenceservices")


def run(*arguments: str, said: str | None = None) -> Any:
    return CliRunner().invoke(main, arguments, input=said)


def written(kube: KubeServer) -> list[tuple[str, str, dict[str, str], Any]]:
    return [request for request in kube.requests if request[0] != "GET"]


def test_suspending_writes_one_field_of_this_incarnation(kube: KubeServer) -> None:
    result = run("suspend", "bert")
    assert result.exit_code == 0, result.output
    ((method, path, query, body),) = written(kube)
    assert (method, path) == ("PATCH", JOB)
    assert body == {"metadata": {"uid": "uid-team-a-bert"}, "spec": {"suspend": True}}
    assert query == {"fieldManager": "hostler-cli"}
    assert "TrainingJob team-a/bert suspended: its pods save a checkpoint and end" in result.output


def test_a_dry_run_is_the_servers_and_says_so(kube: KubeServer) -> None:
    result = run("resume", "job/resting", "--dry-run")
    ((_, _, query, _),) = written(kube)
    assert query["dryRun"] == "All"
    assert result.output.strip().endswith("(dry run: nothing was changed)")
    assert run("cancel", "bert", "--dry-run").exit_code == 0
    assert written(kube)[-1][3]["dryRun"] == ["All"]


@table(
    ("arguments", "code", "want"),
    {
        "suspended already": (("suspend", "resting"), 0, "is suspended already: nothing to do"),
        "not suspended": (("resume", "bert"), 0, "is not suspended: nothing to do"),
        "it has ended": (("suspend", "done"), 1, "has ended (ended): there is nothing left to suspend"),
        "a service": (("suspend", "service/chat"), 1, "cannot be suspended: a service keeps no state; cancel it"),
        "a slip": (("resume", "restin"), 1, "did you mean resting?"),
        "a kind without pods": (("suspend", "pool/gpu"), 2, "'pool' is no kind that this command knows"),
        "a program that cannot be asked": (("cancel", "bert", "--json"), 2, "give --yes with --output json or yaml"),
    },
)
def test_nothing_is_written_where_it_makes_no_sense(
    kube: KubeServer, arguments: tuple[str, ...], code: int, want: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert want in result.output
    assert written(kube) == []


def test_cancelling_asks_says_what_stays_and_deletes_this_incarnation_alone(kube: KubeServer) -> None:
    declined = run("cancel", "bert", said="n\n")
    assert (declined.exit_code, written(kube)) == (1, [])
    assert "its claim bert with all checkpoints: no Model was made yet; hostler suspend bert" in declined.output
    agreed = run("cancel", "bert", said="y\n")
    assert agreed.exit_code == 0, agreed.output
    ((method, path, _, body),) = written(kube)
    assert (method, path, body["preconditions"]) == ("DELETE", JOB, {"uid": "uid-team-a-bert"})


def test_one_that_was_made_anew_meanwhile_is_left_alone(kube: KubeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = kube.answer

    def refuse(method: str, path: str, query: dict[str, str]) -> Any:
        return (409, {"message": "Precondition failed"}) if method == "DELETE" else answer(method, path, query)

    monkeypatch.setattr(kube, "answer", refuse)
    result = run("cancel", "bert", "--yes")
    assert result.exit_code == 1
    assert "was deleted and made anew meanwhile: that one is left alone" in result.output


def test_programs_get_what_was_done(kube: KubeServer) -> None:
    facts = json.loads(run("cancel", "bert", "--yes", "-o", "json").stdout)
    assert (facts["action"], facts["dryRun"], facts["uid"]) == ("cancel", False, "uid-team-a-bert")


@table(
    ("obj", "want"),
    {
        "a model was made": (
            job("a") | {"status": {"model": "m"}},
            "the Model m, with the weights on its claim",
        ),
        "a claim of the user's": (job("a", storage={"claimName": "mine"}), "the claim mine is yours and stays"),
        "nothing was made": (job("a"), "its claim a with all checkpoints"),
        "a service": (make_inference_service("chat"), "its pods and its URL go; Model tiny stays"),
    },
)
def test_what_stays_is_said_by_who_owns_it(obj: Object, want: str) -> None:
    assert want in stays(obj)
