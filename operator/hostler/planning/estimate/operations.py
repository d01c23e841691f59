"""Operations of training and of answering: what a network's own arithmetic is, counted from its sizes.

An operation is one multiplication or one addition. Counted is the arithmetic of the model (*model FLOPs*); what is
computed again to save memory is beside it (:func:`recomputed`), because it makes no training faster. Attention is
counted by the mask that is really there: in a causal network a token sees half of its sequence on average, with a
sliding window no more than that, and in a packed row nothing of its neighbours. Papers that count the whole square
(PaLM, arXiv 2204.02311, appendix B: ``12 L H Q T``) have more, by :func:`attention_of_square`.
"""

from __future__ import annotations

from hostler.planning.estimate.result import PETAFLOP_DAY
from hostler.planning.estimate.shapes import Checkpointing, Network, TrainingRun

FORWARD, BACKWARD = 1, 2
"""How many times the operations of the forward pass each direction takes: the backward pass has a product for the
gradient of the input and one for that of the weights."""
TRAINED = FORWARD + BACKWARD
FROZEN = FORWARD + 1
"""Of weights that do not learn: the gradient goes through them, and none is for them."""
ASSUMED_UTILIZATION = 0.33
"""What "AI and Compute" (OpenAI, 2018) assumes of GPUs where operations cannot be counted."""


def training_operations(network: Network, run: TrainingRun) -> float:
    """Operations of one token, forward and backward.

    6 for each weight that the token is multiplied with (Kaplan et al., arXiv 2001.08361), 4 where it does not learn
    beside an adapter, whose own weights take 6; and attention.
    """
    attention = TRAINED * attention_of_token(network, run)
    if run.adapter is None:
        return 2.0 * TRAINED * network.active_parameters + attention
    return 2.0 * (FROZEN * network.active_parameters + TRAINED * run.adapter.parameters) + attention


def attention_of_token(network: Network, run: TrainingRun) -> float:
    """Operations of the two products of attention, scores and mixture, for one token in the forward pass."""
    length = run.mean_length if run.mean_length is not None else float(run.sequence_length)
    seen = length / 2 if network.causal else length
    windowed = network.windowed_layers if network.window else 0
    near = min(seen, float(network.window)) if windowed else 0.0
    layers = (network.layers - windowed) * seen + windowed * near
    return 4.0 * network.heads * network.head_size * layers


def causal_share(network: Network, run: TrainingRun) -> float:
    """Share of the operations of training that are attention's where a token sees only those before it, 0 to 1."""
    return attention_share(network, run) if network.causal else 0.0


def attention_share(network: Network, run: TrainingRun) -> float:
    """Share of the operations of training that are the two products of attention, 0 to 1."""
    return TRAINED * attention_of_token(network, run) / training_operations(network, run)


def attention_of_square(network: Network, length: int) -> float:
    """The same where every token is counted with every other one, as in PaLM's formula."""
    return 4.0 * network.heads * network.head_size * network.layers * length


def recomputed(network: Network, run: TrainingRun) -> float:
    """Operations of one token that are made a second time, because their results were not kept."""
    if run.checkpointing is Checkpointing.FULL:
        return 2.0 * network.active_parameters + attention_of_token(network, run)
    if run.checkpointing is Checkpointing.SELECTIVE:
        return attention_of_token(network, run)
    return 0.0


def answering_operations(network: Network, *, context: float) -> float:
    """Operations of reading or writing one token that sees ``context`` tokens."""
    return 2.0 * network.active_parameters + 4.0 * network.layers * network.heads * network.head_size * context


def kv_bytes_per_token(network: Network, *, bytes_per_value: float = 2) -> float:
    """Bytes of the key-value cache for one token of context; a sliding window bounds how many tokens stay, not this."""
    return 2.0 * network.layers * network.kv_heads * network.head_size * bytes_per_value


def operations_of_devices(
    *, devices: int, seconds: float, peak: float, utilization: float = ASSUMED_UTILIZATION
) -> float:
    """Operations of a run of which only its devices and its time are known ("AI and Compute", second method).

    ``peak`` is in operations per second of one device, dense.
    """
    return devices * seconds * peak * utilization


def petaflop_days(operations: float) -> float:
    """Operations in petaflop/s-days."""
    return operations / PETAFLOP_DAY
