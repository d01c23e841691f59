"""The metrics reference as Markdown: what each series of ``hostler_contract`` and of the operator means."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.metrics import names
from hostler_contract import metrics


class UndescribedMetricError(LookupError):
    """The contract has a metric that this page does not explain, or the other way round."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(
            f"say in operator/hostler/cli/metrics_reference.py what these mean, or remove them: {sorted(names)}"
        )


@dataclass(frozen=True, kw_only=True)
class _Series:
    name: str
    type: str
    meaning: str
    buckets: tuple[float, ...] = ()
    extra: tuple[str, ...] = ()
    """Labels beside those of the section."""


@dataclass(frozen=True, kw_only=True)
class _Section:
    title: str
    text: str
    labels: tuple[str, ...]
    series: tuple[_Series, ...]


def _counter(name: str, meaning: str, *extra: str) -> _Series:
    return _Series(name=name, type="counter", meaning=meaning, extra=extra)


def _gauge(name: str, meaning: str, *extra: str) -> _Series:
    return _Series(name=name, type="gauge", meaning=meaning, extra=extra)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], *extra: str) -> _Series:
    return _Series(name=name, type="histogram", meaning=meaning, buckets=buckets, extra=extra)


_SERVING = _Section(
    title="Serving",
    text="Published by each replica of an InferenceService on port 8080. Those of a model's task exist, from its "
    "sample request on; others do not.",
    labels=metrics.SERVING_LABELS,
    series=(
        _histogram(
            metrics.REQUEST_DURATION,
            "Seconds from the arrival of a request to the last byte of its answer.",
            metrics.REQUEST_BUCKETS,
            metrics.CODE_LABEL,
        ),
        _histogram(
            metrics.TIME_TO_FIRST_TOKEN,
            "Seconds from the arrival of a request to its first token.",
            metrics.TIME_TO_FIRST_TOKEN_BUCKETS,
        ),
        _histogram(
            metrics.INTER_TOKEN_LATENCY, "Seconds between two tokens of an answer.", metrics.INTER_TOKEN_LATENCY_BUCKETS
        ),
        _histogram(
            metrics.QUEUE_DURATION, "Seconds that a request waited before it was computed.", metrics.REQUEST_BUCKETS
        ),
        _gauge(metrics.REQUESTS_IN_FLIGHT, "Requests that are waiting or being computed."),
        _counter(metrics.TOKENS_TOTAL, "Tokens read (`input`) and written (`output`).", metrics.TOKEN_TYPE_LABEL),
        _histogram(metrics.BATCH_SIZE, "Requests that were computed together.", metrics.BATCH_SIZE_BUCKETS),
        _histogram(
            metrics.PADDING_RATIO, "Share of a batch's computed positions that was padding.", metrics.PADDING_BUCKETS
        ),
        _counter(metrics.PHASE_SECONDS_TOTAL, "Seconds by phase, in families with several.", metrics.PHASE_LABEL),
        _counter(metrics.IMAGES_TOTAL, "Images made, encoded or decoded."),
        _counter(metrics.DENOISE_STEPS_TOTAL, "Denoising steps of images and clips."),
        _counter(metrics.VIDEO_SECONDS_TOTAL, "Seconds of video made."),
        _counter(metrics.AUDIO_SECONDS_TOTAL, "Seconds of audio heard."),
        _histogram(
            metrics.REAL_TIME_FACTOR,
            "Seconds of work for one second of audio; below 1 is faster than speech.",
            metrics.REAL_TIME_FACTOR_BUCKETS,
        ),
    ),
)

