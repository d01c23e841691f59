"""What a person knows of the work, and pools that nobody has."""

from __future__ import annotations

import pytest
from tables import table

from hostler.accelerators import UnknownAcceleratorError, accelerators
from hostler.planning.estimate.given import Work
from hostler.planning.estimate.imagined import imagined_pool


@table(
    ("work", "unit", "want"),
    {
        "tokens": (Work(tokens=300e9), "tokens", 300e9),
        "text, at four bytes a token": (Work(gigabytes=2), "tokens", 5e8),
        "seen several times": (Work(tokens=1e9, epochs=3), "tokens", 3e9),
        "seen in part": (Work(images=1000, epochs=0.5), "images", 500),
        "clips": (Work(images=10), "clips", 10),
        "recordings": (Work(hours_of_audio=2), "audio-seconds", 7200),
        "nothing": (Work(), "tokens", None),
    },
)
def test_how_much_it_is(work: Work, unit: str, want: float | None) -> None:
    assert work.units(unit) == want


@table(
    ("work", "unit", "words"),
    {
        "of another family": (Work(images=3), "tokens", "--images says nothing of a family that learns from tokens"),
        "the way out is named": (Work(tokens=3), "audio-seconds", "give --hours-of-audio"),
        "twice": (Work(tokens=1, gigabytes=1), "tokens", "give one of --tokens and --gigabytes"),
        "epochs of nothing": (Work(epochs=2), "tokens", "say how much it is with --tokens or --gigabytes"),
        "less than nothing": (Work(tokens=-1), "tokens", "--tokens is -1: it must be above 0"),
        "no number": (Work(tokens=float("nan")), "tokens", "must be above 0"),
        "without end": (Work(hours_of_audio=float("inf")), "audio-seconds", "must be above 0"),
    },
)
def test_what_makes_no_sense_is_refused(work: Work, unit: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        work.units(unit)


@pytest.mark.parametrize("kind", accelerators())
def test_a_pool_that_nobody_has(kind: str) -> None:
    view = imagined_pool(kind, devices=16, per_node=8)
    assert view.pool.problem is None
    assert len(view.nodes) == 2
    assert not view.simulated
    if view.pool.resource is not None:
        assert (view.capacity, view.largest_free_block) == (16, 8)


def test_what_cannot_be_imagined() -> None:
    with pytest.raises(ValueError, match="12 devices cannot be on nodes of 8"):
        imagined_pool("nvidia-a100-80", devices=12, per_node=8)
    with pytest.raises(UnknownAcceleratorError, match="did you mean"):
        imagined_pool("nvidia-a100", devices=8, per_node=8)
