"""What the API server refuses of lines, quotas, pools that grow, and of a job's place in line."""

from __future__ import annotations

from typing import Any

from apiserver.refusal import Invalid
from builders import make_inference_service, make_pool, make_training_job

Object = dict[str, Any]

_QUOTAS = "spec.queue.quotas"
_SHAPE = {"accelerators": 8, "cpu": "8", "memory": "64Gi"}


def _quotas(*quotas: Object) -> Object:
    """A pool whose quotas have these members beside a namespace and a nominal of their own."""
    own = ({"namespaces": [f"team-{index}"], "nominal": 1} for index in range(len(quotas)))
    return make_pool(queue={"quotas": [given | quota for given, quota in zip(own, quotas, strict=True)]})


def _growing(kind: str = "nvidia-a100-80", **scaling: Any) -> Object:
    return make_pool(acceleratorType=kind, scaling={"maxNodes": 4, "nodeShape": _SHAPE} | scaling)


_POLICIES = (
    Invalid("an unknown order", make_pool(queue={"order": "lifo"}), "spec.queue.order", 'values: "fair", "fifo"'),
    Invalid(
        "names told to some",
        make_pool(queue={"otherNamespaces": "some"}),
        "spec.queue.otherNamespaces",
        'values: "hidden", "named"',
    ),
    Invalid("a half-life of nothing", make_pool(queue={"usageHalfLife": "0s"}), "spec.queue.usageHalfLife", "above 0"),
    Invalid("a half-life in days", make_pool(queue={"usageHalfLife": "7d"}), "spec.queue.usageHalfLife", "2h30m"),
    Invalid(
        "preemption as a boolean in words", make_pool(queue={"preemption": "no"}), "spec.queue.preemption", '"disabled"'
    ),
    Invalid("a quota of nobody", _quotas({"namespaces": []}), f"{_QUOTAS}[0].namespaces", "at least 1"),
    Invalid(
        "a nominal quota below nothing", _quotas({"nominal": -1}), f"{_QUOTAS}[0].nominal", "greater than or equal to 0"
    ),
    Invalid("a negative limit", _quotas({"borrowingLimit": -1}), f"{_QUOTAS}[0].borrowingLimit", "or equal to 0"),
    Invalid("a negative weight", _quotas({"weight": "-1"}), f"{_QUOTAS}[0].weight", "must be a number above 0 such as"),
    Invalid("a weight of zero", _quotas({"weight": "0.0"}), f"{_QUOTAS}[0].weight", "must be a number above 0 such as"),
    Invalid("a namespace twice in a quota", _quotas({"namespaces": ["a", "a"]}), f"{_QUOTAS}[0].namespaces[1]", "Dupl"),
    Invalid(
        "a namespace in two quotas",
        _quotas({"namespaces": ["a", "b"]}, {"namespaces": ["b"]}),
        _QUOTAS,
        "a namespace stands in two quotas: remove it from one of them",
    ),
    Invalid("a topology key with a space", make_pool(topologyKey="a rack"), "spec.topologyKey", "must be a label key"),
)

_SCALING = (
    Invalid("fewest nodes above most", _growing(minNodes=5), "spec.scaling.minNodes", "must not be above maxNodes"),
    Invalid("a pool that grows to nothing", _growing(maxNodes=0), "spec.scaling.maxNodes", "or equal to 1"),
    Invalid("a start-up time of nothing", _growing(startupTime="0s"), "spec.scaling.startupTime", "above 0"),
    Invalid(
        "devices of a cpu pool",
        _growing("cpu"),
        "spec.scaling.nodeShape.accelerators",
        "a cpu pool counts cores: remove accelerators",
    ),
    Invalid(
        "nodes without devices in a pool of devices",
        _growing(nodeShape={"cpu": "8", "memory": "64Gi"}),
        "spec.scaling.nodeShape",
        "say how many accelerators each new node offers",
    ),
)

_ESTIMATES = (
    ("an estimate of zero", "0s"),
    ("an estimate of a year", "8760h"),
    ("an estimate of a year in parts", "8759h60m"),
    ("an estimate of more than there is room for", "999999h"),
    ("an estimate without a unit", "90"),
    ("an estimate in days", "2d"),
    ("an estimate below nothing", "-1h"),
    ("an estimate in fractions", "1.5h"),
    ("an estimate with its units in disorder", "30m2h"),
)

_JOBS = (
    *(
        Invalid(
            sentence,
            make_training_job(estimatedDuration=duration),
            "spec.estimatedDuration",
            "must be a duration such as 90s, 45m or 2h30m, above 0 and below a year (8760h)",
        )
        for sentence, duration in _ESTIMATES
    ),
    Invalid("no time at all", make_training_job(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds", "equal to 1"),
    Invalid(
        "deleted before the end",
        make_training_job(ttlSecondsAfterFinished=-1),
        "spec.ttlSecondsAfterFinished",
        "equal to 0",
    ),
    Invalid(
        "a manager without a domain", make_training_job(managedBy="kueue"), "spec.managedBy", "a domain and a name"
    ),
    Invalid("a class in capitals", make_training_job(priorityClassName="High"), "spec.priorityClassName", "match"),
    Invalid(
        "a service's class in capitals",
        make_inference_service(priorityClassName="A"),
        "spec.priorityClassName",
        "match",
    ),
    Invalid(
        "an unknown topology",
        make_training_job(accelerators={"pool": "gpu", "topology": "rack"}),
        "spec.accelerators.topology",
        '"required"',
    ),
)

QUEUE = (*_POLICIES, *_SCALING, *_JOBS)
