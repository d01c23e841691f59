"""One tiny model and one server process for all tests that only ask questions, and the same for the fake family."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from runtime.serving import tiny_model
from runtime.serving.replica import Replica, fake_replica, serving_config


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of a tiny random GPT-2."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def replica(tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A server that is ready."""
    with Replica(tmp_path_factory.mktemp("replica"), serving_config(tiny_directory)) as one:
        yield one.wait_ready()


@pytest.fixture(scope="session")
def client(replica: Replica) -> openai.OpenAI:
    """The unmodified OpenAI client."""
    return replica.client()


@pytest.fixture(scope="session")
def fake_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the replica: what its model ran stands in ``batches`` there."""
    return tmp_path_factory.mktemp("fake")


@pytest.fixture(scope="session")
def fake_server(fake_directory: Path) -> Iterator[Replica]:
    """A server that answers every task."""
    with fake_replica(fake_directory, adapters={"bold": "/adapters/bold", "inverted": "/adapters/inverted"}) as one:
        yield one.wait_ready()


@pytest.fixture(scope="session")
def fake_client(fake_server: Replica) -> openai.OpenAI:
    """The unmodified client."""
    return fake_server.client()
