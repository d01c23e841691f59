"""The catalog's entries are what they claim to be, as far as that can be told without a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import FakeCluster
from floor import view_of

from hostler.accelerators import Verb
from hostler.api.common import PvcSource, Source
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import Artifacts, ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.catalog import entries
from hostler.cli.catalog import apis_of
from hostler.cli.catalog_begin import fitting_name
from hostler.cli.catalogview import Entry
from hostler.families import families, family
from hostler.manifests.fromcatalog import Placing, job_from, service_from
from hostler.manifests.naming import catalog_name
from hostler.planning import quantities
from hostler.planning.acceptance import PoolChoice
from hostler.planning.catalog import host_memory, place, serving_need, tuning_need, workspace_bytes
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.models import NamedModel
from hostler.planning.pools import Pool, PoolView, read_pool
from hostler.planning.serviceacceptance import reject_service
from hostler.planning.tuning import chosen, ranges
from hostler_contract import Objective
from hostler_data.uses import USES

EXAMPLES = Path(__file__).parents[3] / "examples"
SPECS = {name: ModelSpec.model_validate(entry["spec"]) for name, entry in entries().items()}
FROM_HUBS = {name: spec for name, spec in SPECS.items() if spec.artifacts.source.hf is not None}
TINY = {name: spec for name, spec in SPECS.items() if name not in FROM_HUBS}
TUNED = [(name, method) for name, spec in SPECS.items() if spec.tuning for method in spec.tuning.methods]
GATED_LICENSES = {"llama3.1", "gemma"}
"""As the hub writes them: acceptedLicense has to be the same word."""


def every(found: dict[str, ModelSpec]) -> Any:
    return pytest.mark.parametrize("name", found)


def test_every_family_that_is_bundled_has_an_entry() -> None:
    bundled = {name for name, known in families().items() if known.serving.available}
    assert {spec.known_family.value for spec in SPECS.values()} == bundled


def test_what_people_ask_for_is_there() -> None:
    wanted = (
        "gpt2 smollm2-135m-instruct qwen3-0-6b qwen3-8b llama-3-1-8b-instruct gemma-2-2b-it mistral-7b-instruct-v0-3 "
        "starcoder2-3b qwen2-5-coder-1-5b bert-base-uncased all-minilm-l6-v2 modernbert-base stable-diffusion-v1-5 "
        "openjourney stable-diffusion-xl-base-1-0 whisper-tiny whisper-base whisper-large-v3 text-to-video-ms-1-7b"
    )
    assert set(wanted.split()) <= set(SPECS)


@every(SPECS)
def test_an_entry_says_all_that_a_person_chooses_by(name: str) -> None:
    spec = SPECS[name]
    assert spec.display_name
    assert spec.description
    assert spec.license != "unknown"
    assert spec.tuning is not None
    assert spec.tuning.methods
    assert catalog_name(name) == f"catalog-{name}", "a name that fits needs no hash"
    assert fitting_name(name) == name


@every(FROM_HUBS)
def test_an_entry_of_a_hub_says_how_large_it_is(name: str) -> None:
    spec = FROM_HUBS[name]
    assert spec.architecture is not None
    assert spec.memory is not None
    assert spec.importer is not None
    need = serving_need(spec)
    assert need is not None
    assert need.device > spec.architecture.parameters * 2  # type: ignore[operator]
    room = quantities.whole(spec.importer.storage.size)
    assert 1.05 * spec.memory.weights_bytes < room < 3 * spec.memory.weights_bytes + 2**30, "the claim of the import"
    assert (spec.memory.kv_bytes_per_token is not None) == (family(spec.known_family.value).block == "transformer")


@every(SPECS)
def test_no_entry_accepts_a_licence_for_anybody(name: str) -> None:
    spec = SPECS[name]
    assert spec.accepted_license is None
    assert spec.gated == (spec.license in GATED_LICENSES)


def test_whisper_that_never_learned_to_translate_does_not_offer_it() -> None:
    offers = {name for name in SPECS if "/v1/audio/translations" in apis_of(Entry(name=name, spec=SPECS[name]))}
    assert {"whisper-base", "whisper-large-v3"} <= offers
    assert "whisper-large-v3-turbo" not in offers


@every(SPECS)
def test_a_sample_request_goes_to_a_path_that_the_family_answers(name: str) -> None:
    spec = SPECS[name]
    if spec.sample_request is None:
        family(spec.known_family.value).sample_request()
        return
    assert spec.sample_request.path in apis_of(Entry(name=name, spec=spec))
    assert json.loads(spec.sample_request.body)


@pytest.mark.parametrize(("name", "method"), TUNED)
def test_a_method_is_one_of_the_family_s(name: str, method: str) -> None:
    spec = SPECS[name]
    known, how = family(spec.known_family.value), spec.tuning.methods[method]  # type: ignore[union-attr]
    assert known.training.available
    assert how.rank is None or known.lora
    wanted = Objective.PREFERENCE if how.beta is not None else Objective.FINETUNE
    assert wanted in known.objectives
    assert {form.value for form in how.data.formats} <= set(known.formats)
    assert (how.context_length is None) or known.packs
    if how.context_length is not None and spec.architecture is not None:
        assert how.context_length.max == spec.architecture.context_length


@pytest.mark.parametrize(("name", "method"), TUNED)
def test_the_rows_of_a_method_are_rows_that_the_family_reads(name: str, method: str) -> None:
    spec = SPECS[name]
    for rows in spec.tuning.methods[method].data.rows:  # type: ignore[union-attr]
        values = dict.fromkeys(rows.split("+"))
        able = [use for use in USES if spec.known_family.value in use.families and use.applies(values)]
        assert any(set(values) <= use.reads for use in able), rows


def gpus() -> PoolView:
    """A pool of large accelerators with room for everything."""
    pool = AcceleratorPoolSpec.model_validate(
        {"acceleratorType": "nvidia-h200", "nodeSelector": {"hostler.dev/pool": "gpu"}}
    )
    cluster = FakeCluster()
    node = cluster.node("large", labels=pool.node_selector, devices={"nvidia.com/gpu": 8}, cpu="256", memory="2Ti")
    return view_of(read_pool("gpu", pool), node)


def on_a_claim(spec: ModelSpec) -> ModelSpec:
    """As it is once its files are there."""
    place = Artifacts(source=Source(pvc=PvcSource(claim_name="claim")))
    return spec.model_copy(update={"artifacts": place, "importer": None})


@every(SPECS)
def test_the_service_of_an_entry_would_be_taken(name: str) -> None:
    manifest = service_from(name, Placing(name=name, namespace="default", pool="gpu", memory="8Gi"))
    found = reject_service(
        InferenceServiceSpec.model_validate(manifest["spec"]),
        model=on_a_claim(SPECS[name]),
        choice=PoolChoice(view=gpus()),
        has_image=lambda *_: True,
    )
    assert found is None


@pytest.mark.parametrize(("name", "method"), TUNED)
def test_the_job_of_an_entry_would_be_taken(name: str, method: str) -> None:
    spec = SPECS[name]
    how = spec.tuning.methods[method]  # type: ignore[union-attr]
    assert tuning_need(spec, how) is None or workspace_bytes(spec, how)
    placing = Placing(name=f"{name}-tuned", namespace="default", pool="gpu", memory="64Gi", storage="100Gi")
    values = chosen(how, {})
    assert list(values) == [each for each, _ in ranges(how)]
    job = TrainingJobSpec.model_validate(
        job_from(name, spec, how, values=values, dataset="rows", placing=placing)["spec"]
    )
    base = NamedModel(
        path="spec.base", reference=job.base, model=on_a_claim(spec), claim={"metadata": {}}, namespace="default"
    )
    found = reject_job(
        job, choice=PoolChoice(view=gpus()), facts=TrainingFacts(inputs=(base,)), has_image=lambda *_: True
    )
    # A network of 9 billion weights needs more than one accelerator to be trained as a whole, and is told so.
    assert found is None or (found.reason == "ModelTooLarge" and how.rank is None), found


KINDS = ("cpu", "nvidia-t4", "nvidia-a10", "nvidia-a100-40", "nvidia-a100-80", "nvidia-h200")


def seen(kind: str) -> tuple[Pool, PoolChoice]:
    pool = AcceleratorPoolSpec.model_validate({"acceleratorType": kind, "nodeSelector": {"hostler.dev/pool": "gpu"}})
    found = read_pool("gpu", pool)
    devices = {found.resource: 8} if found.resource else {}
    node = FakeCluster().node("large", labels=pool.node_selector, devices=devices, cpu="256", memory="8Ti")
    return found, PoolChoice(view=view_of(found, node))


@every(FROM_HUBS)
def test_what_fits_by_the_estimate_is_never_refused_for_its_memory(name: str) -> None:
    """Two sums: one above, for those who choose, and a bound below, for those who are refused."""
    spec = FROM_HUBS[name]
    fitting = 0
    for kind in KINDS:
        pool, choice = seen(kind)
        need = serving_need(spec)
        if place(spec, pool, simulated=False, verb=Verb.SERVE, need=need).fits:
            memory = host_memory(pool, need, simulated=False)
            manifest = service_from(name, Placing(name=name, namespace="default", pool="gpu", memory=memory))
            service = InferenceServiceSpec.model_validate(manifest["spec"])
            refused = reject_service(service, model=on_a_claim(spec), choice=choice, has_image=lambda *_: True)
            assert refused is None, f"{kind}: {refused}"
            fitting += 1
        for how in spec.tuning.methods.values():  # type: ignore[union-attr]
            wanted = tuning_need(spec, how)
            if not place(spec, pool, simulated=False, verb=Verb.TRAIN, need=wanted).fits:
                continue
            memory = host_memory(pool, wanted, simulated=False)
            placing = Placing(name=name, namespace="default", pool="gpu", memory=memory)
            manifest = job_from(name, spec, how, values=chosen(how, {}), dataset="rows", placing=placing)
            job = TrainingJobSpec.model_validate(manifest["spec"])
            base = NamedModel(path="spec.base", reference=job.base, model=on_a_claim(spec), claim={"metadata": {}})
            facts = TrainingFacts(inputs=(base,))
            refused = reject_job(job, choice=choice, facts=facts, has_image=lambda *_: True)
            assert refused is None, f"{kind}: {refused}"
    assert fitting >= 2, "on cores, and on the largest at least"


@every(TINY)
def test_a_tiny_entry_is_where_its_example_puts_it(name: str) -> None:
    jobs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLES.glob("*/trainingjob.yaml")]
    (job,) = [each for each in jobs if each["metadata"]["name"] == name]
    spec = TINY[name]
    assert "claimName" not in job["spec"].get("storage", {}), "the job makes a claim of its own name"
    source = spec.artifacts.source.pvc
    assert source is not None
    assert (source.claim_name, source.path) == (name, "model")
    assert (spec.known_family.value, spec.license) == (job["spec"]["family"], job["spec"]["output"]["license"])


def test_every_example_of_a_family_is_an_entry() -> None:
    """Other examples show something else than a family, such as the line for a pool."""
    paths = [EXAMPLES / name / "trainingjob.yaml" for name in families()]
    jobs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    assert {job["metadata"]["name"] for job in jobs} == set(TINY)
