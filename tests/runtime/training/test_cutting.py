"""How programs are cut and rearranged before a model learns to fill in their middle."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hostler_runtime.families.code.cutting import body_of, cut, examples, header_of
from hostler_runtime.text.infilling import FIM_TOKENS, sentinels_of
from hostler_runtime.text.tokenizer import train_tokenizer

TEXT = "def total(items):\n    found = [price(each) for each in items]\n    return sum(found)\n"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One that knows gaps."""
    return train_tokenizer([TEXT], vocabulary_size=300, context_length=96, special_tokens=FIM_TOKENS, newlines="alone")


def test_a_cut_loses_nothing_and_ends_where_a_cursor_stands() -> None:
    generator = random.Random(0)
    cuts = [found for _ in range(200) if (found := cut(TEXT, generator))]

    assert len(cuts) > 150
    assert all(each.prefix + each.middle + each.suffix == TEXT and each.middle for each in cuts)
    assert {each.suffix[:1] for each in cuts} <= {"", "\n", ")", "]", " "}
    assert all(each.prefix.endswith("\n") or not each.prefix for each in cuts if each.suffix[:1] in {"", " "})


@pytest.mark.parametrize("text", ["", "\n", "x", "x\n"])
def test_a_text_too_short_for_a_gap_is_left_whole(text: str) -> None:
    assert all(cut(text, random.Random(seed)) is None for seed in range(20))


def test_half_of_the_documents_are_rearranged_in_either_order(tokenizer: Any) -> None:
    marks = sentinels_of(tokenizer)
    assert marks is not None

    made = list(examples(tokenizer, [TEXT] * 100, marks=marks, context_length=96, seed=0))

    gaps = [list(each.tokens) for each in made if marks.middle in each.tokens]
    assert len(gaps) == pytest.approx(len(made) / 2, rel=0.1)
    suffix_first = sum(tokens[1] == marks.suffix for tokens in gaps)
    assert 0.3 < suffix_first / len(gaps) < 0.7
    for tokens in gaps:
        parts = tokenizer.decode([token for token in tokens[:-1] if token not in vars(marks).values()])
        assert sorted(parts) == sorted(TEXT)
        assert len(tokens) - 1 <= 96


def test_a_text_longer_than_a_sequence_gives_up_a_part_of_it(tokenizer: Any) -> None:
    marks = sentinels_of(tokenizer)

    made = list(examples(tokenizer, [TEXT * 20] * 20, marks=marks, context_length=96, seed=0))

    whole = [each for each in made if marks and marks.middle not in each.tokens]
    assert len(whole) == 20
    assert all(len(each.tokens) - 1 <= 96 for each in made if each not in whole)


def test_a_tokenizer_without_the_tokens_leaves_all_as_they_are(tokenizer: Any) -> None:
    plain = train_tokenizer([TEXT], vocabulary_size=300, context_length=96)

    assert sentinels_of(plain) is None
    assert len(list(examples(plain, [TEXT] * 10, marks=None, context_length=96, seed=0))) == 10


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param(TEXT, "def total(items):\n", id="a function"),
        pytest.param(
            "@cached\ndef f(\n    x,\n):\n    return x\n", "@cached\ndef f(\n    x,\n):\n", id="a long header"
        ),
        pytest.param("def f(): return 1\n", None, id="a body on the same line"),
        pytest.param("x = 1\n", None, id="no function"),
        pytest.param("def f(:\n", None, id="no Python"),
    ],
)
def test_the_header_of_a_function(text: str, want: str | None) -> None:
    assert header_of(text) == want


def test_a_body_ends_at_the_first_line_that_is_not_indented() -> None:
    assert body_of("    a = 1\n\n    return a\ndef g():\n    pass\n") == "    a = 1\n\n    return a\n"
