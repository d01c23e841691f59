"""Status of a TrainingJob."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.choice import PoolDecision
from hostler.api.common import Conditions, Failure, Figures
from hostler.api.cost import JobCost
from hostler.api.estimate import JobEstimate
from hostler.api.measures import Measurement, Money
from hostler.api.placement import Placement
from hostler.api.preempted import Preempted
from hostler.api.queueposition import QueuePosition
from hostler.api.schema import StatusModel, Text, Timestamp

Short = Annotated[str, Field(max_length=24)]


class TrainingProgress(StatusModel):
    """How far the running attempt is, as rank 0 reports it."""

    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """How much of the stage is done, in whole percent: of Training the optimizer steps. Absent where nobody counts
    it."""
    step: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps done."""
    total_steps: Annotated[int, Field(ge=0)] = 1
    """Optimizer steps in all."""
    loss: Short | None = None
    """Training loss of the last step: the family's own, such as nats per token."""
    losses: Figures | None = None
    """Its parts, where it has several."""
    learning_rate: Short | None = None
    """Learning rate of the last step."""
    gradient_norm: Short | None = None
    """Norm of the last step's gradient."""
    speed: Measurement | None = None
    """Speed over all pods, in the family's unit, such as tokens/s. Padding does not count."""
    model_flops_utilization: Short | None = None
    """Share of the accelerators' peak that the model's own arithmetic takes, from 0 to 1."""
    packing_factor: Short | None = None
    """Sequences in each row, where sequences are packed."""
    data_wait: Short | None = None
    """Share of each step that is spent waiting for data, from 0 to 1."""
    memory: Short | None = None
    """Most memory in use by the first process, such as 5.2Gi."""
    metrics: Figures | None = None
    """Figures of the newest evaluation on held-out data."""
    training_stage: Annotated[str, Field(max_length=63)] | None = None
    """Which part of the model learns, in families that train several one after the other."""
    eta: Short | None = None
    """Expected time to the last step, or to the end of a download or preparation, such as 2m10s."""
    checkpoint_step: Annotated[int, Field(ge=0)] | None = None
    """Step of the newest complete checkpoint."""
    resumed_from_step: Annotated[int, Field(ge=0)] | None = None
    """Step from which the running attempt went on; absent when it started from nothing."""
    stage: Annotated[str, Field(max_length=32)] | None = None
    """What rank 0 is doing."""
    notes: Annotated[tuple[Text, ...], Field(max_length=16)] | None = None
    """What differs from what was asked, such as a precision that fell back."""


class Measured(StatusModel):
    """One model as it stands."""

    size_bytes: Annotated[int, Field(ge=1)]
    """Weights as stored, in bytes."""
    parameters: Annotated[int, Field(ge=1)]
    """Weights that are not zero."""
    latency: Measurement
    """Median of one forward pass on the job's own device, in ms."""
    metrics: Figures | None = None
    """Quality on held-out data."""


class Comparison(StatusModel):
    """What the objective changed."""

    before: Measured
    """The base model."""
    after: Measured
    """The model that came out."""


class Target(StatusModel):
    """When evaluation.stopAt was met, and what it took until then."""

    metric: Annotated[str, Field(max_length=63)]
    """Name of the figure."""
    value: Short
    """The figure."""
    step: Annotated[int, Field(ge=0)]
    """Optimizer steps until then."""
    seconds: Short
    """Training time over all attempts, in seconds."""
    energy: Measurement | None = None
    """Upper bound of the accelerators' energy (their rated power for that time), in kWh; absent where the accelerator
    type has no rated power, or the devices are simulated."""
    cost: Money | None = None
    """Price of the accelerators for that time; absent where the pool has no price."""


