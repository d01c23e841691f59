"""Texts without labels help where labels are few: FixMatch on encoders, paired with the same job without their help.

All jobs of a seed share data, first weights, order of rows and random draws. They differ in one thing: how much the
pseudo-labels weigh, or what the unlabelled texts are.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from runtime.families.encoders import encoder_job, train, write_rows

from hostler_contract import ErrorReason
from hostler_contract.objective import SemiSupervisedConfig
from hostler_data.split import Split
from hostler_runtime.errors import classify
from hostler_runtime.families.bert.semi_supervised import align, semi_supervised_loss, survey

SEEDS: Final = range(5)
SUBJECTS: Final = 4
LABELS: Final = 20
"""In all: five for each subject."""
TEXTS: Final = 700
HELD_OUT_PERCENT: Final = 25
RULE: Final = Split(HELD_OUT_PERCENT)
NOTHING: Final = 1e-9
"""Weight at which pseudo-labels change nothing."""
_SYLLABLES: Final = ("ka", "lo", "mi", "ne", "ru", "sa", "to", "vi", "pe", "du", "fa", "gi")
_OWN_WORDS: Final = 50
_COMMON_WORDS: Final = 60
_OWN_SHARE: Final = 0.6


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two cores are shared with everything else; sums in a fixed order make runs comparable bit by bit."""
    torch.set_num_threads(1)


def texts(*, seed: int, noise: bool = False) -> list[dict[str, str]]:
    """Made-up texts on four subjects: most of the words belong to the subject, the others to all.

    Held-out rows have labels, of the others only ``LABELS``. With ``noise`` every word of a text without a label is of
    a subject of its own, so that the text as a whole has none.
    """
    draw, other = random.Random(seed), random.Random(f"noise {seed}")
    words = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES]
    draw.shuffle(words)
    own = [words[number * _OWN_WORDS : (number + 1) * _OWN_WORDS] for number in range(SUBJECTS)]
    common = words[SUBJECTS * _OWN_WORDS :][:_COMMON_WORDS]

    def word_of(subject: int, source: random.Random) -> str:
        return source.choice(own[subject] if source.random() < _OWN_SHARE else common)

    left = dict.fromkeys(range(SUBJECTS), LABELS // SUBJECTS)
    rows = []
    for place in range(TEXTS):
        subject = draw.randrange(SUBJECTS)
        said = [word_of(subject, draw) for _ in range(draw.randint(10, 18))]
        label = {"label": f"subject {subject}"}
        if not RULE.held_out(place):
            left[subject] -= 1
            label = label if left[subject] >= 0 else {}
        if noise and not label:
            said = [word_of(other.randrange(SUBJECTS), other) for _ in said]
        rows.append({"text": " ".join(said)} | label)
    return rows


Accuracy = Callable[..., float]


@pytest.fixture(scope="session")
def accuracy(tmp_path_factory: pytest.TempPathFactory) -> Accuracy:
    """Held-out accuracy of one job; each is run once."""
    found: dict[tuple[Any, ...], float] = {}

    def measure(seed: int, *, weight: float = 1.0, noise: bool = False) -> float:
        key = (seed, weight, noise)
        if key not in found:
            home: Path = tmp_path_factory.mktemp("semi")
            job = encoder_job(
                home,
                data=write_rows(home / "data" / "texts.jsonl", texts(seed=seed, noise=noise)),
                encoder={"hiddenSize": 32, "heads": 2, "vocabularySize": 800, "head": "classification"},
                objective={
                    "supervision": "semi-supervised",
                    "semiSupervised": {"threshold": 0.9, "weight": weight, "unlabelledRatio": 4},
                },
                hyperparameters={
                    "steps": 250, "batchSize": 20, "learningRate": 2e-3, "warmupSteps": 10, "weightDecay": 0.01,
                    "seed": seed,
                },
                dataset={"validationPercent": HELD_OUT_PERCENT},
                evaluation={"samples": 0},
            )  # fmt: skip
            found[key] = train(job).result.metrics["accuracy"]
        return found[key]

    return measure


@pytest.mark.quality
def test_twenty_labels_go_further_with_texts_that_have_none(accuracy: Accuracy) -> None:
    """Paired over five seeds: no seed loses, and the mean wins by ten points or more."""
    gains = np.array([accuracy(seed) - accuracy(seed, weight=NOTHING) for seed in SEEDS])
    assert gains.min() >= 0, gains
    assert gains.mean() >= 0.1, gains


@pytest.mark.quality
def test_texts_that_belong_to_nothing_do_not_help(accuracy: Accuracy) -> None:
    """The control: what helps must be in the unlabelled texts, not in the procedure."""
    noise = np.array([accuracy(seed, noise=True) - accuracy(seed, weight=NOTHING) for seed in SEEDS])
    real = np.array([accuracy(seed) - accuracy(seed, weight=NOTHING) for seed in SEEDS])
    assert noise.mean() <= real.mean() / 2, (noise, real)


def test_the_data_of_the_control_differ_in_the_unlabelled_texts_alone() -> None:
    real, noise = texts(seed=0), texts(seed=0, noise=True)
    given = [row for place, row in enumerate(real) if "label" in row and not RULE.held_out(place)]
    assert len(given) == LABELS
    assert {row["label"] for row in given} == {f"subject {number}" for number in range(SUBJECTS)}
    for one, other in zip(real, noise, strict=True):
        assert one.get("label") == other.get("label")
        assert (one == other) == ("label" in one)


class Told(torch.nn.Module):
    """Stands for an encoder: each sequence's logits are read off its first token."""

    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor(table))

    def forward(self, input_ids: torch.Tensor, *, wanted: torch.Tensor, **_: torch.Tensor) -> torch.Tensor:
        return self.table[input_ids[wanted]]


