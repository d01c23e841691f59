"""Data of buckets and hubs, each with what is said where there is none; and what all kinds of sources share."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from runtime.training.hubserver import HubServer
from runtime.training.s3server import S3Server
from runtime.training.troubles import RESET, SILENCE
from runtime.training.webserver import Site

from hostler_contract import DatasetSource, ErrorReason
from hostler_contract.job import DatasetConfig
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.training.sources import find, open_source

NOT_FOUND = ErrorReason.DATASET_NOT_FOUND
AGAIN = ErrorReason.INTERNAL
"""What a job ends with that is tried again by itself."""


def contents(source: DatasetSource, cache: Path, *, waits: list[float] | None = None) -> dict[str, bytes]:
    """Every file of a source by its name, without waiting between tries."""
    located = find(source, cache=cache, pause=(waits if waits is not None else []).append)
    return {file.relative_to(located.root).as_posix(): file.read_bytes() for file in located.files}


OBJECTS = {
    "books/train/a.jsonl": b'{"text": "a"}',
    "books/train/deep/b.jsonl": b'{"text": "b"}',
    "books/train/.hidden": b"",
    "books/other.txt": b"other",
}

Serve = Callable[..., S3Server]


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start services with objects; the environment holds no credentials but those a test sets."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    started: list[S3Server] = []

    def start(objects: Mapping[str, bytes] = OBJECTS, **options: Any) -> S3Server:
        started.append(S3Server(objects, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


def bucket(location: str, server: S3Server) -> DatasetSource:
    """A source in a service of one's own."""
    return DatasetSource(kind="s3", location=location, endpoint=server.url)


@pytest.mark.parametrize(
    ("location", "want"),
    [
        pytest.param("s3://books/train", {"a.jsonl", "deep/b.jsonl"}, id="a prefix"),
        pytest.param("s3://books/train/", {"a.jsonl", "deep/b.jsonl"}, id="a prefix with a slash"),
        pytest.param("s3://books", {"train/a.jsonl", "train/deep/b.jsonl", "other.txt"}, id="a whole bucket"),
        pytest.param("s3://books/train/a.jsonl", {"a.jsonl"}, id="one object"),
    ],
)
def test_objects_keep_their_names_below_the_prefix(
    location: str, want: set[str], buckets: Serve, tmp_path: Path
) -> None:
    server = buckets()

    found = contents(bucket(location, server), tmp_path)

    assert set(found) == want
    assert server.signed == 0
    assert all(content in OBJECTS.values() for content in found.values())


def test_objects_are_kept_for_later_attempts(buckets: Serve, tmp_path: Path) -> None:
    server = buckets()
    first = contents(bucket("s3://books/train", server), tmp_path)
    server.objects["books/train/a.jsonl"] = b"changed meanwhile"
    server.requests.clear()

    assert contents(bucket("s3://books/train", server), tmp_path) == first
    assert server.requests == []


