"""What a service waits for, and what is said of one that cannot be as its spec says."""

from __future__ import annotations

from typing import Any

from bench import IPU, Bench
from builders import make_cluster_model, make_model
from tables import table
from unit.controllers.services import STYLES, said, serving, submitted

from hostler.cluster.errors import Forbidden, Taken

Spec = dict[str, Any]
OF_A_CONFIG_MAP = {"source": {"configMap": {"name": "models", "key": "tiny"}}}


@table(
    ("spec", "want_condition", "want_reason", "want_words"),
    {
        "a model that is not there": (
            {"modelRef": {"name": "nowhere"}},
            "Accepted",
            "ModelNotFound",
            "spec.modelRef: there is no Model nowhere in namespace default: create it, or name another one.",
        ),
        "a catalog entry whose source nothing can serve": (
            {"modelRef": {"kind": "ClusterModel", "name": "catalog"}},
            "Accepted",
            "SourceNotSupported",
            "spec.modelRef: model catalog.configMap: this release cannot read from configMap; use pvc or hf or http or "
            "s3 or oci.",
        ),
        "a model whose claim has gone": (
            {"modelRef": {"name": "homeless"}},
            "Admitted",
            "ModelNotReady",
            "Model homeless is not ready: There is no claim gone in namespace default: create or restore it.",
        ),
        "a model whose own sample request is no JSON": (
            {"modelRef": {"name": "sampled"}},
            "Admitted",
            "ModelNotReady",
            "model sampled: spec.sampleRequest.body is not JSON",
        ),
        "a family that nothing bundled serves": (
            {"modelRef": {"name": "painter"}},
            "Accepted",
            "FamilyNotAvailable",
            "spec.modelRef: model painter: this release does not start images of your own yet",
        ),
        "a pool that is not there": (
            {"accelerators": {"pool": "nowhere"}},
            "Accepted",
            "PoolNotFound",
            "spec.accelerators.pool: there is no AcceleratorPool nowhere",
        ),
        "a count in which the device does not come": (
            {"accelerators": {"pool": "ipu", "perPod": 3}},
            "Accepted",
            "UnsupportedCount",
            "graphcore-c600 comes in 1, 2, 4",
        ),
        "more replicas than the empty pool holds": (
            {"pods": {"min": 5, "max": 5}},
            "Accepted",
            "PoolTooSmall",
            "and the service needs 5 pods with 1 each",
        ),
    },
)
async def test_what_keeps_a_service_from_being_placed_is_said(
    modelled: Bench, spec: Spec, want_condition: str, want_reason: str, want_words: str
) -> None:
    modelled.cluster.put(make_cluster_model("catalog", artifacts=OF_A_CONFIG_MAP))
    source = {"source": {"pvc": {"claimName": "gone"}}}
    modelled.cluster.put(make_model("homeless", artifacts=source))
    modelled.cluster.put(make_model("painter", family="custom"))
    sample = {"path": "/v1/completions", "body": "{no json"}
    on_claim = {"source": {"pvc": {"claimName": "tiny"}}}
    modelled.cluster.put(make_model("sampled", artifacts=on_claim, sampleRequest=sample))
    await submitted(modelled, **spec)
    status, reason, message = said(modelled, want_condition)
    assert (status, reason) == ("False", want_reason)
    assert want_words in message
    assert said(modelled) == ("False", "NotAdmitted", message)
    assert modelled.cluster.all("Deployment") == [], "nothing is left half-made"


async def test_a_service_waits_for_devices_that_others_hold(modelled: Bench) -> None:
    modelled.cluster.stranger("busy", node="ipu-1", requests={IPU: "4"})
    await submitted(modelled)
    status, reason, message = said(modelled, "Admitted")
    assert (status, reason) == ("False", "WaitingForCapacity")
    assert message.startswith(f"Pool ipu has 0 of 4 {IPU} free")
    stranger = modelled.cluster.find("Pod", "busy", namespace="other")
    assert stranger is not None
    modelled.cluster.remove(stranger)
    await modelled.settle()
    assert said(modelled, "Admitted")[:2] == ("True", "Placed")


async def test_a_service_counts_its_own_replicas_as_room(modelled: Bench) -> None:
    await serving(modelled, pods={"min": 4, "max": 4})
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert said(modelled, "Admitted")[:2] == ("True", "Placed")


