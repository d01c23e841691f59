"""Alerts on the series of this package: the table from which the chart's PrometheusRule is written.

An alert names a state that a person should do something about, and each has a section of its name in
``docs/operations/runbooks.md`` that says what. Expressions are made from the names of the metrics, so that a renamed
metric cannot leave an alert behind that never fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostler.metrics import names
from hostler_contract import metrics as contract

WAITING_MINUTES = "WAITING-MINUTES"
"""Stands in an expression for the value ``monitoring.rules.waitingMinutes`` of the chart."""


class Severity(StrEnum):
    """How soon somebody should look."""

    CRITICAL = "critical"
    """Now: nothing is started, or a service answers nobody."""
    WARNING = "warning"
    """Today."""
    INFO = "info"
    """When there is time."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alerting rule. ``{{ $labels.x }}`` and ``{{ $value }}`` in ``summary`` are filled in by Prometheus."""

    name: str
    expression: str
    hold: str
    """How long the expression must hold, such as 5m."""
    severity: Severity
    summary: str
    """One sentence with what is known only when it fires."""

    @property
    def anchor(self) -> str:
        """Of its section on the page with the runbooks."""
        return self.name.lower()

    def rule(self) -> dict[str, Any]:
        """As an entry of a group of Prometheus, without the link to its runbook."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.hold,
            "labels": {"severity": self.severity.value},
            "annotations": {"summary": self.summary},
        }


_FAILED = 'result=~"error|timeout"'
_POOL = "pool {{ $labels.pool }}"

OPERATOR_ALERTS = (
    Alert(
        name="HostlerOperatorDown",
        expression=f"absent({names.LEADER})",
        hold="5m",
        severity=Severity.CRITICAL,
        summary="Prometheus sees no Hostler operator.",
    ),
    Alert(
        name="HostlerNoLeader",
        expression=f"max by (namespace) ({names.LEADER}) == 0",
        hold="2m",
        severity=Severity.CRITICAL,
        summary="Operators run, but none of them leads: nothing is started, restarted or looked at.",
    ),
    Alert(
        name="HostlerForbidden",
        expression=f'sum by (verb) (increase({names.API_REQUESTS}{{code="403"}}[10m])) > 0',
        hold="5m",
        severity=Severity.CRITICAL,
        summary="The API server refuses {{ $labels.verb }} requests of the operator: its roles do not fit its release.",
    ),
    Alert(
        name="HostlerApiServerErrors",
        expression=f'sum(rate({names.API_REQUESTS}{{code=~"429|5..|timeout|error"}}[10m])) '
        f"/ sum(rate({names.API_REQUESTS}[10m])) > 0.1",
        hold="10m",
        severity=Severity.WARNING,
        summary="{{ $value | humanizePercentage }} of the operator's requests to the API server fail.",
    ),
    Alert(
        name="HostlerReconcileErrors",
        expression=f"sum by (kind) (rate({names.RECONCILES}{{{_FAILED}}}[10m])) "
        f"/ sum by (kind) (rate({names.RECONCILES}[10m])) > 0.1",
        hold="15m",
        severity=Severity.WARNING,
        summary="{{ $value | humanizePercentage }} of the reconciles of {{ $labels.kind }} objects fail.",
    ),
    Alert(
        name="HostlerQueueNeverEmpty",
        expression=f"min_over_time({names.QUEUE_DEPTH}[15m]) > 10",
        hold="5m",
        severity=Severity.WARNING,
        summary="For a quarter of an hour at least {{ $value }} objects have waited for the operator's workers.",
    ),
    Alert(
        name="HostlerQueueSlow",
        expression=f"histogram_quantile(0.99, sum by (le) (rate({names.QUEUE_LATENCY}_bucket[10m]))) > 10",
        hold="10m",
        severity=Severity.WARNING,
        summary="Objects wait {{ $value | humanizeDuration }} for the operator's workers.",
    ),
    Alert(
        name="HostlerLoopLag",
        expression=f"max by (pod) ({names.LOOP_LAG}) > 1",
        hold="5m",
        severity=Severity.WARNING,
        summary="The operator comes {{ $value | humanizeDuration }} late to what it should do; after 10 s it loses "
        "the Lease.",
    ),
    Alert(
        name="HostlerWatchSilent",
        expression=f"max by (kind) ({names.WATCH_AGE}) > 120",
        hold="1m",
        severity=Severity.WARNING,
        summary="The operator has heard nothing of {{ $labels.kind }} objects for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="HostlerAdmissionSlow",
        expression=f"histogram_quantile(0.99, sum by (le) (rate({names.ADMISSION_PASS}_bucket[10m]))) > 0.5",
        hold="10m",
        severity=Severity.WARNING,
        summary="A look at everybody in line takes {{ $value | humanizeDuration }}, in which the operator does nothing "
        "else.",
    ),
    Alert(
        name="HostlerSeatsLost",
        expression=f"sum by (reason) (increase({names.SEATS_LOST}[1h])) > 5",
        hold="0m",
        severity=Severity.WARNING,
        summary="{{ $value | humanize }} times within an hour, seats were taken back before all pods had come: "
        "{{ $labels.reason }}.",
    ),
    Alert(
        name="HostlerEventsDropped",
        expression=f"sum(increase({names.EVENTS_DROPPED}[15m])) > 20",
        hold="15m",
        severity=Severity.INFO,
        summary="{{ $value | humanize }} Events were not written; conditions are still right.",
    ),
)

OBJECT_ALERTS = (
    Alert(
        name="HostlerObjectWaiting",
        expression=f"max by (kind, namespace, name, reason) ({names.WAITING_SECONDS}) > 60 * {WAITING_MINUTES}",
        hold="1m",
        severity=Severity.WARNING,
        summary="{{ $labels.kind }} {{ $labels.namespace }}/{{ $labels.name }} has waited for "
        "{{ $value | humanizeDuration }}: {{ $labels.reason }}.",
    ),
    Alert(
        name="HostlerTrainingJobFailed",
        expression=f"sum by (reason) (increase({names.FAILURES}[15m])) > 0",
        hold="0m",
        severity=Severity.WARNING,
        summary="{{ $value | humanize }} TrainingJobs failed for good: {{ $labels.reason }}.",
    ),
    Alert(
        name="HostlerTrainingJobsRestarting",
        expression=f"sum by (reason) (increase({names.RESTARTS}[1h])) > 10",
        hold="0m",
        severity=Severity.INFO,
        summary="{{ $value | humanize }} attempts were replaced within an hour: {{ $labels.reason }}.",
    ),
    Alert(
        name="HostlerServiceDown",
        expression=f"max by (namespace, service) ({names.READY_REPLICAS}) == 0 "
        f"and max by (namespace, service) ({names.DESIRED_REPLICAS}) > 0 "
        f"and max by (namespace, service) ({names.EVER_READY}) == 1",
        hold="5m",
        severity=Severity.CRITICAL,
        summary="InferenceService {{ $labels.namespace }}/{{ $labels.service }} has no replica that is ready.",
    ),
    Alert(
        name="HostlerServiceNeverReady",
        expression=f"max by (namespace, service) ({names.EVER_READY}) == 0 "
        f"and max by (namespace, service) ({names.DESIRED_REPLICAS}) > 0",
        hold="45m",
        severity=Severity.WARNING,
        summary="InferenceService {{ $labels.namespace }}/{{ $labels.service }} has not been ready since it was made.",
    ),
    Alert(
        name="HostlerServiceReplicasMissing",
        expression=f"max by (namespace, service) ({names.DESIRED_REPLICAS}) "
        f"- max by (namespace, service) ({names.READY_REPLICAS}) > 0 "
        f"and max by (namespace, service) ({names.EVER_READY}) == 1",
        hold="15m",
        severity=Severity.WARNING,
        summary="InferenceService {{ $labels.namespace }}/{{ $labels.service }} misses {{ $value }} replicas.",
    ),
)

POOL_ALERTS = (
    Alert(
        name="HostlerPoolNotReady",
        expression=f"max by (pool, type) ({names.POOL_READY}) == 0",
        hold="15m",
        severity=Severity.WARNING,
        summary=f"The {_POOL} ({{{{ $labels.type }}}}) is not Ready.",
    ),
    Alert(
        name="HostlerDevicesUnhealthy",
        expression=f"max by (pool, type) ({names.POOL_UNHEALTHY}) > 0",
        hold="15m",
        severity=Severity.WARNING,
        summary=f"{{{{ $value }}}} accelerators of {_POOL} ({{{{ $labels.type }}}}) exist but cannot be allocated.",
    ),
    Alert(
        name="HostlerLineStuck",
        expression=f"sum by (pool, type) ({names.POOL_WAITING}) > 0 "
        f"and max by (pool, type) ({names.POOL_RESERVED}) == 0 and max by (pool, type) ({names.POOL_READY}) == 1",
        hold="15m",
        severity=Severity.WARNING,
        summary=f"{{{{ $value }}}} jobs and services wait for {_POOL} ({{{{ $labels.type }}}}), of which nothing is "
        "promised to any.",
    ),
    Alert(
        name="HostlerLineOverdue",
        expression=f"max by (pool, type) ({names.POOL_OVERDUE}) > 60 * {WAITING_MINUTES}",
        hold="5m",
        severity=Severity.WARNING,
        summary=f"Somebody in line for {_POOL} was told a latest start that passed {{{{ $value | humanizeDuration }}}} "
        "ago.",
    ),
    Alert(
        name="HostlerQuotaStarved",
        expression=f"max by (pool, type) ({names.POOL_BELOW_QUOTA}) > 0",
        hold="1h",
        severity=Severity.WARNING,
        summary=f"For an hour, namespaces have waited for {_POOL} that hold less of it than their quota.",
    ),
    Alert(
        name="HostlerForecastsWrong",
        expression=f'sum(increase({names.FORECASTS}{{forecast="last",covered="false"}}[1d])) '
        f'/ sum(increase({names.FORECASTS}{{forecast="last"}}[1d])) > 0.5 '
        f'and sum(increase({names.FORECASTS}{{forecast="last"}}[1d])) > 20',
        hold="1h",
        severity=Severity.INFO,
        summary="{{ $value | humanizePercentage }} of the starts of a day came outside of what was foretold.",
    ),
    Alert(
        name="HostlerEstimatesWrong",
        expression=f'sum(increase({names.ESTIMATES}{{basis="Measured",covered="false"}}[1d])) '
        f'/ sum(increase({names.ESTIMATES}{{basis="Measured"}}[1d])) > 0.5 '
        f'and sum(increase({names.ESTIMATES}{{basis="Measured"}}[1d])) > 20',
        hold="1h",
        severity=Severity.INFO,
        summary="{{ $value | humanizePercentage }} of the jobs of a day took another time than runs of their shape had "
        "told.",
    ),
    Alert(
        name="HostlerPoolOvercommitted",
        expression=f"max by (pool, type) ({names.POOL_RESERVED}) > max by (pool, type) ({names.POOL_ALLOCATABLE})",
        hold="15m",
        severity=Severity.WARNING,
        summary=f"{{{{ $value }}}} accelerators of {_POOL} are promised, which is more than it has.",
    ),
    Alert(
        name="HostlerExporterTargetDown",
        expression=f"{contract.EXPORTER_TARGET_UP} == 0",
        hold="15m",
        severity=Severity.INFO,
        summary="An accelerator exporter cannot read {{ $labels.target }}: utilization of that node is unknown.",
    ),
)

GROUPS = {"hostler-operator": OPERATOR_ALERTS, "hostler-objects": OBJECT_ALERTS, "hostler-pools": POOL_ALERTS}
"""All alerts, by the group in which Prometheus evaluates them."""
