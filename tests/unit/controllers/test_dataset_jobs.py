"""Jobs train on the dataset that they name, as it was looked at."""

from __future__ import annotations

import json

from bench import Bench
from builders import make_training_job
from tables import table
from unit.controllers.datasets import OTHER_SHA, SHA, created, inspected, report
from world import completed, jobs, running, states, success

from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler_contract import DatasetReport

BY_NAME = {"ref": {"name": "books"}}


async def test_a_job_trains_on_the_dataset_that_it_names(bench: Bench) -> None:
    await created(bench, license="CC-BY-4.0", validationPercent=20)
    await inspected(bench, report())

    await running(bench, dataset=BY_NAME)

    given = bench.job_config("tiny-0").dataset
    assert given.source.location == "/data/books"
    assert given.source.sha256 == SHA, "nothing else is trained on than what was looked at"
    assert (given.format, given.columns, given.validation_percent) == ("jsonl", {"text": "body"}, 20)
    volumes = bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data"}} in volumes


async def test_the_lineage_names_the_version(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report())
    await running(bench, dataset=BY_NAME)

    await completed(bench, result=success())

    lineage = bench.cluster.object("Model", "tiny")["spec"]["lineage"]
    assert (lineage["dataset"], lineage["datasetVersion"], lineage["datasetSha256"]) == ("books", 1, SHA)


async def test_a_version_that_came_after_training_is_not_in_the_lineage(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report())
    await running(bench, dataset=BY_NAME)
    bench.cluster.edit("Dataset", "books", refresh="again")
    await bench.settle()
    await inspected(bench, report(OTHER_SHA), generation=2)

    await completed(bench, result=success())

    lineage = bench.cluster.object("Model", "tiny")["spec"]["lineage"]
    assert lineage["datasetSha256"] == SHA
    assert "datasetVersion" not in lineage


@table(
    ("said", "want_reason", "want_words"),
    {
        "while it is looked at": (None, "DatasetNotReady", "Dataset books is not ready: Inspecting: The data is being"),
        "where it has errors": (report(errors=1), "DatasetNotReady", "DataInvalid: 1 error, the first in a.jsonl:7"),
    },
)
async def test_a_job_waits_for_its_dataset(
    bench: Bench, said: DatasetReport | None, want_reason: str, want_words: str
) -> None:
    await created(bench)
    if said is not None:
        await inspected(bench, said)
    bench.cluster.put(make_training_job("tiny", dataset=BY_NAME))
    await bench.settle()

    status, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert (status, reason) == ("False", want_reason)
    assert message.startswith("spec.dataset.ref.name: ")
    assert want_words in message
    assert "tiny-0" not in jobs(bench)


async def test_a_family_that_cannot_learn_from_the_dataset(bench: Bench) -> None:
    await created(bench, format="images", columns={})
    await inspected(bench, report())

    bench.cluster.put(make_training_job("tiny", dataset=BY_NAME))
    await bench.settle()

    assert bench.condition("TrainingJob", "tiny", "Accepted")[1:] == (
        "UnsupportedCombination",
        "spec.dataset: the data is of format images, and family chat learns from data of format text, jsonl, csv, "
        "parquet, webdataset.",
    )


async def test_a_family_that_finds_none_of_its_columns_in_the_dataset(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report().model_copy(update={"roles": ["body", "id"]}))

    bench.cluster.put(make_training_job("tiny", dataset=BY_NAME))
    await bench.settle()

    status, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert (status, reason) == ("False", "UnsupportedCombination")
    assert message.startswith("spec.dataset.ref.name: Dataset books has the columns body, id, and family chat learns")
    assert "tiny-0" not in jobs(bench)


async def test_a_job_without_its_dataset_is_told_so_and_wakes_with_it(bench: Bench) -> None:
    bench.cluster.put(make_training_job("tiny", dataset=BY_NAME))
    await bench.settle()
    assert bench.condition("TrainingJob", "tiny", "Accepted")[1:] == (
        "DatasetNotFound",
        "spec.dataset.ref.name: there is no Dataset books in namespace default: create it, or name another one.",
    )

    await created(bench)
    dataset = bench.cluster.object("Dataset", "books")
    assert list(bench.controllers["TrainingJob"].affected(Change("Dataset", None, dataset))) == [
        Key("TrainingJob", "default", "tiny")
    ]
    await inspected(bench, report())

    assert states(bench)["Accepted"] == ("True", "Valid")
    assert "tiny-0" in jobs(bench)


async def test_a_running_job_outlives_its_dataset(bench: Bench) -> None:
    await created(bench)
    await inspected(bench, report())
    await running(bench, dataset=BY_NAME)

    bench.cluster.remove(bench.cluster.object("Dataset", "books"))
    await bench.settle()
    await completed(bench, result=success())

    assert states(bench)["Succeeded"][0] == "True"
    assert json.dumps(bench.cluster.object("Model", "tiny")["spec"]["lineage"]).count(SHA) == 1
