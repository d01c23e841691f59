"""The page of the chart's values: read from comments, complete."""

from __future__ import annotations

from typing import Any

import pytest

from hostler.cli.chart_reference import UndescribedValueError, chart_values, render_reference


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("# -- How many.\na: 1\n", [("a", 1, "How many.")], id="a value"),
        pytest.param(
            "# -- How many,\n# and why.\na: 1\n", [("a", 1, "How many, and why.")], id="a comment of two lines"
        ),
        pytest.param(
            "# About all of it.\ns:\n  # -- One.\n  a: x\n  # -- Two.\n  b: []\n",
            [("s.a", "x", "One."), ("s.b", [], "Two.")],
            id="a section, whose comment describes no value",
        ),
        pytest.param(
            "# -- Any keys.\nm:\n  x: {y: 1}\n",
            [("m", {"x": {"y": 1}}, "Any keys.")],
            id="a mapping with a description is one value",
        ),
    ],
)
def test_values_are_read_with_their_meaning(text: str, want: list[tuple[str, Any, str]]) -> None:
    assert [(value.key, value.default, value.meaning) for value in chart_values(text)] == want


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("a: 1\n", "values.yaml:1: say what a means", id="no comment"),
        pytest.param("# How many.\na: 1\n", "values.yaml:2: say what a means", id="a comment without the mark"),
        pytest.param("# -- One.\n\na: 1\n", "values.yaml:3: say what a means", id="a comment of something else"),
        pytest.param("s:\n  a: {}\n", "values.yaml:2: say what s.a means", id="a map that nobody describes"),
    ],
)
def test_a_value_without_a_description_is_refused(text: str, where: str) -> None:
    with pytest.raises(UndescribedValueError, match=where):
        list(chart_values(text))


def test_a_table_survives_what_stands_in_it() -> None:
    page = render_reference('# -- This | that.\na: ""\n# -- A list.\nb: [x]\n')
    assert "| `a` | none | This \\| that. |" in page
    assert '| `b` | `["x"]` | A list. |' in page
