"""Whether a model fits into the memory of the devices that it asks for: a sum, made before any pod exists.

Every term is a lower bound, and the device is credited with all that its data sheet says: what is refused here could
never have fitted. The trainer makes the same sum once it knows the data (``hostler_runtime/room.py``); what it says
before it has seen any is said here already. Of families whose stored weights are parts that do not all learn at once,
of pools whose memory nobody knows, and of models whose size nobody knows, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hostler.api.hyperparameters import OnOutOfMemory, Parallelism, Precision
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import ModelSpec
from hostler.api.objectives import Prune, PruneMethod
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import family
from hostler.planning import quantities
from hostler.planning.acceptance import PoolChoice
from hostler.planning.models import NamedModel, rounding, stored_in_halves
from hostler.planning.pools import PoolView
from hostler.planning.rejection import Rejection, rejection
from hostler_contract import ModelConfig, Objective

STORED_BYTES, TRAINED_BYTES = 4, 16
"""Of one weight in fp32, as trainers hold it; with its gradient and the two moments of AdamW."""
HALF_BYTES = 2
"""Of one weight that does not learn, which trainers hold as it is stored where they compute in half precision."""
LOGIT_BYTES = 8
"""Of one logit in fp32, and of its gradient."""
SHORTEST_CONTEXT = 8
_FEWEST_TOKENS = 300
"""The smallest vocabulary that a tokenizer of our own may end up with."""
_MOST_PROCESSES = 1024
_GIB = 2**30
_LEARNING = "weights, gradients and optimizer state"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What of a job decides how much of its network one process holds."""

    processes: int
    sharded: bool
    lora: bool
    rows: int
    """Sequences that are computed at once."""
    halves: bool = False
    """Whether products are computed in half precision."""
    length: int
    """Tokens of each; 0 where only the data can say."""


def reject_memory_of_job(
    spec: TrainingJobSpec, *, base: NamedModel | None, choice: PoolChoice, processes: int
) -> Rejection | None:
    """A network that could not be trained on these devices however many of the allowed pods there are.

    ``processes`` is the most that the job may have.
    """
    memory = memory_of_process(choice.view, spec.resources.memory)
    run = _run(spec, processes=processes, view=choice.view)
    terms = training_terms(spec, base.model if base else None, run)
    if memory is None or choice.view is None or sum(terms.values()) <= memory:
        return None
    path = "spec.base" if base else "spec.output"
    what = base.title if base else "such a network"
    ways = _ways(spec, base.model if base else None, run, view=choice.view, memory=memory)
    text = f"{what} does not fit: {_sum(terms)}, and {_capacity(choice.view, memory)}: {'; or '.join(ways)}"
    return rejection(TrainingReason.MODEL_TOO_LARGE, path, text)


def reject_memory_of_service(spec: InferenceServiceSpec, *, model: ModelSpec, choice: PoolChoice) -> Rejection | None:
    """Weights that are, with the cache of one answer, more than one device holds: a replica computes on one."""
    memory = memory_of_process(choice.view, spec.resources.memory)
    terms = serving_terms(spec, model, on_cores=choice.view is not None and choice.view.pool.resource is None)
    if memory is None or choice.view is None or sum(terms.values()) <= memory:
        return None
    ways = [_larger(choice.view, sum(terms.values()))]
    if sum(serving_terms(spec, model, on_cores=False, answers=False).values()) <= memory and len(terms) > 1:
        ways.insert(0, "lower serving.maxNewTokens")
    if rounding(model) is None and Objective.QUANTIZE in family(model.known_family.value).objectives:
        ways.append("serve a quantized Model of it (a TrainingJob with objective quantize)")
    title = f"{spec.model_ref.kind} {spec.model_ref.name}"
    text = f"{title} does not fit: {_sum(terms)}, and {_capacity(choice.view, memory)}: {'; or '.join(ways)}"
    return rejection(TrainingReason.MODEL_TOO_LARGE, "spec.modelRef", text)


def certain_terms(spec: TrainingJobSpec, *, base: ModelSpec | None, view: PoolView, processes: int) -> dict[str, int]:
    """What each of ``processes`` takes at least, by what it is for; empty where the size is not known."""
    return training_terms(spec, base, _run(spec, processes=processes, view=view))


