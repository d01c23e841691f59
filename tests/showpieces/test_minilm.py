"""all-MiniLM-L6-v2, an entry of the catalog: vectors as its makers mean them, and a head on it beside a fresh one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from showpieces.sentences import PAIRS, labelled
from showpieces.shelves import run_script
from showpieces.yard import Yard

NAME = "all-minilm-l6-v2"
FURTHEST = 1e-4
MARGIN = 0.3
VOCABULARY = 800
"""Of the network from scratch, which learns its tokens from the rows; its other sizes are the entry's."""
SETTINGS = {"steps": 60, "batchSize": 20, "learningRate": "2e-4", "warmupSteps": 6, "contextLength": 64}
"""The same for both."""
HELD_OUT = 50
"""Percent of the rows."""


def test_cosines_are_those_of_sentence_transformers(yard: Yard) -> None:
    yard.require(NAME)
    with yard.used(NAME) as client:
        texts = [text for pair in PAIRS for text in pair]
        answer = client.embeddings.create(model=NAME, input=texts, encoding_format="float")
    facts = yard.of_catalog(NAME)["status"]["facts"]
    assert (facts["family"], facts["architecture"], facts["license"]) == ("bert", "BertModel", "Apache-2.0")
    vectors = np.array([one.embedding for one in answer.data]).reshape(len(PAIRS), 2, -1)
    found = (vectors[:, 0] * vectors[:, 1]).sum(-1)

    wanted = np.array(json.loads(run_script("reference.py", yard.directories[NAME])))

    furthest = float(np.abs(found - wanted).max())
    yard.report.add(NAME, f"largest difference of {len(PAIRS)} cosines", f"{furthest:.1e}", demand="at most 1e-4")
    assert furthest <= FURTHEST
    assert np.ptp(wanted) > 0.9, "pairs that are all alike would show nothing"


def test_a_head_on_it_beats_one_from_scratch(yard: Yard) -> None:
    yard.require(NAME)
    dataset = yard.dataset("labelled", labelled(), held_out=HELD_OUT)
    tuned = yard.tuned(NAME, "minilm-tuned", dataset=dataset, settings=SETTINGS)
    # As the catalog's page advises for what goes further: begin with what --dry-run prints.
    spec = yard.begun(NAME, dataset=dataset, settings=SETTINGS)["spec"]
    del spec["base"]
    spec["objective"] = "pretrain"
    spec["output"]["encoder"]["vocabularySize"] = VOCABULARY
    scratch = yard.train("minilm-scratch", spec)

    accuracies = [_accuracy(job) for job in (tuned, scratch)]
    yard.report.add(NAME, "accuracy after 100 labels", f"{accuracies[0]:.2f}", demand="0.3 more than from scratch")
    yard.report.add(NAME, "the same from scratch", f"{accuracies[1]:.2f}")
    assert accuracies[0] >= accuracies[1] + MARGIN


def _accuracy(job: dict[str, Any]) -> float:
    (found,) = [each["value"] for each in job["status"]["progress"]["metrics"] if each["name"] == "accuracy"]
    return float(found)
