"""A service from apply to Serving, updated, hurt, and left alone by what does not concern it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bench import IPU, SETTINGS, Bench
from builders import make_pool
from tables import table
from unit.controllers.services import STYLES, said, serving, submitted
from world import failure

from hostler.api.schema import GROUP
from hostler_contract import ErrorReason

Object = dict[str, Any]
Spec = dict[str, Any]


def _revision(deployment: Object) -> str:
    return str(deployment["metadata"]["annotations"][f"{GROUP}/revision"])


async def test_a_service_gets_an_address_a_file_and_replicas(modelled: Bench) -> None:
    await submitted(modelled, serving={"maxBatchSize": 3}, pods={"min": 2, "max": 2})
    made = [write.rpartition("-")[0] or write for write in modelled.writer.writes if write.startswith("apply")]
    assert made == [
        "apply Service tiny",
        "apply ConfigMap tiny",
        "apply PodDisruptionBudget tiny",
        "apply Deployment tiny",
    ]
    deployment = modelled.cluster.object("Deployment", "tiny")
    assert deployment["spec"]["replicas"] == 2
    (config,) = [c for c in modelled.cluster.all("ConfigMap") if c["metadata"]["name"].startswith("tiny-")]
    told = json.loads(config["data"]["serving.json"])
    assert (told["model"], told["accelerator"], told["maxBatchSize"]) == ("tiny", "graphcore-c600", 3)
    assert told["sampleRequest"]["path"] == "/v1/chat/completions"
    assert said(modelled)[:2] == ("False", "Starting")
    assert modelled.status("InferenceService", "tiny")["url"] == "http://tiny.default.svc"


async def test_clients_name_the_service_and_so_outlive_its_model(modelled: Bench) -> None:
    """Retrained under another name, and served in the same place: nobody who asks has to change."""
    again = modelled.cluster.object("Model", "tiny")
    modelled.cluster.put({**again, "metadata": {**again["metadata"], "name": "tiny-2", "uid": "another"}})
    await submitted(modelled, "front", modelRef={"name": "tiny"})
    before = _told(modelled, "front")
    modelled.cluster.edit("InferenceService", "front", modelRef={"name": "tiny-2"})
    await modelled.settle()
    after = _told(modelled, "front")
    assert (before["model"], after["model"]) == ("tiny", "tiny-2"), "metrics say which Model answered"
    assert before["servedModelName"] == after["servedModelName"] == "front"


async def test_a_served_name_of_ones_own_is_a_new_revision(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.status("InferenceService", "tiny")["revision"]
    modelled.cluster.edit("InferenceService", "tiny", servedModelName="yard/assistant-1.0")
    await modelled.settle()
    assert modelled.status("InferenceService", "tiny")["revision"] != before
    assert _told(modelled, "tiny")["servedModelName"] == "yard/assistant-1.0"


async def test_pages_that_may_ask_reach_the_replicas_and_without_any_nothing_is_told(modelled: Bench) -> None:
    await serving(modelled)
    assert "allowedOrigins" not in _told(modelled, "tiny"), "an older runtime would not know it"
    modelled.cluster.edit("InferenceService", "tiny", serving={"allowedOrigins": ["https://chat.example.org"]})
    await modelled.settle()
    assert _told(modelled, "tiny")["allowedOrigins"] == ["https://chat.example.org"]


def _told(bench: Bench, service: str) -> Object:
    """What replicas of the newest revision are asked to do."""
    deployment = bench.cluster.object("Deployment", service)
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    (name,) = (volume["configMap"]["name"] for volume in volumes if "configMap" in volume)
    found: Object = json.loads(bench.cluster.object("ConfigMap", name)["data"]["serving.json"])
    return found


async def test_ready_means_that_every_replica_of_this_revision_is(modelled: Bench) -> None:
    await submitted(modelled, pods={"min": 2, "max": 2})
    first, _ = modelled.cluster.roll("tiny", node="ipu-1", ready=False)
    await modelled.settle()
    revision = modelled.status("InferenceService", "tiny")["revision"]
    assert said(modelled) == ("False", "Starting", f"0 of 2 replicas of revision {revision} are ready.")
    assert "firstReadyTime" not in modelled.status("InferenceService", "tiny")
    modelled.cluster.run(first)
    modelled.cluster.set_status(modelled.cluster.object("Deployment", "tiny"), readyReplicas=1, availableReplicas=1)
    await modelled.settle()
    assert said(modelled) == ("False", "Starting", f"1 of 2 replicas of revision {revision} are ready.")
    since = modelled.status("InferenceService", "tiny")["firstReadyTime"]
    modelled.cluster.clock.advance(60)
    modelled.cluster.roll("tiny", node="ipu-1")
    await modelled.settle()
    assert said(modelled) == ("True", "Serving", f"2 of 2 replicas of revision {revision} are ready.")
    status = modelled.status("InferenceService", "tiny")
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (2, 2, 2)
    assert status["firstReadyTime"] == since, "of the first replica, and never again"


async def test_a_status_of_the_deployment_that_speaks_of_an_older_spec_is_not_believed(modelled: Bench) -> None:
    await serving(modelled)
    deployment = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.set_status(deployment, observedGeneration=0)
    await modelled.settle()
    assert said(modelled)[:2] != ("True", "Serving")


async def test_a_change_of_the_spec_is_an_update_with_a_new_revision(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.status("InferenceService", "tiny")["revision"]
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    after = modelled.status("InferenceService", "tiny")["revision"]
    assert after != before
    status, reason, message = said(modelled)
    assert (status, reason) == ("False", "Updating")
    assert message.endswith("1 replica of an older revision serves meanwhile.")
    old = f"tiny-{before}"
    modelled.cluster.roll("tiny", node="ipu-1")
    await modelled.settle()
    assert said(modelled)[:2] == ("True", "Serving")
    configs = [c["metadata"]["name"] for c in modelled.cluster.all("ConfigMap")]
    assert len([name for name in configs if name.startswith("tiny-")]) == 1, f"{old}'s file has no reader any more"


async def test_more_replicas_are_no_new_revision(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.edit("InferenceService", "tiny", pods={"min": 2, "max": 2})
    await modelled.settle()
    after = modelled.cluster.object("Deployment", "tiny")
    assert after["spec"]["replicas"] == 2
    assert after["spec"]["template"] == before["spec"]["template"]
    assert _revision(after) == _revision(before)


async def test_an_upgrade_of_the_operator_with_other_images_restarts_no_running_replica(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.restart(settings=replace(SETTINGS, serve_image="registry/serve:2"))
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny") == before
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    (container,) = modelled.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry/serve:2", "with the next change of the service comes the new image"


async def test_an_image_that_is_taken_away_stops_new_revisions_only(modelled: Bench) -> None:
    modelled.cluster.node("real-1", labels={"hostler.dev/pool": "real"}, devices={IPU: 4})
    modelled.cluster.put(make_pool("real", acceleratorType="graphcore-c600"))
    modelled.restart(settings=replace(SETTINGS, variant_images={"serve-poplar": "registry/serve:1-poplar"}))
    await submitted(modelled, accelerators={"pool": "real"})
    modelled.cluster.roll("tiny", node="real-1")
    await modelled.settle()
    before = modelled.cluster.object("Deployment", "tiny")
    modelled.restart(settings=SETTINGS)
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny") == before
    assert said(modelled)[:2] == ("True", "Serving")
    modelled.cluster.edit("InferenceService", "tiny", pods={"min": 2, "max": 2})
    await modelled.settle()
    more = modelled.cluster.object("Deployment", "tiny")["spec"]
    assert (more["replicas"], more["template"]) == (2, before["spec"]["template"]), "more of the same"
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny")["spec"] == more
    status, reason, message = said(modelled, "Accepted")
    assert (status, reason) == ("False", "ImageNotConfigured")
    assert "no runtime image of variant poplar is configured for serving on graphcore-c600: bring one" in message
    assert message.endswith("of the last revision goes on serving.")


async def test_replicas_that_are_not_ready_for_a_moment_are_left_alone_by_an_upgrade_too(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.cluster.object("Deployment", "tiny")["spec"]
    proved = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    deployment = modelled.cluster.object("Deployment", "tiny")
    modelled.cluster.set_status(deployment, readyReplicas=0, availableReplicas=0, conditions=[proved])
    modelled.restart(settings=replace(SETTINGS, serve_image="registry/serve:2"))
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny")["spec"] == before


async def test_replicas_that_never_ran_take_the_image_of_an_upgrade(modelled: Bench) -> None:
    await submitted(modelled)
    modelled.cluster.roll("tiny", node="ipu-1", ready=False)
    modelled.restart(settings=replace(SETTINGS, serve_image="registry/serve:2"))
    await modelled.settle()
    (container,) = modelled.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry/serve:2", "or a wrong image could never be corrected"


@table(
    ("replicas", "want", "want_remark"),
    {
        "room for one more replica: new before old": (3, {"maxSurge": 1, "maxUnavailable": 0}, None),
        "a full pool: old before new": (
            4,
            {"maxSurge": 0, "maxUnavailable": 1},
            f"The pool has no {IPU} free for a further replica: an update ends one replica before it starts the next.",
        ),
    },
)
async def test_an_update_costs_capacity_only_where_the_pool_is_full(
    modelled: Bench, replicas: int, want: Spec, want_remark: str | None
) -> None:
    await serving(modelled, pods={"min": replicas, "max": replicas})
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    deployment = modelled.cluster.object("Deployment", "tiny")
    generation = deployment["metadata"]["generation"]
    modelled.cluster.set_status(deployment, observedGeneration=generation, updatedReplicas=0)
    await modelled.settle()
    strategy = modelled.cluster.object("Deployment", "tiny")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": want}
    message = said(modelled, "Admitted")[2]
    assert message.startswith(f"{replicas} replicas with 1 each on pool ipu.")
    if want_remark:
        assert message.endswith(want_remark)
    else:
        assert "no " not in message


async def test_a_full_pool_noticed_in_the_middle_of_an_update_changes_the_strategy_only(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await modelled.settle()
    before = modelled.cluster.object("Deployment", "tiny")["spec"]
    assert before["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert modelled.status("InferenceService", "tiny")["placement"]["nodes"] == [{"name": "ipu-1", "pods": 2}]
    modelled.cluster.stranger("greedy", node="ipu-1", requests={IPU: "3"})
    modelled.cluster.set_status(modelled.cluster.object("Deployment", "tiny"), updatedReplicas=0)
    await modelled.settle()
    after = modelled.cluster.object("Deployment", "tiny")["spec"]
    assert after["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert after["template"] == before["template"]
    assert "this service of one replica pauses meanwhile" in said(modelled, "Admitted")[2]


@table(
    ("state", "want_words", "want_failure"),
    {
        "a server that says why it ended": (
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {
                    "terminated": {
                        "exitCode": 1,
                        "message": failure(ErrorReason.ARTIFACT_UNREADABLE, "no config.json in /models").to_json(),
                        "finishedAt": "2026-01-01T00:00:00Z",
                    }
                },
            },
            "no config.json in /models",
            {"reason": "ArtifactUnreadable", "message": "no config.json in /models", "exitCode": 1},
        ),
        "a server that reached its memory limit": (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}}},
            "reached its memory limit: raise spec.resources.memory",
            {
                "reason": "OutOfMemory",
                "message": "pod tiny-1-0 reached its memory limit: raise spec.resources.memory, or use a smaller batch "
                "or model",
                "exitCode": 137,
            },
        ),
        "an image that is not there": (
            {"image": "registry/serve:1", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}},
            "cannot pull registry/serve:1 (ImagePullBackOff): not found",
            None,
        ),
    },
)
async def test_a_replica_that_cannot_run_is_named_with_its_own_words(
    modelled: Bench, state: Spec, want_words: str, want_failure: Spec | None
) -> None:
    await submitted(modelled)
    (pod,) = modelled.cluster.roll("tiny", node="ipu-1", ready=False)
    modelled.cluster.set_status(pod, containerStatuses=[{"name": "server", **state}])
    await modelled.settle()
    status, reason, message = said(modelled)
    assert (status, reason) == ("False", "ReplicaFailed")
    assert want_words in message
    assert modelled.status("InferenceService", "tiny").get("lastFailure") == want_failure


async def test_a_replica_that_waits_for_a_node_is_starting(modelled: Bench) -> None:
    await submitted(modelled)
    (pod,) = modelled.cluster.roll("tiny", ready=False)
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    modelled.cluster.set_status(pod, phase="Pending", conditions=[unschedulable], containerStatuses=[])
    await modelled.settle()
    status, reason, message = said(modelled)
    assert (status, reason) == ("False", "Starting")
    assert "fits on no node now: 0/2 nodes" in message


async def test_a_file_that_somebody_deleted_comes_back_for_the_replica_that_starts(modelled: Bench) -> None:
    _, moved = await serving(modelled, pods={"min": 2, "max": 2})
    before = modelled.cluster.object("Deployment", "tiny")["spec"]
    (config,) = [c for c in modelled.cluster.all("ConfigMap") if c["metadata"]["name"].startswith("tiny-")]
    modelled.cluster.remove(config)
    modelled.cluster.set_status(moved, phase="Pending", conditions=[], containerStatuses=[])
    modelled.cluster.set_status(modelled.cluster.object("Deployment", "tiny"), readyReplicas=1, availableReplicas=1)
    await modelled.settle()
    assert modelled.cluster.find("ConfigMap", config["metadata"]["name"]) is not None
    assert modelled.cluster.object("Deployment", "tiny")["spec"] == before, "the other replica goes on"


async def test_an_address_that_somebody_deleted_comes_back(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.remove(modelled.cluster.object("Service", "tiny"))
    await modelled.settle()
    assert modelled.cluster.find("Service", "tiny") is not None


async def test_replicas_that_somebody_scaled_come_back(modelled: Bench) -> None:
    await serving(modelled)
    modelled.cluster.edit("Deployment", "tiny", replicas=0)
    await modelled.settle()
    assert modelled.cluster.object("Deployment", "tiny")["spec"]["replicas"] == 1


async def test_fifty_resyncs_write_nothing(modelled: Bench) -> None:
    await serving(modelled)
    await submitted(modelled, "starting")
    await submitted(modelled, "waiting", pods={"min": 4, "max": 4})
    before = list(modelled.writer.writes)
    for _ in range(50):
        modelled.cluster.clock.advance(5)
        await modelled.settle()
    assert modelled.writer.writes == before


async def test_replicas_that_do_not_come_give_their_seats_back_and_ask_again_when_they_do(modelled: Bench) -> None:
    await submitted(modelled, "refused", pods={"min": 4, "max": 4})
    modelled.cluster.clock.advance(451)
    await modelled.settle()
    assert "placement" not in modelled.status("InferenceService", "refused")
    await submitted(modelled, "other")
    assert modelled.condition("InferenceService", "other", "Admitted")[1] == "Placed"


async def test_a_change_of_the_pool_that_pods_see_is_a_new_revision(modelled: Bench) -> None:
    await serving(modelled)
    before = modelled.status("InferenceService", "tiny")["revision"]
    modelled.cluster.put(make_pool("ipu", acceleratorType="graphcore-c600", expectedAccelerators=4))
    await modelled.settle()
    assert modelled.status("InferenceService", "tiny")["revision"] == before, "a promise of devices changes no pod"
    modelled.cluster.edit("AcceleratorPool", "ipu", tolerations=[{"key": "team"}])
    await modelled.settle()
    assert modelled.status("InferenceService", "tiny")["revision"] != before


async def test_adapters_are_mounted_read_only_and_named_in_the_file(painting: Bench) -> None:
    await submitted(painting, adapters=STYLES)
    (container,) = painting.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]["containers"]
    mounts = [mount for mount in container["volumeMounts"] if mount["mountPath"].startswith("/adapters")]
    assert mounts == [
        {"name": f"adapter-{n}", "mountPath": f"/adapters/{name}", "readOnly": True, "subPath": "artifacts"}
        for n, name in enumerate(("bold", "thin"))
    ]
    (config,) = [c for c in painting.cluster.all("ConfigMap") if c["metadata"]["name"].startswith("tiny-")]
    told = json.loads(config["data"]["serving.json"])
    assert told["adapters"] == {"bold": "/adapters/bold", "thin": "/adapters/thin"}
    assert (told["family"], told["task"]) == ("text-to-image", "text-to-image")


async def test_another_adapter_is_another_revision(painting: Bench) -> None:
    await submitted(painting, adapters=STYLES)
    first = _revision(painting.cluster.object("Deployment", "tiny"))
    painting.cluster.edit("Model", "bold-style", artifacts={"source": {"pvc": {"claimName": "tiny", "path": "b"}}})
    await painting.settle()
    assert _revision(painting.cluster.object("Deployment", "tiny")) != first