_TRAINING = _Section(
    title="Training",
    text="Published by rank 0 of a TrainingJob's attempt on port 8080.",
    labels=metrics.TRAINING_LABELS,
    series=(
        _gauge(metrics.TRAINING_STEP, "Optimizer steps done."),
        _gauge(metrics.TRAINING_LOSS, "Training loss of the last step: the family's own, such as nats per token."),
        _counter(
            metrics.TRAINING_UNITS_TOTAL, "Units of the family trained on, over all pods.", metrics.TRAINING_UNIT_LABEL
        ),
        _gauge(metrics.TRAINING_LOSS_PART, "Its parts, in families with several.", metrics.TRAINING_PART_LABEL),
        _gauge(
            metrics.TRAINING_METRIC, "Figures of the newest evaluation on held-out data.", metrics.TRAINING_METRIC_LABEL
        ),
        _gauge(metrics.TRAINING_PACKING_FACTOR, "Sequences in each row, where sequences are packed."),
        _gauge(metrics.TRAINING_DATA_WAIT, "Share of a step spent waiting for data, 0 to 1."),
        _gauge(metrics.TRAINING_MEMORY, "Most memory in use by rank 0, on its device or, without one, of its process."),
        _histogram(metrics.TRAINING_STEP_DURATION, "Seconds of one optimizer step.", ()),
        _gauge(metrics.TRAINING_MFU, "Model FLOP/s as a share of the peak; absent where the registry knows no peak."),
        _gauge(metrics.TRAINING_LEARNING_RATE, "Learning rate of the last step."),
        _gauge(metrics.TRAINING_GRADIENT_NORM, "Norm of the gradient of the last step, before clipping."),
        _gauge(metrics.TRAINING_CHECKPOINT_STEP, "Step of the newest complete checkpoint."),
    ),
)

_ACCELERATORS = _Section(
    title="Accelerators",
    text="Published by the accelerator exporter of each node on port 9410. What the vendor's exporter does not offer "
    "is absent, never zero; `namespace`, `pod` and `container` are empty while nobody holds the device.",
    labels=metrics.ACCELERATOR_LABELS,
    series=(
        _gauge(metrics.ACCELERATOR_UTILIZATION, "Share of the time in which the device computed, 0 to 1."),
        _gauge(metrics.ACCELERATOR_MEMORY_USED, "Device memory in use, in bytes."),
        _gauge(metrics.ACCELERATOR_MEMORY_TOTAL, "Device memory, in bytes."),
        _gauge(metrics.ACCELERATOR_POWER, "Electric power, in watts."),
        _counter(metrics.ACCELERATOR_ENERGY, "Electric energy, in joules."),
        _gauge(metrics.ACCELERATOR_HEALTHY, "1 when the device is healthy, else 0."),
        _gauge(
            metrics.ACCELERATOR_INFO,
            "Always 1: the device, or slice of one, exists. Once for each, shared or not, with `resource` and `model`.",
        ),
        _gauge(metrics.ACCELERATOR_SHARES, "Shares into which the device plugin divides the device; 1 is whole."),
        _gauge(
            metrics.ACCELERATOR_SHARES_HELD,
            "Shares that the container of the labels holds: one series for each container and device.",
        ),
    ),
)

_SIMULATOR = _Section(
    title="Device simulator",
    text="Published beside the vendor's own series on port 9400 of nodes with simulated devices.",
    labels=metrics.SIMULATOR_INFO_LABELS,
    series=(_gauge(metrics.SIMULATOR_INFO, "Always 1: devices of this type on this node are simulated."),),
)

_EXPORTER = _Section(
    title="The accelerator exporter about itself",
    text="`target` is the URL that was asked, or `kubelet`.",
    labels=("target",),
    series=(
        _counter(metrics.EXPORTER_SCRAPE_ERRORS, "Readings that failed."),
        _gauge(metrics.EXPORTER_SCRAPE_DURATION, "Seconds of the last reading."),
        _gauge(metrics.EXPORTER_TARGET_UP, "1 when the last reading succeeded, else 0."),
        _gauge(
            metrics.EXPORTER_DEVICES, "Devices and slices that are published, without a label; 0 where there are none."
        ),
        _gauge(
            metrics.EXPORTER_UNMATCHED_DEVICES,
            "Devices of the kubelet that could be none of those that the exporter names. Only label: `resource`.",
        ),
    ),
)

