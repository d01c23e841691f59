"""Hyperparameters that somebody chooses."""

from __future__ import annotations

import pytest

from hostler.api.tuning import TuningMethod
from hostler.planning.tuning import ChoiceError, chosen

METHOD = TuningMethod.model_validate(
    {
        "data": {"formats": ["jsonl"], "rows": ["text"]},
        "steps": {"default": 200, "min": 1, "max": 1000},
        "batchSize": {"default": 16, "min": 1, "max": 64},
        "learningRate": {"default": "2e-4", "min": "1e-6", "max": "1e-2"},
        "rank": {"default": 16, "min": 1, "max": 256},
    }
)


def test_what_nobody_chooses_is_the_default_and_what_the_method_does_not_name_is_left_out() -> None:
    assert chosen(METHOD, {}) == {"steps": 200, "batchSize": 16, "learningRate": "2e-4", "rank": 16}


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        pytest.param({"steps": "500"}, 500, id="a whole number"),
        pytest.param({"steps": "1"}, 1, id="the least"),
        pytest.param({"steps": "1000"}, 1000, id="the greatest"),
        pytest.param({"learningRate": "0.0003"}, "0.0003", id="a decimal number stays as it was written"),
        pytest.param({"learningRate": "1E-2"}, "1E-2", id="also with an exponent"),
    ],
)
def test_a_value_within_its_bounds_is_taken(settings: dict[str, str], want: object) -> None:
    (name,) = settings
    assert chosen(METHOD, settings)[name] == want


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        pytest.param({"steps": "0"}, "steps 0 is out of bounds: the entry allows 1 to 1000, by default 200", id="low"),
        pytest.param(
            {"learningRate": "3"}, "learningRate 3 is out of bounds: the entry allows 1e-6 to 1e-2", id="high"
        ),
        pytest.param({"steps": "2.5"}, "steps is a whole number from 1 to 1000, and not '2.5'", id="half a step"),
        pytest.param({"steps": "-1"}, "steps is a whole number", id="below nothing"),
        pytest.param(
            {"learningRate": "fast"}, "learningRate is a number from 1e-6 to 1e-2, and not 'fast'", id="a word"
        ),
        pytest.param({"learningRate": "nan"}, "learningRate is a number", id="not a number"),
        pytest.param({"learningrate": "1e-4"}, "'learningrate': did you mean learningRate?", id="misspelt"),
        pytest.param({"temperature": "1"}, "there are steps, batchSize, learningRate, rank", id="unknown"),
    ],
)
def test_others_are_refused_with_the_way_out(settings: dict[str, str], want: str) -> None:
    with pytest.raises(ChoiceError, match=want.replace("?", r"\?").replace("'", ".")):
        chosen(METHOD, settings)
