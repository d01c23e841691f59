"""What somebody else changes is put back; what a newer operator would write otherwise is left alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bench import IPU, SETTINGS, Bench
from builders import edited, without
from fakeaccess import FakeWriter
from tables import table
from unit.controllers.services import said, serving, submitted

from hostler.controllers.inferenceservice.decide import CHANGE_UNDONE
from hostler.controllers.inferenceservice.template import RESTARTED_AT, TEMPLATE
from hostler.manifests import deployment as builder
from hostler.planning.seats import GATE

Object = dict[str, Any]

NEWER = replace(SETTINGS, serve_image="registry/serve:2")


def change(bench: Bench, kind: str, path: str, value: Any) -> None:
    """Somebody edits a child."""
    bench.cluster.put(edited(bench.cluster.object(kind, "tiny"), path, value))


async def test_a_service_that_has_lost_a_seat_is_still_looked_after(modelled: Bench) -> None:
    """Replicas that have theirs serve on, so their Service has to find them."""
    await serving(modelled, pods={"min": 2, "max": 2})
    lost = modelled.cluster.all("Pod")[0]
    modelled.cluster.remove(lost)
    metadata = {**lost["metadata"], "name": "new", "uid": "new"}
    spec = {**without(lost, "spec.nodeName")["spec"], "schedulingGates": [{"name": GATE}]}
    modelled.cluster.put({**lost, "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
    seats = [{"name": "ipu-1", "pods": 1}]
    modelled.cluster.put(edited(modelled.cluster.object("InferenceService", "tiny"), "status.placement.nodes", seats))
    modelled.cluster.stranger("busy", node="ipu-1", requests={IPU: "16"})
    await modelled.settle()
    assert said(modelled, "Admitted")[1] == "WaitingForCapacity"
    change(modelled, "Service", "spec.selector.more", "x")
    await modelled.settle()
    assert "more" not in modelled.cluster.object("Service", "tiny")["spec"]["selector"]
    assert len(undone(modelled)) == 1


def template(bench: Bench) -> Object:
    """The pod template of the replicas."""
    found: Object = bench.cluster.object("Deployment", "tiny")["spec"]["template"]
    return found


def image(bench: Bench) -> str:
    """What the replicas are to run."""
    (container,) = template(bench)["spec"]["containers"]
    return str(container["image"])


def undone(bench: Bench) -> list[str]:
    """Messages of Events about children that were put back."""
    return [message for reason, message, warning in bench.writer.events if reason == CHANGE_UNDONE and warning]


def containers(**changes: Any) -> Callable[[Object], Object]:
    """A change of the server's container."""

    def edit(found: Object) -> Object:
        found = copy.deepcopy(found)
        found["spec"]["template"]["spec"]["containers"][0] |= changes
        return found

    return edit


def more_containers(found: Object) -> Object:
    """A container beside the server."""
    found = copy.deepcopy(found)
    found["spec"]["template"]["spec"]["containers"].append({"name": "spy", "image": "spy"})
    return found


@table(
    ("kind", "edit", "want"),
    {
        "another port behind the address": (
            "Service",
            lambda found: edited(
                found, "spec.ports", [{"name": "http", "port": 80, "targetPort": 9, "protocol": "TCP"}]
            ),
            "Service tiny was changed by somebody else (spec.ports) and is put back: change the InferenceService "
            "instead.",
        ),
        "an address for the whole world": (
            "Service",
            lambda found: edited(found, "spec.type", "LoadBalancer"),
            "Service tiny was changed by somebody else (spec.type)",
        ),
        "other pods behind the address": (
            "Service",
            lambda found: edited(found, "spec.selector", {"app": "other"}),
            "Service tiny was changed by somebody else (spec.selector)",
        ),
        "one more key of the selector": (
            "Service",
            lambda found: edited(found, "spec.selector.tier", "gold"),
            "Service tiny was changed by somebody else (spec.selector.tier) and is put back",
        ),
        "one more container": (
            "Deployment",
            more_containers,
            "Deployment tiny was changed by somebody else (spec.template.spec.containers[1]) and is put back",
        ),
        "fewer labels": (
            "Service",
            lambda found: edited(found, "metadata.labels", {"app.kubernetes.io/managed-by": "hostler"}),
            "Service tiny was changed by somebody else (metadata.labels)",
        ),
        "another image": (
            "Deployment",
            containers(image="registry/mine:1"),
            "Deployment tiny was changed by somebody else (spec.template)",
        ),
        "another environment": (
            "Deployment",
            containers(env=[{"name": "OMP_NUM_THREADS", "value": "64"}]),
            "Deployment tiny was changed by somebody else (spec.template)",
        ),
        "another selector of nodes": (
            "Deployment",
            lambda found: edited(found, "spec.template.spec.nodeSelector", {"disk": "fast"}),
            "Deployment tiny was changed by somebody else (spec.template)",
        ),
        "more replicas, such as by an autoscaler": (
            "Deployment",
            lambda found: edited(found, "spec.replicas", 3),
            "Deployment tiny was changed by somebody else (spec.replicas) and is put back: spec.pods of the "
            "InferenceService decides, so remove an autoscaler that scales the Deployment.",
        ),
        "a rollout that waits": (
            "Deployment",
            lambda found: edited(found, "spec.paused", True),
            "Deployment tiny was changed by somebody else (spec.paused)",
        ),
        "an update that pauses the service": (
            "Deployment",
            lambda found: edited(found, "spec.strategy", {"type": "Recreate"}),
            "Deployment tiny was changed by somebody else (spec.strategy)",
        ),
        "an owner that would have it collected": (
            "Deployment",
            lambda found: edited(
                found, "metadata.ownerReferences", [{**found["metadata"]["ownerReferences"][0], "controller": False}]
            ),
            "Deployment tiny was changed by somebody else (metadata.ownerReferences)",
        ),
    },
)
async def test_a_child_that_somebody_edits_is_put_back_at_the_next_look(
    modelled: Bench, kind: str, edit: Callable[[Object], Object], want: str
) -> None:
    await serving(modelled)
    before = modelled.cluster.object(kind, "tiny")
    modelled.cluster.put(edit(before))
    await modelled.reconcile("InferenceService", "tiny")
    after = modelled.cluster.object(kind, "tiny")
    assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], before["metadata"]["labels"])
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    (message,) = undone(modelled)
    assert message.startswith(want)