def views(*, labelled: list[int], weak: list[int], strong: list[int], targets: list[int]) -> dict[str, torch.Tensor]:
    """Sequences of one token each, a row for each."""
    batch = {}
    for prefix, tokens in (("", labelled), ("weak_", weak), ("strong_", strong)):
        ids = torch.tensor(tokens).unsqueeze(1)
        batch[f"{prefix}input_ids"] = ids
        batch[f"{prefix}segments"] = torch.ones_like(ids)
        batch[f"{prefix}positions"] = torch.zeros_like(ids)
        batch[f"{prefix}token_types"] = torch.zeros_like(ids)
    batch["targets"] = torch.tensor(targets).unsqueeze(1)
    return batch


SURE_A, SURE_B, UNSURE = 0, 1, 2
TABLE: Final = [[4.0, 0.0], [0.0, 4.0], [0.2, 0.0]]


@pytest.mark.parametrize(
    ("weak", "believed"),
    [
        pytest.param([SURE_A, SURE_B], 2, id="both predictions are confident"),
        pytest.param([UNSURE, UNSURE], 0, id="none is"),
        pytest.param([SURE_A, SURE_A], 0, id="all texts get one name, which alignment does not believe"),
    ],
)
def test_only_confident_predictions_become_labels(weak: list[int], believed: int) -> None:
    loss = semi_supervised_loss(SemiSupervisedConfig(threshold=0.9, weight=2.0), shares=[0.5, 0.5])
    batch = views(labelled=[SURE_A], weak=weak, strong=[UNSURE, UNSURE], targets=[1])
    part = loss(Told(TABLE), batch)
    table = torch.tensor(TABLE)
    labelled = torch.nn.functional.cross_entropy(table[[SURE_A]], torch.tensor([1]))
    wrong_view = torch.nn.functional.cross_entropy(table[[UNSURE] * 2], table[weak].argmax(1), reduction="none")
    # Two unlabelled texts beside one labelled: each counts half.
    expected = float(labelled) + 2.0 * float(wrong_view.sum()) / 2 * (believed > 0)
    assert float(part.total.detach()) == pytest.approx(expected, abs=1e-5)
    assert part.weight == 1
    assert float(part.parts["believed"]) == pytest.approx(believed / 2)


