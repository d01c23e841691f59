"""A vendor exporter's text as samples by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of an exporter: labels and value; the name is the key under which it is kept."""

    labels: Mapping[str, str]
    value: float


Samples = Mapping[str, Sequence[Sample]]


def parse(text: str) -> Samples:
    """Samples by the name that stands on their line. Raises ``ValueError`` where the text is no exposition format."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            kept = Sample(sample.labels, sample.value)
            found.setdefault(sample.name, []).append(kept)
            # The parser appends _total to counters that go without (DCGM's do), so both spellings find them.
            if family.type == "counter" and sample.name.endswith("_total"):
                found.setdefault(sample.name.removesuffix("_total"), []).append(kept)
    return found
