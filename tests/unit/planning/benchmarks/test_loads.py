"""Standard loads: one file for each family, the same data everywhere, and nothing else passes for one."""

from __future__ import annotations

import hashlib
import io
import json
import statistics
import tarfile
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tables import table

from hostler.accelerators import accelerators
from hostler.api.benchmark import LABEL
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning.benchmarks.loads import (
    BASE,
    SMALL,
    benchmarked_families,
    loads,
    per_pod_for,
    read_loads,
    size_for,
)
from hostler.planning.benchmarks.pictures import webdataset
from hostler.planning.benchmarks.text import json_lines
from hostler.planning.estimate.jobs import units_of_step

CONFIG_MAP_BYTES = 1_000_000


@pytest.mark.parametrize("name", sorted(loads()))
def test_every_load_is_a_job_that_the_api_takes_and_is_found_again(name: str) -> None:
    load = loads()[name]
    spec = TrainingJobSpec.model_validate(load.spec(pool="gpu"))
    assert load.is_of(spec)
    assert [other for other in loads().values() if other.is_of(spec)] == [load]
    assert units_of_step(spec, base=None) == load.most_units_per_step()
    assert len(name) <= 63


@pytest.mark.parametrize("name", sorted(loads()))
def test_the_data_is_the_same_everywhere_and_fits_into_a_configmap(name: str) -> None:
    data = loads()[name].data
    content = data.content()
    assert hashlib.sha256(content).hexdigest() == data.sha256
    assert len(content) < CONFIG_MAP_BYTES
    if data.kind == "text":
        assert all(set(json.loads(line)) == {"text"} for line in content.splitlines())


def test_pictures_are_images_with_a_class_and_a_caption() -> None:
    with tarfile.open(fileobj=io.BytesIO(webdataset(count=8, side=16, seed=3))) as shard:
        found = {member.name: shard.extractfile(member).read() for member in shard}  # type: ignore[union-attr]
    image = Image.open(io.BytesIO(found["000000.png"]))
    assert (image.size, image.mode) == ((16, 16), "L")
    place = int(found["000000.cls"])
    quarters = [image.crop((x, y, x + 8, y + 8)) for y in (0, 8) for x in (0, 8)]
    means = [statistics.mean(quarter.tobytes()) for quarter in quarters]
    assert means.index(max(means)) == place
    assert ("top" in found["000000.txt"].decode()) == (place < 2)


def test_documents_are_of_many_lengths() -> None:
    lengths = sorted(len(line.split()) for line in json_lines(count=500, words=25, seed=3).splitlines())
    assert lengths[50] * 3 < lengths[450]
    assert json_lines(count=5, words=25, seed=3) != json_lines(count=5, words=25, seed=4)


def test_families_that_pack_have_both_and_every_family_both_sizes() -> None:
    for name in benchmarked_families():
        found = {(load.size, load.variant) for load in loads().values() if load.family == name}
        variants = ("packed", "unpacked") if family(name).packs else ("",)
        assert found == {(size, variant) for size in (SMALL, BASE) for variant in variants}


def test_a_family_is_added_by_a_file_alone() -> None:
    written = {
        "family": "text-to-image",
        "sizes": {
            "small": {
                "data": {"kind": "pictures", "count": 1, "size": 1, "seed": 1, "sha256": "0"},
                "output": {},
                "training": {"steps": 1},
            }
        },
    }
    assert [load.name for load in read_loads(written)] == ["text-to-image-small"]


@table(
    ("kind", "simulated", "size"),
    {
        "cores": ("cpu", False, SMALL),
        "a simulated accelerator": ("nvidia-a100-80", True, SMALL),
        "a real one": ("nvidia-a100-80", False, BASE),
    },
)
def test_a_small_network_keeps_no_real_accelerator_busy(*, kind: str, simulated: bool, size: str) -> None:
    assert size_for(accelerators()[kind], simulated=simulated) == size


def test_a_pod_has_as_few_devices_as_the_type_comes_in() -> None:
    for kind in accelerators().values():
        assert per_pod_for(kind) == (min(kind.allowed_counts) if kind.allowed_counts else 1)


def test_the_example_is_the_load_that_it_says() -> None:
    text = (Path(__file__).parents[4] / "examples" / "benchmarks" / "job.yaml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)
    assert loads()[job["metadata"]["labels"][LABEL]].is_of(TrainingJobSpec.model_validate(job["spec"]))
