"""The one table of what families measure, as both sides of the contract read it."""

from __future__ import annotations

import fnmatch
from typing import Any

from builders import FAMILY_SIZES, make_family_job, make_model
from tables import table

from hostler.api.common import ModelReference
from hostler.api.model import ModelSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import families
from hostler.planning.metrics import reject_metrics
from hostler.planning.models import NamedModel
from hostler_contract import ObjectiveConfig
from hostler_contract.figures import FIGURES, Need, figures_of, unmeasured

ENCODER = FAMILY_SIZES["bert"]["encoder"]
LOSS = {"metric": "validation_loss", "max": "3"}


def test_every_family_that_is_trained_has_its_figures() -> None:
    assert set(FIGURES) == {name for name, entry in families().items() if entry.training.available}


def test_heads_are_those_of_the_family() -> None:
    for name, figures in FIGURES.items():
        assert {figure.head for figure in figures} - {None} == set(families()[name].heads)


def test_no_name_stands_for_another_one() -> None:
    for figures in FIGURES.values():
        names = [figure.name for figure in figures]
        assert len(names) == len(set(names))
        patterns = [name for name in names if "*" in name]
        assert not [n for n in names for p in patterns if n != p and fnmatch.fnmatchcase(n, p)]


def base(task: str) -> NamedModel:
    """A ready encoder for a task."""
    model = ModelSpec.model_validate(make_model(family="bert", task=task)["spec"])
    return NamedModel(path="spec.base", reference=ModelReference(name="large"), model=model)


@table(
    ("family", "spec", "inputs", "want"),
    {
        "a loss": ("chat", {"evaluation": {"gates": [LOSS]}}, [], ""),
        "a figure that depends on the data": (
            "chat",
            {"evaluation": {"gates": [{"metric": "answer_accuracy"}]}},
            [],
            "",
        ),
        "a misspelt gate, the second of two": (
            "chat",
            {"evaluation": {"gates": [LOSS, {"metric": "answer_acuracy", "min": "1"}]}},
            [],
            "spec.evaluation.gates[1].metric: answer_acuracy is not measured by family chat (did you mean "
            "answer_accuracy?); there are validation_loss, validation_perplexity, unigram_perplexity, "
            "bigram_perplexity, validation_bits_per_byte, answer_accuracy, commonest_answer_accuracy.",
        ),
        "a target of another family": (
            "vae",
            {"evaluation": {"everySteps": 5, "stopAt": {"metric": "accuracy", "min": "0.9"}}},
            [],
            "spec.evaluation.stopAt.metric: accuracy is not measured by family vae; there are validation_loss, "
            "validation_mse, shuffled_mse, mean_image_mse, mse_ratio.",
        ),
        "a figure of the head": (
            "bert",
            {
                "output": {"encoder": ENCODER | {"head": "classification"}},
                "evaluation": {"gates": [{"metric": "accuracy"}]},
            },
            [],
            "",
        ),
        "a figure of another head": (
            "bert",
            {"evaluation": {"gates": [{"metric": "accuracy", "min": "0.9"}]}},
            [],
            "spec.evaluation.gates[0].metric: accuracy is not measured by family bert; there are "
            "validation_loss, masked_accuracy, masked_accuracy_shuffled, unigram_accuracy.",
        ),
        "a figure of the base's head": (
            "bert",
            {"objective": "finetune", "output": {}, "evaluation": {"gates": [{"metric": "f1"}]}},
            [base("question-answering")],
            "",
        ),
        "a figure of another head than the base's": (
            "bert",
            {"objective": "finetune", "output": {}, "evaluation": {"gates": [{"metric": "f1", "min": "1"}]}},
            [base("text-classification")],
            "spec.evaluation.gates[0].metric: f1 is not measured by family bert; there are validation_loss, accuracy, "
            "accuracy_shuffled, majority_accuracy.",
        ),
        "a base that does not say its head may have any": (
            "bert",
            {"objective": "finetune", "output": {}, "evaluation": {"gates": [{"metric": "f1"}]}},
            [base("feature-extraction")],
            "",
        ),
        "a pair of languages": (
            "speech-to-text",
            {"evaluation": {"gates": [{"metric": "word_error_rate_en_to_lb", "max": "1"}]}},
            [],
            "",
        ),
        "an objective has figures of its own": (
            "chat",
            {"objective": "preference", "output": {}, "evaluation": {"gates": [{"metric": "reward_accuracy"}]}},
            [],
            "",
        ),
        "and not the family's": (
            "chat",
            {"objective": "preference", "output": {}, "evaluation": {"gates": [{"metric": "answer_accuracy"}]}},
            [],
            "spec.evaluation.gates[0].metric: answer_accuracy is not measured by family chat; "
            "there are validation_loss, reward_accuracy, reward_margin.",
        ),
        "the share of zeros, where single weights go": (
            "chat",
            {"objective": "prune", "output": {}, "evaluation": {"gates": [{"metric": "sparsity"}]}},
            [],
            "",
        ),
        "no share of zeros where whole channels go": (
            "vae",
            {
                "objective": "prune", "prune": {"method": "structured"}, "output": {},
                "evaluation": {"gates": [{"metric": "sparsity"}]},
            },
            [],
            "spec.evaluation.gates[0].metric: sparsity is not measured by family vae; there are validation_loss, "
            "validation_mse, shuffled_mse, mean_image_mse, mse_ratio.",
        ),
    },
)  # fmt: skip
def test_a_figure_that_nobody_measures_is_refused_with_those_that_there_are(
    family: str, spec: dict[str, Any], inputs: list[NamedModel], want: str
) -> None:
    found = reject_metrics(TrainingJobSpec.model_validate(make_family_job(family, **spec)["spec"]), inputs)
    assert (found.message if found else "") == want
    assert found is None or found.reason == "MetricNotMeasured"


@table(
    ("spec", "want"),
    {
        "beside a base": ({"objective": "finetune", "output": {}}, ""),
        "from scratch": (
            {},
            "spec.evaluation.gates[0].maxRelative: objective pretrain has no base to compare with: give the figure "
            "itself as min or max.",
        ),
    },
)
def test_a_gate_beside_a_base_needs_one(spec: dict[str, Any], want: str) -> None:
    gates = {"evaluation": {"gates": [{"metric": "validation_loss", "maxRelative": "1.1"}]}}
    found = reject_metrics(TrainingJobSpec.model_validate(make_family_job("chat", **spec, **gates)["spec"]), [])
    assert (found.message if found else "") == want


def test_what_the_data_lacks_is_said_with_what_is_left() -> None:
    figures = figures_of("gan", ObjectiveConfig())
    assert list(unmeasured(figures, ["class_agreement", "pixel_spread"], lacks={Need.CLASSES})) == [
        ("class_agreement", "needs images with labels; without that there are pixel_spread")
    ]