async def test_an_address_that_somebody_deleted_comes_back_and_is_told(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.remove(modelled.cluster.object("Service", "tiny"))
    await modelled.settle()
    assert modelled.cluster.find("Service", "tiny") is not None
    assert undone(modelled) == [
        "Service tiny was deleted by somebody else and is put back: change the InferenceService instead."
    ]


async def test_a_budget_comes_with_the_second_replica_is_put_back_and_goes_with_it(modelled: Bench) -> None:
    def budget() -> Object | None:
        return modelled.cluster.find("PodDisruptionBudget", "tiny")

    await serving(modelled)
    assert budget() is None, "a single replica has to be movable"
    modelled.cluster.edit("InferenceService", "tiny", pods={"min": 2, "max": 2})
    await modelled.settle()
    made = budget()
    assert made is not None
    assert made["spec"]["maxUnavailable"] == 1
    change(modelled, "PodDisruptionBudget", "spec.maxUnavailable", 0)
    await modelled.settle()
    assert modelled.cluster.object("PodDisruptionBudget", "tiny")["spec"] == made["spec"]
    assert undone(modelled)[-1].startswith(
        "PodDisruptionBudget tiny was changed by somebody else (spec.maxUnavailable)"
    )
    modelled.cluster.edit("InferenceService", "tiny", pods={"min": 1, "max": 1})
    await modelled.settle()
    assert budget() is None


async def test_replicas_that_somebody_deleted_come_back(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")["spec"]
    modelled.cluster.remove(modelled.cluster.object("Deployment", "tiny"))
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny")["spec"] == before
    assert said(modelled)[:2] == ("False", "Starting")


async def test_somebody_elses_number_of_replicas_is_said_while_it_is_put_back(modelled: Bench) -> None:
    await serving(modelled)
    change(modelled, "Deployment", "spec.replicas", 3)
    await modelled.reconcile("InferenceService", "tiny")
    assert said(modelled) == (
        "False",
        "Updating",
        "Deployment tiny was changed by somebody else (spec.replicas) and is put back. 1 replica serves meanwhile.",
    )


async def test_what_the_server_fills_in_is_no_change(modelled: Bench) -> None:
    await serving(modelled)
    change(modelled, "Deployment", "spec.template.spec.dnsPolicy", "ClusterFirst")
    change(modelled, "Service", "spec.clusterIP", "10.0.0.1")
    deployment = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.set_status(deployment, observedGeneration=deployment["metadata"]["generation"])
    before = list(modelled.writer.writes)
    await modelled.settle()
    assert modelled.writer.writes == before
    assert undone(modelled) == []


async def test_what_an_admission_rule_keeps_otherwise_is_left_so_in_silence(modelled: Bench) -> None:
    class Stubborn(FakeWriter):
        async def apply(self, wanted: Object) -> bool:
            if wanted["kind"] == "Deployment":
                return False
            return await super().apply(wanted)

    await serving(modelled)
    modelled.writer = Stubborn(modelled.cluster)
    modelled.restart()
    change(modelled, "Deployment", "spec.paused", True)
    await modelled.settle()
    assert undone(modelled) == []


# -- a newer operator --------------------------------------------------------------------------------------------------


async def test_another_template_of_a_newer_operator_restarts_nothing(
    modelled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    monkeypatch.setattr(builder, "_GRACE_BEYOND_DRAIN", 99)
    modelled.restart(settings=NEWER)
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny") == before, "not even written"
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert template(modelled)["spec"]["terminationGracePeriodSeconds"] == 30 + 99, "with the next change it comes"


async def test_after_an_upgrade_somebody_elses_change_is_put_back_to_what_the_replicas_run(
    modelled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serving(modelled)
    before = template(modelled)
    monkeypatch.setattr(builder, "_GRACE_BEYOND_DRAIN", 99)
    modelled.restart(settings=NEWER)
    modelled.cluster.put(containers(env=[])(modelled.cluster.object("Deployment", "tiny")))
    # The Deployment controller has begun to replace them, and the old replica is still there.
    modelled.cluster.set_status(modelled.cluster.object("Deployment", "tiny"), updatedReplicas=0, replicas=2)
    await modelled.settle()
    assert template(modelled) == before


async def test_more_replicas_after_an_upgrade_are_more_of_the_same(modelled: Bench) -> None:
    await serving(modelled)
    before = template(modelled)
    modelled.restart(settings=NEWER)
    modelled.cluster.edit("InferenceService", "tiny", pods={"min": 3, "max": 3})
    await modelled.settle()
    spec = modelled.cluster.object("Deployment", "tiny")["spec"]
    assert (spec["replicas"], spec["template"]) == (3, before)


async def test_a_file_that_is_deleted_after_an_upgrade_comes_back_under_the_name_that_replicas_mount(
    modelled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, moved = await serving(modelled, pods={"min": 2, "max": 2})
    before = template(modelled)
    (config,) = [c for c in modelled.cluster.all("ConfigMap") if c["metadata"]["name"].startswith("tiny-")]
    monkeypatch.setattr("hostler.controllers.inferenceservice.children.MODELS", "/elsewhere")
    modelled.restart(settings=NEWER)
    modelled.cluster.remove(config)
    modelled.cluster.set_status(moved, phase="Pending", conditions=[], containerStatuses=[])
    modelled.cluster.set_status(modelled.cluster.object("Deployment", "tiny"), readyReplicas=1, availableReplicas=1)
    await modelled.settle()
    assert modelled.cluster.find("ConfigMap", config["metadata"]["name"]) is not None
    assert template(modelled) == before


@table(
    "text",
    {
        "another template": lambda found: json.dumps(edited(json.loads(found), "spec.hostPID", True)),
        "no template": lambda _: "true",
        "no JSON": lambda _: "{",
    },
)
async def test_who_edits_what_we_remember_cannot_have_us_write_it(modelled: Bench, text: Callable[[str], str]) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    annotations = before["metadata"]["annotations"]
    change(modelled, "Deployment", "metadata.annotations", {**annotations, TEMPLATE: text(annotations[TEMPLATE])})
    await modelled.settle()
    after = modelled.cluster.object("Deployment", "tiny")
    assert (after["spec"], after["metadata"]["annotations"]) == (before["spec"], annotations)


async def test_without_what_we_remember_the_same_operator_writes_the_same(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    annotations = {k: v for k, v in before["metadata"]["annotations"].items() if k != TEMPLATE}
    change(modelled, "Deployment", "metadata.annotations", annotations)
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny")["spec"] == before["spec"]


# -- the image that was kept -------------------------------------------------------------------------------------------


async def test_an_image_that_an_upgrade_left_behind_is_reported_with_the_way_out(modelled: Bench) -> None:
    await serving(modelled)
    assert "outdatedImage" not in modelled.status("InferenceService", "tiny")
    modelled.restart(settings=NEWER)
    await modelled.settle()
    status = modelled.status("InferenceService", "tiny")
    assert status["outdatedImage"] == "registry/serve:1"
    ready, reason, message = said(modelled)
    assert (ready, reason) == ("True", "Serving")
    assert message.endswith(
        "They run registry/serve:1 and the installation has registry/serve:2: the next change of the spec brings it, "
        "or kubectl rollout restart deployment/tiny."
    )
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert "outdatedImage" not in modelled.status("InferenceService", "tiny")
    assert image(modelled) == "registry/serve:2"


async def test_a_restart_that_a_person_asks_for_brings_the_newest_image_and_is_not_undone(modelled: Bench) -> None:
    await serving(modelled)
    modelled.restart(settings=NEWER)
    asked = {**template(modelled)["metadata"]["annotations"], RESTARTED_AT: "2026-01-01T00:00:00Z"}
    change(modelled, "Deployment", "spec.template.metadata.annotations", asked)
    await modelled.settle()
    assert image(modelled) == "registry/serve:2"
    assert template(modelled)["metadata"]["annotations"] == asked
    assert undone(modelled) == []
    modelled.cluster.roll("tiny", node="ipu-1")
    await modelled.settle()
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.restart(settings=replace(SETTINGS, serve_image="registry/serve:3"))
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny") == before, "it was asked for once"
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert RESTARTED_AT not in template(modelled)["metadata"]["annotations"]


async def test_a_process_that_ends_between_replicas_and_status_does_not_forget_what_it_wrote(modelled: Bench) -> None:
    await submitted(modelled)
    service = modelled.cluster.object("InferenceService", "tiny")
    modelled.cluster.put(without(service, "status.templateHash"))
    modelled.restart()
    modelled.cluster.roll("tiny", node="ipu-1")
    await modelled.settle()
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.restart(settings=NEWER)
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny") == before
