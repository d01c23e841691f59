"""How a model may be tuned: methods, hyperparameters with defaults and bounds, and what the data is like."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.data import DataFormat
from hostler.api.schema import ApiModel, Decimal, cel, rules
from hostler_contract.architectures import EncoderConfig

_MOST = 100_000_000
_INSIDE = "must lie between min and max"


class IntegerRange(ApiModel):
    """A whole number that may be chosen."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("self.min <= self.default && self.default <= self.max", _INSIDE, field_path=".default")
        )
    )

    default: Annotated[int, Field(ge=0, le=_MOST)]
    """Taken where nothing is chosen."""
    min: Annotated[int, Field(ge=0, le=_MOST)]
    """Least value."""
    max: Annotated[int, Field(ge=0, le=_MOST)]
    """Greatest value."""


class DecimalRange(ApiModel):
    """A decimal number that may be chosen."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "double(self.min) <= double(self.default) && double(self.default) <= double(self.max)",
                _INSIDE,
                field_path=".default",
            )
        )
    )

    default: Decimal
    """Taken where nothing is chosen."""
    min: Decimal
    """Least value."""
    max: Decimal
    """Greatest value."""


class TuningData(ApiModel):
    """What the rows to learn from are like."""

    formats: Annotated[
        tuple[DataFormat, ...],
        Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Formats that the family reads."""
    rows: Annotated[
        tuple[Annotated[str, Field(max_length=128, pattern=r"^[a-z_]+(\+[a-z_]+)*$")], ...],
        Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Roles that each row has, such as text+label; one of these ways for all rows."""


class TuningMethod(ApiModel):
    """One way to tune, with every hyperparameter that may be chosen; those that are absent stay as a TrainingJob has
    them."""

    data: TuningData
    """The rows."""
    steps: IntegerRange
    """Optimizer steps."""
    batch_size: IntegerRange
    """Sequences, images or recordings of a step."""
    learning_rate: DecimalRange
    """Peak learning rate."""
    warmup_steps: IntegerRange | None = None
    """Steps of linear warm-up."""
    weight_decay: DecimalRange | None = None
    """Decoupled weight decay."""
    gradient_accumulation: IntegerRange | None = None
    """Parts in which each process computes a step."""
    context_length: IntegerRange | None = None
    """Longest sequence to train on, in tokens."""
    rank: IntegerRange | None = None
    """Rank of a low-rank adapter; where it is absent, all weights are trained."""
    alpha: IntegerRange | None = None
    """Scale of the adapter: its output is multiplied by alpha / rank."""
    beta: DecimalRange | None = None
    """How much leaving the base model costs, where preferences are learned."""


class Tuning(ApiModel):
    """How to tune a model. A method that is absent is not offered."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.lora) || (has(self.lora.rank) && has(self.lora.alpha))",
                "an adapter has a rank and an alpha",
                field_path=".lora",
            ),
            cel(
                "!has(self.full) || (!has(self.full.rank) && !has(self.full.alpha))",
                "rank and alpha belong to an adapter: remove them, or take method lora",
                field_path=".full",
            ),
            cel(
                "!has(self.preference) || has(self.preference.beta)",
                "learning from preferences has a beta",
                field_path=".preference",
            ),
        )
    )

    encoder: EncoderConfig | None = None
    """Sizes of an encoder (bert) with the head that tuning gives it; absent means the base's own head."""
    lora: TuningMethod | None = None
    """A low-rank adapter, which is merged into the model that comes out."""
    full: TuningMethod | None = None
    """All weights."""
    preference: TuningMethod | None = None
    """From praise and criticism; an adapter where it has a rank, else all weights."""

    @property
    def methods(self) -> dict[str, TuningMethod]:
        """The methods that are offered, by name; the first is taken where none is chosen."""
        found = {"lora": self.lora, "full": self.full, "preference": self.preference}
        return {name: method for name, method in found.items() if method is not None}
