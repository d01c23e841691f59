"""AcceleratorPool: nodes that carry one accelerator type, with its price."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.benchmark import MOST_BENCHMARKS, PoolBenchmark
from hostler.api.common import Conditions, Toleration
from hostler.api.estimate import MOST_SHAPES, PoolMeasurement
from hostler.api.poolscaling import PoolScaling
from hostler.api.queuepolicy import QueuePolicy
from hostler.api.schema import ApiModel, Decimal, PositiveDecimal, StatusModel, cel, rules


class PoolCondition:
    """Condition types of a pool."""

    READY = "Ready"
    """True when the pool has the devices that it promises and all of them are healthy."""
    QUOTAS_FIT = "QuotasFit"
    """True when everybody could hold the nominal quota of spec.queue.quotas at the same time. False is a warning: the
    quotas count as they are. Absent where there are none."""
    PRICE_DATED = "PriceDated"
    """False when the date of spec.price is no day, or a day that has not come (UTC). It is a warning: costs are
    reckoned with the price as it is. Absent where there is nothing to warn of."""


class PoolReason(StrEnum):
    """Reasons of ``Ready``, and of ``QuotasFit`` and ``PriceDated`` where those are said."""

    DEVICES_AVAILABLE = "DevicesAvailable"
    """Set when every promised device is there and healthy."""
    SCALED_TO_ZERO = "ScaledToZero"
    """Set when a pool that grows (spec.scaling) has no node now, which is no fault: work that waits brings some."""
    UNKNOWN_ACCELERATOR_TYPE = "UnknownAcceleratorType"
    """Set when no registry file describes spec.acceleratorType."""
    RESOURCE_NAME_REQUIRED = "ResourceNameRequired"
    """Set when the type's resource name depends on the installation (FPGA shells) and spec.resourceName is absent."""
    INVALID_SPEC = "InvalidSpec"
    """Set when the stored spec does not fit this release, which CRDs of the same release would not let in."""
    NO_MATCHING_NODES = "NoMatchingNodes"
    """Set when no node carries the labels of spec.nodeSelector."""
    DEVICES_MISSING = "DevicesMissing"
    """Set when matching nodes advertise no device of the type, or fewer than spec.expectedAccelerators."""
    DEVICES_UNHEALTHY = "DevicesUnhealthy"
    """Set when some devices are there but not allocatable."""
    NODES_NOT_READY = "NodesNotReady"
    """Set when a matching node is not ready or is cordoned."""
    WITHIN_CAPACITY = "WithinCapacity"
    """QuotasFit: set when the quotas add up to no more than the pool has, or may grow to."""
    QUOTAS_EXCEED_CAPACITY = "QuotasExceedCapacity"
    """QuotasFit: set when they add up to more."""
    PRICE_OF_THE_FUTURE = "PriceOfTheFuture"
    """PriceDated: set when the day of spec.price.date has not come (UTC)."""
    PRICE_WITHOUT_DAY = "PriceWithoutDay"
    """PriceDated: set when spec.price.date is no day of the calendar, such as 2026-02-30."""


class BillingStep(StrEnum):
    """The time that a started piece of use is rounded up to."""

    SECOND = "Second"
    MINUTE = "Minute"
    HOUR = "Hour"


class Price(ApiModel):
    """What one accelerator of this pool costs. It is the user's own figure; Hostler has none built in."""

    amount: Decimal
    """Price of one accelerator for one hour, in `currency`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)]
    """ISO 4217 code, such as EUR."""
    source: Annotated[str, Field(min_length=1, max_length=256)]
    """Where the figure comes from: a contract, a price list."""
    date: Annotated[
        str,
        Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, json_schema_extra={"format": "date"}),
    ]
    """Day for which the figure holds, YYYY-MM-DD."""
    billing_step: BillingStep = BillingStep.SECOND
    """Use is rounded up to this step."""


class Grid(ApiModel):
    """What the power of this pool's nodes is made of."""

    grams_per_kilowatt_hour: PositiveDecimal
    """Grams of CO2 and equal gases for a kilowatt-hour, as the supplier or the operator of the grid states them."""
    source: Annotated[str, Field(min_length=1, max_length=256)]
    """Where the figure comes from."""
    date: Annotated[
        str,
        Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, json_schema_extra={"format": "date"}),
    ]
    """Day for which the figure holds, YYYY-MM-DD."""


class Quota(ApiModel):
    """What Hostler may use of a pool."""

    accelerators: Annotated[int, Field(ge=0, le=1_000_000)]
    """Most accelerators that Hostler's pods may hold at the same time."""


