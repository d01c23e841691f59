"""What a trainer is asked to do: ``/etc/hostler/job.json``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hostler_contract.architectures import ModelConfig
from hostler_contract.message import Message, Part
from hostler_contract.objective import ObjectiveConfig

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]

DataFormat = Literal["text", "jsonl", "csv", "parquet", "images", "webdataset", "audio"]
"""text: UTF-8 files, each a document. jsonl, csv (also with tabs), parquet: rows with columns. images: a folder of
images, in a folder for each label, with captions in text files of their names, or beside a metadata.jsonl or .csv.
webdataset: tar shards. audio: audio files beside a manifest.jsonl."""


class DatasetSource(Part):
    """Where the trainer finds the data: a path below ``/data``, or something that rank 0 downloads."""

    kind: Literal["path", "http", "s3", "hf"]
    location: str
    """For ``path`` a file or directory; for ``http`` the URL; for ``s3`` ``s3://bucket/prefix``; for ``hf``
    ``hf://datasets/`` and the repository, ``owner/name`` or, on hubs that have such, ``name`` alone."""
    path: str | None = None
    """File or directory within the repository, for ``hf``; None for all of it. Apart from the location, because nobody
    could tell a path from the second half of a name."""
    sha256: str | None = None
    """Expected content hash of what is downloaded, lower-case hex."""
    revision: str | None = None
    """Commit, tag or branch, for ``hf``."""
    endpoint: str | None = None
    """URL of an S3-compatible service or of a hub of your own."""
    region: str | None = None
    """Region, for ``s3``."""


class DatasetConfig(Part):
    """The data and how it is split."""

    source: DatasetSource
    format: DataFormat = "text"
    columns: dict[str, str] = Field(default_factory=dict)
    """Role (``text``, ``messages``, ``label``, ``image``, ``caption``, ``audio``, ``prompt``, ``chosen``, ...) to the
    column that plays it; a role that is not named is played by the column of its own name."""
    validation_percent: Annotated[int, Field(ge=1, le=50)] = 10
    license: str | None = None
    """SPDX expression of the data's licence, for the model card."""


class PackingConfig(Part):
    """Several sequences in one row where their lengths vary (arXiv 2107.02027)."""

    mode: Literal["auto", "off"] = "auto"
    strategy: Literal["best-fit", "spfhp"] = "best-fit"
    max_per_pack: PositiveInt | None = None


class Hyperparameters(Part):
    """One optimizer run (AdamW, linear warm-up then cosine decay)."""

    steps: NonNegativeInt
    """Optimizer steps over all stages; 0 only for an objective that trains nothing."""
    batch_size: PositiveInt
    """Sequences (images, clips) per optimizer step, over all processes and micro-batches together."""
    context_length: PositiveInt | None = None
    """Longest sequence to train on, in tokens, for families that read text; absent means as long as the sizes say, and
    beside a base model as long as the trainer thinks fit."""
    gradient_accumulation: PositiveInt = 1
    """Micro-batches of each step in each process."""
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_steps: NonNegativeInt = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    seed: NonNegativeInt = 0
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp8"] = "auto"
    """``auto`` takes bf16 on an accelerator that has it, fp32 elsewhere; fp8 falls back where the device lacks it."""
    deterministic: bool = False
    """Only algorithms whose result does not depend on the order of execution; slower on accelerators."""
    parallelism: Literal["replicated", "sharded"] = "replicated"
    """replicated is DDP: each process holds the whole model; sharded is FSDP: each holds a part."""


Overlong = Literal["truncate", "drop", "refuse"]
"""What becomes of a row that is longer than the context: its beginning is kept as far as it fits, it is left out, or
the job ends before its first step."""


class CheckpointPolicy(Part):
    """How often the trainer saves, and how many checkpoints stay."""

    every_steps: PositiveInt
    keep: PositiveInt = 2
    keep_after_success: NonNegativeInt = 1
    """Newest checkpoints that stay once the model is published; downloads and prepared data go then."""


class Topology(Part):
    """The processes of one attempt."""

    pods: PositiveInt
    processes_per_pod: PositiveInt


class StopAt(Part):
    """Training ends early once a metric reaches a value; time, energy and cost to reach it are reported."""

    metric: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> StopAt:
        if (self.min is None) == (self.max is None):
            raise ValueError("stopAt has exactly one of min and max")
        return self

    def reached(self, figure: float) -> bool:
        """Whether a figure of the metric is good enough."""
        return figure >= self.min if self.min is not None else figure <= (self.max or 0.0)


class EvaluationConfig(Part):
    """When the model is measured on held-out data while it is trained."""

    every_steps: PositiveInt | None = None
    """Absent means at the end only."""
    stop_at: StopAt | None = None
    gates: list[str] = Field(default_factory=list)
    """Metrics that gates ask for; which bounds they have is the control plane's business."""
    samples: NonNegativeInt = 4
    """Sample outputs that are kept with each evaluation and with the model."""

    @property
    def wanted(self) -> list[str]:
        """Metrics that somebody waits for, each once."""
        target = [self.stop_at.metric] if self.stop_at is not None else []
        return list(dict.fromkeys([*self.gates, *target]))


class Inputs(Part):
    """Models that this one is made from, as directories that are mounted read-only."""

    base: str | None = None
    """The model to start from: what is fine-tuned, pruned, quantized, or the teacher of a distillation."""
    parts: dict[str, str] = Field(default_factory=dict)
    """Parts that are taken as they are, such as ``autoencoder`` or ``text_encoder``, by name."""


class JobConfig(Message):
    """Everything one attempt of a TrainingJob needs to know.

    FLOP and memory figures come from the control plane's family file as plain numbers, so that the runtime
    holds no second copy of the formulas.
    """

    name: str
    namespace: str
    attempt: NonNegativeInt
    family: str
    objective: ObjectiveConfig = ObjectiveConfig()
    model_name: str
    """Name under which the result is registered and served."""
    license: str = "unknown"
    """SPDX expression of the weights' licence, for the model card."""
    model: ModelConfig
    inputs: Inputs = Inputs()
    dataset: DatasetConfig
    packing: PackingConfig = PackingConfig()
    overlong: Overlong = "truncate"
    """For conversations, labelled texts, questions and judged answers; documents are cut into pieces."""
    hyperparameters: Hyperparameters
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointPolicy
    topology: Topology
    shrink: PositiveInt = 1
    """Factor on gradientAccumulation: 2 for each time that memory ran out at the size before. Not one of the
    hyperparameters, because checkpoints of the larger size fit."""
    flops_per_unit: Annotated[float, Field(gt=0)] | None = None
    """Training operations (forward and backward) for one unit (token, image, ...) of the family; absent where the
    control plane has no formula, and the trainer counts them."""
    accelerator: str = "cpu"
    """Accelerator type id from the registry; a label of the trainer's metrics."""
    peak_flops_per_process: Annotated[float, Field(gt=0)] | None = None
    """Peak dense FLOP/s of the accelerator behind one process; absent where the registry knows none."""
    workspace: str = "/workspace"
    """Directory on the shared volume that belongs to this job alone."""
    resume_from: str | None = None
    """Workspace of another job, mounted read-only: its newest checkpoint is the start where this one has none."""

    @property
    def accumulation(self) -> int:
        """Micro-batches of each step in each process."""
        return self.hyperparameters.gradient_accumulation * self.shrink
