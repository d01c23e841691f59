"""Data of paths and URLs, with what is said where there is none."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train
from runtime.training.webserver import Site

from hostler_contract import DatasetSource, ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.sources import find

BODY = REFERENCE_TEXT[:50_000].encode()
BODY_SHA256 = hashlib.sha256(BODY).hexdigest()
INVALID, NOT_FOUND = ErrorReason.DATASET_INVALID, ErrorReason.DATASET_NOT_FOUND
AGAIN = ErrorReason.INTERNAL
"""What a job ends with that is tried again by itself."""


def fetch(url: str, tmp_path: Path, *, sha256: str | None = None, waits: list[float] | None = None) -> bytes:
    """Download through the code under test, without waiting between tries."""
    source = DatasetSource(kind="http", location=url, sha256=sha256)
    pause = (waits if waits is not None else []).append
    (file,) = find(source, cache=tmp_path / "cache", pause=pause).files
    return file.read_bytes()


def test_a_download_is_kept_for_later_attempts(site: Site, tmp_path: Path) -> None:
    url = site.url("/text", (200, BODY, None), (200, b"changed meanwhile", None))

    assert fetch(url, tmp_path) == BODY
    assert fetch(url, tmp_path) == BODY
    assert fetch(url, tmp_path, sha256=BODY_SHA256.upper()) == BODY
    assert site.requests == ["/text"]


def test_how_much_has_come_is_told_while_it_comes(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    body = b"x" * (3 << 20)
    source = DatasetSource(kind="http", location=site.url("/text", (200, body, None)))

    find(source, cache=tmp_path, told=lambda done, of: told.append((done, of)))

    assert told[-1] == (len(body), len(body))
    assert len(told) >= 3
    assert told == sorted(told)


def test_a_kept_download_that_is_not_what_was_asked_for_is_fetched_again(site: Site, tmp_path: Path) -> None:
    url = site.url("/text", (200, b"first edition", None), (200, BODY, None))
    fetch(url, tmp_path)

    assert fetch(url, tmp_path, sha256=BODY_SHA256) == BODY


def test_a_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    waits: list[float] = []
    url = site.url("/text", (503, b"", None), (200, BODY[:100], len(BODY)), (200, BODY, None))

    assert fetch(url, tmp_path, waits=waits) == BODY
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize(
    ("answer", "options", "want_reason", "want_words", "want_requests"),
    [
        ((404, b"", None), {}, NOT_FOUND, "the server answered 404 Not Found. Check the URL", 1),
        ((403, b"", None), {}, NOT_FOUND, "the server answered 403 Forbidden", 1),
        ((410, b"", None), {}, NOT_FOUND, "the server answered 410 Gone", 1),
        ((429, b"", None), {}, AGAIN, "in 3 tries: the server answered 429 Too Many Requests. Check the URL, and", 3),
        ((500, b"", None), {}, AGAIN, "in 3 tries: the server answered 500 Internal Server Error", 3),
        ((200, BODY[:100], len(BODY)), {}, AGAIN, "in 3 tries: the body ended after 100 of 50", 3),
        ((200, BODY, None), {"sha256": "0" * 64}, INVALID, f"has SHA-256 {BODY_SHA256}, expected 000", 1),
    ],
)
def test_a_download_that_fails(
    answer: tuple[int, bytes, int | None],
    options: dict[str, Any],
    want_reason: ErrorReason,
    want_words: str,
    want_requests: int,
    site: Site,
    tmp_path: Path,
) -> None:
    url = site.url("/text", answer)

    with pytest.raises(RuntimeFailure) as failure:
        fetch(url, tmp_path, **options)

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message
    assert url in failure.value.message
    assert len(site.requests) == want_requests
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and ".cache" not in path.parts]
    assert kept == [], "nothing has a name that is not whole"


def test_only_a_reason_that_jobs_are_tried_again_for_is_given_for_a_service_in_trouble() -> None:
    assert AGAIN.retryable
    assert not NOT_FOUND.retryable


@pytest.mark.parametrize(
    ("url", "want_reason", "want_words"),
    [
        pytest.param(f"http://127.0.0.1:{free_port()}/text", AGAIN, "in 3 tries", id="nobody listens"),
        pytest.param("http://127.0.0.1:port/text", NOT_FOUND, "nonnumeric port", id="a port that is no number"),
        pytest.param("file:///etc/passwd", NOT_FOUND, "is not an http or https URL", id="a file of the pod's own"),
        pytest.param("ftp://127.0.0.1/text", NOT_FOUND, "is not an http or https URL", id="another protocol"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, want_reason: ErrorReason, want_words: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        fetch(url, tmp_path)

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message


@pytest.mark.parametrize(
    ("answer", "want_reason", "want_waits"),
    [
        pytest.param(socket.EAI_NONAME, NOT_FOUND, [], id="there is no such host"),
        pytest.param(socket.EAI_AGAIN, AGAIN, [2.0, 4.0], id="the resolver is in trouble"),
    ],
)
def test_a_host_whose_name_is_not_resolved(
    answer: int, want_reason: ErrorReason, want_waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object, **__: object) -> object:
        raise socket.gaierror(answer, "as the resolver says it")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    waits: list[float] = []

    with pytest.raises(RuntimeFailure, match="as the resolver says it") as failure:
        fetch("http://data.example/text", tmp_path, waits=waits)

    assert failure.value.reason is want_reason
    assert waits == want_waits


def test_a_job_trains_on_a_download(site: Site, job: JobFactory, train: Train) -> None:
    url = site.url("/text", (200, BODY, None))

    result = train(job(dataset__source={"kind": "http", "location": url, "sha256": BODY_SHA256})).result

    assert result.succeeded
    assert result.dataset is not None
    assert result.dataset.size_bytes == len(BODY)


def test_a_path_may_be_checked_by_hash_too(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(BODY)
    right = DatasetSource(kind="path", location=str(tmp_path / "text"), sha256=BODY_SHA256)
    wrong = right.model_copy(update={"sha256": "f" * 64})

    assert find(right, cache=tmp_path).files == [tmp_path / "text"]
    with pytest.raises(RuntimeFailure, match="expected ffff") as failure:
        find(wrong, cache=tmp_path)
    assert failure.value.reason is INVALID


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("/books/part-1.jsonl", "part-1.jsonl"),
        ("/books/part%201.jsonl?token=secret", "part_1.jsonl"),
        ("/books/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("/", "data"),
    ],
)
def test_a_download_keeps_its_name(url: str, want: str, site: Site, tmp_path: Path) -> None:
    address = site.url(url, (200, BODY, None))

    located = find(DatasetSource(kind="http", location=address), cache=tmp_path)

    assert [file.relative_to(located.root).as_posix() for file in located.files] == [want]