_LABEL_KEY = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_HAS_SHAPE = "has(self.scaling) && has(self.scaling.nodeShape.accelerators)"
_PRIVILEGES = "^(hostIPC|hostNetwork|SYS_NICE|IPC_LOCK|hugepages)$"


class AcceleratorPoolSpec(ApiModel):
    """Which nodes, which type, at what price."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.resourceName) || self.acceleratorType != 'cpu'",
                "a cpu pool has no resource name",
                field_path=".resourceName",
            ),
            cel(
                f"self.acceleratorType != 'cpu' || !({_HAS_SHAPE})",
                "a cpu pool counts cores: remove accelerators",
                field_path=".scaling.nodeShape.accelerators",
            ),
            cel(
                f"self.acceleratorType == 'cpu' || !has(self.scaling) || {_HAS_SHAPE}",
                "say how many accelerators each new node offers",
                field_path=".scaling.nodeShape",
            ),
        )
    )

    accelerator_type: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            json_schema_extra=rules(
                cel("self == oldSelf", "acceleratorType cannot be changed: make a new pool for another type")
            ),
        ),
    ]
    """Id of an accelerator type of the registry (`hostler accelerators` lists them), `cpu` for none."""
    resource_name: (
        Annotated[str, Field(min_length=3, max_length=253, pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] | None
    ) = None
    """Extended resource, where the type leaves it open (an FPGA shell), such as xilinx.com/fpga-...; else absent."""
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=rules(
                cel(
                    f"self.all(key, size(key) <= 317 && key.matches('{_LABEL_KEY}'))",
                    "every key must be a label key such as hostler.dev/pool",
                )
            ),
        ),
    ]
    """Labels that a node of this pool carries; all of them must match."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    """Taints that pods on this pool tolerate."""
    expected_accelerators: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How many accelerators the pool promises; fewer make it not Ready."""
    grid: Grid | None = None
    """What its power is made of; absent says nothing of CO2."""
    price: Price | None = None
    """Price of one accelerator."""
    quota: Quota | None = None
    """Limit for what Hostler uses."""
    queue: QueuePolicy = QueuePolicy()
    """Who comes next, and what each namespace may hold."""
    topology_key: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=317,
                json_schema_extra=rules(
                    cel(f"self.matches('{_LABEL_KEY}')", "must be a label key such as topology.kubernetes.io/rack")
                ),
            ),
        ]
        | None
    ) = None
    """Label of the nodes whose values name domains with fast links inside, such as racks; accelerators.topology of jobs
    and services refers to it. Nodes without the label are a domain each."""
    scaling: PoolScaling | None = None
    """What an autoscaler may add; absent means that the nodes that there are, are all."""
    allowed_privileges: Annotated[
        tuple[Annotated[str, Field(pattern=_PRIVILEGES, max_length=16)], ...],
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """What pods on this pool may have beyond Pod Security restricted, because the type needs it."""


class AcceleratorPoolStatus(StatusModel):
    """What the nodes really offer, in accelerators of the type's unit."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Ready, with a reason."""
    resource_name: Annotated[str, Field(max_length=253)] | None = None
    """Extended resource that pods ask for; absent for cpu."""
    nodes: Annotated[int, Field(ge=0)] = 0
    """Matching nodes."""
    capacity: Annotated[int, Field(ge=0)] = 0
    """Accelerators that the nodes have, healthy or not."""
    allocatable: Annotated[int, Field(ge=0)] = 0
    """Healthy accelerators on nodes that take pods."""
    in_use: Annotated[int, Field(ge=0)] = 0
    """Accelerators that running or starting pods hold, Hostler's or not."""
    reserved: Annotated[int, Field(ge=0)] = 0
    """Accelerators promised to admitted jobs and services, whether or not their pods run yet."""
    unhealthy: Annotated[int, Field(ge=0)] = 0
    """Accelerators that exist but are not allocatable."""
    largest_free_block: Annotated[int, Field(ge=0)] = 0
    """Most free accelerators on one node: the biggest pod that could start now."""
    simulated: bool = False
    """True when the devices are simulated."""
    measurements: Annotated[tuple[PoolMeasurement, ...], Field(max_length=MOST_SHAPES)] = ()
    """What jobs that succeeded here have measured: estimates of the next ones are made of it."""
    benchmarks: Annotated[tuple[PoolBenchmark, ...], Field(max_length=MOST_BENCHMARKS)] = ()
    """What the standard loads of families have reached here (`hostler bench`), the newest first."""