async def test_replicas_go_on_serving_when_the_new_spec_cannot_be_honoured(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.edit("InferenceService", "tiny", modelRef={"name": "nowhere"})
    await modelled.settle()
    status, reason, message = said(modelled)
    assert (status, reason) == ("False", "NotAdmitted")
    assert message.endswith("1 replica of the last revision goes on serving.")
    assert modelled.cluster.object("Deployment", "tiny") == before


async def test_replicas_on_a_cordoned_node_still_serve(modelled: Bench) -> None:
    await serving(modelled)
    cordoned = {**modelled.cluster.object("Node", "ipu-1"), "spec": {"unschedulable": True}}
    modelled.cluster.put(cordoned)
    await modelled.settle()
    assert said(modelled)[:2] == ("True", "Serving")
    assert said(modelled, "Admitted")[:2] == ("True", "Placed")
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert said(modelled, "Admitted")[:2] == ("False", "PoolNotReady"), "a new revision needs room"


async def test_an_object_of_somebody_else_under_this_name_is_left_alone(modelled: Bench) -> None:
    modelled.writer.refuse["Service"] = Taken("Service default/tiny exists and was not made by Hostler", code=409)
    await submitted(modelled)
    status, reason, message = said(modelled, "Accepted")
    assert (status, reason) == ("False", "NameTaken")
    assert "was not made by Hostler" in message
    assert modelled.cluster.all("Deployment") == [], "nothing is left half-made"


async def test_a_child_that_the_server_refuses_is_said(modelled: Bench) -> None:
    modelled.writer.refuse["Deployment"] = Forbidden("deployments.apps is forbidden: exceeded quota", code=403)
    await submitted(modelled)
    assert said(modelled) == (
        "False",
        "ChildRefused",
        "The API server refused Deployment tiny: deployments.apps is forbidden: exceeded quota",
    )


@table(
    ("change", "want_condition", "want_reason", "want_words"),
    {
        "a style that is not there": (
            lambda bench: bench.cluster.remove(bench.cluster.object("Model", "bold-style")),
            "Accepted",
            "ModelNotFound",
            "spec.adapters[0].modelRef: there is no Model bold-style in namespace default",
        ),
        "a style of another family": (
            lambda bench: bench.cluster.put(make_model("bold-style", family="chat")),
            "Accepted",
            "IncompatibleModel",
            "spec.adapters[0].modelRef: Model bold-style is of family chat; needed here: text-to-image.",
        ),
        "a style of another base": (
            lambda bench: (
                bench.cluster.edit("Model", "tiny", architecture={"parameters": 1000}),
                bench.cluster.edit(
                    "Model", "bold-style", architecture={"parameters": 2000}, lineage={"base": {"name": "large"}}
                ),
            ),
            "Accepted",
            "IncompatibleModel",
            "spec.adapters[0].modelRef: Model bold-style is an adapter for Model large with 2,000 weights, and Model "
            "tiny has 1,000: serve Model large, or train an adapter for tiny.",
        ),
        "a style whose files are gone": (
            lambda bench: bench.cluster.remove(bench.cluster.object("PersistentVolumeClaim", "bold-style")),
            "Admitted",
            "ModelNotReady",
            "Model bold-style is not ready: There is no claim bold-style",
        ),
        "a model that misses its gate": (
            lambda bench: bench.cluster.edit("Model", "tiny", gates=[{"metric": "agreement", "min": "0.8"}]),
            "Admitted",
            "ModelNotReady",
            "Model tiny is not ready: agreement was not measured, and a gate asks for at least 0.8.",
        ),
        "a family that takes no styles": (
            lambda bench: bench.cluster.put(make_model("tiny", family="gan")),
            "Accepted",
            "IncompatibleModel",
            "spec.adapters: family gan takes no adapters",
        ),
    },
)
async def test_a_service_does_not_begin_without_all_that_it_names(
    painting: Bench, change: Any, want_condition: str, want_reason: str, want_words: str
) -> None:
    change(painting)
    await submitted(painting, adapters=STYLES)
    status, reason, message = said(painting, want_condition)
    assert (status, reason) == ("False", want_reason)
    assert want_words in message
    assert painting.cluster.find("Deployment", "tiny") is None