def test_pseudo_labels_teach_the_strong_view_alone() -> None:
    loss = semi_supervised_loss(SemiSupervisedConfig(threshold=0.9), shares=[0.5, 0.5])
    module = Told(TABLE)
    loss(module, views(labelled=[UNSURE], weak=[SURE_A, SURE_B], strong=[UNSURE, UNSURE], targets=[0])).total.backward()
    assert module.table.grad is not None
    assert module.table.grad[[SURE_A, SURE_B]].abs().max() == 0, "a prediction must not learn from itself"
    assert module.table.grad[UNSURE].abs().max() > 0


def test_a_step_in_parts_is_the_step_as_a_whole() -> None:
    """However many processes share it, and with more unlabelled texts beside one labelled text than beside another."""
    loss = semi_supervised_loss(SemiSupervisedConfig(threshold=0.7), shares=[0.5, 0.5])
    whole = views(
        labelled=[SURE_A, SURE_B], weak=[SURE_A, SURE_A, SURE_B], strong=[UNSURE] * 3, targets=[1, 0]
    )  # fmt: skip
    parts = [
        views(labelled=[SURE_A], weak=[SURE_A, SURE_A], strong=[UNSURE] * 2, targets=[1]),
        views(labelled=[SURE_B], weak=[SURE_B], strong=[UNSURE], targets=[0]),
    ]
    module = Told(TABLE)

    surveys = [survey(module, part) for part in parts]
    sums = {name: surveys[0].sums[name] + surveys[1].sums[name] for name in surveys[0].sums}
    found = [
        loss(module, {**part, **one.found, **sums}) for part, one in zip(parts, surveys, strict=True)
    ]  # fmt: skip

    want = loss(module, whole)
    assert sum(float(part.total.detach()) for part in found) == pytest.approx(float(want.total.detach()), abs=1e-5)
    assert sum(float(part.parts["believed"]) for part in found) == pytest.approx(float(want.parts["believed"]))
    alone = [loss(module, part) for part in parts]
    assert sum(float(part.total.detach()) for part in alone) != pytest.approx(float(want.total.detach()), abs=1e-3)


def test_alignment_moves_the_mean_towards_the_known_shares() -> None:
    torch.manual_seed(0)
    biased = (torch.randn(200, 3) + torch.tensor([3.0, 0.0, 0.0])).softmax(-1)
    expected = torch.tensor([0.2, 0.3, 0.5])
    moved = align(biased, expected=expected)
    assert torch.allclose(moved.sum(-1), torch.ones(200))
    assert (moved.mean(0) - expected).abs().max() < 0.3 * (biased.mean(0) - expected).abs().max()
    even = torch.full((4, 3), 1 / 3)
    assert torch.allclose(align(even, expected=torch.full((3,), 1 / 3)), even)


def test_rows_without_a_label_need_semi_supervised_training(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "texts.jsonl", texts(seed=0))
    job = encoder_job(tmp_path, data=data, encoder={"head": "classification"}, dataset={"validationPercent": 25})
    with pytest.raises(Exception) as caught:
        train(job)
    failure = classify(caught.value)
    assert failure.reason is ErrorReason.DATASET_INVALID
    assert "the label is missing; only semi-supervised training takes rows without one" in failure.message


def test_a_job_without_unlabelled_rows_is_told_so(tmp_path: Path) -> None:
    rows = [{"text": f"text {index}", "label": index % 2} for index in range(20)]
    job = encoder_job(
        tmp_path,
        data=write_rows(tmp_path / "texts.jsonl", rows),
        encoder={"head": "classification"},
        objective={"supervision": "semi-supervised"},
    )
    with pytest.raises(Exception) as caught:
        train(job)
    failure = classify(caught.value)
    assert failure.reason is ErrorReason.DATASET_INVALID
    assert "there is not one unlabelled row to train on" in failure.message
