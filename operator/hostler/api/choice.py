"""Which pool a job runs on, where it names what it needs instead of a pool."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler.api.measures import Measurement, Money
from hostler.api.schema import ApiModel, ByteQuantity, PositiveDecimal, StatusModel, Text, Timestamp

MOST_RANKED = 16
"""Pools whose rank a status tells."""
_TYPE = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
_CURRENCY = Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)]


class AcceleratorClass(StrEnum):
    """Kinds of accelerators."""

    GPU = "gpu"
    IPU = "ipu"
    TPU = "tpu"
    NPU = "npu"
    FPGA = "fpga"
    CPU = "cpu"


class NeededPrecision(StrEnum):
    """Numeric types that a device may multiply in."""

    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    FP4 = "fp4"


class Optimize(StrEnum):
    """What the chosen pool has least of."""

    COST = "cost"
    TIME = "time"
    ENERGY = "energy"
    ORDER = "order"


class ExchangeRate(ApiModel):
    """What one unit of another currency is worth."""

    currency: _CURRENCY
    """ISO 4217 code of the other currency, such as USD."""
    rate: PositiveDecimal
    """One of it in units of choose.currency."""
    date: Annotated[
        str,
        Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, json_schema_extra={"format": "date"}),
    ]
    """Day for which the rate holds, YYYY-MM-DD."""
    source: Annotated[str, Field(min_length=1, max_length=256)]
    """Where it comes from, such as the central bank's reference rates."""


class Choose(ApiModel):
    """What the accelerators have to be, and which of those that are is taken. Every pool that can hold the job is
    ranked; status.choice has the ranking."""

    types: Annotated[tuple[_TYPE, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = ()
    """Accelerator types that will do, the preferred first; empty means any."""
    classes: Annotated[
        tuple[AcceleratorClass, ...], Field(max_length=6, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = ()
    """Kinds of accelerators that will do; empty means any."""
    memory: ByteQuantity | None = None
    """Memory that each accelerator has at least, such as 40Gi."""
    precision: NeededPrecision | None = None
    """Numeric type that the accelerator multiplies in by itself."""
    optimize: Optimize = Optimize.COST
    """cost takes the pool where the whole job is cheapest, time where it is done soonest, waiting in line included,
    energy where it takes least; order takes the first of types that can hold it. A pool of which the figure is not
    known comes after all of which it is."""
    currency: _CURRENCY | None = None
    """In which costs are compared; absent where all pools have the same."""
    rates: Annotated[
        tuple[ExchangeRate, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["currency"]},
        ),
    ] = ()
    """Rates of other currencies. A price in a currency without a rate is one that nobody knows."""


class RankedPool(StatusModel):
    """One pool, as it looked when the choice was made."""

    pool: Annotated[str, Field(max_length=253)]
    """Its name."""
    accelerator_type: Annotated[str, Field(max_length=63)]
    """Its type."""
    message: Text
    """Why it was chosen, comes later, or was rejected."""
    rejected: bool = False
    """Whether it cannot hold the job at all."""
    starts_in: Annotated[str, Field(max_length=24)] | None = None
    """Expected time in line there, with the start of a new node where the pool grows; absent where nobody knows."""
    duration: Annotated[str, Field(max_length=24)] | None = None
    """Expected training time there; absent where nobody knows."""
    cost: Money | None = None
    """Expected cost there."""
    energy: Measurement | None = None
    """Expected energy there."""


class PoolDecision(StatusModel):
    """Which pool was chosen, and from which."""

    pool: Annotated[str, Field(max_length=253)]
    """The chosen one. It stays once the job has begun; while it waits, a much better one is taken instead."""
    optimize: Annotated[str, Field(max_length=16)]
    """What it was chosen for."""
    at: Timestamp
    """When."""
    ranking: Annotated[tuple[RankedPool, ...], Field(max_length=MOST_RANKED)] = ()
    """The best first, rejected ones last."""
