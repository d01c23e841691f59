"""One tiny model and one server process for all tests that only ask questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from runtime.serving import tiny_model
from runtime.serving.replica import Replica, serving_config


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
