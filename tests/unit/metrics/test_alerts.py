"""The table of alerts: names that exist, runbooks that exist, sentences that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hostler.cli.metrics_reference import published
from hostler.metrics.alerts import GROUPS, Alert

ALERTS = [alert for alerts in GROUPS.values() for alert in alerts]
RUNBOOKS = Path(__file__).parents[3] / "docs" / "operations" / "runbooks.md"
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def metrics_of(expression: str) -> set[str]:
    """Names of metrics that an expression reads; those of a histogram without the suffix."""
    return {_SUFFIX.sub("", name) for name in re.findall(r"\bhostler_[a-z_]+", expression)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
class TestAlert:
    def test_it_reads_series_that_are_published(self, alert: Alert) -> None:
        read = metrics_of(alert.expression)
        assert read
        assert read <= set(published())

    def test_it_reads_labels_that_these_series_have(self, alert: Alert) -> None:
        known = {label for name in metrics_of(alert.expression) for label in published()[name]}
        # Of the target that Prometheus scraped, and of a histogram's buckets.
        known |= {"namespace", "pod", "le"}
        grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", alert.expression) for label in by.split(",")}
        chosen = set(re.findall(r"([a-z_]+)=~?\"", alert.expression))
        assert grouped | chosen <= known

    def test_its_sentence_speaks_of_labels_that_the_expression_keeps(self, alert: Alert) -> None:
        said = set(re.findall(r"\$labels\.([a-z_]+)", alert.summary))
        by = re.findall(r"by \(([^)]*)\)", alert.expression)
        kept = {label.strip() for labels in by for label in labels.split(",")}
        if not by:
            kept = {label for name in metrics_of(alert.expression) for label in published()[name]}
        assert said <= kept
        assert alert.summary.endswith(".")

    def test_it_has_a_runbook(self, alert: Alert) -> None:
        section = sections().get(alert.anchor)
        assert section is not None, f"docs/operations/runbooks.md has no section {alert.name}"
        assert len(section.split()) > 10, "a runbook says what to look at and what helps"


def sections() -> dict[str, str]:
    """Text by anchor, as Markdown makes it from a heading."""
    parts = re.split(r"^## (.+)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip((title.lower() for title in parts[::2]), parts[1::2], strict=True))


def test_no_runbook_is_left_over_and_their_links_lead_somewhere() -> None:
    assert set(sections()) == {alert.anchor for alert in ALERTS}
    links = set(re.findall(r"\]\(#([a-z]+)\)", RUNBOOKS.read_text(encoding="utf-8")))
    assert links <= set(sections())


def test_names_of_alerts_are_unique() -> None:
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
