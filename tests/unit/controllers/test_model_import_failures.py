"""A model of a hub that does not come: each way is a condition with the way out, and what is tried again by itself."""

from __future__ import annotations

from bench import Bench
from refusing import refuse_pods
from tables import table
from unit.controllers.imports import gave_up, job_of, ready, submitted

from hostler_contract import ImportConfig
from hostler_contract.importing import ImportReason


@table(
    ("reason", "want"),
    {
        "no such repository": (ImportReason.SOURCE_NOT_FOUND, "SourceNotFound"),
        "moved": (ImportReason.SOURCE_MOVED, "SourceMoved"),
        "a token is needed": (ImportReason.ACCESS_DENIED, "AccessDenied"),
        "a licence": (ImportReason.LICENSE_NOT_ACCEPTED, "LicenseNotAccepted"),
        "pickles": (ImportReason.UNSUPPORTED_FORMAT, "UnsupportedFormat"),
        "an unknown network": (ImportReason.UNSUPPORTED_ARCHITECTURE, "UnsupportedArchitecture"),
        "remote code": (ImportReason.REMOTE_CODE, "RemoteCode"),
        "other bytes": (ImportReason.DIGEST_MISMATCH, "DigestMismatch"),
        "a full disk": (ImportReason.STORAGE_FULL, "StorageFull"),
        "a hub in trouble": (ImportReason.SOURCE_UNREACHABLE, "SourceUnreachable"),
        "a fault of ours": (ImportReason.INTERNAL, "ImportFailed"),
    },
)
async def test_every_failure_is_a_condition(bench: Bench, reason: ImportReason, want: str) -> None:
    await submitted(bench)

    await gave_up(bench, reason, "acme/tiny is not as it should be: mend it")

    status, found, message = ready(bench)
    assert (status, found) == ("False", want)
    assert message.startswith("acme/tiny is not as it should be: mend it. It is tried again ")
    assert f"once Job {job_of(bench)['metadata']['name']} is deleted." in message


async def test_a_pod_without_a_word_is_a_failure_too(bench: Bench) -> None:
    await submitted(bench)
    name = job_of(bench)["metadata"]["name"]
    (pod,) = bench.cluster.make_pods(name, node="gpu-1")
    bench.cluster.end(pod, code=137, reason="OOMKilled")
    bench.cluster.finish(name, "Failed")
    await bench.settle()

    status, reason, message = ready(bench)
    assert (status, reason) == ("False", "ImportFailed")
    assert message.startswith(f"Job {name} ended without a report: ")


async def test_a_hub_in_trouble_is_asked_again_by_itself(bench: Bench) -> None:
    await submitted(bench)
    before = job_of(bench)["metadata"]["uid"]
    await gave_up(bench, ImportReason.SOURCE_UNREACHABLE, "the hub is away")
    outcome = await bench.reconcile("Model", "tiny")
    assert outcome.requeue_after == 600

    bench.cluster.clock.advance(601)
    await bench.settle()

    assert job_of(bench)["metadata"]["uid"] != before
    assert ready(bench)[1] == "Importing"


async def test_what_a_person_must_change_is_not_tried_again_by_itself(bench: Bench) -> None:
    await submitted(bench)
    before = job_of(bench)["metadata"]["uid"]
    await gave_up(bench, ImportReason.LICENSE_NOT_ACCEPTED, "the licence")

    bench.cluster.clock.advance(10_000)
    await bench.settle()
    assert job_of(bench)["metadata"]["uid"] == before

    bench.cluster.edit("Model", "tiny", acceptedLicense="llama3.1")
    await bench.settle()

    job = job_of(bench)
    assert job["metadata"]["uid"] != before
    config = ImportConfig.from_json(bench.cluster.object("ConfigMap", job["metadata"]["name"])["data"]["import.json"])
    assert config.accepted_license == "llama3.1"
    assert ready(bench)[1] == "Importing"


async def test_a_job_that_somebody_deleted_is_made_again(bench: Bench) -> None:
    await submitted(bench)
    await gave_up(bench, ImportReason.ACCESS_DENIED, "a token")

    bench.cluster.remove(job_of(bench))
    await bench.settle()

    assert ready(bench)[1] == "Importing"
    assert job_of(bench)


async def test_a_quota_that_refuses_the_pod_is_named(bench: Bench) -> None:
    await submitted(bench)
    refuse_pods(bench.cluster, job_of(bench))
    bench.cluster.clock.advance(60)
    await bench.settle()

    assert ready(bench)[1] == "ChildRefused"
    assert "is forbidden" in ready(bench)[2]
