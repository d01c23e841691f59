"""What runs where: the table that decides what is refused, and the page that is written from it."""

from __future__ import annotations

import pytest

from hostler.accelerators import AcceleratorType, Verb, Verdict, accelerator, accelerators, compatibility
from hostler.accelerators.reference import render_reference
from hostler.api.common import Family

TRAIN, SERVE = Verb.TRAIN, Verb.SERVE


@pytest.mark.parametrize(
    ("family", "name", "verb", "verdict", "variant"),
    [
        pytest.param("chat", "cpu", TRAIN, "tested", "cpu", id="the tests train on cpu"),
        pytest.param("chat", "cpu", SERVE, "tested", "cpu", id="the tests serve on cpu"),
        pytest.param("chat", "nvidia-a100-80", TRAIN, "expected", "cuda", id="a real A100 was never here"),
        pytest.param("chat", "amd-mi300x", TRAIN, "expected", "rocm", id="AMD takes another wheel"),
        pytest.param("chat", "graphcore-c600", SERVE, "expected", "poplar", id="an IPU needs its own image"),
        pytest.param("chat", "aws-trainium1", TRAIN, "expected", "neuron", id="Trainium trains"),
        pytest.param("chat", "aws-inferentia2", TRAIN, "impossible", "neuron", id="Inferentia does not"),
        pytest.param("chat", "aws-inferentia2", SERVE, "expected", "neuron", id="but it serves"),
        pytest.param("chat", "amd-alveo-v70", TRAIN, "impossible", "vitis", id="a V70 never trains"),
        pytest.param("chat", "qualcomm-aic100-ultra", TRAIN, "impossible", "qaic", id="Cloud AI 100 never trains"),
        pytest.param("chat", "furiosa-rngd", TRAIN, "impossible", "furiosa", id="RNGD never trains"),
        pytest.param("custom", "nvidia-a100-80", TRAIN, "expected", "own", id="custom brings its image"),
        pytest.param("custom", "qualcomm-aic100-pro", TRAIN, "impossible", "own", id="not even with an own image"),
        pytest.param("bert", "cpu", TRAIN, "tested", "cpu", id="every family but custom is bundled"),
    ],
)
def test_verdicts(family: str, name: str, verb: Verb, verdict: str, variant: str) -> None:
    found = compatibility(family=family, accelerator=accelerator(name), verb=verb)
    assert (found.verdict, found.variant) == (verdict, variant)
    assert found.possible == (verdict != "impossible")


@pytest.mark.parametrize(
    ("family", "name", "verb", "verdict", "variant"),
    [
        pytest.param("chat", "nvidia-a100-80", TRAIN, "tested", "cpu", id="simulated GPUs compute on CPU cores"),
        pytest.param("chat", "graphcore-c600", SERVE, "tested", "cpu", id="and so do simulated IPUs"),
        pytest.param("chat", "amd-alveo-v70", TRAIN, "impossible", "vitis", id="what the card never does is refused"),
        pytest.param("custom", "nvidia-a100-80", TRAIN, "expected", "own", id="an own image stays an own image"),
        pytest.param("gan", "nvidia-a100-80", SERVE, "tested", "cpu", id="with whatever family"),
        pytest.param("chat", "cpu", TRAIN, "tested", "cpu", id="cpu is never simulated"),
    ],
)
def test_simulated_devices(family: str, name: str, verb: Verb, verdict: str, variant: str) -> None:
    found = compatibility(family=family, accelerator=accelerator(name), verb=verb, simulated=True)
    assert (found.verdict, found.variant) == (verdict, variant)


def test_a_simulated_verdict_says_that_its_speed_means_nothing() -> None:
    kind = accelerator("nvidia-a100-80")
    assert (
        "says nothing about the real device"
        in compatibility(family="chat", accelerator=kind, verb=TRAIN, simulated=True).reason
    )


@pytest.mark.parametrize("kind", accelerators().values(), ids=lambda kind: kind.id)
def test_every_pair_has_a_verdict_with_a_sentence(kind: AcceleratorType) -> None:
    for family in Family:
        for verb in Verb:
            found = compatibility(family=family, accelerator=kind, verb=verb)
            assert found.reason.endswith("."), (family, verb)
            if found.verdict is Verdict.TESTED:
                assert kind.variant == "cpu", "tests of this repository have no such hardware"


def test_what_never_trains_never_trains_with_any_family() -> None:
    inference_only = [kind for kind in accelerators().values() if kind.inference_only]
    assert len(inference_only) >= 6
    for kind in inference_only:
        for family in Family:
            found = compatibility(family=family, accelerator=kind, verb=TRAIN)
            assert (found.verdict, found.reason) == (Verdict.IMPOSSIBLE, kind.inference_only)


def test_an_unknown_family_is_an_error_not_a_verdict() -> None:
    with pytest.raises(ValueError, match="tarot"):
        compatibility(family="tarot", accelerator=accelerator("cpu"), verb=TRAIN)


def test_a_type_with_a_variant_that_nobody_described_is_named() -> None:
    stray = accelerator("cpu").model_copy(update={"variant": "abacus", "id": "stray"})
    with pytest.raises(ValueError, match=r"stray.*abacus.*compatibility\.yaml"):
        compatibility(family="chat", accelerator=stray, verb=TRAIN)


def test_the_page_names_every_type_and_every_reason_of_refusal() -> None:
    page = render_reference()
    for kind in accelerators().values():
        assert page.count(f"\n| `{kind.id}` |") == 2, "once among the types, once in the matrix"
        if kind.inference_only:
            assert kind.inference_only in page
    assert all(family.value in page for family in Family)


def test_the_page_is_the_same_every_time_and_fits_markdown() -> None:
    """Every row of a table has as many cells as its head."""
    page = render_reference()
    assert page == render_reference()
    for block in page.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count(" | ") for row in rows}) <= 1, rows[:1]