def training_terms(spec: TrainingJobSpec, base: ModelSpec | None, run: Run) -> dict[str, int]:
    """Bytes of one process in the moment that takes most, by what they are for, at least; empty where the size of the
    network is not known."""
    if not family(spec.family.value).learns_whole:
        return {}
    terms = _network_terms(spec, base, run)
    vocabulary = base.architecture.vocabulary_size if base is not None and base.architecture is not None else None
    if terms and vocabulary and run.length and family(spec.family.value).block == "transformer":
        terms["logits and their gradients"] = run.rows * run.length * vocabulary * LOGIT_BYTES
    return max((terms, _before_sharding(spec, base, run)), key=lambda found: sum(found.values()))


def _before_sharding(spec: TrainingJobSpec, base: ModelSpec | None, run: Run) -> dict[str, int]:
    """Each process brings the whole network onto its device, and only there it is shared out."""
    weights = _made(spec, base) if _is_fresh(spec) else weights_of(base)
    if not weights or not run.sharded:
        return {}
    each = _frozen_bytes(base, run) if run.lora else STORED_BYTES
    return {"weights, which each process holds whole before they are shared out": weights * each}


def _frozen_bytes(base: ModelSpec | None, run: Run) -> int:
    """Of one weight of a base that does not learn."""
    return HALF_BYTES if base is not None and run.halves and stored_in_halves(base) else STORED_BYTES


