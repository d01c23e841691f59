"""Why a job does not start: one sentence each, with the thing and the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench import GPU, SETTINGS, Bench
from builders import make_model, make_pool, make_transformer
from tables import table
from world import failed, failure, jobs, states, submitted

from hostler.cluster.store import Change
from hostler_contract import ErrorReason

Spec = dict[str, Any]


@table(
    ("spec", "want_reason", "want_message"),
    {
        "a pool whose name is nearly right": (
            {"accelerators": {"pool": "gpus"}},
            "PoolNotFound",
            "spec.accelerators.pool: there is no AcceleratorPool gpus; did you mean gpu?",
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
            "spec.training.batchSize: 2 sequences cannot be shared by 4 processes (1 pod with 4 each): every process "
            "needs at least one, so raise it to 4 or more.",
        ),
        "and than each part of one has": (
            {
                "training": {"steps": 20, "batchSize": 6, "gradientAccumulation": 3},
                "accelerators": {"pool": "gpu", "perPod": 4},
            },
            "UnsupportedCount",
            "spec.training.batchSize: 6 sequences cannot be shared in 3 parts of a step by 4 processes (1 pod with 4 "
            "each): every process needs at least one, so raise it to 12 or more, or lower gradientAccumulation.",
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
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert bench.cluster.object("Job", "tiny-0") == before
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
