"""What a job says that it does while all of its pods run."""

from __future__ import annotations

from typing import Any

from bench import Bench
from tables import table
from world import failed, failure, running, states

from hostler_contract import ErrorReason, Progress
from hostler_contract.progress import Stage


@table(
    ("told", "want_state", "want_percent", "want_eta"),
    {
        "libraries and model are loaded": ({"stage": Stage.STARTING}, "Loading", None, None),
        "the data comes": ({"stage": Stage.IMPORTING}, "Importing", None, None),
        "the data is made ready": ({"stage": Stage.PREPARING_DATA}, "Preparing", None, None),
        "the base is measured before the first step": (
            {"stage": Stage.EVALUATING, "stage_percent": 40, "step": 0},
            "Evaluating",
            40,
            None,
        ),
        "steps are made": ({"stage": Stage.TRAINING, "step": 5, "eta_seconds": 130}, "Training", 25, "2m10s"),
        "all steps are made, and the model is measured": (
            {"stage": Stage.EVALUATING, "stage_percent": 10, "step": 20, "eta_seconds": 0.4},
            "Evaluating",
            10,
            None,
        ),
        "the model is written": ({"stage": Stage.SAVING, "step": 20, "eta_seconds": 0.4}, "Saving", None, None),
    },
)
async def test_the_stage_is_shown_with_its_own_progress(
    bench: Bench, told: dict[str, Any], want_state: str, want_percent: int | None, want_eta: str | None
) -> None:
    await running(bench)
    uid = bench.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    events = list(bench.writer.events)
    bench.facts.answers[uid] = Progress(total_steps=20, **told)
    await bench.settle()
    assert states(bench)["Ready"] == ("True", want_state)
    shown = bench.status("TrainingJob", "tiny")["progress"]
    assert (shown.get("percent"), shown.get("eta")) == (want_percent, want_eta)
    assert bench.writer.events == events, "stages follow each other many times: the status is enough"


async def test_a_pod_that_goes_while_it_is_measured_leaves_the_steps_that_were_made(bench: Bench) -> None:
    (pod,) = await running(bench)
    bench.facts.answers[pod["metadata"]["uid"]] = Progress(
        stage=Stage.EVALUATING, stage_percent=70, step=5, total_steps=20
    )
    await bench.settle()
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    assert bench.status("TrainingJob", "tiny")["progress"]["percent"] == 25
