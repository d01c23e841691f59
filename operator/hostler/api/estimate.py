"""What a job is expected to take, before it runs; and what it took, beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.measures import Measurement
from hostler.api.schema import StatusModel, Text, Timestamp

Short = Annotated[str, Field(max_length=24)]
Word = Annotated[str, Field(max_length=32)]
MOST_SHAPES = 24
RUNS_OF_SHAPE = 3


class RunShape(StatusModel):
    """Runs of one shape are as fast as each other on the devices of one pool."""

    family: Word
    """Model family."""
    objective: Word
    """Objective."""
    network: Short
    """Hash of the sizes of the network."""
    precision: Word
    """Of matrix products, as the spec says."""
    batch: Annotated[int, Field(ge=1)]
    """Sequences (images, clips) of a step, over all devices."""
    accumulation: Annotated[int, Field(ge=1)] = 1
    """Parts in which each process computes a step."""
    length: Annotated[int, Field(ge=0)] = 0
    """Longest sequence, in tokens; 0 where the spec does not say."""
    packed: bool = False
    """Whether several sequences may share a row."""
    adapter: bool = False
    """Whether only a low-rank adapter learns."""
    sharded: bool = False
    """Whether the weights are spread over the processes."""
    devices: Annotated[int, Field(ge=1)] = 1
    """Accelerators; cores in a cpu pool."""


class EstimatedDuration(StatusModel):
    """A time with its doubt: four of five are between low and high."""

    low: Short
    """If it goes well, such as 2h10m."""
    expected: Short
    """What is counted with."""
    high: Short
    """If it does not."""


class EstimatedCost(StatusModel):
    """A sum with its doubt, each figure rounded up to the pool's billing step."""

    low: Short
    """If it goes well, a decimal number."""
    expected: Short
    """What is counted with."""
    high: Short
    """If it does not."""
    currency: Annotated[str, Field(min_length=1, max_length=3)]
    """ISO 4217 code, the pool's."""


class MemoryTerm(StatusModel):
    """What takes memory."""

    name: Annotated[str, Field(max_length=96)]
    """In words, such as optimizer state."""
    bytes: Annotated[int, Field(ge=0)]
    """Of one device."""


class EstimatedMemory(StatusModel):
    """Of one device at the worst moment of training; of one pod in a cpu pool."""

    peak_bytes: Annotated[int, Field(ge=0)]
    """The sum of all terms."""
    device_bytes: Annotated[int, Field(ge=0)] | None = None
    """What there is; absent where nobody knows."""
    terms: Annotated[tuple[MemoryTerm, ...], Field(max_length=16)] = ()
    """The sum, term by term."""
    largest_rows: Annotated[int, Field(ge=0)] | None = None
    """Most rows that fit at once; 0 where not even one does."""
    measured_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most that runs of the same shape have had in use."""
    message: Text = ""
    """What is to be done where it is expected not to fit."""


class ActualRun(StatusModel):
    """What an estimate is judged by. The next job of this shape is estimated from it."""

    duration: Short
    """All attempts together, each from its creation to its end."""
    steps: Annotated[int, Field(ge=1)]
    """Optimizer steps that the last attempt made."""
    step_seconds: Short
    """Seconds of one of them, without saving, evaluating and starting."""
    units_per_step: Short
    """What a step trained on, padding left out."""
    speed: Measurement
    """Over all devices, in the family's unit."""
    precision: Word | None = None
    """Of matrix products, as it was."""
    overhead_seconds: Short | None = None
    """Seconds of the attempt in which no steps were made; absent where there was more than one attempt."""
    memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most memory in use by the first process."""
    ratio: Short | None = None
    """The duration by the expected one; absent where none was estimated."""
    data_sha256: Annotated[str, Field(max_length=64)] | None = None
    """Hash of the data, as the pods have read it; of benchmarks alone."""
    image: Annotated[str, Field(max_length=512)] | None = None
    """Runtime image, as the pods named it; of benchmarks alone."""
    image_id: Annotated[str, Field(max_length=512)] | None = None
    """The same by its digest, where the node tells it; of benchmarks alone."""


class JobEstimate(StatusModel):
    """What a job is expected to take once it has its accelerators."""

    generation: Annotated[int, Field(ge=0)]
    """Of the spec that it speaks of."""
    pool: Annotated[str, Field(max_length=253)]
    """On which."""
    pods: Annotated[int, Field(ge=1)]
    """With as many pods."""
    basis: Word
    """Where the speed is from: Measured (runs on this pool), Benchmark (a standard load on this pool), Published (what
    others measured on such devices), Peak (the data sheet), or Unknown."""
    message: Text = ""
    """The basis in a sentence."""
    duration: EstimatedDuration | None = None
    """Training time, without waiting in line; absent where nobody knows."""
    speed: Measurement | None = None
    """Expected over all devices, in the family's unit."""
    utilization: Short | None = None
    """Expected share of the devices' dense peak, 0 to 1."""
    operations_per_unit: Short | None = None
    """Operations of one unit, forward and backward."""
    petaflop_days: Short | None = None
    """Arithmetic of the whole run in petaflop/s-days, as published figures have it: without attention."""
    memory: EstimatedMemory | None = None
    """Expected of one device; absent where the network's sizes are not known."""
    cost: EstimatedCost | None = None
    """What the accelerators cost in that time; absent where the pool has no price."""
    energy: Measurement | None = None
    """At their rated power, in kWh; absent where nobody knows it."""
    carbon: Measurement | None = None
    """CO2 and equal gases of that energy, in kgCO2e; absent where the pool does not state its grid."""
    shape: RunShape | None = None
    """Under which the run is remembered."""
    actual: ActualRun | None = None
    """What it took, once it has succeeded."""


class PoolRun(StatusModel):
    """One run on the pool."""

    run: Annotated[str, Field(max_length=64)]
    """UID of the job, so that it counts once."""
    at: Timestamp
    """When it ended."""
    units_per_second: Short
    """Over all devices, padding left out."""
    units_per_step: Short
    """What a step trained on."""
    operations_per_second: Short | None = None
    """Of one device; absent where nobody knows the operations of a unit."""
    overhead_seconds: Short | None = None
    """Seconds in which no steps were made."""
    memory_bytes: Annotated[int, Field(ge=0)] | None = None
    """Most memory in use by the first process."""


class PoolMeasurement(StatusModel):
    """The newest runs of one shape."""

    shape: RunShape
    """What was run."""
    runs: Annotated[tuple[PoolRun, ...], Field(max_length=RUNS_OF_SHAPE)]
    """The newest first."""