class PreparedData(StatusModel):
    """The data as it is trained on, which a pod without accelerators has prepared."""

    job: Annotated[str, Field(max_length=63)]
    """Name of the Job that did it."""
    key: Annotated[str, Field(max_length=64)]
    """Hash of data, tokenizer and settings: jobs with the same one and the same claim share what is prepared."""
    sha256: Annotated[str, Field(max_length=64)]
    """Content hash of the data."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of what is prepared, on the job's volume."""
    seconds: Short
    """How long it took, in seconds; waiting for another job that prepared the same counts."""
    found: bool = False
    """Whether another job had prepared it already."""


class AttemptFailure(Failure):
    """Why an attempt ended without a result."""

    attempt: Annotated[int, Field(ge=0)] | None = None
    """Number of the attempt."""
    toll: Annotated[str, Field(max_length=16)] | None = None
    """What it counts as: Failure (against maxRestarts), Disruption (against maxDisruptions), or Refusal (against
    neither: its pods never ran)."""


class Retry(StatusModel):
    """What earlier attempts have cost, and when the next one may begin. A new checkpoint begins every row anew."""

    after: Annotated[int, Field(ge=-1)] = -1
    """The newest attempt that is over and counted; -1 before the first."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Failures of the program in a row."""
    disruptions: Annotated[int, Field(ge=0)] = 0
    """Disruptions in a row; maxDisruptions bounds them."""
    refusals: Annotated[int, Field(ge=0)] = 0
    """Times in a row that the accelerators were given back because the pods did not start."""
    halvings: Annotated[int, Field(ge=0)] = 0
    """Times that what is computed at once was halved, because memory had run out; it stays so."""
    checkpoint_step: Annotated[int, Field(ge=0)] = 0
    """Newest checkpoint when an attempt was last counted."""
    active_seconds: Annotated[int, Field(ge=0)] = 0
    """Seconds that the attempts which are over and counted took, each from its creation to its end;
    activeDeadlineSeconds bounds them."""
    stopped_at: Short | None = None
    """The limit, maxCost or maxDuration, for which the job was stopped; a larger one resumes it."""
    not_before: Timestamp | None = None
    """The back-off: the next attempt begins no sooner."""


class TrainingJobStatus(StatusModel):
    """Where the job stands."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Accepted, Admitted, Ready, Succeeded, Stalled, Failed, Suspended."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """Number of the newest attempt, from 0."""
    restarts: Annotated[int, Field(ge=0)] = 0
    """Attempts that failed by the program's own fault and were, or will be, replaced."""
    disruptions: Annotated[int, Field(ge=0)] = 0
    """Attempts that the infrastructure ended: evictions, drains, lost nodes, deleted pods. Not those that were ended
    for other workloads of Hostler: see preempted."""
    retry: Retry | None = None
    """What earlier attempts have cost, and when the next one may begin."""
    blocked_since: Timestamp | None = None
    """Since when something keeps pods of the newest attempt from starting."""
    prepared: PreparedData | None = None
    """What a preparation of its own has put onto the volume; absent where the training prepares its data itself."""
    placement: Placement | None = None
    """What is reserved for the job: from its admission to its end, from one attempt to the next."""
    queue: QueuePosition | None = None
    """Where it stands in the pool's line; absent unless it waits for accelerators."""
    choice: PoolDecision | None = None
    """Which pool was chosen, where spec.accelerators.choose says what is needed."""
    estimate: JobEstimate | None = None
    """What it is expected to take, before any pod exists; and what it took."""
    cost: JobCost | None = None
    """What it has spent so far on the accelerators that it held."""
    preempted: Preempted | None = None
    """The newest preemption, if there was one."""
    progress: TrainingProgress | None = None
    """How far it is."""
    comparison: Comparison | None = None
    """What the objective changed, of a job that starts from a base model."""
    target: Target | None = None
    """Set when training ended early because evaluation.stopAt was met."""
    last_failure: AttemptFailure | None = None
    """Why the last attempt that ended without a result did."""
    model: Annotated[str, Field(max_length=63)] | None = None
    """Name of the Model, once it is registered."""
    start_time: Timestamp | None = None
    """When the first attempt was created."""
    completion_time: Timestamp | None = None
    """When the job succeeded or failed for good."""
