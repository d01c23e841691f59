"""The lines of the pools as series: who waits, how late, and what of a pool nobody in line could use.

Namespaces are named, so their number is bounded: of each pool the largest are shown, and one series with an empty
namespace has all the others together.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from hostler.metrics import names

NAMESPACES = 20
"""Of each pool that are shown by name."""


@dataclass(frozen=True, kw_only=True)
class PoolLine:
    """One pool's line at the moment of a scrape. Amounts are in the pool's unit."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    """Jobs and services in line, by why they wait."""
    waiting_of: Mapping[str, int] = field(default_factory=dict)
    """The same by namespace."""
    held: Mapping[str, int] = field(default_factory=dict)
    """What is reserved, by namespace."""
    used_lately: Mapping[str, float] = field(default_factory=dict)
    """The part of the pool that a namespace has used lately, from 0 to 1."""
    overdue_seconds: float = 0.0
    """How long the latest start has passed that somebody in line was told; the longest counts."""
    unusable: int = 0
    """What is free on nodes on which no pod of anybody in line would fit; 0 where nobody waits."""
    below_quota: int = 0
    """Quotas of which less than the nominal amount is held, while somebody of their namespaces waits."""


def line_metrics(
    pools: Iterable[tuple[str, str]], lines: Mapping[str, PoolLine], *, reasons: Iterable[str]
) -> Iterator[Metric]:
    """Series of these pools, each with its accelerator type; a line that nobody stands in is at zero."""
    labels = ["pool", "type"]
    waiting = GaugeMetricFamily(names.POOL_WAITING, "Jobs and services in line for a pool.", labels=[*labels, "reason"])
    overdue = GaugeMetricFamily(
        names.POOL_OVERDUE, "Seconds since the latest start that somebody in line was told.", labels=labels
    )
    unusable = GaugeMetricFamily(names.POOL_UNUSABLE, "Free accelerators that nobody in line could use.", labels=labels)
    below = GaugeMetricFamily(
        names.POOL_BELOW_QUOTA, "Quotas that are not used up while their namespaces wait.", labels=labels
    )
    by_namespace = (
        GaugeMetricFamily(
            names.NAMESPACE_HELD, "Accelerators that are reserved for a namespace.", labels=["pool", "namespace"]
        ),
        GaugeMetricFamily(
            names.NAMESPACE_WAITING, "Jobs and services of a namespace in line.", labels=["pool", "namespace"]
        ),
        GaugeMetricFamily(
            names.NAMESPACE_SHARE, "Part of a pool that a namespace has used lately.", labels=["pool", "namespace"]
        ),
    )
    known = tuple(reasons)
    for pool, kind in pools:
        line = lines.get(pool) or PoolLine()
        for reason in sorted({*known, *line.waiting}):
            waiting.add_metric([pool, kind, reason], line.waiting.get(reason, 0))
        overdue.add_metric([pool, kind], line.overdue_seconds)
        unusable.add_metric([pool, kind], line.unusable)
        below.add_metric([pool, kind], line.below_quota)
        for family, figures in zip(by_namespace, (line.held, line.waiting_of, line.used_lately), strict=True):
            for namespace, value in bounded(figures).items():
                family.add_metric([pool, namespace], value)
    yield from (waiting, overdue, unusable, below, *by_namespace)


def bounded(figures: Mapping[str, float]) -> dict[str, float]:
    """The largest by namespace, and the sum of the others under an empty name where there are any."""
    largest = heapq.nsmallest(NAMESPACES, figures.items(), key=lambda each: (-each[1], each[0]))
    found = dict(largest)
    if len(figures) > len(found):
        found[""] = sum(value for name, value in figures.items() if name not in found)
    return found
