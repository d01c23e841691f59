"""Every message of the contract against a file: a change here meets pods and checkpoints of the previous release.

After a wanted change: ``HOSTLER_WRITE_GOLDEN=1 pytest tests/unit/contract`` writes the files anew. An optional
field may be added; one that goes, or means something else, needs another ``SCHEMA_VERSION``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hostler_contract import (
    CheckpointManifest,
    DatasetReport,
    FeedbackRecord,
    ImportConfig,
    ImportProgress,
    ImportReport,
    InspectionConfig,
    JobConfig,
    Message,
    PreparationReport,
    Progress,
    Result,
    ServingConfig,
)

GOLDEN = Path(__file__).parent / "golden"
MESSAGES = (
    CheckpointManifest,
    DatasetReport,
    FeedbackRecord,
    ImportConfig,
    ImportProgress,
    ImportReport,
    InspectionConfig,
    JobConfig,
    PreparationReport,
    Progress,
    Result,
    ServingConfig,
)


def shape(message: type[Message]) -> str:
    """The JSON schema without words: descriptions may be improved at any time."""
    return json.dumps(_wordless(message.model_json_schema(by_alias=True)), indent=1, sort_keys=True) + "\n"


def _wordless(node: Any) -> Any:
    if isinstance(node, list):
        return [_wordless(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    # A field may itself be called `title`: its value is a schema, a title's is a text.
    words = {key for key in ("title", "description") if isinstance(node.get(key), str)}
    return {key: _wordless(value) for key, value in node.items() if key not in words}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_the_schema_of_its_version(message: type[Message]) -> None:
    path, found = GOLDEN / f"{message.__name__}.json", shape(message)
    if os.environ.get("HOSTLER_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert path.read_text() == found


def test_no_message_is_left_out() -> None:
    assert set(Message.__subclasses__()) == set(MESSAGES)
    assert {path.stem for path in GOLDEN.glob("*.json")} == {message.__name__ for message in MESSAGES}


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_says_its_version(message: type[Message]) -> None:
    assert message.model_json_schema(by_alias=True)["properties"]["schemaVersion"]["const"] == "v1"