def test_credentials_are_those_of_the_environment(
    buckets: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = buckets(access_key="AKEXAMPLE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert set(contents(bucket("s3://books/train", server), tmp_path)) == {"a.jsonl", "deep/b.jsonl"}
    assert server.signed == len(server.requests)


@pytest.mark.parametrize(
    ("location", "options", "want"),
    [
        pytest.param("s3://books/none", {}, "holds no files: check that it exists", id="an empty prefix"),
        pytest.param("s3://films", {}, "(NoSuchBucket: there is no such bucket)", id="another bucket"),
        pytest.param("s3://books", {"access_key": "AK"}, "Check bucket, region, endpoint and credentials", id="a key"),
        pytest.param("s3:/books", {}, "is not of the form s3://bucket/prefix", id="no bucket"),
    ],
)
def test_buckets_without_data(
    location: str, options: dict[str, Any], want: str, buckets: Serve, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        find(bucket(location, buckets(**options)), cache=tmp_path)

    assert failure.value.reason is NOT_FOUND
    assert failure.value.message.startswith(location)
    assert want in failure.value.message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("status", [500, 503, 429, RESET])
@pytest.mark.parametrize("on", ["list-type", "/train/a.jsonl"])
def test_a_service_in_trouble_is_asked_again(status: int, on: str, buckets: Serve, tmp_path: Path) -> None:
    server, waits = buckets(), list[float]()
    server.troubles.plan(status, on=on, times=2)

    found = contents(bucket("s3://books/train", server), tmp_path, waits=waits)

    assert set(found) == {"a.jsonl", "deep/b.jsonl"}
    assert waits == [2.0, 4.0]
    assert sum(request.startswith("GET /books/train/deep/b.jsonl") for request in server.requests) == 1


@pytest.mark.parametrize(
    ("status", "want_words"),
    [
        pytest.param(503, "answers 503 Service Unavailable", id="an overload that does not end"),
        pytest.param(RESET, "Connection reset by peer", id="connections that are cut"),
    ],
)
def test_a_service_that_stays_in_trouble(status: int, want_words: str, buckets: Serve, tmp_path: Path) -> None:
    server, waits = buckets(), list[float]()
    server.troubles.plan(status, times=99)

    with pytest.raises(RuntimeFailure) as failure:
        contents(bucket("s3://books/train", server), tmp_path, waits=waits)

    assert failure.value.reason is AGAIN
    assert want_words in failure.value.message
    assert failure.value.message.endswith("endpoint and credentials, and whether the service is up")
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize("status", [403, 404, 400])
def test_an_object_that_is_refused_is_not_asked_for_again(status: int, buckets: Serve, tmp_path: Path) -> None:
    server, waits = buckets(), list[float]()
    server.troubles.plan(status, on="/train/a.jsonl", times=99)

    with pytest.raises(RuntimeFailure, match=r"Check bucket, region, endpoint and credentials$") as failure:
        contents(bucket("s3://books/train", server), tmp_path, waits=waits)

    assert failure.value.reason is NOT_FOUND
    assert waits == []


def test_an_object_cannot_leave_the_dataset(buckets: Serve, tmp_path: Path) -> None:
    server = buckets({"books/a/../../../evil": b"x"})

    with pytest.raises(RuntimeFailure, match="has a name that leads out of the dataset"):
        find(bucket("s3://books/a", server), cache=tmp_path / "cache")

    assert not list(tmp_path.rglob("evil"))


REPOSITORY = {
    "main": {"README.md": b"about it", "train.jsonl": b'{"text": "new"}', "images/cat/1.png": b"png"},
    "v1": {"train.jsonl": b'{"text": "old"}'},
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the trainer's container."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub(offline: None) -> Iterator[HubServer]:
    """A hub of one's own."""
    server = HubServer("me/books", REPOSITORY)
    yield server
    server.close()


def on_hub(location: str, server: HubServer, revision: str | None = None, path: str | None = None) -> DatasetSource:
    """A source on a hub of one's own."""
    return DatasetSource(kind="hf", location=location, path=path, endpoint=server.url, revision=revision)


def test_a_hub_is_asked_although_everything_else_stays_offline(hub: HubServer, tmp_path: Path) -> None:
    whole = contents(on_hub("hf://datasets/me/books", hub), tmp_path)
    hub.requests.clear()

    assert whole == REPOSITORY["main"]
    assert contents(on_hub("hf://datasets/me/books", hub), tmp_path) == whole
    assert hub.requests == []


def test_a_path_and_a_revision_on_a_hub(hub: HubServer, tmp_path: Path) -> None:
    assert contents(on_hub("hf://datasets/me/books", hub, path="images"), tmp_path) == {"cat/1.png": b"png"}
    assert contents(on_hub("hf://datasets/me/books", hub, "v1"), tmp_path) == REPOSITORY["v1"]


def test_a_repository_without_an_owner_is_not_taken_for_an_owner(offline: None, tmp_path: Path) -> None:
    server = HubServer("imdb", {"main": {"plain_text/train.jsonl": b"{}"}})
    try:
        assert contents(on_hub("hf://datasets/imdb", server, path="plain_text"), tmp_path) == {"train.jsonl": b"{}"}
    finally:
        server.close()


def test_a_token_is_taken_from_the_environment(offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = HubServer("me/books", REPOSITORY, token="hf_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    try:
        assert set(contents(on_hub("hf://datasets/me/books", server, "v1"), tmp_path)) == {"train.jsonl"}
    finally:
        server.close()


@pytest.mark.parametrize(
    ("location", "options", "want"),
    [
        pytest.param("hf://datasets/me/films", {}, "Repository Not Found", id="another repository"),
        pytest.param("hf://datasets/me/books", {"revision": "v9"}, "Revision Not Found", id="another revision"),
        pytest.param("hf://datasets/me/books", {"path": "none"}, "(path none) holds no files", id="an empty path"),
        pytest.param("hf://models/me/books", {}, "is not of the form hf://datasets/owner/name", id="a model"),
        pytest.param("hf://datasets/me/books/images", {}, "is not of the form", id="a path in a name"),
        pytest.param("hf://datasets/me/books", {"path": "../x"}, "lies outside the repository", id="a way out"),
    ],
)
def test_hubs_without_data(location: str, options: dict[str, str], want: str, hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        find(on_hub(location, hub, **options), cache=tmp_path)

    assert failure.value.reason is NOT_FOUND
    assert failure.value.message.startswith(location)
    assert want in failure.value.message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("status", "on", "want_reason", "want_words", "want_waits"),
    [
        pytest.param(503, "", AGAIN, "in 3 tries: HfHubHTTPError", [2.0, 4.0], id="an overload"),
        pytest.param(RESET, "/revision/", AGAIN, "in 3 tries: ", [2.0, 4.0], id="connections that are cut"),
        pytest.param(SILENCE, "/revision/", AGAIN, "Timeout", [2.0, 4.0], id="a hub that never answers"),
        pytest.param(403, "", NOT_FOUND, "Check repository, revision, endpoint and token", [], id="no access"),
        pytest.param(404, "/resolve/", NOT_FOUND, "404", [], id="a file that has gone meanwhile"),
    ],
)
def test_a_hub_in_trouble(
    status: int,
    on: str,
    want_reason: ErrorReason,
    want_words: str,
    want_waits: list[float],
    hub: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hostler_runtime.training.sources.hub._SILENCE_SECONDS", 0.2)
    hub.troubles.plan(status, on=on, times=99)
    waits: list[float] = []

    with pytest.raises(RuntimeFailure) as failure:
        contents(on_hub("hf://datasets/me/books", hub), tmp_path, waits=waits)

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message
    assert waits == want_waits
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_dataset_that_changes_between_two_tries_is_not_a_mixture(hub: HubServer, tmp_path: Path) -> None:
    hub.troubles.plan(RESET, on="train.jsonl")

    def change(_: float) -> None:
        hub.commits["main"] = hub.commits["v1"]

    located = find(on_hub("hf://datasets/me/books", hub), cache=tmp_path, pause=change)

    assert {file.name: file.read_bytes() for file in located.files} == REPOSITORY["v1"]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become larger, in this process and those it starts: as on a volume with a quota."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("kind", ["http", "s3", "hf"])
def test_a_full_volume_is_no_trouble_of_the_service(
    kind: str, site: Site, buckets: Serve, offline: None, tmp_path: Path
) -> None:
    body, waits = bytes(5 << 20), list[float]()
    server = HubServer("me/books", {"main": {"train.jsonl": body}})
    sources = {
        "http": lambda: DatasetSource(kind="http", location=site.url("/train.jsonl", (200, body, None))),
        "s3": lambda: bucket("s3://books/rows", buckets({"books/rows": body})),
        "hf": lambda: on_hub("hf://datasets/me/books", server),
    }

    with room_for(4 << 20), pytest.raises(OSError) as failure:
        contents(sources[kind](), tmp_path, waits=waits)

    server.close()
    assert classify(failure.value).reason is ErrorReason.STORAGE_FULL
    assert waits == []


def test_the_same_bytes_are_the_same_data_wherever_they_come_from(
    site: Site, buckets: Serve, hub: HubServer, tmp_path: Path
) -> None:
    rows = REPOSITORY["v1"]["train.jsonl"]
    (tmp_path / "claim").write_bytes(rows)
    sources = [
        DatasetSource(kind="path", location=str(tmp_path / "claim")),
        DatasetSource(kind="http", location=site.url("/train.jsonl", (200, rows, None))),
        bucket("s3://books/rows", buckets({"books/rows": rows})),
        on_hub("hf://datasets/me/books", hub, "v1"),
    ]

    configs = [DatasetConfig(source=source, format="jsonl") for source in sources]
    opened = [open_source(config, cache=tmp_path / "cache") for config in configs]

    assert {records.sha256 for records in opened} == {hashlib.sha256(rows).hexdigest()}
    assert [[record.text() for record in records] for records in opened] == [["old"]] * len(sources)