_DOMAIN = _Section(
    title="Jobs, services and pools",
    text="Published by the leading operator on port 8080; a standby shows none, so sums over replicas are right. A "
    "state is the reason of an object's Ready condition. Counters begin anew with each operator process and count what "
    "it saw happen. Series that name an object are bounded: the 50 of each kind that wait longest, the 500 services "
    "that miss most replicas.",
    labels=(),
    series=(
        _gauge(names.TRAINING_JOBS, "TrainingJobs by state.", "state"),
        _gauge(names.INFERENCE_SERVICES, "InferenceServices by state.", "state"),
        _gauge(names.DATASETS, "Datasets by state.", "state"),
        _gauge(names.MODELS, "Models by state.", "state"),
        _gauge(names.POOLS, "AcceleratorPools by state.", "state"),
        _gauge(
            names.WAITING,
            "TrainingJobs, InferenceServices and Datasets that are not Ready, and neither ended nor suspended.",
            "kind",
            "reason",
        ),
        _gauge(
            names.WAITING_SECONDS,
            "Seconds since such an object was Ready, resumed or created, and why it waits: the reason of Ready, or of "
            "Accepted or Admitted where a service is `NotAdmitted`.",
            "kind",
            "namespace",
            "name",
            "reason",
        ),
        _gauge(names.DESIRED_REPLICAS, "Replicas that an InferenceService wants.", "namespace", "service"),
        _gauge(names.READY_REPLICAS, "Replicas of an InferenceService that are ready.", "namespace", "service"),
        _gauge(
            names.EVER_READY,
            "1 once a replica of an InferenceService was ready for the first time, 0 before.",
            "namespace",
            "service",
        ),
        _gauge(names.OMITTED, "Objects that a metric leaves out, to stay bounded.", "metric"),
        _counter(names.RESTARTS, "Attempts of TrainingJobs that failed and were replaced.", "reason"),
        _counter(names.FAILURES, "TrainingJobs that failed for good, by the reason of Stalled.", "reason"),
        _counter(names.REPLICA_FAILURES, "Replicas of InferenceServices that stopped with an error.", "reason"),
        _gauge(names.POOL_READY, "1 while a pool is Ready, else 0.", "pool", "type"),
        _gauge(names.POOL_CAPACITY, "Accelerators of a pool, healthy or not.", "pool", "type"),
        _gauge(names.POOL_ALLOCATABLE, "Healthy accelerators of a pool on nodes that take pods.", "pool", "type"),
        _gauge(
            names.POOL_IN_USE,
            "Accelerators of a pool that pods hold, ours or not; allocatable less this is what no pod holds.",
            "pool",
            "type",
        ),
        _gauge(
            names.POOL_RESERVED,
            "Accelerators of a pool that are promised to admitted jobs and services, whether or not their pods run.",
            "pool",
            "type",
        ),
        _gauge(names.POOL_UNHEALTHY, "Accelerators of a pool that exist but cannot be allocated.", "pool", "type"),
        _gauge(
            names.POOL_LARGEST_FREE_BLOCK,
            "Most free accelerators on one node of a pool: the biggest pod that could start now.",
            "pool",
            "type",
        ),
        _gauge(
            names.POOL_WAITING,
            "Jobs and services in line for a pool, by why they wait (`PoolNotReady`, `WaitingForCapacity`, "
            "`QuotaExceeded`, `Preempting`); the longest-waiting ones are named by `hostler_waiting_seconds`.",
            "pool",
            "type",
            "reason",
        ),
        _gauge(
            names.POOL_OVERDUE,
            "Seconds since the latest start that somebody in line was told has passed; 0 where nobody is late.",
            "pool",
            "type",
        ),
        _gauge(
            names.POOL_UNUSABLE,
            "Free accelerators on nodes that have no room for a pod of anybody in line: what fragmentation costs. 0 "
            "where nobody waits.",
            "pool",
            "type",
        ),
        _gauge(
            names.POOL_BELOW_QUOTA,
            "Quotas of which less than `nominal` is held, while somebody of their namespaces waits.",
            "pool",
            "type",
        ),
        _gauge(
            names.NAMESPACE_HELD,
            "Accelerators that are reserved for a namespace. Of each pool the 20 largest; an empty namespace is all "
            "the others together.",
            "pool",
            "namespace",
        ),
        _gauge(
            names.NAMESPACE_WAITING, "Jobs and services of a namespace in line; likewise bounded.", "pool", "namespace"
        ),
        _gauge(
            names.NAMESPACE_SHARE,
            "Part of a pool that a namespace has used lately, 0 to 1, decaying with the pool's `usageHalfLife`; "
            "likewise bounded.",
            "pool",
            "namespace",
        ),
        _gauge(
            names.POOL_QUOTA, "Accelerators that Hostler may use of a pool; absent without a quota.", "pool", "type"
        ),
        _gauge(
            names.POOL_COST,
            "Price of the accelerators that pods hold for one hour, in the pool's currency; absent without a price and "
            "for simulated devices.",
            "pool",
            "type",
            "currency",
        ),
    ),
)

