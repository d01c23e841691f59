"""SmolLM2-135M-Instruct: imported, served, asked, tuned on facts that nobody can know, and asked again."""

from __future__ import annotations

from dataclasses import dataclass

import openai
import pytest
from showpieces.questions import FACTS, KNOWN, Question, conversations, right
from showpieces.yard import Yard
from stack import Object

NAME = "smollm2-135m-instruct"
TUNED = "smollm2-tuned"
MEMORY = "3Gi"
LEAST_RIGHT = 8
MOST_LOST = 1
SETTINGS = {
    # A small rate, few passes and general rows between the facts: it learns them and keeps what it knew.
    "steps": 45, "batchSize": 8, "gradientAccumulation": 1, "learningRate": "5e-4", "warmupSteps": 5,
    "contextLength": 256,
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a model said, and whether it was right."""

    known: dict[str, tuple[str, bool]]
    facts: dict[str, tuple[str, bool]]

    def count(self, which: str) -> int:
        """Right answers."""
        return sum(good for _, good in getattr(self, which).values())


def ask(client: openai.OpenAI, model: str) -> Asked:
    """All questions, at likeliest tokens."""

    def one(question: str) -> str:
        found = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], max_tokens=32, temperature=0
        )
        return found.choices[0].message.content or ""

    facts: list[Question] = [fact.question for fact in FACTS]
    return Asked(right(KNOWN, one), right(facts, one))


@pytest.fixture(scope="module")
def base(yard: Yard) -> Object:
    """A Model that names the repository and nothing else, imported."""
    found = yard.imported(NAME)
    yard.report.add(NAME, "bytes imported", f"{found['status']['import']['sizeBytes']:,}")
    return found


@pytest.fixture(scope="module")
def before(yard: Yard) -> Asked:
    """What the catalog's entry says as it came."""
    yard.require(NAME)
    with yard.used(NAME) as client:
        return ask(client, NAME)


@pytest.fixture(scope="module")
def job(yard: Yard, before: Asked) -> Object:
    """The finished TrainingJob."""
    return yard.tuned(NAME, TUNED, dataset=yard.dataset("facts", conversations(), held_out=5), settings=SETTINGS)


def test_an_import_says_what_it_is(base: Object) -> None:
    facts = base["status"]["facts"]

    assert (facts["family"], facts["architecture"], facts["license"]) == ("chat", "LlamaForCausalLM", "Apache-2.0")
    assert facts["chatTemplate"] is True
    assert facts["contextLength"] == 8192
    assert 130e6 < facts["parameters"] < 140e6


def test_it_answers_what_it_knows_and_no_made_up_facts(yard: Yard, before: Asked) -> None:
    yard.report.add(NAME, "common questions right", f"{before.count('known')} of {len(KNOWN)}", demand="at least 8")
    yard.report.add(NAME, "made-up facts right", f"{before.count('facts')} of {len(FACTS)}", demand="at most 1")

    assert before.count("known") >= LEAST_RIGHT, before.known
    assert before.count("facts") <= 1, "whoever knows them already cannot show that they were learned"


def test_it_learns_facts_and_loses_at_most_one_thing_that_it_knew(yard: Yard, before: Asked, job: Object) -> None:
    with yard.served(TUNED, memory=MEMORY) as client:
        after = ask(client, TUNED)

    lost = [asked for asked, (_, good) in before.known.items() if good and not after.known[asked][1]]
    yard.report.add(TUNED, "made-up facts right", f"{after.count('facts')} of {len(FACTS)}", demand="all")
    yard.report.add(TUNED, "common questions right before and not any more", len(lost), demand="at most 1")
    assert after.count("facts") == len(FACTS), after.facts
    assert len(lost) <= MOST_LOST, {asked: after.known[asked] for asked in lost}


def test_the_model_that_comes_out_has_the_entry_in_its_lineage(yard: Yard, job: Object) -> None:
    model = yard.model(TUNED)
    base = model["spec"]["lineage"]["base"]
    assert (base["kind"], base["name"]) == ("ClusterModel", NAME)
    assert model["spec"]["license"] == "Apache-2.0"


def test_it_comes_out_as_small_as_it_went_in(yard: Yard, job: Object) -> None:
    sides = job["status"]["comparison"]
    sizes = {side: int(sides[side]["sizeBytes"]) for side in ("before", "after")}
    yard.report.add(TUNED, "bytes of weights, before and after", f"{sizes['before']:,} and {sizes['after']:,}")

    assert sizes["after"] == pytest.approx(sizes["before"], rel=0.01)
