"""Bytes of one device that serves a network on tokens, term by term, and how many sequences fit at once."""

from __future__ import annotations

from dataclasses import replace

from hostler.planning.estimate.memory import CONTEXT, FRAGMENTATION, largest_matrix, most
from hostler.planning.estimate.result import Memory
from hostler.planning.estimate.shapes import Network

_MOST_SEQUENCES = 2**20
_LOGIT_BYTES = 8
"""Of a logit in fp32, and of its probability while a token is drawn."""
_HALF = 2
_PREFILL = 2048
"""Tokens of prompts that are computed at once, as engines cut them (chunked prefill)."""


def memory_of_serving(
    network: Network | None,
    *,
    weights_bytes: int,
    kv_bytes_per_token: int,
    context: int,
    sequences: int,
    device_bytes: int | None,
    devices: int = 1,
    quantized: bool = False,
) -> Memory:
    """What one of the ``devices`` that share a replica takes while ``sequences`` of ``context`` tokens are answered.

    ``weights_bytes`` and ``kv_bytes_per_token`` are of the whole replica, as stored. ``network`` is None where its
    sizes are not known: then neither logits nor what a prompt's tokens take on their way are counted.
    ``Memory.largest_rows`` is the most sequences. Raises ``ValueError`` where a figure is too small to be one.
    """
    for name, size, least in (
        ("weights", weights_bytes, 0),
        ("key-value cache of a token", kv_bytes_per_token, 0),
        ("context", context, 1),
        ("sequences", sequences, 1),
        ("devices", devices, 1),
    ):
        if size < least:
            raise ValueError(f"{name} is {size}: it must be {least} or more")

    def at(count: int) -> Memory:
        cache = kv_bytes_per_token * _cached(network, context) * count
        passing = _passing(network, context=context, sequences=count)
        terms = {
            "weights": weights_bytes,
            "key-value cache": int(cache),
            **passing,
            "dequantized weights": largest_matrix(network) * _HALF if quantized and network is not None else 0,
        }
        shared = {name: size // devices for name, size in terms.items()}
        changing = sum(shared.values()) - shared["weights"]
        shared |= {"fragmentation": int(changing * FRAGMENTATION), "libraries and context": CONTEXT}
        return Memory(terms=tuple((name, size) for name, size in shared.items() if size), device=device_bytes)

    if device_bytes is None:
        return at(sequences)
    return replace(at(sequences), largest_rows=most(lambda n: at(n).peak <= device_bytes, at_most=_MOST_SEQUENCES))


def _cached(network: Network | None, context: int) -> float:
    """Tokens of a sequence whose keys and values are kept, as a mean over layers: those with a window keep no more."""
    if network is None or not network.window or not network.windowed_layers:
        return float(context)
    windowed = network.windowed_layers / network.layers
    return windowed * min(context, network.window) + (1 - windowed) * context


def _passing(network: Network | None, *, context: int, sequences: int) -> dict[str, int]:
    """What is there while tokens are computed: nothing is kept from one layer to the next."""
    if network is None:
        return {}
    tokens = max(sequences, min(_PREFILL, context * sequences))
    inner = (3 if network.gated else 2) * network.intermediate_size * max(1, network.active_experts)
    attention = 2 * network.heads * network.head_size + 2 * network.kv_heads * network.head_size
    widest = max(inner, attention) + 2 * network.hidden_size
    return {
        "activations": tokens * widest * _HALF,
        "logits": sequences * network.vocabulary_size * _LOGIT_BYTES,
    }
