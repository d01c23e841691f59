"""How much longer a job takes: progress, pace, and what its user said."""

from __future__ import annotations

from typing import Any

from builders import make_training_job
from tables import table

from hostler.controllers.workloads import seconds_left, work_of
from hostler.planning.remaining import Work, estimate, remaining

HOUR = 3600.0


@table(
    ("work", "want"),
    {
        "nobody knows anything": (Work(steps=100), None),
        "what the user said": (Work(steps=100, said=HOUR), HOUR),
        "the steps of the checkpoint are not made again": (Work(steps=100, kept=75, said=HOUR), HOUR / 4),
        "the pace so far is better than a word": (Work(steps=100, kept=50, spent=2 * HOUR, said=HOUR), 2 * HOUR),
        "also where nothing was said": (Work(steps=100, kept=20, spent=600, said=None), 2400.0),
        "an attempt that left no checkpoint has no pace": (Work(steps=100, spent=600, said=HOUR), HOUR),
        "all is done but the end": (Work(steps=100, kept=100, said=HOUR), 0.0),
        "nothing to train": (Work(steps=0, said=60.0), 60.0),
    },
)
def test_what_the_next_attempt_takes(work: Work, want: float | None) -> None:
    assert estimate(work) == want


@table(
    ("work", "running", "want"),
    {
        "progress knows best": (Work(steps=100, said=HOUR, told=120.0), 2 * HOUR, 120.0),
        "what was said, less the time since": (Work(steps=100, said=HOUR), 600.0, 3000.0),
        "past what was said": (Work(steps=100, said=HOUR), HOUR + 60, -60.0),
        "nobody knows": (Work(steps=100), 600.0, None),
    },
)
def test_when_a_job_that_runs_is_done(work: Work, running: float, want: float | None) -> None:
    assert remaining(work, running=running) == want


def test_it_is_read_from_the_stored_object() -> None:
    job: dict[str, Any] = make_training_job(estimatedDuration="2h30m", training={"steps": 40})
    assert work_of(job) == Work(steps=40, said=9000.0)
    job["status"] = {
        "progress": {"checkpointStep": 10, "eta": "5m00s"},
        "retry": {"activeSeconds": 90},
        "conditions": [{"type": "Admitted", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }
    assert work_of(job) == Work(steps=40, kept=10, spent=90.0, said=9000.0, told=300.0)
    assert seconds_left(job, now="2026-01-01T01:00:00Z") == 300.0
    del job["status"]["progress"]
    assert seconds_left(job, now="2026-01-01T01:00:00Z") == 5400.0
