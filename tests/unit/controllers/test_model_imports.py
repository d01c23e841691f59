"""A model of a hub is brought into its namespace once, and is then what a model on a claim is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bench import SETTINGS, Bench, make_bench
from builders import make_inference_service, make_training_job
from tables import table
from unit.controllers.imports import COMMIT, SHA, arrived, gave_up, job_of, moved_on, ready, report, submitted

from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler.manifests.downloads import DownloadRules
from hostler.planning.endpoints import read_patterns
from hostler_contract import ImportConfig
from hostler_contract.importing import ImportProgress, ImportReason
from hostler_contract.serving import ServingConfig


async def test_a_source_is_enough(bench: Bench) -> None:
    await submitted(bench)

    assert ready(bench) == ("Unknown", "Importing", "The files are being brought into the namespace.")
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny-import")
    assert claim["spec"] == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "20Gi"}}}
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "Model"
    job = job_of(bench)
    config = ImportConfig.from_json(bench.cluster.object("ConfigMap", job["metadata"]["name"])["data"]["import.json"])
    assert config.source.model_dump() == {
        "kind": "hf",
        "repository": "acme/tiny",
        "revision": "main",
        "path": "",
        "endpoint": "https://huggingface.co",
        "region": None,
        "url": None,
        "sha256": None,
    }
    assert config.volume_bytes == 20 << 30


async def test_facts_come_from_the_files_and_the_job_goes(bench: Bench) -> None:
    await submitted(bench)

    await arrived(bench)

    status, reason, message = ready(bench)
    assert (status, reason) == ("True", "ArtifactsAvailable")
    assert message.startswith(f"acme/tiny at {COMMIT[:12]} is on claim tiny-import, ")
    found = bench.status("Model", "tiny")
    assert found["facts"] == {
        "family": "chat",
        "task": "text-generation",
        "architecture": "LlamaForCausalLM",
        "license": "Apache-2.0",
        "parameters": 1000,
        "weightsBytes": 2000,
        "contextLength": 256,
        "vocabularySize": 300,
        "kvBytesPerToken": 384,
        "sizes": {"layers": 3, "hiddenSize": 64, "heads": 4, "kvHeads": 2, "headSize": 16},
        "chatTemplate": True,
        "apis": ["/v1/chat/completions", "/v1/completions", "/v1/models"],
    }
    brought = found["import"]
    assert (brought["revision"], brought["sha256"], brought["sizeBytes"]) == (COMMIT, SHA, 4096)
    assert "transfer" not in brought
    assert bench.cluster.all("Job") == [], "a pod that has ended would keep the claim from going away"
    assert bench.cluster.all("ConfigMap") == [bench.cluster.object("ConfigMap", "text")]


async def test_what_spec_says_counts_more_than_the_files(bench: Bench) -> None:
    await submitted(bench, family="code", license="CC0-1.0", task="text-completion")

    await arrived(bench)

    facts = bench.status("Model", "tiny")["facts"]
    assert (facts["family"], facts["license"], facts["task"]) == ("code", "CC0-1.0", "text-completion")


async def test_another_family_than_the_files_is_refused(bench: Bench) -> None:
    await submitted(bench, family="bert")

    await arrived(bench)

    assert ready(bench) == (
        "False",
        "UnsupportedArchitecture",
        "spec.family says bert, and the files are of family chat: leave spec.family out, or name another source.",
    )


async def test_a_service_waits_for_the_files_and_then_mounts_them(bench: Bench) -> None:
    await submitted(bench)
    bench.cluster.put(make_inference_service())
    await bench.settle()
    assert bench.condition("InferenceService", "tiny", "Admitted")[1:] == (
        "ModelNotReady",
        "Model tiny is not ready: The files are being brought into the namespace.",
    )
    before = bench.cluster.object("Model", "tiny")

    await arrived(bench)

    after = bench.cluster.object("Model", "tiny")
    assert Key("InferenceService", "default", "tiny") in set(
        bench.controllers["InferenceService"].affected(Change("Model", before, after))
    )
    template = bench.cluster.object("Deployment", "tiny")["spec"]["template"]["spec"]
    volume = {"persistentVolumeClaim": {"claimName": "tiny-import"}}
    assert any(volume.items() <= each.items() for each in template["volumes"])
    path = bench.status("Model", "tiny")["import"]["path"]
    (mount,) = [each for each in template["containers"][0]["volumeMounts"] if each.get("subPath")]
    assert (mount["subPath"], mount["readOnly"]) == (path, True)
    (config,) = [each for each in bench.cluster.all("ConfigMap") if "serving.json" in each["data"]]
    served = ServingConfig.from_json(config["data"]["serving.json"])
    assert (served.family, served.task) == ("chat", "text-generation")


async def test_a_job_is_made_from_it(bench: Bench) -> None:
    await submitted(bench, "base")
    job = make_training_job("tuned", objective="finetune", base={"name": "base"})
    job["spec"]["output"].pop("transformer", None)
    bench.cluster.put(job)
    await bench.settle()
    assert bench.condition("TrainingJob", "tuned", "Accepted")[1:] == (
        "ModelNotReady",
        "spec.base: Model base is not ready: The files are being brought into the namespace.",
    )

    await arrived(bench, "base")

    volumes = bench.cluster.object("Job", "tuned-0")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "base", "persistentVolumeClaim": {"claimName": "base-import"}} in volumes
    config = bench.job_config("tuned-0")
    assert config.inputs.base == "/inputs/base"


async def test_two_who_ask_for_a_model_have_it_imported_once(bench: Bench) -> None:
    await submitted(bench)
    for name in ("one", "two"):
        bench.cluster.put(make_inference_service(name))
    await bench.settle()

    await arrived(bench)

    made = [write for write in bench.writer.writes if write.startswith("apply Job tiny-import-")]
    assert len(made) == 1
    claims = [each["metadata"]["name"] for each in bench.cluster.all("PersistentVolumeClaim")]
    assert claims == ["tiny-import"]


async def test_status_shows_bytes_speed_and_time_to_go(bench: Bench) -> None:
    await submitted(bench)
    (pod,) = bench.cluster.make_pods(job_of(bench)["metadata"]["name"], node="gpu-1")
    bench.cluster.run(pod)
    bench.facts.imports[pod["metadata"]["uid"]] = ImportProgress(
        bytes_done=5_000_000, total_bytes=20_000_000, bytes_per_second=99_999.6, eta_seconds=150.2
    )
    await bench.settle()

    assert bench.status("Model", "tiny")["import"]["transfer"] == {
        "percent": 25,
        "bytesDone": 5_000_000,
        "totalBytes": 20_000_000,
        "bytesPerSecond": 100_000,
        "eta": "2m30s",
    }


async def test_another_source_lies_beside_the_first(bench: Bench) -> None:
    """Replicas may still read it."""
    await submitted(bench)
    await arrived(bench)
    first = bench.status("Model", "tiny")["import"]["path"]

    bench.cluster.edit("Model", "tiny", artifacts={"source": {"hf": {"repository": "acme/other"}}})
    await bench.settle()
    assert ready(bench)[1] == "Importing"
    assert "claimName" not in bench.status("Model", "tiny")["import"]

    await arrived(bench)
    assert bench.status("Model", "tiny")["import"]["path"] != first


async def test_other_credentials_for_the_same_source_change_nothing(bench: Bench) -> None:
    await submitted(bench)
    await arrived(bench)
    before = bench.status("Model", "tiny")["import"]

    source = {"hf": {"repository": "acme/tiny", "secretRef": {"name": "hub-token"}}}
    bench.cluster.edit("Model", "tiny", artifacts={"source": source}, description="Better.")
    await bench.settle()

    assert bench.status("Model", "tiny")["import"] == before
    assert bench.cluster.all("Job") == []


async def test_a_claim_that_somebody_deleted_is_filled_again(bench: Bench) -> None:
    await submitted(bench)
    await arrived(bench)

    bench.cluster.remove(bench.cluster.object("PersistentVolumeClaim", "tiny-import"))
    await bench.settle()

    assert ready(bench)[1] == "Importing"
    await arrived(bench)
    assert ready(bench)[0] == "True"


async def test_gates_count_for_imported_models_too(bench: Bench) -> None:
    await submitted(bench, gates=[{"metric": "accuracy", "min": "0.9"}])

    await arrived(bench)

    assert ready(bench)[1] == "GateMissed"


@table(
    ("endpoint", "allowed", "want"),
    {
        "the public hub": (None, [], "Importing"),
        "a hub that nobody allowed": ("https://hub.example.org", [], "EndpointNotAllowed"),
        "a hub that is allowed": ("https://hub.example.org", ["hub.example.org"], "Importing"),
        "by another scheme": ("http://hub.example.org", ["hub.example.org"], "EndpointNotAllowed"),
    },
)
async def test_models_come_from_hubs_that_an_administrator_allows(
    endpoint: str | None, allowed: list[str], want: str
) -> None:
    bench = make_bench()
    bench.restart(settings=replace(SETTINGS, allowed_endpoints=read_patterns(allowed)))
    source = {"hf": {"repository": "acme/tiny", **({"endpoint": endpoint} if endpoint else {})}}

    await submitted(bench, artifacts={"source": source})

    assert ready(bench)[1] == want
    assert bool(bench.cluster.all("Job")) == (want == "Importing")


async def test_a_model_that_is_there_stays_when_its_hub_is_not_allowed_any_more(bench: Bench) -> None:
    bench.restart(settings=replace(SETTINGS, allowed_endpoints=read_patterns(["hub.example.org"])))
    await submitted(bench, artifacts={"source": {"hf": {"repository": "a/b", "endpoint": "https://hub.example.org"}}})
    await arrived(bench)

    bench.restart(settings=SETTINGS)
    await bench.settle()

    assert ready(bench)[0] == "True"


async def test_a_model_that_moves_to_a_claim_forgets_its_import(bench: Bench) -> None:
    await submitted(bench)
    await arrived(bench)
    bench.cluster.claim("mine")

    bench.cluster.edit("Model", "tiny", family="chat", artifacts={"source": {"pvc": {"claimName": "mine"}}})
    await bench.settle()

    assert ready(bench)[2] == "The artifacts are on claim mine."
    assert "import" not in bench.status("Model", "tiny")


async def test_mirror_proxies_and_certificates_reach_the_pod(bench: Bench) -> None:
    rules = DownloadRules(
        hub_endpoint="https://mirror.example.org",
        proxies=(("HTTPS_PROXY", "http://proxy.example.org:3128"),),
        ca_config_map="company-ca",
    )
    bench.restart(settings=replace(SETTINGS, imports=rules))
    source = {"hf": {"repository": "acme/tiny", "secretRef": {"name": "hub-token"}}}

    await submitted(bench, artifacts={"source": source})

    job = job_of(bench)
    config = ImportConfig.from_json(bench.cluster.object("ConfigMap", job["metadata"]["name"])["data"]["import.json"])
    assert config.source.endpoint == "https://mirror.example.org"
    spec = job["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert environment["HTTPS_PROXY"] == "http://proxy.example.org:3128"
    assert environment["HOSTLER_CA_BUNDLE"] == "/etc/hostler-ca/ca.crt"
    assert json.dumps(spec).count('{"name": "hub-token", "key": "HF_TOKEN"}') == 1
    assert any(volume.get("configMap", {}).get("name") == "company-ca" for volume in spec["volumes"])


async def test_an_archive_of_the_web_is_imported_too(bench: Bench) -> None:
    url = "https://example.org/tiny.tar.gz"
    await submitted(bench, artifacts={"source": {"http": {"url": url, "sha256": SHA}}})

    job = job_of(bench)
    config = ImportConfig.from_json(bench.cluster.object("ConfigMap", job["metadata"]["name"])["data"]["import.json"])
    assert (config.source.kind, config.source.url, config.source.sha256) == ("http", url, SHA)
    await arrived(bench)
    assert ready(bench)[2].startswith(f"{url} at {COMMIT[:12]} is on claim tiny-import, ")


async def test_a_claim_that_somebody_enlarged_is_not_made_smaller(bench: Bench) -> None:
    await submitted(bench)
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny-import")
    claim["spec"]["resources"]["requests"]["storage"] = "40Gi"
    bench.cluster.put(claim)
    await gave_up(bench, ImportReason.STORAGE_FULL, "set spec.importer.storage.size to 30Gi")

    bench.cluster.edit("Model", "tiny", importer={"storage": {"size": "30Gi"}})
    await bench.settle()

    claim = bench.cluster.object("PersistentVolumeClaim", "tiny-import")
    assert claim["spec"]["resources"]["requests"]["storage"] == "40Gi"


async def test_fifty_resyncs_of_an_imported_model_write_nothing(bench: Bench) -> None:
    await submitted(bench)
    await arrived(bench)
    before = list(bench.writer.writes)
    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert bench.writer.writes == before


async def test_changes_of_job_and_claim_wake_the_model(bench: Bench) -> None:
    await submitted(bench)
    key = Key("Model", "default", "tiny")
    job, claim = job_of(bench), bench.cluster.object("PersistentVolumeClaim", "tiny-import")

    for change in (Change("Job", None, job), Change("PersistentVolumeClaim", claim, None)):
        assert key in set(bench.controllers["Model"].affected(change))


@pytest.mark.parametrize("name", ["a" * 63, "a" * 44 + "-b"])
async def test_long_names_have_jobs_too(bench: Bench, name: str) -> None:
    await submitted(bench, name)

    job = job_of(bench, name)["metadata"]["name"]
    assert len(job) <= 63
    assert "--" not in job
    await moved_on(bench, name, report())
    assert ready(bench, name)[0] == "True"
