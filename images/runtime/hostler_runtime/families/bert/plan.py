"""What a job makes of an encoder: which head, how long its sequences are, and what it goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hostler_contract import ErrorReason, JobConfig, Objective
from hostler_contract.architectures import EncoderConfig
from hostler_contract.objective import Supervision
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.bert.artifacts import BertDirectory, open_directory
from hostler_runtime.pretrained import from_base
from hostler_runtime.text.attention import LONGEST_BY_DEFAULT, shortened


@dataclass(frozen=True)
class Plan:
    """A job's settings with the base model's facts filled in."""

    head: str
    context_length: int
    """Longest sequence that is trained on, in tokens."""
    made_for: int
    """Longest sequence that the finished model reads, in tokens."""
    sizes: EncoderConfig | None
    """Absent where the base model's own sizes are taken."""
    base: BertDirectory | None
    """Brings the vocabulary and, where it classifies, the labels."""
    takes_weights: bool
    """Whether the base model brings the weights too; a teacher does not."""
    semi_supervised: bool
    """Whether rows may lack a label."""


def make_plan(job: JobConfig) -> Plan:
    """Raises ``RuntimeFailure`` where the parts of the job do not fit each other."""
    sizes = job.model.encoder
    path = job.inputs.base
    base = from_base(lambda: open_directory(Path(path)), what="the base model") if path else None
    if sizes is None and base is None:
        raise _invalid("the bert family needs output.encoder, or a base model to go on from")
    head = sizes.head if sizes is not None else base.head if base is not None else None
    if head is None:
        raise _invalid(f"{job.inputs.base} is an encoder without a head: name one in output.encoder.head")
    takes_weights = base is not None and not (job.objective.kind is Objective.DISTILL and sizes is not None)
    if base is not None and sizes is not None:
        _check_against_base(sizes, base, takes_weights=takes_weights)
    semi_supervised = job.objective.supervision is Supervision.SEMI_SUPERVISED
    if semi_supervised and head != "classification":
        raise _invalid(f"semi-supervised training needs the head classification, and this one is {head}")
    if head == "masked-lm" and job.overlong != "truncate":
        raise _invalid(
            f"texts are cut into pieces for head masked-lm, whatever their length: remove overlong {job.overlong}"
        )
    made_for = sizes.context_length if sizes is not None else base.context_length if base is not None else 0
    return Plan(
        head=head,
        context_length=_context_length(job, made_for=made_for, explicit=sizes is not None),
        made_for=made_for,
        sizes=sizes,
        base=base,
        takes_weights=takes_weights,
        semi_supervised=semi_supervised,
    )


def plan_notes(job: JobConfig, plan: Plan) -> list[str]:
    """Sentences about rows that are shorter than the base model would let one expect."""
    if job.hyperparameters.context_length is not None or plan.context_length == plan.made_for:
        return []
    return [shortened(plan.context_length, limit=plan.made_for)]


def _context_length(job: JobConfig, *, made_for: int, explicit: bool) -> int:
    asked = job.hyperparameters.context_length
    if asked is None:
        return made_for if explicit else min(made_for, LONGEST_BY_DEFAULT)
    if asked > made_for:
        raise _invalid(
            f"training.contextLength {asked} is more than the {made_for} tokens that the network reads: lower it"
        )
    return asked


def _check_against_base(sizes: EncoderConfig, base: BertDirectory, *, takes_weights: bool) -> None:
    if not takes_weights:
        if base.head != sizes.head:
            raise _invalid(f"the student's head is {sizes.head}, its teacher's in {base.path} is {base.head}")
        return
    config = base.config
    for name, wanted, found in (
        ("layers", sizes.layers, config.num_hidden_layers),
        ("hiddenSize", sizes.hidden_size, config.hidden_size),
        ("heads", sizes.heads, config.num_attention_heads),
    ):
        if wanted != found:
            raise _invalid(f"output.encoder.{name} is {wanted}, the base model in {base.path} has {found}")
    if sizes.context_length > base.context_length:
        raise _invalid(
            f"output.encoder.contextLength is {sizes.context_length}, the base model in {base.path} knows only "
            f"{base.context_length} positions"
        )


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
