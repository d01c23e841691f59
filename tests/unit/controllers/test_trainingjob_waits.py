"""Why a job does not start: one sentence each, with the thing and the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bench import GPU, SETTINGS, Bench
from builders import make_model, make_pool, make_training_job, make_transformer
from fakes import Crash
from tables import table
from world import failed, failure, jobs, progress, running, states, submitted, told

from hostler.cluster.store import Change
from hostler.planning.seats import on_node
from hostler_contract import ErrorReason

Spec = dict[str, Any]


@table(
    ("spec", "want_reason", "want_message"),
    {
        "a pool whose name is nearly right": (
            {"accelerators": {"pool": "gpus"}},
            "PoolNotFound",
            "spec.accelerators.pool: there is no AcceleratorPool gpus; did you mean gpu?.",
        ),
        "a pool that is like none": (
            {"accelerators": {"pool": "tpu-west"}},
            "PoolNotFound",
            "spec.accelerators.pool: there is no AcceleratorPool tpu-west; pools: gpu, ipu.",
        ),
        "more accelerators on one node than any has": (
            {"accelerators": {"pool": "gpu", "perPod": 16}, "training": {"steps": 20, "batchSize": 64}},
            "PoolTooSmall",
            "spec.accelerators: pool gpu has 4 nvidia.com/gpu on 1 node, at most 4 on one, and the job needs 1 pod "
            "with 16 each: ask for less, or add nodes to the pool.",
        ),
        "more pods than the empty pool holds": (
            {"pods": {"min": 3, "max": 4}, "accelerators": {"pool": "gpu", "perPod": 2}},
            "PoolTooSmall",
            "spec.accelerators: pool gpu has 4 nvidia.com/gpu on 1 node, at most 4 on one, and the job needs 3 pods "
            "with 2 each: ask for less, or add nodes to the pool.",
        ),
        "more memory than a node has": (
            {"resources": {"cpu": "1", "memory": "64Gi"}},
            "PoolTooSmall",
            "spec.accelerators: pool gpu has 4 nvidia.com/gpu on 1 node, at most 4 on one; no node offers "
            "enough memory for one of its pods, and the job needs 1 pod with 1 each: ask for less, or add nodes to the "
            "pool.",
        ),
        "a family that nothing bundled trains": (
            {"family": "custom", "output": {}},
            "FamilyNotAvailable",
            "spec.family: this release does not start images of your own yet; every other family is bundled.",
        ),
        "a count in which the device does not come": (
            {"accelerators": {"pool": "ipu", "perPod": 3}},
            "UnsupportedCount",
            "spec.accelerators.perPod: graphcore-c600 comes in 1, 2, 4, 8, 16, 32, 64 per pod, not in 3.",
        ),
        "a source of a later release": (
            {"dataset": {"source": {"oci": {"reference": "a/b:1"}}}},
            "SourceNotSupported",
            "spec.dataset.source.oci: this release cannot read from oci; use pvc or configMap or http or s3 or hf.",
        ),
        "a Secret of others beside a server of one's own": (
            {
                "dataset": {
                    "source": {
                        "hf": {
                            "repository": "org/set",
                            "endpoint": "https://evil.example",
                            "secretRef": {"name": "token-of-others"},
                        }
                    }
                }
            },
            "EndpointNotAllowed",
            "spec.dataset.source.hf.endpoint: https://evil.example may not be sent the credentials that secretRef "
            "names: leave endpoint or secretRef out, or have an administrator allow its host with allowedEndpoints in "
            "the chart's values (--allowed-endpoint).",
        ),
        "a claim with data that is not there": (
            {"dataset": {"source": {"pvc": {"claimName": "nowhere"}}}},
            "DatasetNotFound",
            "spec.dataset.source.pvc.claimName: there is no claim nowhere in namespace default: create it, or name "
            "another one.",
        ),
        "a ConfigMap that is not there": (
            {"dataset": {"source": {"configMap": {"name": "nowhere", "key": "text"}}}},
            "DatasetNotFound",
            "spec.dataset.source.configMap.name: there is no ConfigMap nowhere in namespace default: create it.",
        ),
        "a key that is not there": (
            {"dataset": {"source": {"configMap": {"name": "text", "key": "texts"}}}},
            "DatasetNotFound",
            "spec.dataset.source.configMap.key: ConfigMap text has no key texts; its keys: text.",
        ),
        "a workspace claim that is not there": (
            {"storage": {"claimName": "nowhere"}},
            "StorageNotFound",
            "spec.storage.claimName: there is no claim nowhere in namespace default: create it, or leave claimName out "
            "and the job makes one.",
        ),
        "more processes than a step has sequences": (
            {"training": {"steps": 20, "batchSize": 2}, "accelerators": {"pool": "gpu", "perPod": 4}},
            "UnsupportedCount",
            "spec.training.batchSize: 2 sequences cannot be shared by 4 processes (1 pods with 4 each): every process "
            "needs at least one.",
        ),
    },
)
async def test_what_cannot_be_honoured_is_refused_with_path_and_way_out(
    bench: Bench, spec: Spec, want_reason: str, want_message: str
) -> None:
    await submitted(bench, **spec)
    assert bench.condition("TrainingJob", "tiny", "Accepted") == ("False", want_reason, want_message)
    assert bench.condition("TrainingJob", "tiny", "Ready") == ("False", want_reason, want_message)
    assert states(bench)["Admitted"] == ("Unknown", "Pending")
    assert [write for write in bench.writer.writes if write.startswith("apply")] == [], "nothing is left half-made"


async def test_what_was_wrong_is_looked_at_again_when_the_world_changes(bench: Bench) -> None:
    await submitted(bench, dataset={"source": {"pvc": {"claimName": "data"}}}, accelerators={"pool": "late"})
    assert states(bench)["Accepted"] == ("False", "PoolNotFound")
    pool = bench.cluster.put(make_pool("late", nodeSelector={"hostler.dev/pool": "gpu"}))
    assert any(
        key.name == "tiny" for key in bench.controllers["TrainingJob"].affected(Change("AcceleratorPool", None, pool))
    )
    await bench.settle()
    assert states(bench)["Accepted"] == ("False", "DatasetNotFound")
    claim = bench.cluster.claim("data")
    assert any(
        key.name == "tiny"
        for key in bench.controllers["TrainingJob"].affected(Change("PersistentVolumeClaim", None, claim))
    )
    await bench.settle()
    assert states(bench)["Accepted"] == ("True", "Valid")
    assert jobs(bench) == ["tiny-0"]


async def test_a_pool_that_this_release_cannot_read_is_said_and_stops_nobody(bench: Bench) -> None:
    bench.cluster.put(make_pool("old", allowedPrivileges=["root"]))
    await submitted(bench, accelerators={"pool": "old"})
    status, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith("spec.accelerators.pool: pool old: allowedPrivileges.0:")


async def test_a_type_that_never_trains_is_refused_with_its_reason_simulated_or_not(bench: Bench) -> None:
    resource = "xilinx.com/fpga-shell-1"
    for name, labels in (("real", {}), ("simulated", {"hostler.dev/simulated": "true"})):
        bench.cluster.node(f"{name}-1", labels={"hostler.dev/pool": name, **labels}, devices={resource: 1})
        bench.cluster.put(make_pool(name, acceleratorType="amd-alveo-v70", resourceName=resource))
        await submitted(bench, f"on-{name}", accelerators={"pool": name})
        status, reason, message = bench.condition("TrainingJob", f"on-{name}", "Accepted")
        assert (status, reason) == ("False", "IncompatibleAccelerator")
        assert "inference card" in message


async def test_a_privilege_must_be_allowed_by_the_pool_in_so_many_words(bench: Bench) -> None:
    selector = {"hostler.dev/pool": "gaudi"}
    bench.cluster.node("gaudi-1", labels=selector, devices={"habana.ai/gaudi": 8, "hugepages-2Mi": 2**40})
    bench.cluster.put(make_pool("gaudi", acceleratorType="intel-gaudi2", nodeSelector=selector))
    bench.restart(settings=replace(SETTINGS, variant_images={"train-hpu": "registry/train:1-hpu"}))
    await submitted(bench, accelerators={"pool": "gaudi"})
    assert bench.condition("TrainingJob", "tiny", "Accepted") == (
        "False",
        "PrivilegeNotAllowed",
        "spec.accelerators.pool: pods on intel-gaudi2 need hostIPC, SYS_NICE, which pool gaudi does not allow: an "
        "administrator can add it to the pool's spec.allowedPrivileges.",
    )
    bench.cluster.edit("AcceleratorPool", "gaudi", allowedPrivileges=["hostIPC", "SYS_NICE"])
    await bench.settle()
    assert states(bench)["Accepted"] == ("True", "Valid")
    template = bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]
    assert template["hostIPC"] is True
    assert template["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["SYS_NICE"]}


def real_pool(bench: Bench) -> None:
    """Four A100 that nobody simulates."""
    bench.cluster.node("real-1", labels={"hostler.dev/pool": "real"}, devices={GPU: 4})
    bench.cluster.put(make_pool("real"))


async def test_real_devices_are_not_held_by_an_image_that_cannot_drive_them(bench: Bench) -> None:
    real_pool(bench)
    await submitted(bench, accelerators={"pool": "real"})
    assert bench.condition("TrainingJob", "tiny", "Accepted") == (
        "False",
        "ImageNotConfigured",
        "spec.accelerators.pool: no runtime image of variant cuda is configured for training on nvidia-a100-80: build "
        "one and set images.variants.train-cuda in the chart's values (--variant-image train-cuda=...).",
    )
    assert jobs(bench) == []
    bench.restart(settings=replace(SETTINGS, variant_images={"train-cuda": "registry/train:1-cuda"}))
    await bench.settle()
    (container,) = bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry/train:1-cuda"


async def test_an_image_that_is_taken_away_ends_no_attempt_and_begins_none(bench: Bench) -> None:
    real_pool(bench)
    bench.restart(settings=replace(SETTINGS, default_variant="cuda"))
    await submitted(bench, accelerators={"pool": "real"})
    pods = bench.cluster.make_pods("tiny-0", node="real-1")
    before = bench.cluster.object("Job", "tiny-0")
    bench.restart(settings=SETTINGS)
    bench.cluster.remove(bench.cluster.object("ConfigMap", "tiny-0"))
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert bench.cluster.object("Job", "tiny-0") == before
    assert bench.cluster.find("ConfigMap", "tiny-0") is not None, "what its pods need is put back all the same"
    assert states(bench)["Accepted"] == ("True", "Valid")
    for pod in pods:
        bench.cluster.run(pod)
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    assert states(bench)["Accepted"] == ("False", "ImageNotConfigured")
    assert jobs(bench) == ["tiny-0"]


async def test_a_name_that_another_model_has_is_refused_before_anything_is_made(bench: Bench) -> None:
    bench.cluster.put(make_model("tiny"))
    await submitted(bench)
    assert bench.condition("TrainingJob", "tiny", "Accepted") == (
        "False",
        "NameTaken",
        "spec.output.name: Model tiny exists and was not made by this job: delete it or choose another.",
    )
    await submitted(bench, "other", output={"name": "tiny", "transformer": make_transformer()})
    assert states(bench, "other")["Accepted"] == ("False", "NameTaken")


async def test_the_claim_of_an_earlier_model_is_not_trained_over(bench: Bench) -> None:
    bench.cluster.claim("tiny")
    await submitted(bench)
    status, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert (status, reason) == ("False", "NameTaken")
    assert "claim tiny exists and does not belong to this job" in message


async def test_busy_accelerators_are_waited_for_with_the_figures_and_a_hint(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3", "cpu": "1"})
    await submitted(bench, pods={"min": 2, "max": 2})
    want = (
        "Pool gpu has 1 of 4 nvidia.com/gpu free, at most 1 on one node; the job needs 2 pods with 1 each. It starts "
        "when pods that hold them end or nodes are added. 1 pod of this size would fit now."
    )
    assert bench.condition("TrainingJob", "tiny", "Admitted") == ("False", "WaitingForCapacity", want)
    assert states(bench)["Accepted"] == ("True", "Valid")
    assert [write for write in bench.writer.writes if write.startswith("apply")] == []
    stranger = bench.cluster.find("Pod", "busy", namespace="other")
    assert stranger is not None
    bench.woken.clear()
    bench.cluster.set_status(stranger, phase="Succeeded")
    bench.admitter.run_pass()
    assert bench.woken == ["tiny"], "nobody polls for room: who gets it is woken"
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


async def test_a_pod_that_vanishes_without_an_end_gives_back_what_it_held(bench: Bench) -> None:
    """Deleted by force, it has no last phase."""
    stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    await submitted(bench)
    assert states(bench)["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.remove(stranger)
    assert bench.admitter.due
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


async def test_a_line_moves_by_age_and_says_where_one_stands(bench: Bench) -> None:
    stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    for name in ("first", "second", "third"):
        await submitted(bench, name, accelerators={"pool": "gpu", "perPod": 4})
        bench.cluster.clock.advance(1)
    assert bench.condition("TrainingJob", "third", "Admitted")[2].endswith("It is number 3 in line.")
    bench.cluster.remove(stranger)
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert jobs(bench) == ["first-0"]
    assert bench.condition("TrainingJob", "third", "Admitted")[2].endswith("It is number 2 in line.")


async def test_the_first_in_line_is_told_when_its_turn_is_expected(bench: Bench) -> None:
    (pod,) = await running(bench, "long", accelerators={"pool": "gpu", "perPod": 4})
    await submitted(bench, "next", accelerators={"pool": "gpu", "perPod": 4})
    assert "expected" not in bench.condition("TrainingJob", "next", "Admitted")[2], "nobody has said how long"
    told(bench, pod, progress(10, eta_seconds=5000.0))
    bench.cluster.clock.advance(60)
    await bench.settle()
    want = " That is expected within 1h30m, by what the jobs that run say of themselves."
    assert bench.condition("TrainingJob", "next", "Admitted")[2].endswith(want)


async def test_an_affinity_that_anybody_can_write_holds_nothing(bench: Bench) -> None:
    """A pod with a gate of its own that names a node would else take its devices from everybody, and seats too."""
    pod = bench.cluster.stranger("greedy", node="", requests={GPU: "400"})
    spec = {**pod["spec"], "affinity": {"nodeAffinity": on_node("gpu-1")}, "schedulingGates": [{"name": "own/gate"}]}
    bench.cluster.put({**pod, "spec": spec, "status": {"phase": "Pending"}})
    await submitted(bench)
    assert jobs(bench) == ["tiny-0"]


async def test_a_stranger_on_a_seat_whose_pod_is_still_to_come_is_noticed_at_once(bench: Bench) -> None:
    await submitted(bench)
    assert not bench.admitter.due
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    assert bench.admitter.due


async def test_a_pod_that_holds_nothing_is_no_news(bench: Bench) -> None:
    """The scheduler writes to each pod in its queue again and again, and a pass looks at the whole line."""
    await submitted(bench)
    pending = bench.cluster.stranger("queued", node="", requests={GPU: "4"})
    bench.cluster.set_status(pending, phase="Pending")
    assert not bench.admitter.due
    bench.cluster.remove(pending)
    assert not bench.admitter.due


async def test_two_hundred_waiting_jobs_are_not_written_for_one_step_of_the_line(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3"})
    for number in range(200):
        bench.cluster.put(make_training_job(f"job-{number:03}", accelerators={"pool": "gpu", "perPod": 2}))
        bench.cluster.clock.advance(1)
    await bench.settle()
    bench.cluster.clock.advance(600)
    bench.woken.clear()
    bench.cluster.remove(bench.cluster.object("TrainingJob", "job-000"))
    bench.admitter.run_pass()
    assert 0 < len(bench.woken) <= 20
    before = len(bench.writer.writes)
    for name in bench.woken:
        await bench.reconcile("TrainingJob", name)
    assert len(bench.writer.writes) - before <= 20


async def test_accelerators_without_cpu_beside_them_are_not_enough(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={"cpu": "7", "memory": "1Gi"})
    await submitted(bench, resources={"cpu": "2", "memory": "2Gi"})
    assert bench.condition("TrainingJob", "tiny", "Admitted") == (
        "False",
        "WaitingForCapacity",
        "Pool gpu has enough free nvidia.com/gpu, but only 0 of 1 pod of 2 CPU and 2Gi memory fit on the nodes that "
        "have them. The job starts when CPU or memory there is free; smaller spec.resources would fit sooner.",
    )


async def test_a_pool_without_usable_devices_is_waited_for_with_the_pools_own_words(bench: Bench) -> None:
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-1", labels=labels, devices={GPU: 4}, ready=False)
    await submitted(bench)
    assert bench.condition("TrainingJob", "tiny", "Admitted") == (
        "False",
        "PoolNotReady",
        "Pool gpu has no usable nvidia.com/gpu: Takes no pods: node gpu-1 is not ready. The job starts when it has.",
    )


async def test_devices_that_a_pool_promises_and_lacks_are_waited_for_not_refused(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", expectedAccelerators=8))
    await submitted(bench, pods={"min": 2, "max": 2}, accelerators={"pool": "gpu", "perPod": 4})
    assert states(bench)["Admitted"] == ("False", "WaitingForCapacity")


@table(
    ("quota", "want_message"),
    {
        "the whole quota is too small": (
            1,
            "The quota of pool gpu is 1 nvidia.com/gpu, of which 0 are held; the job needs 2 pods with 1 each, more "
            "than the whole quota: raise the pool's spec.quota.",
        ),
        "others hold the quota": (
            3,
            "The quota of pool gpu is 3 nvidia.com/gpu, of which 2 are held; the job needs 2 pods with 1 each. It "
            "starts when others end or the quota is raised.",
        ),
    },
)
async def test_the_pools_quota_is_honoured(bench: Bench, quota: int, want_message: str) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": quota}))
    if quota > 1:
        await running(bench, "first", accelerators={"pool": "gpu", "perPod": 2})
    await submitted(bench, pods={"min": 2, "max": 2})
    assert bench.condition("TrainingJob", "tiny", "Admitted") == ("False", "QuotaExceeded", want_message)


async def test_a_quota_makes_a_job_smaller_before_it_makes_it_wait(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": 3}))
    await submitted(bench, pods={"min": 1, "max": 4})
    assert bench.status("TrainingJob", "tiny")["placement"]["pods"] == 3


async def test_a_pool_without_accelerators_trains_on_cores(bench: Bench) -> None:
    bench.cluster.node("cpu-1", labels={"hostler.dev/pool": "cpu"}, cpu="4", memory="8Gi")
    bench.cluster.put(make_pool("cpu", acceleratorType="cpu"))
    await submitted(
        bench, pods={"min": 1, "max": 9}, accelerators={"pool": "cpu"}, resources={"cpu": "1500m", "memory": "1Gi"}
    )
    assert bench.status("TrainingJob", "tiny")["placement"]["pods"] == 2
    await submitted(bench, "more", accelerators={"pool": "cpu", "perPod": 2})
    assert states(bench, "more")["Accepted"] == ("False", "UnsupportedCount")
    bench.cluster.make_pods("tiny-0", node="cpu-1")
    await bench.settle()
    await submitted(bench, "waits", accelerators={"pool": "cpu"}, resources={"cpu": "2", "memory": "1Gi"})
    assert bench.condition("TrainingJob", "waits", "Admitted") == (
        "False",
        "WaitingForCapacity",
        "Pool cpu has 1 of 4 cores free, at most 1 on one node; the job needs 1 pod of 2 CPU and 1Gi memory. It starts "
        "when pods that hold them end or nodes are added.",
    )


async def test_two_jobs_that_want_the_same_devices_are_not_both_placed(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 3}))
    bench.cluster.put(make_training_job("second", accelerators={"pool": "gpu", "perPod": 3}))
    await bench.settle()
    assert jobs(bench) == ["first-0"]
    assert states(bench, "second")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.make_pods("first-0", node="gpu-1")
    await bench.settle()
    assert states(bench, "second")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.remove(bench.cluster.object("TrainingJob", "first"))
    for pod in bench.cluster.all("Pod"):
        bench.cluster.remove(pod)
    await bench.settle()
    assert jobs(bench) == ["second-0"]


async def test_what_was_granted_and_never_written_down_is_free_again(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 3}))
    await bench.reconcile("TrainingJob", "first")
    bench.admitter.run_pass()
    assert bench.woken == ["first"], "and the process that asked does not come back"
    await submitted(bench, "second", accelerators={"pool": "gpu", "perPod": 3}, suspend=True)
    bench.cluster.remove(bench.cluster.object("TrainingJob", "first"))
    bench.cluster.edit("TrainingJob", "second", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["second-0"]


async def test_a_seat_is_written_down_before_anything_sits_on_it_and_survives_the_process(bench: Bench) -> None:
    bench.cluster.put(make_training_job(pods={"min": 1, "max": 4}))
    await bench.reconcile("TrainingJob", "tiny")
    bench.admitter.run_pass()
    bench.writer.crash_after = 1
    with pytest.raises(Crash):
        await bench.reconcile("TrainingJob", "tiny")
    assert bench.writer.writes == ["status TrainingJob tiny"]
    bench.writer.crash_after = None
    bench.restart()
    await submitted(bench, "other", accelerators={"pool": "gpu", "perPod": 2})
    assert states(bench, "other")["Admitted"] == ("False", "WaitingForCapacity")
    assert bench.status("TrainingJob", "tiny")["placement"]["nodes"] == [{"name": "gpu-1", "pods": 4}]
    assert bench.cluster.object("Job", "tiny-0")["spec"]["parallelism"] == 4


@table(
    ("state", "want_words"),
    {
        "an image that cannot be pulled": (
            {
                "containerStatuses": [
                    {"image": "registry/train:1", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
                ]
            },
            ["tiny-0-0-xyz cannot pull registry/train:1 (ErrImageNeverPull)"],
        ),
        "a pod that fits on no node": (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
                ]
            },
            ["tiny-0-0-xyz fits on no node now: 0/2 nodes"],
        ),
        "a container that cannot be made": (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no x"}}}
                ]
            },
            ["cannot start its container (CreateContainerConfigError): no x"],
        ),
    },
)
async def test_what_keeps_a_pod_from_starting_is_said(bench: Bench, state: Spec, want_words: list[str]) -> None:
    await submitted(bench)
    (pod,) = bench.cluster.make_pods("tiny-0")
    bench.cluster.set_status(pod, **state)
    await bench.settle()
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "Starting")
    assert all(words in message for words in want_words), message