_OPERATOR = _Section(
    title="The operator about itself",
    text="Published by every replica of the operator on port 8080. No label names an object.",
    labels=(),
    series=(
        _gauge(names.LEADER, "1 while this replica holds the Lease, else 0."),
        _gauge(names.QUEUE_DEPTH, "Keys that wait for a worker."),
        _counter(names.QUEUE_ADDS, "Keys that came into line."),
        _histogram(names.QUEUE_LATENCY, "Seconds in line.", names.SHORT_BUCKETS),
        _histogram(names.QUEUE_WORK, "Seconds in a worker's hands.", names.SHORT_BUCKETS),
        _counter(names.QUEUE_RETRIES, "Keys that come back because of a failure."),
        _counter(
            names.RECONCILES,
            "Finished reconciles (`success`, `conflict`, `error`, `timeout`, `not_leading`).",
            "kind",
            "result",
        ),
        _histogram(names.RECONCILE_DURATION, "Seconds of a reconcile.", names.SHORT_BUCKETS, "kind"),
        _counter(
            names.API_REQUESTS, "Requests to the API server; `code` is a status, `timeout` or `error`.", "verb", "code"
        ),
        _histogram(names.API_DURATION, "Seconds until the API server's answer.", names.SHORT_BUCKETS, "verb"),
        _counter(names.WRITES_SKIPPED, "Writes that would have changed nothing and were not made.", "verb"),
        _counter(names.EVENTS_DROPPED, "Events that were not written."),
        _gauge(
            names.WATCH_AGE, "Seconds since a watch last said anything; above 120 the replica is restarted.", "kind"
        ),
        _counter(names.WATCH_RESTARTS, "Watches that had to begin with a new list.", "kind"),
        _gauge(names.STORE_OBJECTS, "Objects in the cache.", "kind"),
        _counter(names.SWEEP_DELETIONS, "Deletions that no watch had told and a full list found.", "kind"),
        _gauge(names.LOOP_LAG, "Longest delay of the event loop in the last half minute, in seconds."),
        _gauge(
            names.LOOP_BUSY,
            "Most processor time that the event loop used in a row in the last half minute, in seconds. Far below the "
            "lag, the loop was late because others had the processor.",
        ),
        _counter(
            names.PROBES,
            "Questions to pods (`success`, `skipped`, `timeout`, `unreachable`, `refused`, `oversized`, `malformed`, "
            "`error`).",
            "result",
        ),
        _gauge(names.PROBES_IN_FLIGHT, "Questions to pods that are open."),
        _histogram(
            names.ADMISSION_PASS,
            "Seconds of one look of admission at everybody in line; nothing else runs meanwhile. Only where something "
            "has changed.",
            names.SHORT_BUCKETS,
        ),
        _histogram(
            names.ADMISSION_WAIT,
            "Seconds from coming into line, as this process saw it, to a seat; once for each attempt of a job and each "
            "time that a service gets more.",
            names.LINE_BUCKETS,
            "kind",
        ),
        _counter(names.BACKFILLS, "Workloads that started before one that comes before them in line."),
        _counter(
            names.PREEMPTIONS,
            "Workloads that were told to leave for another one (`LowerPriority`, `QuotaReclaimed`, `PastItsEstimate`, "
            "`ReplicaNeeded`).",
            "reason",
        ),
        _histogram(
            names.FORECAST_ERROR,
            "Seconds from the expected start to the start, negative where it came sooner, for the `first` and the "
            "`last` forecast that each job or service was told.",
            names.ERROR_BUCKETS,
            "kind",
            "forecast",
        ),
        _histogram(
            names.FORECAST_RATIO,
            "Time from that forecast to the start, as a multiple of what was foretold; 1 is right.",
            names.RATIO_BUCKETS,
            "kind",
            "forecast",
        ),
        _counter(
            names.FORECASTS,
            "These forecasts, by whether the start came between the earliest and the latest moment (`covered`).",
            "kind",
            "forecast",
            "covered",
        ),
        _histogram(
            names.ESTIMATE_RATIO,
            "Time that a job took, all attempts together, as a multiple of what was estimated before its first pod; "
            "1 is right.",
            names.RATIO_BUCKETS,
            "basis",
        ),
        _counter(
            names.ESTIMATES,
            "These estimates, by what they were made of (`basis`) and whether low and high held (`covered`).",
            "basis",
            "covered",
        ),
        _counter(
            names.COST,
            "What workloads have cost, as the ledgers have it; what was held while no operator ran is in it later. One "
            "series for each currency, because they are never added.",
            "namespace",
            "pool",
            "kind",
            "currency",
        ),
        _counter(
            names.DEVICE_SECONDS,
            "Devices (cores of cpu pools) that workloads held, times seconds.",
            "namespace",
            "pool",
            "kind",
        ),
        _counter(
            names.SEATS_LOST,
            "Workloads whose seats were taken back (`PodsDidNotCome`, `NodeGone`, `SeatTaken`, `NotWritten`).",
            "reason",
        ),
    ),
)

