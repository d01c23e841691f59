"""A model from a bucket: fetched once, held against what the store knows of it, going on where it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from runtime.importing.models import llama, weights
from runtime.importing.volume import WANTED, Volume
from runtime.training.s3server import S3Server

from hostler_contract.importing import ImportReason, ImportReport, ModelSource
from hostler_runtime.importing.fetching import TRIES

WEIGHTS = "store/models/tiny/model.safetensors"
Serve = Callable[..., S3Server]


@pytest.fixture
def store() -> Iterator[Serve]:
    """Start stores that hold a model below a prefix."""
    started: list[S3Server] = []

    def start(files: Mapping[str, bytes] | None = None, **options: Any) -> S3Server:
        objects = {f"store/models/tiny/{name}": content for name, content in (files or llama()).items()}
        more = {"store/models/tiny-2/config.json": b"{}", "store/models/tiny/": b""}
        started.append(S3Server(objects | more, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def brought(server: S3Server, volume: Volume, **config: Any) -> ImportReport:
    """One pod's try."""
    asked = {"repository": "store", "path": "models/tiny", **config.pop("source", {})}
    return volume.take(ModelSource(kind="s3", endpoint=server.url, **asked), **config)


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param({}, id="ETags that are MD5s"),
        pytest.param({"checksums"}, id="checksums"),
        pytest.param({"parts"}, id="uploads in parts, of which no digest is known"),
        pytest.param({"encrypted"}, id="ETags of sealed objects, which look like MD5s"),
        pytest.param({"parts", "checksums"}, id="checksums of uploads in parts"),
    ],
)
def test_a_model_arrives_with_its_facts_and_nothing_that_could_run(
    kept: set[str], store: Serve, volume: Volume
) -> None:
    server = store(page=3)
    for each in kept:
        getattr(server, each).update(server.objects)

    report = brought(server, volume)

    content = llama()
    assert report.reason is None, report.message
    assert volume.files == {name: content[name] for name in WANTED}
    assert report.facts is not None
    assert (report.facts.family, report.facts.parameters, report.files) == ("chat", 1000, 5)
    lines = "".join(f"{name} {hashlib.sha256(content[name]).hexdigest()}\n" for name in sorted(WANTED))
    assert report.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert not any(name.endswith((".py", ".bin")) for name in server.sent)
    assert volume.meter.progress(now=1.0).bytes_done == report.size_bytes
    before = len(server.requests)
    assert brought(server, volume) == report
    assert len(server.requests) == before, "who asks again gets the same report without a request"


@pytest.mark.parametrize("digest", ["an MD5", "no digest"])
def test_a_store_that_stops_in_the_middle_costs_the_pod_and_not_the_bytes(
    digest: str, store: Serve, volume: Volume
) -> None:
    server = store()
    server.parts.update(server.objects if digest == "no digest" else ())
    server.cut_after[WEIGHTS] = [1500, 700, *[0] * TRIES]

    stopped = brought(server, volume)

    assert stopped.reason is ImportReason.SOURCE_UNREACHABLE
    assert (stopped.message or "").startswith("models/tiny/model.safetensors stopped at 2,200 of 4,")
    assert volume.files == {}
    assert brought(server, volume).reason is None
    assert server.sent[WEIGHTS] == len(llama()["model.safetensors"]), "no byte was fetched twice"
    assert server.sent["store/models/tiny/config.json"] == len(llama()["config.json"])
    assert all("If-Match" in each for each in server.headers if each.get("Range"))


@pytest.mark.parametrize("digest", ["an MD5", "no digest"])
def test_an_object_that_changed_between_two_pods_is_no_mixture(digest: str, store: Serve, volume: Volume) -> None:
    server = store()
    server.parts.update(server.objects if digest == "no digest" else ())
    server.cut_after[WEIGHTS] = [1500, *[0] * TRIES]
    assert brought(server, volume).reason is ImportReason.SOURCE_UNREACHABLE
    server.objects[WEIGHTS] = weights(1001)

    report = brought(server, volume)

    assert report.reason is None, report.message
    assert volume.files["model.safetensors"] == weights(1001)


def test_an_object_that_changes_meanwhile_ends_the_pod_and_the_next_begins_it_anew(
    store: Serve, volume: Volume
) -> None:
    server = store()
    server.cut_after[WEIGHTS] = [1500]

    def change(_: float) -> None:
        server.objects[WEIGHTS] = weights(1001)

    volume.pause = change
    report = brought(server, volume)

    assert report.reason is ImportReason.SOURCE_UNREACHABLE
    assert "changed while it was fetched" in (report.message or "")
    assert brought(server, volume).reason is None
    assert volume.files["model.safetensors"] == weights(1001)


def test_what_an_earlier_pod_left_of_an_object_without_a_digest_is_looked_at(store: Serve, volume: Volume) -> None:
    server = store()
    server.parts.update(server.objects)
    server.cut_after[WEIGHTS] = [100, *[0] * TRIES]
    assert brought(server, volume).reason is ImportReason.SOURCE_UNREACHABLE
    (volume.root / ".m" / "tokenizer.json").write_bytes(b"[]")

    assert brought(server, volume).reason is None
    assert volume.files["tokenizer.json"] == llama()["tokenizer.json"]


def test_keys_sign_every_request_and_the_bucket_of_one_region_is_found_there(store: Serve, volume: Volume) -> None:
    server = store(access_key="AKEXAMPLE", region="eu-central-1")
    keys = {"AWS_ACCESS_KEY_ID": "AKEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}

    elsewhere = brought(server, volume, environ=keys)
    assert elsewhere.reason is ImportReason.SOURCE_NOT_FOUND
    assert "is in region eu-central-1: set spec.artifacts.source.s3.region to it" in (elsewhere.message or "")
    assert brought(server, volume, environ=keys, source={"region": "eu-central-1"}).reason is None
    assert server.signed == len(server.requests)


def test_a_key_with_letters_that_urls_do_not_have(store: Serve, volume: Volume) -> None:
    server = store()
    server.objects |= {f"store/a b+c/ü=&/{name}": content for name, content in llama().items()}

    assert brought(server, volume, source={"path": "a b+c/ü=&"}).reason is None
    assert set(volume.files) == WANTED
