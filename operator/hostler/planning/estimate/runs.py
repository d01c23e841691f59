"""The network of a job and how one device computes it, from which arithmetic and memory are estimated. Pure."""

from __future__ import annotations

from dataclasses import replace

from hostler.accelerators import AcceleratorType
from hostler.api.hyperparameters import OnOutOfMemory, PackingMode, Parallelism
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.planning.devicememory import certain_terms, memory_of_process
from hostler.planning.estimate.jobs import length_of, sized
from hostler.planning.estimate.memory import memory_of_training
from hostler.planning.estimate.networks import network_of_job, network_of_model
from hostler.planning.estimate.result import Memory
from hostler.planning.estimate.shapes import Adapter, Network, Sharding, TrainingRun
from hostler.planning.estimate.speed import precision_of
from hostler.planning.estimate.switches import Held, Switches
from hostler.planning.models import NamedModel, rounding, stored_in_halves
from hostler.planning.pools import PoolView
from hostler.planning.quantities import show_bytes
from hostler_contract import Objective, Supervision

_WHOLE_TRAINING = (Objective.PRETRAIN, Objective.FINETUNE)
_ON_CORES = "fp32"


def network_of(spec: TrainingJobSpec, base: NamedModel | None) -> Network | None:
    """What learns, with its sizes; None for networks that are none of tokens, where nobody knows the sizes, and where
    more than this one network computes."""
    if spec.objective not in _WHOLE_TRAINING or spec.supervision is Supervision.SEMI_SUPERVISED:
        return None
    if base is None:
        return network_of_job(spec.family.value, sized(spec))
    if base.model is None or rounding(base.model) is not None:
        return None
    return network_of_model(base.model.architecture)


def run_of(
    spec: TrainingJobSpec, network: Network, *, base: NamedModel | None, view: PoolView, processes: int
) -> TrainingRun | None:
    """How each of ``processes`` computes it; None where nobody says how long a sequence is."""
    length = length_of(spec, base)
    if not length or view.pool.kind is None:
        return None
    training = spec.training
    return TrainingRun(
        devices=processes,
        sequence_length=length,
        rows=max(1, training.batch_size // (training.gradient_accumulation * processes)),
        accumulation=training.gradient_accumulation,
        precision=_precision(spec, view, view.pool.kind),
        sharding=Sharding.FULL if training.parallelism is Parallelism.SHARDED else Sharding.REPLICATED,
        adapter=None if spec.lora is None else Adapter(parameters=adapter_parameters(network, rank=spec.lora.rank)),
    )


def _precision(spec: TrainingJobSpec, view: PoolView, kind: AcceleratorType) -> str:
    asked = spec.training.precision.value
    return (precision_of(kind, asked) or asked) if view.pool.resource else _ON_CORES


def adapter_parameters(network: Network, *, rank: int) -> int:
    """Weights of adapters beside every matrix of every layer: ``rank`` for each row and each column of it."""
    hidden = network.hidden_size
    queries, keys = network.heads * network.head_size, network.kv_heads * network.head_size
    attention = 2 * (hidden + queries) + 2 * (hidden + keys)
    inner = (3 if network.gated else 2) * (hidden + network.intermediate_size) * max(1, network.experts)
    return rank * network.layers * (attention + inner)


def memory_of_job(spec: TrainingJobSpec, *, base: NamedModel | None, view: PoolView, processes: int) -> Memory | None:
    """What one device is expected to take at its worst moment; None where the sizes are not known."""
    network = network_of(spec, base)
    run = None if network is None else run_of(spec, network, base=base, view=view, processes=processes)
    if network is None or run is None:
        return None
    switches = _switches(spec, base, view=view, run=run)
    capacity = memory_of_process(view, spec.resources.memory)
    found = memory_of_training(network, run, device_bytes=capacity, switches=switches)
    model = base.model if base is not None else None
    certain = certain_terms(spec, base=model, view=view, processes=processes)
    if sum(certain.values()) > found.peak:
        # Before the first step: each process brings the whole network onto its device, and then shares it out.
        rows = 0 if capacity is not None and sum(certain.values()) > capacity else found.largest_rows
        found = replace(found, terms=tuple(certain.items()), largest_rows=rows)
    return replace(found, note=_note(found, spec, run))


def _switches(spec: TrainingJobSpec, base: NamedModel | None, *, view: PoolView, run: TrainingRun) -> Switches:
    """Those of the runtime's trainer, which holds what does not learn as it is stored where it computes in halves."""
    on_cores = view.pool.resource is None
    halves = base is not None and base.model is not None and stored_in_halves(base.model)
    narrow = spec.lora is not None and halves and run.precision != _ON_CORES
    # Torch's AdamW works on one tensor after the other on cores, without a copy of all that learns.
    return Switches(base=Held.BF16 if narrow else None, fused=on_cores)


def _note(found: Memory, spec: TrainingJobSpec, run: TrainingRun) -> str:
    """What is to be done where it is expected not to fit; empty where it fits or nobody knows."""
    if found.fits is not False or found.device is None or found.largest_rows is None:
        return ""
    takes = f"{show_bytes(found.peak)} of {show_bytes(found.device)}"
    if found.largest_rows < 1:
        return f"one row at a time is expected to take more than there is ({takes} for {run.rows})"
    if family(spec.family.value).packs and spec.training.packing.mode is PackingMode.AUTO:
        return ""  # Short sequences share rows: how many rows there are only the data can say.
    text = f"{run.rows} rows at a time are expected to take {takes}, {found.largest_rows} fit"
    if spec.training.on_out_of_memory is OnOutOfMemory.SHRINK:
        return f"{text}: the trainer takes as many as it finds room for"
    accumulation = -(-spec.training.batch_size // (found.largest_rows * run.devices))
    return f"{text}: set training.gradientAccumulation to {accumulation}"
