"""Downloads go on where an earlier attempt of the job ended, and are never a mixture of two versions."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from runtime.training.harness import ROOT
from runtime.training.hubserver import HubServer
from runtime.training.s3server import S3Server

from hostler_contract import DatasetSource, ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.sources import find

BODY = bytes(range(256)) * 20_000
OTHER = BODY[::-1]
CUTS = [1_000_000, 500_000, 250_000]
"""Bytes of the answers to the three tries of an attempt."""
Server = S3Server | HubServer
Kind = tuple[Server, str, DatasetSource]
"""A server, what it calls the file, and the source."""


@pytest.fixture(params=["http", "s3", "hf"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    """One file of each kind of source."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "HF_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server: Server
    if request.param == "hf":
        server = HubServer("me/books", {"main": {"rows.jsonl": BODY}})
        name, source = "rows.jsonl", {"kind": "hf", "location": "hf://datasets/me/books", "endpoint": server.url}
    else:
        server = S3Server({"books/rows.jsonl": BODY})
        name, source = "books/rows.jsonl", {"kind": "s3", "location": "s3://books/rows.jsonl", "endpoint": server.url}
        if request.param == "http":
            source = {"kind": "http", "location": f"{server.url}/books/rows.jsonl"}
    yield server, name, DatasetSource.model_validate(source)
    server.close()


def change(server: Server, name: str, content: bytes) -> None:
    """The data is another version from now on."""
    if isinstance(server, S3Server):
        server.objects[name] = content
    else:
        server.commits["main"] = hashlib.sha1(content).hexdigest()
        server.files[server.commits["main"]] = {name: content}


def attempt(source: DatasetSource, cache: Path, *, told: Callable[[int, int], None] = lambda done, of: None) -> bytes:
    """What one attempt of a job has in the end."""
    (file,) = find(source, cache=cache, pause=lambda seconds: None, told=told).files
    return file.read_bytes()


def broken_off(kind: Kind, cache: Path) -> None:
    """An attempt that has used up its tries."""
    server, name, source = kind
    server.cut_after[name] = list(CUTS)
    with pytest.raises(RuntimeFailure) as failure:
        attempt(source, cache)
    assert failure.value.reason is ErrorReason.INTERNAL, "the job is tried again"


def test_the_next_attempt_asks_for_the_rest(kind: Kind, tmp_path: Path) -> None:
    server, name, source = kind
    broken_off(kind, tmp_path)
    told: list[tuple[int, int]] = []

    assert attempt(source, tmp_path, told=lambda done, of: told.append((done, of))) == BODY

    assert server.offsets[name] == [0, CUTS[0], sum(CUTS[:2]), sum(CUTS)]
    assert told[-1] == (len(BODY), len(BODY))
    assert told[0][0] > sum(CUTS)
    assert [path.name for path in tmp_path.rglob(".*")] == [], "nothing is left of the way"


def test_another_version_is_fetched_whole(kind: Kind, tmp_path: Path) -> None:
    server, name, source = kind
    broken_off(kind, tmp_path)
    change(server, name, OTHER)

    assert attempt(source, tmp_path) == OTHER


def test_the_whole_is_held_against_the_hash_that_was_asked_for(kind: Kind, tmp_path: Path) -> None:
    server, name, source = kind
    broken_off(kind, tmp_path)
    change(server, name, OTHER)
    checked = source.model_copy(update={"sha256": hashlib.sha256(BODY).hexdigest()})

    with pytest.raises(RuntimeFailure, match="has SHA-256") as failure:
        attempt(checked, tmp_path)

    assert failure.value.reason is ErrorReason.DATASET_INVALID
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_hub_that_gives_out_other_bytes_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    server = HubServer("me/books", {"main": {"rows.jsonl": BODY}})
    server.other_bytes["rows.jsonl"] = OTHER
    source = DatasetSource(kind="hf", location="hf://datasets/me/books", endpoint=server.url)

    assert attempt(source, tmp_path) == BODY
    assert server.offsets["rows.jsonl"] == [0, 0]
    server.close()


def test_a_process_that_is_killed_leaves_what_has_come(kind: Kind, tmp_path: Path) -> None:
    server, name, source = kind
    server.cut_after[name] = [CUTS[0]]
    code = (
        "import json, os, signal, sys\n"
        "from pathlib import Path\n"
        "from hostler_contract import DatasetSource\n"
        "from hostler_runtime.training.sources import find\n"
        "die = lambda seconds: os.kill(os.getpid(), signal.SIGKILL)\n"
        "find(DatasetSource.model_validate_json(sys.argv[1]), cache=Path(sys.argv[2]), pause=die)\n"
    )
    path = os.pathsep.join(str(ROOT / each) for each in ("operator", "images/runtime"))
    command = [sys.executable, "-c", code, source.model_dump_json(), str(tmp_path)]
    died = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    assert attempt(source, tmp_path) == BODY
    assert server.offsets[name] == [0, CUTS[0]]
