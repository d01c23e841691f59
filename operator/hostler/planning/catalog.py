"""What an entry of the catalog needs, and the pools that have it: estimates, before anything of it is in the cluster.

What is refused later is refused by lower bounds; here somebody chooses, and the sum is what is usually enough. It is
not measured: weights, a key-value cache for several conversations, a fifth of the weights for what is computed on the
way, and what libraries take.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hostler.accelerators import Verb, compatibility
from hostler.api.inferenceservice import Serving
from hostler.api.model import ModelSpec
from hostler.api.tuning import TuningMethod
from hostler.families import FamilyName, family
from hostler.families.family import BYTES_PER_TRAINED_PARAMETER
from hostler.planning import quantities
from hostler.planning.models import stored_in_halves
from hostler.planning.pools import Pool
from hostler.planning.tuning import Value, chosen

CONVERSATION_TOKENS = 2048
"""Tokens of one conversation, of which a replica holds as many as a service computes together by default."""
_SINGLE = 4
"""Bytes of a value in fp32: what cores compute in, and what trainers hold."""
_HALF = 2
_ALWAYS_SINGLE = frozenset({FamilyName.TEXT_TO_IMAGE, FamilyName.TEXT_TO_VIDEO, FamilyName.GAN, FamilyName.VAE})
"""Families whose servers hold fp32 on accelerators too."""
_DECODERS = frozenset({FamilyName.CHAT, FamilyName.CODE})
_LOGIT = 8
"""Bytes of a logit in fp32, and of its gradient."""
_ON_THE_WAY = 0.2
_KEPT = 68
"""Bytes for each position and channel of a layer in fp32, twice those in half precision (arXiv 2205.05198). An adapter
keeps about half: inputs of weights that stay are not needed. Whisper base with two recordings grew by 1,340 MiB."""
_LAYERS = 30
"""Of a usual decoder; of smaller networks the figure is above what they need."""
_HEARD = 1500
"""Positions of half a minute of speech, to which recordings are filled up."""
MOST_PROCESSES = 64
"""Accelerators that a job may begin with; more of them take a manifest of one's own."""
_GIB = 2**30
_LIBRARIES = _GIB
_CHECKPOINTS = 3
"""Checkpoints on the volume at once: two that stay, and one that is being written."""
_STATE = 12
"""Bytes of a trained value in a checkpoint: itself and the two moments of AdamW, in fp32."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Memory, in bytes."""

    device: int
    """Of one accelerator."""
    cores: int
    """Of a pod that computes on its cores."""
    host: int
    """Of a pod beside its accelerator, through which the weights go."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a pool is for an entry."""

    pool: str
    possible: bool
    """Whether it can do it at all, however large it is."""
    fits: bool
    """False also where it is not known how large something is."""
    reason: str
    """In words, to go on after the pool's name."""


def serving_need(spec: ModelSpec) -> Need | None:
    """What a replica needs; None where the entry says no sizes."""
    if spec.memory is None or spec.architecture is None or spec.architecture.parameters is None:
        return None
    parameters = spec.architecture.parameters
    single = parameters * _SINGLE
    stored = single if spec.family in _ALWAYS_SINGLE else min(spec.memory.weights_bytes, single)
    cached = _cache(spec)
    widened = cached * _SINGLE // _stored_bytes(spec.memory.weights_bytes, parameters)
    return Need(device=_with_rest(stored, cached), cores=_with_rest(single, widened), host=stored + 2 * _LIBRARIES)


def tuning_need(
    spec: ModelSpec, method: TuningMethod, values: Mapping[str, Value] | None = None, *, processes: int = 1
) -> Need | None:
    """What a process needs to train with the defaults, or with ``values``. Of a batch the logits of a decoder count,
    and on cores, which keep all in fp32, what is kept for the gradients. Over several ``processes`` weights and what
    learns are spread, and each has its part of a batch; on cores they share one pod. None where the entry says no
    sizes."""
    if spec.architecture is None or spec.architecture.parameters is None:
        return None
    parameters = spec.architecture.parameters
    picked = values or chosen(method, {})
    frozen = _HALF if spec.family not in _ALWAYS_SINGLE and stored_in_halves(spec) else _SINGLE
    return Need(
        device=_with_rest(
            _learning(parameters, method, frozen=frozen) // processes, _logits(spec, picked, processes=processes)
        ),
        cores=_with_rest(
            _learning(parameters, method, frozen=_SINGLE),
            _logits(spec, picked) + _activations(spec, method, picked),
        ),
        host=parameters * _SINGLE + 2 * _LIBRARIES,
    )


def _learning(parameters: int, method: TuningMethod, *, frozen: int) -> int:
    """Bytes of weights, gradients and optimizer, with so many for each weight that does not learn."""
    learning = parameters * (frozen if method.rank is not None else BYTES_PER_TRAINED_PARAMETER)
    if method.beta is not None and method.rank is None:
        learning += parameters * frozen  # what it is compared with
    return learning


def processes_to_shard(spec: ModelSpec, method: TuningMethod, values: Mapping[str, Value], *, pool: Pool) -> int | None:
    """The least power of two of accelerators of this pool that are enough together; None where no number of them is,
    or where the family's networks cannot be spread."""
    memory = _memory_of(pool)
    if memory is None or pool.resource is None or not family(spec.known_family.value).shards:
        return None
    for count in (1 << power for power in range(1, MOST_PROCESSES.bit_length())):
        need = tuning_need(spec, method, values, processes=count)
        if need is not None and need.device <= memory and shared_out(values, processes=count) is not None:
            return count
    return None


