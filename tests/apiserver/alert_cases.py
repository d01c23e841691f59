"""For each alert of the chart, what it is to fire on and what it is not to."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiserver.charts import Object

from hostler.metrics.alerts import GROUPS

TABLE = {alert.name: alert for alerts in GROUPS.values() for alert in alerts}
RUNBOOKS = "docs/operations/runbooks.md#"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series, a value for each minute in Prometheus's notation, and what one alert says of them after a while."""

    alert: str
    because: str
    series: dict[str, str]
    summary: str = ""
    """What it says; empty where it must be silent."""
    labels: dict[str, str] = field(default_factory=dict)
    at: str = "1h"
    """When it is asked."""

    def as_test(self) -> Object:
        severity = {"severity": TABLE[self.alert].severity.value}
        annotations = {"summary": self.summary, "runbook_url": f"{RUNBOOKS}{TABLE[self.alert].anchor}"}
        expected = [{"exp_labels": self.labels | severity, "exp_annotations": annotations}] if self.summary else []
        return {
            "name": f"{self.alert}: {self.because}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "alert_rule_test": [{"eval_time": self.at, "alertname": self.alert, "exp_alerts": expected}],
        }


WAITS = 'hostler_waiting_seconds{kind="TrainingJob",namespace="team",name="a",reason="WaitingForCapacity"}'
SERVICE = '{namespace="team",service="chat"}'
POOL = '{pool="gpu",type="nvidia-a100-80"}'
ON_POOL = {"pool": "gpu", "type": "nvidia-a100-80"}

