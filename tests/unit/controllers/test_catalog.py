"""An entry of the cluster's catalog becomes a Model in each namespace that uses it, once, on first use."""

from __future__ import annotations

import copy

import pytest
from bench import Bench
from builders import make_cluster_model, make_inference_service, make_model, make_training_job
from unit.controllers.imports import arrived, gave_up, job_of

from hostler.catalog import entries
from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler.manifests.naming import catalog_name
from hostler_contract.importing import ImportReason

ENTRY = {"kind": "ClusterModel", "name": "gpt"}
BECAME = "catalog-gpt"


def entry(bench: Bench) -> tuple[str, str, str]:
    return bench.condition("ClusterModel", "gpt", "Ready")


async def used(bench: Bench, **spec: object) -> None:
    """An entry without a family of its own, and a service that names it."""
    bench.cluster.put(make_cluster_model("gpt", **spec))
    bench.cluster.put(make_inference_service(modelRef=ENTRY))
    await bench.settle()


async def test_an_entry_that_nobody_uses_costs_nothing(bench: Bench) -> None:
    bench.cluster.put(make_cluster_model("gpt"))
    await bench.settle()

    assert entry(bench) == (
        "False",
        "NotUsed",
        "It is in no namespace: it is brought into one once a service or job there names it.",
    )
    assert bench.cluster.all("Model") == []


async def test_the_chart_s_catalog_is_written_to_once_and_makes_nothing(bench: Bench) -> None:
    await bench.settle()
    before = len(bench.writer.writes)
    for each in entries().values():
        bench.cluster.put(copy.deepcopy(each))
    await bench.settle()
    assert sorted(bench.writer.writes[before:]) == [f"status ClusterModel {name}" for name in sorted(entries())]
    assert bench.writer.events == [], "that there is an entry is no news"

    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()

    assert len(bench.writer.writes) == before + len(entries())
    assert [kind for kind in ("Model", "Job", "PersistentVolumeClaim") if bench.cluster.all(kind)] == []


async def test_without_a_hub_one_entry_fails_where_it_is_used_and_nothing_else_does(bench: Bench) -> None:
    for each in entries().values():
        bench.cluster.put(copy.deepcopy(each))
    named = {"kind": "ClusterModel", "name": "smollm2-135m-instruct"}
    bench.cluster.put(make_inference_service(modelRef=named))
    await bench.settle()

    await gave_up(bench, ImportReason.SOURCE_UNREACHABLE, "no route to the hub", name="catalog-smollm2-135m-instruct")

    assert bench.condition("ClusterModel", named["name"], "Ready")[:2] == ("False", "SourceUnreachable")
    assert "no route to the hub" in bench.condition("InferenceService", "tiny", "Admitted")[2]
    of_hubs = [name for name, entry in entries().items() if "hf" in entry["spec"]["artifacts"]["source"]]
    said = {bench.condition("ClusterModel", name, "Ready")[:2] for name in of_hubs if name != named["name"]}
    assert said == {("False", "NotUsed")}
    assert len(bench.cluster.all("Model")) == 1


async def test_the_first_use_has_it_imported_and_served(bench: Bench) -> None:
    await used(bench)
    assert bench.cluster.object("Model", BECAME)["spec"] == bench.cluster.object("ClusterModel", "gpt")["spec"]
    assert entry(bench) == ("Unknown", "Importing", "It is on its way into 1 namespace.")
    assert bench.condition("InferenceService", "tiny", "Admitted")[1:] == (
        "ModelNotReady",
        "ClusterModel gpt is not ready: The files are being brought into the namespace.",
    )

    await arrived(bench, BECAME)

    assert entry(bench) == ("True", "ArtifactsAvailable", "It is in 1 namespace, as Model catalog-gpt.")
    assert bench.status("ClusterModel", "gpt")["facts"]["parameters"] == 1000
    volumes = bench.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]["volumes"]
    assert any(each.get("persistentVolumeClaim", {}).get("claimName") == f"{BECAME}-import" for each in volumes)
    assert bench.status("Model", BECAME)["usedBy"] == [{"kind": "InferenceService", "name": "tiny"}]


async def test_the_service_is_woken_by_what_the_entry_became(bench: Bench) -> None:
    await used(bench)
    before = bench.cluster.object("Model", BECAME)
    await arrived(bench, BECAME)
    after = bench.cluster.object("Model", BECAME)

    change = Change("Model", before, after)

    assert Key("InferenceService", "default", "tiny") in set(bench.controllers["InferenceService"].affected(change))
    assert set(bench.controllers["ClusterModel"].affected(change)) == {Key("ClusterModel", "", "gpt")}


async def test_two_uses_in_a_namespace_are_one_import_and_another_namespace_has_its_own(bench: Bench) -> None:
    await used(bench)
    bench.cluster.put(make_inference_service("second", modelRef=ENTRY))
    bench.cluster.put(make_inference_service("third", namespace="other", modelRef=ENTRY))
    await bench.settle()

    models = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in bench.cluster.all("Model")]
    assert sorted(models) == [("default", BECAME), ("other", BECAME)]
    assert entry(bench)[2] == "It is on its way into 2 namespaces."


