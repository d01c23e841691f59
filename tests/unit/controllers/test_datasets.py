"""A dataset is looked at once for each generation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bench import SETTINGS, Bench, make_bench
from builders import make_dataset
from fakes import Crash
from tables import table
from unit.controllers.datasets import OTHER_SHA, SHA, created, inspected, report
from world import jobs

from hostler.cluster.errors import Forbidden
from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler.planning.endpoints import read_patterns
from hostler_contract import DatasetReport, ErrorReason

Object = dict[str, Any]
Condition = tuple[str, str, str]

CREATING = {"reason": "ContainerCreating"}


def failure(reason: ErrorReason, message: str) -> DatasetReport:
    """What the Job says where it could not look."""
    return DatasetReport(reason=reason, message=message)


def ready(bench: Bench, name: str = "books") -> Condition:
    """The condition Ready."""
    return bench.condition("Dataset", name, "Ready")


async def test_a_dataset_gets_a_job_and_then_the_figures(bench: Bench) -> None:
    await created(bench)
    assert jobs(bench) == ["books-inspect-1"]
    assert ready(bench) == ("Unknown", "Inspecting", "The data is being looked at.")

    await inspected(bench, report())

    assert ready(bench) == ("True", "Valid", "Version 1: 1,000 rows in 2 files.")
    status = bench.status("Dataset", "books")
    assert (status["version"], status["sha256"], status["rows"], status["sizeBytes"]) == (1, SHA, 1000, 4096)
    assert status["packing"] == {
        "maxLength": 512, "longer": 0, "factor": "2.346", "efficiency": "0.98", "unpackedEfficiency": "0.4178"
    }  # fmt: skip
    assert status["lengths"]["buckets"] == [{"upTo": 16, "rows": 1000}]
    assert [(reason, warning) for reason, _, warning in bench.writer.events if reason in {"Valid", "Inspecting"}] == [
        ("Inspecting", False),
        ("Valid", False),
    ]


async def test_errors_are_told_by_file_and_row(bench: Bench) -> None:
    await created(bench)

    await inspected(bench, report(errors=37))

    assert ready(bench) == ("False", "DataInvalid", "37 errors, the first in a.jsonl:7: is not JSON")
    status = bench.status("Dataset", "books")
    assert status["errorCount"] == 37
    assert status["errors"][:2] == [
        {"file": "a.jsonl", "row": 7, "message": "is not JSON"},
        {"file": "a.jsonl", "row": 8, "message": "is not JSON"},
    ]
    assert len(status["errors"]) == 10


EXFILTRATION = {"hf": {"repository": "org/set", "endpoint": "https://evil.example", "secretRef": {"name": "token"}}}
"""Who may create objects but read no Secret would get the token."""


async def test_credentials_go_to_no_endpoint_that_nobody_allowed(bench: Bench) -> None:
    await created(bench, source=EXFILTRATION)

    assert ready(bench)[:2] == ("False", "EndpointNotAllowed")
    assert ready(bench)[2].startswith("spec.source.hf.endpoint: https://evil.example may not be sent")
    assert jobs(bench) == []


async def test_data_is_not_ready_once_its_endpoint_is_no_longer_allowed(bench: Bench) -> None:
    allowing = replace(SETTINGS, allowed_endpoints=read_patterns(["evil.example"]))
    bench.restart(settings=allowing)
    await created(bench, source=EXFILTRATION)
    await inspected(bench, report())
    assert ready(bench)[1] == "Valid"

    bench.restart(settings=SETTINGS)
    await bench.settle()
    assert ready(bench)[:2] == ("False", "EndpointNotAllowed")
    assert bench.status("Dataset", "books")["version"] == 1, "the figures stay"

    bench.restart(settings=allowing)
    await bench.settle()
    assert ready(bench)[1] == "Valid"


async def test_what_was_looked_at_is_not_looked_at_again(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report())
    bench.cluster.remove(bench.cluster.object("Job", "books-inspect-1"))
    bench.restart()

    await bench.settle()

    assert jobs(bench) == []
    assert ready(bench)[1] == "Valid"


async def test_changed_data_is_a_new_version_and_the_old_job_goes(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report())

    bench.cluster.edit("Dataset", "books", refresh="2026-02-01")
    await bench.settle()
    assert jobs(bench) == ["books-inspect-1", "books-inspect-2"]
    assert ready(bench)[:2] == ("Unknown", "Inspecting")
    assert bench.status("Dataset", "books")["sha256"] == SHA, "the earlier version's figures stay until there are new"

    await inspected(bench, report(OTHER_SHA), generation=2)

    status = bench.status("Dataset", "books")
    assert (status["version"], status["sha256"], status["inspectedGeneration"]) == (2, OTHER_SHA, 2)
    assert jobs(bench) == ["books-inspect-2"]
    assert bench.cluster.find("ConfigMap", "books-inspect-1") is None


@table(
    ("looks", "want"),
    {
        "a look that finds the same bytes is no new version": ([SHA, SHA], 1),
        "other bytes are the next one": ([SHA, OTHER_SHA], 2),
        "and so are the earlier bytes after others": ([SHA, OTHER_SHA, OTHER_SHA, SHA], 3),
    },
)
async def test_the_version_counts_contents(bench: Bench, looks: list[str], want: int) -> None:
    await created(bench)
    for generation, sha256 in enumerate(looks, start=1):
        if generation > 1:
            bench.cluster.edit("Dataset", "books", refresh=f"look {generation}")
            await bench.settle()
        await inspected(bench, report(sha256), generation=generation)

    status = bench.status("Dataset", "books")
    assert (status["version"], status["inspectedGeneration"]) == (want, len(looks))
    assert ready(bench) == ("True", "Valid", f"Version {want}: 1,000 rows in 2 files.")


async def test_a_look_with_other_settings_keeps_the_version_and_renews_the_figures(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report(errors=1))

    bench.cluster.edit("Dataset", "books", columns={"text": "content"})
    await bench.settle()
    await inspected(bench, report(), generation=2)

    status = bench.status("Dataset", "books")
    assert (status["version"], status["errorCount"], ready(bench)[1]) == (1, 0, "Valid")


@table(
    ("said", "want_reason", "want_message"),
    {
        "nothing is there": (
            failure(ErrorReason.DATASET_NOT_FOUND, "/data/books does not exist"),
            "DatasetNotFound",
            "/data/books does not exist",
        ),
        "it cannot be read at all": (
            failure(ErrorReason.DATASET_INVALID, "a.tar:1: damaged"),
            "DataInvalid",
            "a.tar:1: damaged",
        ),
        "memory ran out": (failure(ErrorReason.OUT_OF_MEMORY, "more memory"), "InspectionFailed", "more memory"),
        "it left no word": (
            None,
            "InspectionFailed",
            "Job books-inspect-1 ended without a report: pod books-inspect-1-0-xyz ended with exit code 1 (Error). "
            "Delete the Job, and the data is looked at again.",
        ),
    },
)
async def test_data_that_could_not_be_looked_at(
    bench: Bench, said: DatasetReport | None, want_reason: str, want_message: str
) -> None:
    await created(bench)

    await inspected(bench, said)

    assert ready(bench) == ("False", want_reason, want_message)
    assert bench.status("Dataset", "books").get("version", 0) == 0


async def test_without_the_failed_job_the_data_is_looked_at_again(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, None)
    bench.cluster.remove(bench.cluster.object("Job", "books-inspect-1"))

    await bench.settle()
    assert ready(bench)[1] == "Inspecting"

    await inspected(bench, report())
    assert ready(bench)[1] == "Valid"


async def test_a_pod_that_failed_is_forgotten_where_the_next_one_succeeds(bench: Bench) -> None:
    await created(bench)
    (first,) = bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    bench.cluster.end(first, result=failure(ErrorReason.DATASET_NOT_FOUND, "the server answered 503"), code=1)
    await bench.settle()
    assert ready(bench)[1] == "Inspecting", "the Job tries again"

    bench.cluster.end(first, result=report(), code=0)
    bench.cluster.finish("books-inspect-1", "Complete")
    await bench.settle()

    assert ready(bench)[1] == "Valid"


@table(
    ("spec", "want"),
    {
        "a claim that is not there": (
            {"source": {"pvc": {"claimName": "nowhere"}}},
            (
                "False",
                "DatasetNotFound",
                "spec.source.pvc.claimName: there is no claim nowhere in namespace default: create it, or name "
                "another one.",
            ),
        ),
        "a key that is not there": (
            {"source": {"configMap": {"name": "text", "key": "texts"}}},
            ("False", "DatasetNotFound", "spec.source.configMap.key: ConfigMap text has no key texts; its keys: text."),
        ),
        "a source of a later release": (
            {"source": {"oci": {"reference": "a/b:1"}}},
            (
                "False",
                "SourceNotSupported",
                "spec.source.oci: this release cannot read from oci; use pvc or configMap or http or s3 or hf.",
            ),
        ),
    },
)
async def test_sources_that_lead_nowhere(bench: Bench, spec: Object, want: Condition) -> None:
    await created(bench, **spec)

    assert ready(bench) == want
    assert jobs(bench) == []


async def test_a_claim_that_comes_later_is_enough(bench: Bench) -> None:
    bench.cluster.put(make_dataset())
    outcome = await bench.reconcile("Dataset", "books")
    assert ready(bench)[1] == "DatasetNotFound"
    assert outcome.requeue_after == SETTINGS.recheck_seconds

    claim = bench.cluster.claim("data")

    assert list(bench.controllers["Dataset"].affected(Change("PersistentVolumeClaim", None, claim))) == [
        Key("Dataset", "default", "books")
    ]
    await bench.settle()
    assert jobs(bench) == ["books-inspect-1"]


async def test_a_job_of_an_earlier_dataset_of_that_name_says_nothing(bench: Bench) -> None:
    await created(bench)
    (pod,) = bench.cluster.make_pods("books-inspect-1", node="gpu-1")
    bench.cluster.end(pod, result=report(), code=0)
    dataset = bench.cluster.object("Dataset", "books")
    children = [bench.cluster.object(kind, "books-inspect-1") for kind in ("Job", "ConfigMap")]
    bench.cluster.remove(dataset)
    for child in (*children, pod):  # the garbage collector is slow
        bench.cluster.objects[child["kind"], "default", child["metadata"]["name"]] = child
    bench.cluster.put(make_dataset(maxLength=64))

    await bench.reconcile("Dataset", "books")

    assert ready(bench)[1] != "Valid"
    assert bench.status("Dataset", "books").get("version", 0) == 0


async def test_a_refused_child_is_said(bench: Bench) -> None:
    bench.writer.refuse["Job"] = Forbidden("exceeded quota: jobs", code=403)
    await created(bench)

    assert ready(bench) == ("False", "ChildRefused", "Job books-inspect-1: exceeded quota: jobs")


async def test_a_spec_of_another_release_is_said(bench: Bench) -> None:
    bench.cluster.put(make_dataset(format="tfrecord"))

    await bench.settle()

    assert ready(bench)[:2] == ("False", "InvalidSpec")
    assert ready(bench)[2].startswith("format: ")


@pytest.mark.parametrize("writes", range(1, 9))
async def test_a_process_that_ends_after_any_write_is_none_the_worse(writes: int) -> None:
    bench = make_bench()
    bench.writer.crash_after = writes

    async def step(go: Any) -> None:
        try:
            await go
        except Crash:
            bench.writer.crash_after = None
            bench.restart()
            await bench.settle()

    await step(created(bench))
    await step(inspected(bench, report()))
    bench.writer.crash_after = None
    await bench.settle()

    assert bench.status("Dataset", "books")["version"] == 1
    assert ready(bench)[1] == "Valid"
    assert jobs(bench) == ["books-inspect-1"]


async def test_a_claim_that_is_being_deleted_is_no_source(bench: Bench) -> None:
    claim = bench.cluster.claim("data")
    bench.cluster.put({**claim, "metadata": {**claim["metadata"], "deletionTimestamp": bench.cluster.clock.now()}})
    bench.cluster.put(make_dataset())
    await bench.settle()
    assert ready(bench) == (
        "False",
        "DatasetNotFound",
        "spec.source.pvc.claimName: claim data is being deleted and takes no new pod: name another one, or create it "
        "anew.",
    )
    assert jobs(bench) == []


@table(
    "roles, want",
    {
        "more columns than a status holds": (["text", *(f"f{index}" for index in range(300))], 256),
        "a name longer than a status holds": (["text", "x" * 300], 2),
    },
)
async def test_wide_data_is_valid_and_its_columns_are_cut(roles: list[str], want: int, bench: Bench) -> None:
    await created(bench)

    await inspected(bench, report().model_copy(update={"roles": roles}))

    assert ready(bench)[:2] == ("True", "Valid")
    found = bench.status("Dataset", "books")["roles"]
    assert (len(found), found[0], max(map(len, found)) <= 253) == (want, "text", True)


async def test_what_nobody_reads_is_said_beside_the_figures(bench: Bench) -> None:
    await created(bench)

    await inspected(bench, report().model_copy(update={"notes": ["1 column that nobody reads: page (1,000 rows)."]}))

    assert ready(bench) == (
        "True",
        "Valid",
        "Version 1: 1,000 rows in 2 files. 1 column that nobody reads: page (1,000 rows).",
    )
    assert bench.status("Dataset", "books")["notes"] == ["1 column that nobody reads: page (1,000 rows)."]
