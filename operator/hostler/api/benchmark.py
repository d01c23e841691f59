"""What a family's standard load has reached on a pool."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler.api.estimate import RunShape, Short, Word
from hostler.api.measures import Measurement, Money
from hostler.api.schema import StatusModel, Timestamp

MOST_BENCHMARKS = 32
"""Of each pool; the oldest is forgotten first."""
LABEL = "hostler.dev/benchmark"
"""On a TrainingJob: the standard load that it is, such as bert-small-packed. A job counts as a benchmark where its spec
is that load's to the letter, and its data too; whatever else carries the label is an ordinary job."""


class PowerSource(StrEnum):
    """Where a power comes from."""

    RATED = "Rated"
    """The data sheet: an upper bound, so that a figure per watt is a lower one."""


class PoolBenchmark(StatusModel):
    """The newest run of one standard load in one image."""

    load: Annotated[str, Field(max_length=63)]
    """Standard load, <family>-<size>, with -packed or -unpacked in families that pack sequences."""
    shape: RunShape
    """What was run, on how many devices."""
    run: Annotated[str, Field(max_length=64)]
    """UID of the job, so that it counts once."""
    at: Timestamp
    """When it ended."""
    image: Annotated[str, Field(max_length=512)]
    """Runtime image that it ran in, as its pods named it."""
    image_id: Annotated[str, Field(max_length=512)] | None = None
    """The same by its digest, as the node tells it; absent where it does not."""
    accelerator_type: Annotated[str, Field(max_length=63)]
    """Type of the devices."""
    simulated: bool = False
    """True where the devices were simulated: the figures are those of the machine that plays them."""
    outdated: bool = False
    """True where the pool has another image or type by now: no estimate is made of it any more."""
    speed: Measurement
    """Over all devices, in the family's unit, padding left out, while steps were made."""
    units_per_step: Short
    """What a step trained on."""
    operations_per_second: Short | None = None
    """Of one device; absent where nobody knows the operations of a unit."""
    precision: Word | None = None
    """Of matrix products, as it was."""
    memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most memory in use by the first process."""
    watts: Short | None = None
    """Power of all its devices; absent where nobody knows it, as of cores and of simulated devices."""
    power: PowerSource | None = None
    """Where that power comes from."""
    per_watt: Measurement | None = None
    """Units per second for each watt, which is units for each joule."""
    cost_per_hour: Money | None = None
    """Of its devices, at the pool's present price; absent where it has none."""
    per_currency: Measurement | None = None
    """Units for one of the currency at that price, such as tokens/EUR."""