def _network_terms(spec: TrainingJobSpec, base: ModelSpec | None, run: Run) -> dict[str, int]:
    shares = run.processes if run.sharded else 1
    if _is_fresh(spec):
        made = _made(spec, base)
        student = {_LEARNING: made * TRAINED_BYTES // shares} if made else {}
        # Each process asks a whole teacher.
        return {"the teacher's weights": asked, **student} if (asked := _teacher(base, run)) else student
    weights = weights_of(base)
    if weights is None:
        return {}
    if run.lora:
        return {"weights": weights * _frozen_bytes(base, run) // shares}
    if spec.training.steps == 0:
        return {"weights": weights * STORED_BYTES // shares}
    learning = {_LEARNING: _left_over(spec, weights) * TRAINED_BYTES // shares}
    if spec.objective is Objective.PREFERENCE:
        return {**learning, "weights of the reference": weights * _frozen_bytes(base, run)}
    return learning


def _is_fresh(spec: TrainingJobSpec) -> bool:
    """Whether what learns begins with random weights: without a base, or as the student of one."""
    return spec.base is None or spec.objective is Objective.DISTILL


def _made(spec: TrainingJobSpec, base: ModelSpec | None) -> int | None:
    teaches = base.architecture.vocabulary_size if base is not None and base.architecture is not None else None
    return family(spec.family.value).parameters(_smallest(spec.output.network, tokens=teaches or _FEWEST_TOKENS))


def weights_of(model: ModelSpec | None) -> int | None:
    """How many weights a model has; None where nobody knows."""
    return model.architecture.parameters if model is not None and model.architecture is not None else None


def _teacher(model: ModelSpec | None, run: Run) -> int | None:
    """One that is quantized is asked as it is stored."""
    if model is not None and rounding(model) is not None:
        return model.memory.weights_bytes if model.memory else None
    weights = weights_of(model)
    return weights * _frozen_bytes(model, run) if weights else None


def _left_over(spec: TrainingJobSpec, weights: int) -> int:
    """Weights that learn: channels that are pruned go before."""
    prune = spec.prune or Prune()
    if spec.objective is Objective.PRUNE and prune.method is PruneMethod.STRUCTURED:
        return math.floor(weights * (1 - float(prune.sparsity)))
    return weights


def _smallest(network: ModelConfig, *, tokens: int) -> ModelConfig:
    """The network with as many tokens as its teacher has, or as few as its tokenizer may find in the data."""
    fewer = {
        name: block.model_copy(update={"vocabulary_size": tokens})
        for name in ("transformer", "encoder", "speech")
        if (block := getattr(network, name)) is not None
    }
    return network.model_copy(update=fewer)


def serving_terms(
    spec: InferenceServiceSpec, model: ModelSpec, *, on_cores: bool, answers: bool = True
) -> dict[str, int]:
    """Bytes of one replica, by what they are for, at least; empty where the size of the model is not known."""
    if model.memory is None:
        return {}
    stored, terms = model.memory.weights_bytes, {}
    if not on_cores:
        terms["weights"] = stored
    elif (parameters := weights_of(model)) and _is_widened(model):
        terms["weights in fp32, in which cores compute"] = parameters * STORED_BYTES
    else:
        # Weights that are used as they are stored are mapped, and the kernel may drop pages of them.
        return {}
    token = model.memory.kv_bytes_per_token
    if token and answers:
        tokens = spec.serving.max_new_tokens
        context = model.architecture.context_length if model.architecture else None
        terms["key-value cache of one longest answer"] = token * min(tokens, context or tokens)
    return terms


def _is_widened(model: ModelSpec) -> bool:
    """Whether cores hold the weights in more bytes than the files."""
    return stored_in_halves(model) and family(model.known_family.value).widened_on_cores


def _run(spec: TrainingJobSpec, *, processes: int, view: PoolView | None) -> Run:
    options = spec.training
    parts = options.gradient_accumulation * processes
    halves = options.on_out_of_memory is OnOutOfMemory.SHRINK
    return Run(
        processes=processes,
        sharded=options.parallelism is Parallelism.SHARDED,
        lora=spec.lora is not None,
        rows=1 if halves else max(1, options.batch_size // parts),
        # Of cores the same memory takes the base in fp32 first.
        halves=options.precision is not Precision.FP32 and view is not None and view.pool.resource is not None,
        length=options.context_length or 0,
    )


def _ways(spec: TrainingJobSpec, base: ModelSpec | None, run: Run, *, view: PoolView, memory: int) -> list[str]:
    """What would let it fit, the nearest first, each with the figure that is enough as far as this sum goes."""

    def needs(other: Run) -> int:
        return sum(training_terms(spec, base, other).values())

    def fits(other: Run) -> bool:
        return needs(other) <= memory

    knows, found = family(spec.family.value), []
    if run.rows > 1 and fits(replace(run, rows=1)):
        found.append("raise training.gradientAccumulation, so that fewer sequences are computed at once")
    if length := _largest(run.length - 1, lambda length: fits(replace(run, length=length))):
        found.append(f"set training.contextLength to {length:,} at most")
    adapted = replace(run, lora=True)
    may_adapt = spec.objective in (Objective.FINETUNE, Objective.PREFERENCE) and base is not None and knows.lora
    if may_adapt and not run.lora and fits(adapted):
        found.append(f"train an adapter with spec.lora, for which {_bytes(needs(adapted))} are enough")
    if knows.shards and (processes := _enough_processes(run, fits)):
        how = f"{processes} processes (pods.max times perPod)"
        found.append(f"take {how}" if run.sharded else f"set training.parallelism to sharded with {how}")
    return [*found, _larger(view, needs(run)), "start from a smaller base" if base else "take smaller sizes"]


def _largest(most: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number up to ``most`` that fits, of those from the smallest context on; None where none does."""
    low, high = SHORTEST_CONTEXT, most
    if high < low or not fits(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _enough_processes(run: Run, fits: Callable[[Run], bool]) -> int | None:
    """The least power of two of processes over which shards are small enough; None where no number of them helps."""
    powers = (2**power for power in range(1, _MOST_PROCESSES.bit_length()))
    return next((n for n in powers if fits(replace(run, sharded=True, processes=n, rows=1))), None)


def memory_of_process(view: PoolView | None, pod: str) -> int | None:
    """Bytes that one process may have at most; None where nobody knows."""
    if view is None or view.pool.kind is None or view.pool.problem is not None:
        return None
    kind = view.pool.kind
    if view.pool.resource is None:
        return quantities.whole(pod)
    if kind.kind == "ipu" and kind.streaming_memory_gib is None:
        return None  # Weights need not be in the memory on the chip, and nobody knows how much is beside it.
    if kind.memory_gib is None:
        return None
    return int((kind.memory_gib + (kind.streaming_memory_gib or 0)) * _GIB)


def _sum(terms: Mapping[str, int]) -> str:
    added = " + ".join(f"{_bytes(size)} {what}" for what, size in terms.items())
    total = f" = {_bytes(sum(terms.values()))}" if len(terms) > 1 else ""
    return f"it needs at least {added}{total}"


def _capacity(view: PoolView, memory: int) -> str:
    if view.pool.resource is None:
        return f"a pod has spec.resources.memory, {_bytes(memory)}"
    return f"one {view.pool.spec.accelerator_type} of pool {view.pool.name} has {_bytes(memory)}"


def _larger(view: PoolView, needed: int) -> str:
    if view.pool.resource is None:
        return f"raise spec.resources.memory above {_bytes(needed)}"
    return f"take a pool whose accelerators have more than {_bytes(needed)}"


def _bytes(count: int) -> str:
    return quantities.show_bytes(count)
