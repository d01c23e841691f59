"""Models say whether their files can be counted on, and who would miss them."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_dataset, make_inference_service, make_model, make_training_job
from tables import table
from unit.controllers.services import said, serving

from hostler.api.model import USED_BY_LIMIT
from hostler.controllers.ports import Key

Object = dict[str, Any]

GOING = "2026-01-01T00:00:00Z"
COPY = "A deletion cannot be taken back: copy the files to another claim now, and describe them with a new Model."


def delete(bench: Bench, kind: str, name: str = "tiny") -> None:
    """Somebody deletes it, and something still holds it."""
    found = bench.cluster.object(kind, name)
    bench.cluster.put({**found, "metadata": {**found["metadata"], "deletionTimestamp": GOING}})


async def test_a_model_on_a_claim_that_is_being_deleted_is_not_ready(modelled: Bench) -> None:
    await serving(modelled)
    delete(modelled, "PersistentVolumeClaim")
    await modelled.settle()
    assert modelled.condition("Model", "tiny", "Ready") == (
        "False",
        "BeingDeleted",
        "Claim tiny is being deleted and takes no new pod; it goes with the last pod that uses it. "
        f"{COPY} It is used by InferenceService tiny.",
    )
    status, reason, message = said(modelled, "Admitted")
    assert (status, reason) == ("False", "ModelNotReady")
    assert message.startswith("Model tiny is not ready: Claim tiny is being deleted")
    assert message.endswith("1 replica of the last revision goes on serving.")


async def test_a_model_that_is_being_deleted_says_who_uses_it_and_its_service_says_so_too(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    delete(modelled, "Model")
    await modelled.settle()
    assert modelled.condition("Model", "tiny", "Ready") == (
        "False",
        "BeingDeleted",
        f"The model is being deleted, and its files with it. {COPY} It is used by InferenceService tiny.",
    )
    assert said(modelled, "Admitted")[:2] == ("False", "ModelNotReady")
    assert "Model tiny is not ready: It is being deleted, and its files with it." in said(modelled, "Admitted")[2]
    assert modelled.cluster.object("Deployment", "tiny") == before


async def test_a_service_whose_model_was_deleted_says_how_long_its_files_last(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.remove(modelled.cluster.object("Model", "tiny"))
    delete(modelled, "PersistentVolumeClaim")
    await modelled.settle()
    status, reason, message = said(modelled, "Accepted")
    assert (status, reason) == ("False", "ModelNotFound")
    assert (
        "Claim tiny with the files is being deleted and goes with the last replica: copy them to another claim before "
        "this service is changed or deleted. 1 replica of the last revision goes on serving."
    ) in message


async def test_a_claim_that_has_lost_its_volume_is_said(modelled: Bench) -> None:
    modelled.cluster.set_status(modelled.cluster.object("PersistentVolumeClaim", "tiny"), phase="Lost")
    await modelled.settle()
    status, reason, message = modelled.condition("Model", "tiny", "Ready")
    assert (status, reason) == ("False", "ArtifactsMissing")
    assert message.startswith("Claim tiny has lost its volume")


async def test_a_claim_that_waits_for_its_first_pod_keeps_no_model_from_being_served(modelled: Bench) -> None:
    modelled.cluster.set_status(modelled.cluster.object("PersistentVolumeClaim", "tiny"), phase="Pending")
    await modelled.settle()
    assert modelled.condition("Model", "tiny", "Ready")[:2] == ("True", "ArtifactsAvailable")


def users(bench: Bench, name: str = "tiny") -> list[str]:
    """Who uses a Model, by its status."""
    return [f"{user['kind']} {user['name']}" for user in bench.status("Model", name).get("usedBy", ())]


BASE = {"objective": "finetune", "base": {"name": "tiny"}}


@table(
    ("user", "want"),
    {
        "a service": (make_inference_service("chat"), ["InferenceService chat"]),
        "a service of another model": (make_inference_service("chat", modelRef={"name": "other"}), []),
        "a service of a catalog entry of that name": (
            make_inference_service("chat", modelRef={"kind": "ClusterModel", "name": "tiny"}),
            [],
        ),
        "a service that takes it as an adapter": (
            make_inference_service(
                "paint", modelRef={"name": "other"}, adapters=[{"name": "a", "modelRef": {"name": "tiny"}}]
            ),
            ["InferenceService paint"],
        ),
        "a service of another namespace": (make_inference_service("chat", namespace="other"), []),
        "a job that begins from it": (make_training_job("more", **BASE), ["TrainingJob more"]),
        "a job that takes a part of it": (
            make_training_job("more", parts={"textEncoder": {"name": "tiny"}}),
            ["TrainingJob more"],
        ),
        "a job that waits": (make_training_job("more", suspend=True, **BASE), ["TrainingJob more"]),
        "a job at its end": (
            make_training_job("more", **BASE) | {"status": {"conditions": [{"type": "Succeeded", "status": "True"}]}},
            [],
        ),
        "a dataset": (make_dataset("books", source={"pvc": {"claimName": "tiny"}}), []),
    },
)
async def test_a_model_names_who_uses_it(modelled: Bench, user: Object, want: list[str]) -> None:
    modelled.cluster.put(user)
    controller = modelled.controllers["Model"]
    controller.affected(user["kind"], user)
    await controller.reconcile(Key("Model", "default", "tiny"))
    assert users(modelled) == want


async def test_users_that_go_are_forgotten(modelled: Bench) -> None:
    service = modelled.cluster.put(make_inference_service("chat"))
    await modelled.settle()
    assert users(modelled) == ["InferenceService chat"]
    controller = modelled.controllers["Model"]
    modelled.cluster.remove(service)
    assert list(controller.affected("InferenceService", service)) == [Key("Model", "default", "tiny")]
    await modelled.settle()
    assert users(modelled) == []


async def test_many_users_are_bounded_and_sorted(modelled: Bench) -> None:
    for number in range(30):
        modelled.cluster.put(make_inference_service(f"chat-{number:02}"))
        modelled.cluster.put(make_training_job(f"more-{number:02}", **BASE))
    delete(modelled, "PersistentVolumeClaim")
    await modelled.settle()
    found = users(modelled)
    assert found == [f"InferenceService chat-{number:02}" for number in range(USED_BY_LIMIT)]
    message = modelled.condition("Model", "tiny", "Ready")[2]
    assert message.endswith(
        "It is used by InferenceService chat-00, InferenceService chat-01, InferenceService chat-02 and 57 more."
    )


async def test_one_look_at_services_and_jobs_answers_for_all_models(modelled: Bench) -> None:
    modelled.cluster.put(make_inference_service("chat"))
    for number in range(200):
        modelled.cluster.put(make_model(f"model-{number}"))
    listed: list[str] = []
    list_all = modelled.reader.list

    def counted(kind: str, **options: Any) -> list[Object]:
        listed.append(kind)
        return list_all(kind, **options)

    modelled.reader.list = counted  # type: ignore[method-assign]
    for number in range(200):
        await modelled.reconcile("Model", f"model-{number}")
    assert listed.count("TrainingJob") == 1


async def test_a_model_is_woken_by_what_names_it_and_by_nothing_else(bench: Bench) -> None:
    controller = bench.controllers["Model"]
    assert list(controller.affected("TrainingJob", make_training_job("plain"))) == []
    assert list(controller.affected("Pod", {"metadata": {"name": "a", "namespace": "default"}})) == []
    job = make_training_job("more", **BASE)
    assert list(controller.affected("TrainingJob", job)) == [Key("Model", "default", "tiny")]
    assert list(bench.controllers["ClusterModel"].affected("TrainingJob", job)) == []
