"""`hostler explain`: one object's whole story, and what is said to whoever names the wrong one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from tables import table
from unit.cli.lines import NOW, a_view, in_line, job, placed

from hostler.cli import explain as command
from hostler.cli.explanation import explanation
from hostler.cli.lineview import LineView, Object
from hostler.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, view: LineView, *arguments: str) -> Any:
    monkeypatch.setattr(command, "read_view", lambda *_args, **_options: view)
    return CliRunner().invoke(main, ["explain", *arguments])


def told(monkeypatch: pytest.MonkeyPatch, *arguments: str, **more: Any) -> str:
    result = run(monkeypatch, a_view(**more), *arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def event(reason: str, moment: str) -> Object:
    return {"reason": reason, "message": f"It is {reason}.", "lastTimestamp": moment, "metadata": {}}


def test_who_waits_is_told_its_place_its_forecasts_and_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, "large-language-model-7", "-n", "team-a")
    for words in (
        "TrainingJob team-a/large-language-model-7: WaitingForCapacity",
        "Place: 1 of 3 for pool gpu; its age counts from 2026-11-30 18:00 UTC (2h00m).",
        "Expected to start: 2026-11-30 20:12 UTC (in 12m), between 2026-11-30 20:06 UTC and 2026-11-30 20:24 UTC.",
        "At 2026-11-30 18:00 UTC it was told: 2026-11-30 20:12 UTC",
        "The job would start now with spec.accelerators.perPod 3.",
        "Namespace team-a has 4 nvidia.com/gpu, shared with team-c, and may borrow 2 more of what others leave idle; 0 "
        "are held.",
        "Nodes of pool gpu: 0 of its pods would fit now, at least 1 is needed",
        "n0 3 0 3 of 8 devices free",
        "n1 0 0 is cordoned",
    ):
        assert words in text


def test_who_comes_later_is_told_who_is_before(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, "far", "-n", "team-b")
    assert "Place: among the first 20 of 3" in text
    assert "When it starts nobody can say" in text
    assert "Before it: team-a/large-language-model-7, team-a/small." in text
    assert "Namespace team-b has no quota of its own and holds 5 nvidia.com/gpu." in text


def test_who_runs_is_told_what_it_does_and_its_attempts_and_events(monkeypatch: pytest.MonkeyPatch) -> None:
    events = (event("Training", "2026-11-30T19:00:00Z"), event("Starting", "2026-11-30T18:00:00Z"))
    text = told(monkeypatch, "trainingjob/bert-7", "-n", "team-b", events=events)
    for words in (
        "TrainingJob team-b/bert-7: Training Step 10 of 20.",
        "It holds 4 x 1 of pool gpu on n0 (4).",
        "It is expected to end in 12m.",
        "It is in no line: it has its accelerators.",
        "Attempt 1 is the newest; 1 restarts and 0 disruptions so far.",
        "1h00m Training It is Training. 2h00m Starting It is Starting.",
    ):
        assert words in text


def with_status(**status: Any) -> Object:
    return job("a") | {"status": status}


def ended(reason: str) -> Object:
    return with_status(conditions=[{"type": reason, "status": "True", "reason": reason, "message": ""}])


REFUSED = [{"type": "Accepted", "status": "False", "reason": "PoolNotFound", "message": ""}]
PENDING = [{"type": "Admitted", "status": "Unknown", "reason": "Pending", "message": ""}]


@table(
    ("obj", "want"),
    {
        "it has ended": (ended("Succeeded"), "it has ended"),
        "it has failed": (ended("Stalled"), "it has ended"),
        "it is suspended": (job("a", suspend=True), "it is suspended; spec.suspend: false brings it into line"),
        "its spec is refused": (with_status(conditions=REFUSED), "its spec is not accepted (PoolNotFound)"),
        "it waits for its data": (with_status(conditions=PENDING), "it waits for something else (Pending)"),
        "nobody has looked": (job("a"), "the operator has not looked at it yet"),
    },
)
def test_who_is_in_no_line_is_told_why(obj: Object, want: str) -> None:
    found = explanation(a_view(workloads=(obj,)), obj)
    assert found.now[-1] == f"It is in no line: {want}."
    assert found.line == ()


def test_a_preemption_and_a_back_off_are_part_of_the_story() -> None:
    by = {"kind": "TrainingJob", "namespace": "team-b", "name": "urgent"}
    obj = placed(
        job("a"),
        "n0",
        preempted={"by": by, "why": "LowerPriority", "at": "2026-11-30T19:00:00Z", "count": 2},
        attempt=2,
        retry={"notBefore": "2026-11-30T20:01:00Z"},
        lastFailure={"reason": "OutOfMemory", "message": "CUDA out of memory."},
    )
    found = explanation(a_view(workloads=(obj,)), obj)
    assert found.preemptions == (
        "It had to leave 2 times; the last time 1h00m ago for TrainingJob team-b/urgent (LowerPriority).",
    )
    assert found.attempts[1:] == (
        "The next one begins in 1m at the soonest.",
        "The last failure: OutOfMemory: CUDA out of memory.",
    )


@table(
    ("arguments", "want"),
    {
        "the wrong namespace": (
            ("small",),
            "there is no TrainingJob or InferenceService small in namespace default; TrainingJob small is in namespace "
            "team-a: add -n team-a",
        ),
        "a slip": (("smal", "-n", "team-a"), "did you mean team-a/small?"),
        "the wrong kind": (
            ("inferenceservice/small", "-n", "team-a"),
            "there is no InferenceService small in namespace team-a",
        ),
        "a kind that stands in no line": (
            ("pod/small",),
            "'pod' is no kind that this command knows; there are jobs, services",
        ),
        "no such name at all": (("zzz", "-n", "team-a"), "there is no TrainingJob or InferenceService zzz"),
    },
)
def test_who_names_the_wrong_one_is_told_the_right_one(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], want: str
) -> None:
    result = run(monkeypatch, a_view(), *arguments)
    assert result.exit_code != 0
    assert want in result.output
    assert "Traceback" not in result.output


def test_two_of_one_name_have_to_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    service = job("small") | {"kind": "InferenceService"}
    result = run(monkeypatch, a_view(workloads=(*a_view().workloads, service)), "small", "-n", "team-a")
    assert "write trainingjob/small or inferenceservice/small" in result.output


def test_what_the_user_may_not_see_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, "small", "-n", "team-a", nodes=(), missing=frozenset({"Node", "Pod"}))
    assert "You may not list nodes: nothing can be said of each." in text
    text = told(monkeypatch, "small", "-n", "team-a", missing=frozenset({"Pod"}))
    assert "what others than Hostler hold is counted as free" in text


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = json.loads(run(monkeypatch, a_view(), "small", "-n", "team-a", "--json").output)
    assert (facts["kind"], facts["namespace"], facts["name"]) == ("TrainingJob", "team-a", "small")
    assert facts["queue"]["position"] == 2
    assert facts["nodes"][0] == {"name": "n0", "free": 3, "fits": 0, "why": "3 of 4 devices free"}


def test_nothing_is_wider_than_a_terminal_of_eighty_columns() -> None:
    view = a_view(events=(event("WaitingForCapacity", NOW),))
    obj = in_line(job("a-name-that-is-rather-long-for-a-job", "a-namespace-that-is-long-too"), 1)
    out = io.StringIO()
    command.print_explanation(Console(file=out, width=80), explanation(view, obj))
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_what_was_expected_stands_beside_what_happened() -> None:
    obj = job("done") | {"status": {"estimate": _ESTIMATE}}
    text = " ".join(explanation(a_view(), obj).estimate)
    for words in (
        "It takes 2m10s (1m44s to 2m42s) with 2 pods on pool gpu.",
        "Basis measured: 1 run of this shape on this pool.",
        "It costs 1.20 EUR (0.96 to 1.50).",
        "It takes 1.2 kWh, at the rated power, for which its grid emits 0.456 kgCO2e.",
        "It computes 0.95 petaflop/s-days, at 41% of the peak.",
        "One device takes 3Gi of 80Gi at most: optimizer state 2Gi, weights 1Gi.",
        "Runs of this shape have taken 2Gi.",
        "1 row fits: set training.gradientAccumulation to 8.",
        "It took 2m23s, 1.1 times the expected: 5.5 s a step, 93 tokens/s.",
    ):
        assert words in text


def test_what_it_has_cost_until_this_moment() -> None:
    hold = {"since": "2026-11-30T19:00:00Z", "devices": 2, "rate": "2.5", "currency": "EUR", "stepSeconds": 1}
    cost = {
        "asOf": "2026-11-30T19:30:00Z",
        "total": {"amount": "3.50", "currency": "EUR"},
        "perHour": {"amount": "5.00", "currency": "EUR"},
        "settled": [{"amount": "1", "currency": "EUR"}],
        "use": {"training": 2700, "lost": 900},
        "hold": hold,
    }
    obj = job("runs", maxCost={"amount": "20", "currency": "EUR"}) | {"status": {"cost": cost}}
    assert explanation(a_view(), obj).cost == (
        "It has cost 6.00 EUR: 2 device hours; spec.maxCost is 20 EUR.",
        "What it holds now costs 5.00 EUR an hour.",
        "Of that: training 75%, lost 25%.",
    )
    assert explanation(a_view(), job("new")).cost == ()


def test_of_a_job_without_an_estimate_nothing_is_made_up() -> None:
    assert explanation(a_view(), job("new")).estimate == ()


_ESTIMATE = {
    "generation": 1,
    "pool": "gpu",
    "pods": 2,
    "basis": "Measured",
    "message": "1 run of this shape on this pool.",
    "duration": {"low": "1m44s", "expected": "2m10s", "high": "2m42s"},
    "cost": {"low": "0.96", "expected": "1.20", "high": "1.50", "currency": "EUR"},
    "energy": {"value": "1.2", "unit": "kWh"},
    "carbon": {"value": "0.456", "unit": "kgCO2e"},
    "petaflopDays": "0.95",
    "utilization": "0.41",
    "memory": {
        "peakBytes": 3 * 2**30,
        "deviceBytes": 80 * 2**30,
        "terms": [{"name": "weights", "bytes": 2**30}, {"name": "optimizer state", "bytes": 2 * 2**30}],
        "largestRows": 1,
        "measuredBytes": 2 * 2**30,
        "message": "1 row fits: set training.gradientAccumulation to 8.",
    },
    "actual": {
        "duration": "2m23s",
        "steps": 20,
        "stepSeconds": "5.5",
        "unitsPerStep": "512",
        "speed": {"value": "93", "unit": "tokens/s"},
        "ratio": "1.1",
    },
}


def test_every_pool_that_could_have_been_chosen_has_its_reason() -> None:
    ranking = [
        {
            "pool": "ipu",
            "acceleratorType": "graphcore-c600",
            "message": "Chosen: it costs 0.08 EUR, the cheapest.",
            "startsIn": "0s",
            "duration": "4m40s",
            "cost": {"amount": "0.08", "currency": "EUR"},
        },
        {"pool": "cpu", "acceleratorType": "cpu", "message": "Rejected: it is too small.", "rejected": True},
    ]
    obj = job("chosen") | {"status": {"choice": {"pool": "ipu", "optimize": "cost", "ranking": ranking}}}
    assert explanation(a_view(), obj).pools == (
        "1. ipu (graphcore-c600): Chosen: it costs 0.08 EUR, the cheapest. (starts in 0s, takes 4m40s, costs 0.08 EUR)",
        "- cpu (cpu): Rejected: it is too small.",
    )