_SECTIONS = (_SERVING, _TRAINING, _ACCELERATORS, _SIMULATOR, _EXPORTER, _DOMAIN, _OPERATOR)

_INTRO = """\
# Metrics

Names, labels and buckets are part of the contract between containers and whoever draws dashboards. Counters and
durations are in base units; a series that cannot be known is absent.
"""


def published() -> dict[str, tuple[str, ...]]:
    """Labels of every series by its name, a histogram's without suffix."""
    return {series.name: (*section.labels, *series.extra) for section in _SECTIONS for series in section.series}


def render_reference() -> str:
    """The whole page. Raises :class:`UndescribedMetricError` when it and the contract disagree."""
    explained = {series.name for section in _SECTIONS for series in section.series}
    both = vars(metrics) | vars(names)
    constants = {name: value for name, value in both.items() if name.isupper() and isinstance(value, str)}
    published = {value for value in constants.values() if value.startswith("hostler_")}
    if different := explained ^ published:
        raise UndescribedMetricError(different)
    return "\n".join([_INTRO, *(_section(section) for section in _SECTIONS)])


def _section(section: _Section) -> str:
    labels = ", ".join(f"`{label}`" for label in section.labels) or "none in common"
    lines = [
        f"## {section.title}\n",
        f"{section.text}\n",
        f"Labels: {labels}.\n",
        "| Name | Type | Meaning |\n| --- | --- | --- |",
        *(f"| `{series.name}` | {series.type} | {_meaning(series)} |" for series in section.series),
        "",
    ]
    return "\n".join(lines)


def _meaning(series: _Series) -> str:
    extra = f" Label beside the others: {', '.join(f'`{label}`' for label in series.extra)}." if series.extra else ""
    buckets = f" Buckets: {', '.join(f'{edge:g}' for edge in series.buckets)}." if series.buckets else ""
    return f"{series.meaning}{extra}{buckets}"