async def test_a_job_starts_from_an_entry(bench: Bench) -> None:
    bench.cluster.put(make_cluster_model("gpt"))
    job = make_training_job("tuned", objective="finetune", base=ENTRY)
    job["spec"]["output"].pop("transformer", None)
    bench.cluster.put(job)
    await bench.settle()

    await arrived(bench, BECAME)

    volumes = bench.cluster.object("Job", "tuned-0")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "base", "persistentVolumeClaim": {"claimName": f"{BECAME}-import"}} in volumes


async def test_a_failure_is_the_entry_s_too_without_a_name_of_the_namespace(bench: Bench) -> None:
    await used(bench)

    await gave_up(bench, ImportReason.SOURCE_UNREACHABLE, "the hub is away", name=BECAME)

    assert entry(bench) == (
        "False",
        "SourceUnreachable",
        "It is not ready in 1 of 1 namespace (SourceUnreachable): Model catalog-gpt there says why.",
    )
    assert "the hub is away" in bench.condition("InferenceService", "tiny", "Admitted")[2]


async def test_a_changed_entry_changes_what_it_became(bench: Bench) -> None:
    await used(bench)
    await gave_up(bench, ImportReason.LICENSE_NOT_ACCEPTED, "the licence", name=BECAME)

    bench.cluster.edit("ClusterModel", "gpt", namespace="", acceptedLicense="llama3.1")
    await bench.settle()

    assert bench.cluster.object("Model", BECAME)["spec"]["acceptedLicense"] == "llama3.1"
    assert job_of(bench, BECAME)
    assert entry(bench)[1] == "Importing"


async def test_an_entry_that_goes_leaves_what_is_served(bench: Bench) -> None:
    await used(bench)
    await arrived(bench, BECAME)

    bench.cluster.remove(bench.cluster.object("ClusterModel", "gpt"))
    await bench.settle()

    assert bench.condition("Model", BECAME, "Ready")[0] == "True"


async def test_what_somebody_deletes_while_it_is_used_is_made_again(bench: Bench) -> None:
    await used(bench)

    model = bench.cluster.object("Model", BECAME)
    bench.cluster.remove(model)
    assert set(bench.controllers["ClusterModel"].affected(Change("Model", model, None))) == {
        Key("ClusterModel", "", "gpt")
    }
    await bench.settle()

    assert bench.cluster.object("Model", BECAME)


async def test_a_model_of_that_name_that_others_made_is_left_alone(bench: Bench) -> None:
    bench.cluster.put(make_model(BECAME))
    await used(bench)

    assert entry(bench) == (
        "False",
        "ChildRefused",
        "The API server refuses Model catalog-gpt in 1 namespace: another one has the name, or a rule forbids it.",
    )
    assert bench.condition("InferenceService", "tiny", "Admitted")[2] == (
        "ClusterModel gpt is not ready: Its files have not been brought into the namespace yet."
    )


@pytest.mark.parametrize("name", ["gpt", "a" * 63])
def test_names_fit_into_a_label(name: str) -> None:
    assert len(catalog_name(name)) <= 63


async def test_fifty_resyncs_of_a_used_entry_write_nothing(bench: Bench) -> None:
    await used(bench)
    await arrived(bench, BECAME)
    before = len(_of_models(bench))
    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert _of_models(bench)[before:] == []


def _of_models(bench: Bench) -> list[str]:
    """Writes but for those of the service, whose pods never come here."""
    return [write for write in bench.writer.writes if BECAME in write or "ClusterModel" in write]


CLAIM = {"source": {"pvc": {"claimName": "shared", "path": "gpt"}}}


async def test_an_entry_may_name_a_claim_that_each_namespace_has(bench: Bench) -> None:
    """A volume that can be read from anywhere, bound to a claim of this name in each namespace: nothing is copied."""
    await used(bench, artifacts=CLAIM)
    assert entry(bench) == (
        "True",
        "ArtifactsAvailable",
        "The artifacts are on claim shared, gpt, of each namespace that uses it.",
    )
    assert bench.condition("InferenceService", "tiny", "Admitted")[1:] == (
        "ModelNotReady",
        "ClusterModel gpt is not ready: There is no claim shared in namespace default: create or restore it.",
    )

    claim = bench.cluster.claim("shared")
    assert set(bench.controllers["InferenceService"].affected(Change("PersistentVolumeClaim", None, claim))) == {
        Key("InferenceService", "default", "tiny")
    }
    await bench.settle()

    template = bench.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]
    assert any(each.get("persistentVolumeClaim", {}).get("claimName") == "shared" for each in template["volumes"])
    assert bench.cluster.all("Model") == []


async def test_gates_of_an_entry_on_a_claim_count(bench: Bench) -> None:
    await used(bench, artifacts=CLAIM, gates=[{"metric": "accuracy", "min": "0.9"}])

    assert entry(bench)[1] == "GateMissed"
