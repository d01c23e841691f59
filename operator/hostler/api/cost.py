"""What jobs and services have cost so far, and what a job may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.measures import Money
from hostler.api.schema import ApiModel, PositiveDecimal, StatusModel, Timestamp

ATTEMPTS_SHOWN = 8
_CURRENCY = Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)]
_Seconds = Annotated[int, Field(ge=0)]
_Decimal = Annotated[str, Field(min_length=1, max_length=40)]


class MaxCost(ApiModel):
    """A sum that is not to be passed."""

    amount: PositiveDecimal
    """The sum, a decimal number."""
    currency: _CURRENCY
    """ISO 4217 code, that of the pool's price."""


class Settled(StatusModel):
    """Holds that are over, in one currency."""

    amount: _Decimal
    """The sum, exact: each hold rounded up to the pool's billing step."""
    currency: _CURRENCY
    """ISO 4217 code."""


class Hold(StatusModel):
    """Accelerators that are held now, at one price."""

    since: Timestamp
    """When it began."""
    devices: Annotated[int, Field(ge=1)]
    """How many; cores in a cpu pool."""
    rate: _Decimal | None = None
    """What one of them costs for an hour; absent where the pool has no price."""
    currency: _CURRENCY | None = None
    """ISO 4217 code of the rate."""
    step_seconds: Annotated[int, Field(ge=1)] = 1
    """The pool's billing step."""


class DeviceUse(StatusModel):
    """For what accelerators were held, in seconds of one device."""

    starting: _Seconds = 0
    """Until all pods of an attempt run, and while these load, prepare and restore."""
    training: _Seconds = 0
    """Steps, with evaluating, that are in a checkpoint or in the Model."""
    saving: _Seconds = 0
    """Writing the Model at the end."""
    lost: _Seconds = 0
    """Steps that were made after the checkpoint from which the next attempt went on."""
    waiting: _Seconds = 0
    """Between attempts: backing off, waiting for the end of pods or for peers that are to come back."""


class AttemptUse(DeviceUse):
    """The same of one attempt."""

    attempt: Annotated[int, Field(ge=0)]
    """Its number."""


class HeldCost(StatusModel):
    """What has been spent. Devices cost from the moment in which they are reserved until they are given back, whatever
    is done with them."""

    as_of: Timestamp
    """When this was counted: with every other change of the status, and not by itself. What is held has cost more
    since, as hold says."""
    total: Money | None = None
    """In the currency of the pool's price; absent where it has none."""
    others: Annotated[tuple[Money, ...], Field(max_length=4)] = ()
    """In currencies that earlier holds were priced in."""
    per_hour: Money | None = None
    """What is held now costs in an hour."""
    device_seconds: _Seconds = 0
    """Devices times seconds."""
    settled: Annotated[tuple[Settled, ...], Field(max_length=4)] = ()
    """Holds that are over."""
    settled_device_seconds: _Seconds = 0
    """Of these."""
    hold: Hold | None = None
    """What is held now."""


class JobCost(HeldCost):
    """The same of a job, with what the devices were used for."""

    use: DeviceUse = DeviceUse()
    """What the device seconds were used for."""
    attempts: Annotated[tuple[AttemptUse, ...], Field(max_length=ATTEMPTS_SHOWN)] = ()
    """The same of the newest attempts."""
