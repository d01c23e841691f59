"""Bytes of one device at the worst moment of training, term by term, and how many rows fit at once.

A step has four moments that can be the worst: the loss (all that was kept is there, and the logits), the beginning of
the backward pass, its end (all gradients are there), and the optimizer's step. The sum is that of the worst.
``devicememory`` refuses by a lower bound; this is what is to be expected, and only warns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hostler.planning.estimate.activations import Kept, item_bytes, kept
from hostler.planning.estimate.result import Memory
from hostler.planning.estimate.shapes import Checkpointing, Network, Sharding, TrainingRun
from hostler.planning.estimate.switches import OURS, Held, Optimizer, Switches

CONTEXT = 2**29
"""Of the CUDA context with the kernels of torch and its libraries, half a GiB (300 to 600 MiB by device and version);
on cores, of the interpreter with them."""
FRAGMENTATION = 0.02
"""Share of what comes and goes within a step that the allocator rounds up or cannot give again (blocks of 2 MiB, and of
20 MiB where tensors are smaller; torch's notes on CUDA memory)."""
_MOMENT_8BIT = 1 + 4 / 256
_WIDENED = 12
"""Bytes of a weight in the step of an 8-bit optimizer, of the largest matrix: gradient and both moments in fp32."""
_MOST_ROWS = 2**16
_SINGLE = 4
_AHEAD = 2
"""Layers that FSDP has gathered at once: the one that computes, and the next."""
_IN_FLIGHT = 2
"""Layers whose activations are on their way to the host or back at once."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Weights of a network, by what is done with them."""

    learning: int
    frozen: int
    matrices: int
    """Weights in matrices of layers, of all experts."""

    @property
    def outside(self) -> int:
        """Weights of the base that are in no matrix of a layer: embeddings, output, norms."""
        return max(0, self.frozen - self.matrices)


def memory_of_training(
    network: Network, run: TrainingRun, *, device_bytes: int | None, switches: Switches = OURS
) -> Memory:
    """What one device takes at its worst moment. ``device_bytes`` is None where nobody knows what it has.

    Raises ``ValueError`` where a size is not positive or the devices cannot be divided as the switches say.
    """
    _check(network, run, switches)
    largest = None
    if device_bytes is not None:
        fits: Callable[[int], bool] = lambda rows: (  # noqa: E731
            _peak(network, replace(run, rows=rows), switches).peak <= device_bytes
        )
        largest = most(fits, at_most=_MOST_ROWS)
    return replace(_peak(network, run, switches), device=device_bytes, largest_rows=largest)


def most(fits: Callable[[int], bool], *, at_most: int) -> int:
    """The largest count from 1 to ``at_most`` that fits, where fewer always fit if more do; 0 where not even one."""
    if not fits(1):
        return 0
    low, high = 1, at_most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def matrices_of_layers(network: Network) -> int:
    """Weights in the matrices of all layers: attention and feed-forward networks, of every expert."""
    return network.layers * _matrices_of_layer(network)


def largest_matrix(network: Network) -> int:
    """Weights of the largest single matrix: most often the embedding."""
    return network.hidden_size * max(network.vocabulary_size, network.intermediate_size)


def _matrices_of_layer(network: Network) -> int:
    whole, grouped = network.heads * network.head_size, network.kv_heads * network.head_size
    attention = network.hidden_size * (2 * whole + 2 * grouped)
    inner = (3 if network.gated else 2) * network.hidden_size * network.intermediate_size
    return attention + inner * max(1, network.experts)


def _peak(network: Network, run: TrainingRun, switches: Switches) -> Memory:
    steady = _steady(network, run, switches)
    moments = _moments(network, run, switches)
    worst = max(moments, key=lambda terms: sum(terms.values()))
    passing = sum(worst.values())
    terms = {**steady, **worst, "fragmentation": passing * FRAGMENTATION, "libraries and context": CONTEXT}
    return Memory(terms=tuple((name, int(size)) for name, size in terms.items() if int(size)))


def parts_of(network: Network, run: TrainingRun) -> Parts:
    """Which weights learn, and which do not."""
    matrices = matrices_of_layers(network)
    if run.adapter is None:
        return Parts(learning=network.parameters, frozen=0, matrices=matrices)
    return Parts(learning=run.adapter.parameters, frozen=network.parameters, matrices=matrices)


def _steady(network: Network, run: TrainingRun, switches: Switches) -> dict[str, float]:
    """What is there from the first step to the last."""
    parts, shares = parts_of(network, run), _shares(run, switches)
    ways = switches.tensor_parallel
    shards = shares if run.sharding is Sharding.FULL else 1
    state = parts.learning * _state_bytes(switches) / ways
    if run.sharding is not Sharding.REPLICATED:
        state /= shares
    travelling = 0.0
    if run.sharding is Sharding.REPLICATED and shares > 1:
        # DistributedDataParallel sums gradients in buckets of its own.
        travelling = parts.learning * _gradient_bytes(switches) / ways
    weights = {
        "weights": parts.learning * switches.held.bytes / ways / shards,
        "weights that do not learn": _frozen_bytes(parts, switches) / ways / shards,
        "optimizer state": state,
    }
    if switches.offloaded_weights:
        weights = dict.fromkeys(weights, 0.0)
    return {**weights, "gradients on their way to the other processes": travelling}


def _frozen_bytes(parts: Parts, switches: Switches) -> float:
    base = switches.base or switches.held
    if base in (Held.FP32, Held.BF16):
        return parts.frozen * base.bytes
    return (parts.frozen - parts.outside) * base.bytes + parts.outside * Held.BF16.bytes


def _state_bytes(switches: Switches) -> float:
    moments = {
        Optimizer.ADAMW: 2 * (_SINGLE if switches.master else switches.held.bytes),
        Optimizer.ADAMW_8BIT: 2 * _MOMENT_8BIT,
    }.get(switches.optimizer, 0.0)
    return moments + (_SINGLE if switches.master else 0)


def _gradient_bytes(switches: Switches) -> float:
    return (switches.gradients or switches.held).bytes


def _moments(network: Network, run: TrainingRun, switches: Switches) -> list[dict[str, float]]:
    """What comes and goes within a step, at each moment that can be the worst."""
    found, grads = kept(network, run, switches), _gradients(network, run, switches)
    copies = _copies(network, run, switches)
    gathered = _gathered(network, run, switches)
    at_loss, layer = _at_loss(found, network, run, switches), _of_one_layer(found, network, run, switches)
    loss = {
        "gradients": grads.first,
        "activations": at_loss,
        "logits and their gradients": found.logits,
        "attention masks": found.masks,
        "weights in half precision for products": copies,
        "gathered layers": gathered,
    }
    begin = {
        **loss,
        "activations": at_loss + (layer if _recomputes(run, switches) else 0),
        "logits and their gradients": 0.0,
        "dequantized weights": _dequantized(network, run, switches),
    }
    end = {
        "gradients": grads.last,
        "activations": layer,
        "attention masks": found.masks,
        "gathered layers": gathered,
        "dequantized weights": begin["dequantized weights"],
    }
    step = {"gradients": grads.step, "optimizer's workspace": _workspace(network, run, switches)}
    return [loss, begin, end, step]


def _at_loss(found: Kept, network: Network, run: TrainingRun, switches: Switches) -> float:
    """What of the activations is on the device when the forward pass is over."""
    if not switches.offloaded_activations:
        return found.all
    of_a_layer = found.inputs / network.layers if run.checkpointing is Checkpointing.FULL else found.layer
    return min(found.all, _IN_FLIGHT * of_a_layer)


def _of_one_layer(found: Kept, network: Network, run: TrainingRun, switches: Switches) -> float:
    """What a layer needs while its backward pass runs: what it kept, or the gradients that take its place."""
    whole = _matrices_of_layer(network) / switches.tensor_parallel
    learns = run.adapter is None
    unreduced = whole * _gradient_bytes(switches) if learns and _is_short(run, switches) else 0.0
    return max(found.layer, unreduced)


def _is_short(run: TrainingRun, switches: Switches) -> bool:
    """Whether gradients of a layer are there for a moment only: they are applied, or shared out, at once."""
    return switches.step_in_backward or run.sharding is Sharding.FULL


def _recomputes(run: TrainingRun, switches: Switches) -> bool:
    return run.checkpointing is not Checkpointing.NONE or switches.offloaded_activations


@dataclass(frozen=True, kw_only=True)
class _Gradients:
    first: float
    """At the loss: what is left of micro-batches before, and the output matrix's own."""
    last: float
    """When the backward pass is over; where each process keeps a part, the output matrix's has still to be shared."""
    step: float
    """At the optimizer's step."""


def _gradients(network: Network, run: TrainingRun, switches: Switches) -> _Gradients:
    parts, each = parts_of(network, run), _gradient_bytes(switches)
    shares, ways = _shares(run, switches), switches.tensor_parallel
    shards = shares if run.sharding is Sharding.FULL or switches.sharded_gradients else 1
    whole = parts.learning * each / ways / shards
    if run.adapter is not None:
        return _Gradients(first=whole, last=whole, step=whole)
    output = network.vocabulary_size * network.hidden_size * each / ways
    if switches.offloaded_weights or switches.step_in_backward:
        # That of a tied output waits for the embedding.
        return _Gradients(first=output, last=output, step=0.0 if switches.offloaded_weights else output)
    first = max(whole, output) if run.accumulation > 1 else output
    return _Gradients(first=first, last=max(whole, output), step=whole)


def _copies(network: Network, run: TrainingRun, switches: Switches) -> float:
    """Autocast makes copies of fp32 weights, which the backward pass reads; of shards too, once they are gathered."""
    base = switches.base or switches.held if run.adapter is not None else switches.held
    if base is not Held.FP32 or item_bytes(run) == _SINGLE:
        return 0.0
    output = network.vocabulary_size * network.hidden_size
    return (matrices_of_layers(network) + output) * item_bytes(run) / switches.tensor_parallel


def _gathered(network: Network, run: TrainingRun, switches: Switches) -> float:
    """Layers whose shards are together, and what is in no layer: it stays so from the first product to the last."""
    if run.sharding is not Sharding.FULL or _shares(run, switches) == 1:
        return 0.0
    parts = parts_of(network, run)
    base = switches.held if run.adapter is None else (switches.base or switches.held)
    layers = min(_AHEAD, network.layers) * _matrices_of_layer(network) * base.bytes
    root = max(0, network.parameters - parts.matrices) * max(base.bytes, Held.BF16.bytes)
    return (layers + root) / switches.tensor_parallel


def _dequantized(network: Network, run: TrainingRun, switches: Switches) -> float:
    """The largest matrix of a layer, which is multiplied in half precision."""
    if run.adapter is None or switches.base not in (Held.INT8, Held.NF4):
        return 0.0
    return network.hidden_size * network.intermediate_size * Held.BF16.bytes / switches.tensor_parallel


def _workspace(network: Network, run: TrainingRun, switches: Switches) -> float:
    parts, shares = parts_of(network, run), _shares(run, switches)
    split = switches.tensor_parallel * (1 if run.sharding is Sharding.REPLICATED else shares)
    if switches.offloaded_weights or switches.optimizer is Optimizer.ADAMW_8BIT_PAGED:
        return 0.0
    if switches.optimizer is Optimizer.ADAMW_8BIT:
        largest = min(parts.learning, largest_matrix(network))
        return largest * _WIDENED / split
    if switches.fused or switches.optimizer is Optimizer.SGD:
        return 0.0
    widest = _SINGLE if switches.master else switches.held.bytes
    return parts.learning * widest / split


def _shares(run: TrainingRun, switches: Switches) -> int:
    """Devices over which training state can be shared out."""
    return max(1, run.devices // switches.tensor_parallel)


def _check(network: Network, run: TrainingRun, switches: Switches) -> None:
    sizes = {
        "layers": network.layers,
        "hidden size": network.hidden_size,
        "vocabulary": network.vocabulary_size,
        "parameters": network.parameters,
        "devices": run.devices,
        "rows": run.rows,
        "sequence length": run.sequence_length,
        "tensor parallel": switches.tensor_parallel,
    }
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}: it must be 1 or more")
    if run.devices % switches.tensor_parallel:
        raise ValueError(
            f"{run.devices} devices cannot be divided into groups of {switches.tensor_parallel} that share each layer"
        )
    if switches.held not in (Held.FP32, Held.BF16):
        raise ValueError(f"weights that learn are fp32 or bf16, not {switches.held}: quantize the base of an adapter")