CASES = (
    Case(
        alert="HostlerOperatorDown",
        because="nobody publishes",
        series={"up": "1x60"},
        summary="Prometheus sees no Hostler operator.",
    ),
    Case(alert="HostlerOperatorDown", because="a standby is there", series={"hostler_operator_leader": "0x60"}),
    Case(
        alert="HostlerNoLeader",
        because="two replicas wait",
        series={'hostler_operator_leader{pod="a"}': "0x60", 'hostler_operator_leader{pod="b"}': "0x60"},
        summary="Operators run, but none of them leads: nothing is started, restarted or looked at.",
    ),
    Case(
        alert="HostlerNoLeader",
        because="one of two leads",
        series={'hostler_operator_leader{pod="a"}': "0x60", 'hostler_operator_leader{pod="b"}': "1x60"},
    ),
    Case(
        alert="HostlerForbidden",
        because="a verb is refused again and again",
        series={'hostler_operator_api_requests_total{verb="list",code="403"}': "0+1x60"},
        summary="The API server refuses list requests of the operator: its roles do not fit its release.",
        labels={"verb": "list"},
    ),
    Case(
        alert="HostlerForbidden",
        because="one refusal long ago",
        series={'hostler_operator_api_requests_total{verb="list",code="403"}': "0 1x59"},
    ),
    Case(
        alert="HostlerApiServerErrors",
        because="every fifth request fails",
        series={
            'hostler_operator_api_requests_total{verb="get",code="200"}': "0+4x60",
            'hostler_operator_api_requests_total{verb="get",code="500"}': "0+1x60",
        },
        summary="20% of the operator's requests to the API server fail.",
    ),
    Case(
        alert="HostlerApiServerErrors",
        because="what is not there is no error",
        series={'hostler_operator_api_requests_total{verb="get",code="404"}': "0+4x60"},
    ),
    Case(
        alert="HostlerReconcileErrors",
        because="half of a kind fail",
        series={
            'hostler_operator_reconcile_total{kind="Dataset",result="success"}': "0+1x60",
            'hostler_operator_reconcile_total{kind="Dataset",result="error"}': "0+1x60",
            'hostler_operator_reconcile_total{kind="Model",result="success"}': "0+1x60",
        },
        summary="50% of the reconciles of Dataset objects fail.",
        labels={"kind": "Dataset"},
    ),
    Case(
        alert="HostlerReconcileErrors",
        because="conflicts are the way of things",
        series={'hostler_operator_reconcile_total{kind="Dataset",result="conflict"}': "0+1x60"},
    ),
    Case(
        alert="HostlerQueueNeverEmpty",
        because="the backlog stays",
        series={"hostler_operator_queue_depth": "200x60"},
        summary="For a quarter of an hour at least 200 objects have waited for the operator's workers.",
    ),
    Case(
        alert="HostlerQueueNeverEmpty",
        because="bursts that are worked off",
        series={"hostler_operator_queue_depth": "2000 0 2000 0 2000 0 2000 0 2000 0 2000x9 0x40"},
    ),
    Case(
        alert="HostlerQueueSlow",
        because="everything waits half a minute",
        series={
            'hostler_operator_queue_latency_seconds_bucket{le="10"}': "0x60",
            'hostler_operator_queue_latency_seconds_bucket{le="30"}': "0+9x60",
            'hostler_operator_queue_latency_seconds_bucket{le="+Inf"}': "0+9x60",
        },
        summary="Objects wait 29.8s for the operator's workers.",
    ),
    Case(
        alert="HostlerLoopLag",
        because="the loop is two seconds late",
        series={'hostler_operator_loop_lag_seconds{pod="a"}': "2x60"},
        summary="The operator comes 2s late to what it should do; after 10 s it loses the Lease.",
        labels={"pod": "a"},
    ),
    Case(
        alert="HostlerWatchSilent",
        because="a watch says nothing",
        series={'hostler_operator_watch_age_seconds{kind="Pod"}': "0+60x60"},
        summary="The operator has heard nothing of Pod objects for 1h 0m 0s.",
        labels={"kind": "Pod"},
    ),
    Case(
        alert="HostlerEventsDropped",
        because="Events are refused",
        series={"hostler_operator_events_dropped_total": "0+2x60"},
        summary="30 Events were not written; conditions are still right.",
    ),
    Case(
        alert="HostlerEventsDropped",
        because="a few of an object that flaps",
        series={"hostler_operator_events_dropped_total": "0+1x60"},
    ),
    Case(
        alert="HostlerObjectWaiting",
        because="a job waits for two hours",
        series={WAITS: "3600+60x60"},
        summary="TrainingJob team/a has waited for 2h 0m 0s: WaitingForCapacity.",
        labels={"kind": "TrainingJob", "namespace": "team", "name": "a", "reason": "WaitingForCapacity"},
    ),
    Case(alert="HostlerObjectWaiting", because="half an hour is usual", series={WAITS: "1800x60"}),
    Case(
        alert="HostlerTrainingJobFailed",
        because="one failed just now",
        series={'hostler_trainingjob_failures_total{reason="TrainingDiverged"}': "0x50 1x10"},
        summary="1 TrainingJobs failed for good: TrainingDiverged.",
        labels={"reason": "TrainingDiverged"},
    ),
    Case(
        alert="HostlerTrainingJobFailed",
        because="one failed this morning",
        series={'hostler_trainingjob_failures_total{reason="TrainingDiverged"}': "0 1x59"},
    ),
    Case(
        alert="HostlerTrainingJobsRestarting",
        because="pods are lost all the time",
        series={'hostler_trainingjob_restarts_total{reason="PodLost"}': "0+1x60"},
        summary="60 attempts were replaced within an hour: PodLost.",
        labels={"reason": "PodLost"},
    ),
    Case(
        alert="HostlerServiceDown",
        because="no replica is ready",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "1x60",
        },
        summary="InferenceService team/chat has no replica that is ready.",
        labels={"namespace": "team", "service": "chat"},
    ),
    Case(
        alert="HostlerServiceDown",
        because="none is wanted",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "1x60",
        },
    ),
    Case(
        alert="HostlerServiceDown",
        because="it has never answered, so that nobody misses it",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "0x60",
        },
    ),
    Case(
        alert="HostlerServiceNeverReady",
        because="an hour after it was made",
        series={
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "0x60",
        },
        summary="InferenceService team/chat has not been ready since it was made.",
        labels={"namespace": "team", "service": "chat"},
    ),
    Case(
        alert="HostlerServiceNeverReady",
        because="a large model takes half an hour to load",
        series={
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "0x30 1x30",
        },
    ),
    Case(
        alert="HostlerServiceNeverReady",
        because="it was ready once, and is down",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "1x60",
        },
    ),
    Case(
        alert="HostlerServiceReplicasMissing",
        because="one of two is ready",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "1x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "1x60",
        },
        summary="InferenceService team/chat misses 1 replicas.",
        labels={"namespace": "team", "service": "chat"},
    ),
    Case(
        alert="HostlerServiceReplicasMissing",
        because="it has never been ready, which is another alert's",
        series={
            f"hostler_inferenceservice_ready_replicas{SERVICE}": "0x60",
            f"hostler_inferenceservice_desired_replicas{SERVICE}": "2x60",
            f"hostler_inferenceservice_ever_ready{SERVICE}": "0x60",
        },
    ),
    Case(
        alert="HostlerPoolNotReady",
        because="its devices are missing",
        series={f"hostler_pool_ready{POOL}": "0x60"},
        summary="The pool gpu (nvidia-a100-80) is not Ready.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerPoolNotReady", because="it flaps", series={f"hostler_pool_ready{POOL}": "0x10 1 0x10 1 0x10 1x30"}
    ),
    Case(
        alert="HostlerDevicesUnhealthy",
        because="two are withdrawn",
        series={f"hostler_pool_unhealthy{POOL}": "2x60"},
        summary="2 accelerators of pool gpu (nvidia-a100-80) exist but cannot be allocated.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerAdmissionSlow",
        because="every second pass takes a second",
        series={
            'hostler_admission_pass_duration_seconds_bucket{le="0.5"}': "0+30x60",
            'hostler_admission_pass_duration_seconds_bucket{le="1.0"}': "0+60x60",
            'hostler_admission_pass_duration_seconds_bucket{le="+Inf"}': "0+60x60",
        },
        summary="A look at everybody in line takes 990ms, in which the operator does nothing else.",
    ),
    Case(
        alert="HostlerAdmissionSlow",
        because="passes are quick",
        series={
            'hostler_admission_pass_duration_seconds_bucket{le="0.1"}': "0+60x60",
            'hostler_admission_pass_duration_seconds_bucket{le="+Inf"}': "0+60x60",
        },
    ),
    Case(
        alert="HostlerSeatsLost",
        because="pods are refused again and again",
        series={'hostler_admission_seats_lost_total{reason="PodsDidNotCome"}': "0+0.2x60"},
        summary="12 times within an hour, seats were taken back before all pods had come: PodsDidNotCome.",
        labels={"reason": "PodsDidNotCome"},
    ),
    Case(
        alert="HostlerSeatsLost",
        because="a node was drained",
        series={'hostler_admission_seats_lost_total{reason="NodeGone"}': "0x30 2x30"},
    ),
    Case(
        alert="HostlerLineStuck",
        because="strangers hold the pool",
        series={
            f"hostler_pool_waiting{POOL}": "3x60",
            f"hostler_pool_reserved{POOL}": "0x60",
            f"hostler_pool_ready{POOL}": "1x60",
        },
        summary="3 jobs and services wait for pool gpu (nvidia-a100-80), of which nothing is promised to any.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerLineStuck",
        because="others of ours run on it",
        series={
            f"hostler_pool_waiting{POOL}": "3x60",
            f"hostler_pool_reserved{POOL}": "8x60",
            f"hostler_pool_ready{POOL}": "1x60",
        },
    ),
    Case(
        alert="HostlerPoolOvercommitted",
        because="a node is lost under its promises",
        series={f"hostler_pool_reserved{POOL}": "8x60", f"hostler_pool_allocatable{POOL}": "4x60"},
        summary="8 accelerators of pool gpu are promised, which is more than it has.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerPoolOvercommitted",
        because="all of it is promised",
        series={f"hostler_pool_reserved{POOL}": "8x60", f"hostler_pool_allocatable{POOL}": "8x60"},
    ),
    Case(
        alert="HostlerLineOverdue",
        because="the latest start that was told has passed long ago",
        series={f"hostler_pool_overdue_seconds{POOL}": "0+120x60"},
        summary="Somebody in line for pool gpu was told a latest start that passed 2h 0m 0s ago.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerLineOverdue",
        because="it has passed a moment ago",
        series={f"hostler_pool_overdue_seconds{POOL}": "30x60"},
    ),
    Case(
        alert="HostlerQuotaStarved",
        because="who waits holds less than is its own",
        series={f"hostler_pool_quotas_below_nominal{POOL}": "1x60"},
        summary="For an hour, namespaces have waited for pool gpu that hold less of it than their quota.",
        labels=ON_POOL,
    ),
    Case(
        alert="HostlerQuotaStarved",
        because="it was given back within half an hour",
        series={f"hostler_pool_quotas_below_nominal{POOL}": "1x29 0x31"},
    ),
    Case(
        alert="HostlerForecastsWrong",
        because="three of four starts came outside",
        series={
            'hostler_admission_forecasts_total{kind="TrainingJob",forecast="last",covered="false"}': "0+3x180",
            'hostler_admission_forecasts_total{kind="TrainingJob",forecast="last",covered="true"}': "0+1x180",
        },
        summary="75% of the starts of a day came outside of what was foretold.",
        at="3h",
    ),
    Case(
        alert="HostlerForecastsWrong",
        because="of a handful of starts nothing can be said",
        series={
            'hostler_admission_forecasts_total{kind="TrainingJob",forecast="last",covered="false"}': "0 5x179",
            'hostler_admission_forecasts_total{kind="TrainingJob",forecast="last",covered="true"}': "0 1x179",
        },
        at="3h",
    ),
    Case(
        alert="HostlerEstimatesWrong",
        because="three of four jobs took another time",
        series={
            'hostler_estimates_total{basis="Measured",covered="false"}': "0+3x180",
            'hostler_estimates_total{basis="Measured",covered="true"}': "0+1x180",
        },
        summary="75% of the jobs of a day took another time than runs of their shape had told.",
        at="3h",
    ),
    Case(
        alert="HostlerEstimatesWrong",
        because="published figures are not expected to be as right",
        series={
            'hostler_estimates_total{basis="Published",covered="false"}': "0+3x180",
            'hostler_estimates_total{basis="Published",covered="true"}': "0+1x180",
        },
        at="3h",
    ),
    Case(
        alert="HostlerExporterTargetDown",
        because="the vendor's exporter is gone",
        series={'hostler_exporter_target_up{target="kubelet",pod="e"}': "0x60"},
        summary="An accelerator exporter cannot read kubelet: utilization of that node is unknown.",
        labels={"target": "kubelet", "pod": "e"},
    ),
)