def shared_out(values: Mapping[str, Value], *, processes: int) -> int | None:
    """``gradientAccumulation`` with which every process has as many rows of each part of a batch: the largest up to
    what is asked for; None where the batch cannot be shared out at all."""
    batch, wanted = int(values["batchSize"]), int(values.get("gradientAccumulation", 1))
    return next((parts for parts in range(wanted, 0, -1) if batch % (parts * processes) == 0), None)


def workspace_bytes(spec: ModelSpec, method: TuningMethod) -> int | None:
    """Size of the volume: checkpoints, which of an adapter are small, and the model that comes out."""
    if spec.architecture is None or spec.architecture.parameters is None:
        return None
    parameters = spec.architecture.parameters
    kept = 0 if method.rank is not None else _CHECKPOINTS * _STATE * parameters
    return kept + 2 * _SINGLE * parameters + _GIB


def place(spec: ModelSpec, pool: Pool, *, simulated: bool, verb: Verb, need: Need | None) -> Place:
    """Whether a pool takes it."""
    if pool.kind is None or pool.problem is not None:
        return Place(pool=pool.name, possible=False, fits=False, reason=pool.problem[1] if pool.problem else "")
    answer = compatibility(family=spec.known_family.value, accelerator=pool.kind, verb=verb, simulated=simulated)
    if not answer.possible:
        return Place(pool=pool.name, possible=False, fits=False, reason=answer.reason)
    fits, reason = _room(pool, need, simulated=simulated)
    return Place(pool=pool.name, possible=True, fits=fits, reason=reason)


def host_memory(pool: Pool, need: Need | None, *, simulated: bool) -> str | None:
    """``resources.memory`` of a pod on this pool, in whole gibibytes; None where the default has to do."""
    if need is None:
        return None
    return whole_gibibytes(need.cores if pool.resource is None or simulated else need.host)


def whole_gibibytes(size: int) -> str:
    """A quantity that is no less."""
    return f"{max(1, math.ceil(size / _GIB))}Gi"


def choose(places: Iterable[Place], *, unknown: bool) -> list[Place]:
    """Those that a manifest may name. ``unknown`` says that nobody knows how large the entry is."""
    return [each for each in places if each.fits or (unknown and each.possible)]


def _room(pool: Pool, need: Need | None, *, simulated: bool) -> tuple[bool, str]:
    assert pool.kind is not None
    if need is None:
        return False, "the entry does not say how large it is"
    kind = pool.kind
    there = _memory_of(pool)
    if pool.resource is None or (simulated and there is None):
        return True, f"cores, with {quantities.show_bytes(need.cores)} of memory for each pod"
    if there is None:
        return False, f"how much memory a {kind.id} has is not known"
    text = f"about {quantities.show_bytes(need.device)} of the {quantities.show_bytes(there)} of one {kind.id}"
    return need.device <= there, text


def _memory_of(pool: Pool) -> int | None:
    """Bytes of one accelerator, with those beside the chip; None where nobody knows them."""
    kind = pool.kind
    if kind is None or kind.memory_gib is None or (kind.kind == "ipu" and kind.streaming_memory_gib is None):
        return None
    return int((kind.memory_gib + (kind.streaming_memory_gib or 0)) * _GIB)


def _logits(spec: ModelSpec, values: Mapping[str, Value], *, processes: int = 1) -> int:
    """Those of all tokens that are computed at once, with gradients: of a large vocabulary, most of a batch."""
    vocabulary = spec.architecture.vocabulary_size if spec.architecture else None
    if vocabulary is None or spec.family not in _DECODERS or "contextLength" not in values:
        return 0
    rows = max(1, int(values["batchSize"]) // (int(values.get("gradientAccumulation", 1)) * processes))
    return rows * int(values["contextLength"]) * vocabulary * _LOGIT


def _activations(spec: ModelSpec, method: TuningMethod, values: Mapping[str, Value]) -> int:
    """What layers keep for the gradients of the rows that are computed at once. The entry says neither layers nor
    channels, but their product follows from the weights, 12 for each layer and square of the channels."""
    positions = _HEARD if spec.family is FamilyName.SPEECH_TO_TEXT else int(values.get("contextLength", 0))
    parameters = spec.architecture.parameters if spec.architecture else None
    if parameters is None:
        return 0
    channels = math.sqrt(_LAYERS * parameters / 12)
    kept = _KEPT / 2 if method.rank is not None else _KEPT
    rows = max(1, int(values["batchSize"]) // int(values.get("gradientAccumulation", 1)))
    return int(rows * positions * kept * channels)


def _cache(spec: ModelSpec) -> int:
    token = spec.memory.kv_bytes_per_token if spec.memory else None
    if token is None:
        return 0
    context = spec.architecture.context_length if spec.architecture else None
    return int(token * min(context or CONVERSATION_TOKENS, CONVERSATION_TOKENS) * Serving().max_batch_size)


def _stored_bytes(weights: int, parameters: int) -> int:
    """Of a value; some files hold a matrix twice, so the figure is no whole one."""
    return _SINGLE if weights >= (_SINGLE - 1) * parameters else _HALF


def _with_rest(weights: int, cached: int) -> int:
    return int(weights * (1 + _ON_THE_WAY)) + cached + _LIBRARIES
