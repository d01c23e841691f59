"""Speech without a network: how errors are counted, what CTC writes, and where long audio is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hostler_runtime.families.speech_to_text.decoding import best_path
from hostler_runtime.families.speech_to_text.scoring import character_error_rate, word_error_rate
from hostler_runtime.families.speech_to_text.windows import cut
from hostler_runtime.protocols.tasks import SAMPLING_RATE


@pytest.mark.parametrize(
    ("wanted", "found", "words", "characters"),
    [
        pytest.param("one two", "One, two.", 0.0, 0.0, id="case and punctuation do not count"),
        pytest.param("one two", "one", 0.5, 4 / 7, id="a missing word"),
        pytest.param("one two", "one one two", 0.5, 4 / 7, id="a word too many"),
        pytest.param("dräi", "drei", 1.0, 0.25, id="an umlaut"),
        pytest.param("one", "", 1.0, 1.0, id="nothing written"),
    ],
)
def test_errors_are_counted_in_words_and_characters(wanted: str, found: str, words: float, characters: float) -> None:
    assert word_error_rate([(wanted, found)]) == pytest.approx(words)
    assert character_error_rate([(wanted, found)]) == pytest.approx(characters)


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param([0, 1, 1, 0, 2], (1, 2), id="a token that lasts is written once"),
        pytest.param([1, 0, 1], (1, 1), id="a blank between two of them makes two"),
        pytest.param([0, 0], (), id="blanks are nothing"),
    ],
)
def test_the_best_path_of_ctc(path: list[int], want: tuple[int, ...]) -> None:
    scores = torch.full((len(path), 3), -5.0)
    scores[torch.arange(len(path)), path] = -0.25
    written = best_path(scores, blank=0)
    assert written.tokens == want
    assert written.log_probability == pytest.approx(-0.25 if want else 0.0)


def _sound(*parts: tuple[float, float]) -> np.ndarray:
    """Tones: seconds and loudness of each part."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.normal(scale=loud, size=int(seconds * SAMPLING_RATE)) for seconds, loud in parts]
    ).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "want"),
    [
        pytest.param(_sound((1.5, 0.1)), [(0.0, 1.5)], id="short audio is one window"),
        pytest.param(_sound((1.0, 0), (0.5, 0.1), (0.5, 0)), [(0.9, 1.6)], id="silence around speech is left out"),
        pytest.param(
            _sound((1.2, 0.1), (0.4, 0), (1.2, 0.1), (0.4, 0)), [(0.0, 1.3), (1.5, 2.9)], id="cuts are made in pauses"
        ),
        pytest.param(
            _sound((1.2, 0.1), (0.4, 0), (0.24, 0.1), (0.06, 0), (1.0, 0.1)),
            [(0.0, 1.3), (1.5, 2.9)],
            id="and not in the short pauses within words",
        ),
        pytest.param(_sound((3.0, 0)), [], id="silence has no window"),
    ],
)
def test_long_audio_is_cut_where_it_is_quietest(samples: np.ndarray, want: list[tuple[float, float]]) -> None:
    found = [(window.start, window.end) for window in cut(samples, longest=2 * SAMPLING_RATE)]
    assert len(found) == len(want)
    assert np.allclose(found, want, atol=0.08) or not want


def test_windows_are_never_too_long_and_lose_no_speech() -> None:
    samples = _sound((21.3, 0.1))
    windows = cut(samples, longest=2 * SAMPLING_RATE)
    assert max(len(window.samples) for window in windows) <= 2 * SAMPLING_RATE
    assert np.array_equal(np.concatenate([window.samples for window in windows]), samples)
