"""The examples of every objective on a cluster, from the Model of the chat example: their gates hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exampleruns import ALL, FROM_CHAT, Example, deliver, documents, make_data, trained
from stack import Stack

(CHAT,) = (example for example in ALL if example.folder == "chat")


@pytest.fixture(scope="module")
def home(stack: Stack, namespace: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A namespace with the chat example's Model in it."""
    found = namespace("objectives")
    _run(stack, CHAT, namespace=found, scratch=tmp_path_factory.mktemp("chat"))
    return found


def _run(stack: Stack, example: Example, *, namespace: str, scratch: Path) -> dict[str, Any]:
    (job,) = documents(example.folder, example.job)
    made = make_data(example, scratch, arguments=example.arguments)
    deliver(stack, example, made, source=job["spec"]["dataset"]["source"], namespace=namespace)
    return trained(stack, job, namespace=namespace)


@pytest.mark.parametrize("example", [pytest.param(example, id=example.job) for example in FROM_CHAT])
def test_an_objective_trains_to_its_bounds(stack: Stack, home: str, tmp_path: Path, example: Example) -> None:
    job = _run(stack, example, namespace=home, scratch=tmp_path)

    model = stack.wait_condition("models", job["metadata"]["name"], "Ready", "True", namespace=home)
    assert model["spec"]["lineage"]["base"]["name"] == "tiny-chat"
    assert model["spec"]["license"] == "CC0-1.0", "the base's"
    assert {"before", "after"} == set(job["status"]["comparison"])
