"""What a TrainingJob is for an estimate: its shape, its load and its work, out of its spec."""

from __future__ import annotations

import hashlib
import json

from hostler.api.hyperparameters import PackingMode, Parallelism
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning.estimate.measurements import Shape
from hostler.planning.estimate.priors import Kind
from hostler.planning.estimate.shapes import Adapter
from hostler.planning.models import NamedModel
from hostler_contract import ModelConfig, Objective, Supervision

_KEY_LENGTH = 12
_WHOLE_TRAINING = (Objective.PRETRAIN, Objective.FINETUNE)
_TOKENS = frozenset({"transformer", "encoder"})
"""Blocks of ``output`` that describe networks on tokens."""
_TRAINED, _FROZEN = 6.0, 4.0
"""Operations of a weight for each token: forward, and backward with or without a gradient of its own."""


def shape_of(spec: TrainingJobSpec, *, base: NamedModel | None, devices: int) -> Shape:
    """Under which a run is remembered, and by which it is found again. ``devices`` is in the pool's unit."""
    training = spec.training
    return Shape(
        family=spec.family.value,
        objective=spec.objective.value,
        network=_network_key(spec, base),
        precision=training.precision.value,
        batch=training.batch_size,
        accumulation=training.gradient_accumulation,
        length=length_of(spec, base) or 0,
        packed=family(spec.family.value).packs and training.packing.mode is PackingMode.AUTO,
        adapter=spec.lora is not None,
        sharded=training.parallelism is Parallelism.SHARDED,
        devices=devices,
    )


def kind_of(spec: TrainingJobSpec) -> Kind | None:
    """The kind of network whose published runs say something of this one; None where none do."""
    if family(spec.family.value).block not in _TOKENS:
        return None
    return Kind.ADAPTER if spec.lora is not None else Kind.DENSE


def operations_of_unit(spec: TrainingJobSpec, *, base: NamedModel | None) -> float | None:
    """Model FLOPs of one unit of the family, forward and backward; None where the sizes do not decide them.

    Of a base of which only the number of weights is known, attention is left out: it is little where the context is
    shorter than a few times the width.
    """
    if spec.objective not in _WHOLE_TRAINING or spec.supervision is Supervision.SEMI_SUPERVISED:
        return None
    entry = family(spec.family.value)
    if base is None:
        return entry.training_flops(sized(spec)) if spec.lora is None else None
    weights = _parameters(base)
    if weights is None or entry.block not in _TOKENS:
        return None
    return (_TRAINED if spec.lora is None else _FROZEN) * weights


def units_of_step(spec: TrainingJobSpec, *, base: NamedModel | None) -> float | None:
    """What a step trains on at most, in the family's unit; None where only the data can say."""
    entry = family(spec.family.value)
    if entry.unit == "images":
        return float(spec.training.batch_size)
    length = length_of(spec, base)
    return None if entry.unit != "tokens" or length is None else float(spec.training.batch_size * length)


def length_of(spec: TrainingJobSpec, base: NamedModel | None) -> int | None:
    """Tokens of the longest sequence; None where rows are no sequences, or nobody says."""
    if spec.training.context_length is not None:
        return spec.training.context_length
    sizes = getattr(spec.output.network, family(spec.family.value).block or "", None)
    own: int | None = getattr(sizes, "context_length", None)
    if own is not None or base is None or base.model is None or base.model.architecture is None:
        return own
    longest = base.model.architecture.context_length
    return None if longest is None else min(longest, _LONGEST_OF_BASE)


_LONGEST_OF_BASE = 4096
"""As far as ``training.contextLength`` goes by itself beside a base."""


def sized(spec: TrainingJobSpec) -> ModelConfig:
    """The sizes of ``output`` with the context that is trained on, by which attention is counted."""
    model, entry = spec.output.network, family(spec.family.value)
    sizes, length = getattr(model, entry.block or "", None), spec.training.context_length
    if sizes is None or length is None or not hasattr(sizes, "context_length"):
        return model
    return model.model_copy(update={entry.block: sizes.model_copy(update={"context_length": length})})


def adapter_of(spec: TrainingJobSpec) -> Adapter | None:
    """None where all weights learn."""
    return None if spec.lora is None else Adapter(parameters=0)


def _parameters(base: NamedModel) -> int | None:
    architecture = base.model.architecture if base.model is not None else None
    return None if architecture is None else architecture.parameters


def _network_key(spec: TrainingJobSpec, base: NamedModel | None) -> str:
    """A hash of what decides the sizes of the network: those of ``output``, and of a base its weights and vocabulary.
    A base that was trained further is as fast as before."""
    sizes = spec.output.network.model_dump(mode="json", exclude_none=True)
    architecture = base.model.architecture if base is not None and base.model is not None else None
    known = None if architecture is None else [architecture.parameters, architecture.vocabulary_size]
    name = base.reference.name if base is not None and known is None else None
    lora = None if spec.lora is None else spec.lora.model_dump(mode="json")
    text = json.dumps([sizes, known, name, lora], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
