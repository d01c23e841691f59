"""Bytes that a forward pass leaves for the backward pass, by what the layers of a transformer keep.

Counted as Korthikanti et al. count (arXiv 2205.05198, section 4.1: 34 bytes for each token, layer and unit of width of
GPT in half precision, of which the terms below are the parts), with attention that stores no score matrix (flash or
memory-efficient), other norms and feed-forward networks, and other types. What torch keeps of the trainer's own
networks is compared with the sum in ``tests/runtime/training/test_saved_bytes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostler.planning.estimate.shapes import Checkpointing, Network, TrainingRun
from hostler.planning.estimate.switches import Held, Switches

_WIDE = ("fp32", "tf32")
"""Precisions whose products take four bytes a number; of fp8 and fp4, what is kept is still in half precision."""
_RMS_COPY = 4
"""Bytes of a number that an RMS norm widens to fp32 and keeps, unless it is compiled."""
_FEED_FORWARD_EAGER = {"gated": 4, "gelu": 2, "gelu of GPT-2": 5}
"""Numbers kept for each unit of inner width. Gated: gate, its activation, the other half, their product. GPT-2's own
GELU is put together out of operations of which each keeps something."""
_FEED_FORWARD_COMPILED = {"gated": 3, "gelu": 2, "gelu of GPT-2": 2}
_LOSS = 12
"""Bytes of a logit at the beginning of the backward pass: its logarithmic softmax in fp32, and two gradients."""
_LOSS_COMPILED = 10
"""The logit in fp32, its gradient in fp32 and in half precision."""
PARTS_OF_LOSS = 8
"""Of a loss in parts, as torchtune and others divide it."""
MASKED_SHARE = 0.15
"""Positions of an encoder that are asked in masked language modelling (BERT, arXiv 1810.04805)."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Bytes on one device, of one micro-batch."""

    inputs: float
    """What enters the layers: all that full checkpointing keeps."""
    layer: float
    """All that one layer keeps."""
    all: float
    """What is kept by the end of the forward pass, in the mode of the run, without logits."""
    logits: float
    """Logits and their gradients, at the worst moment."""
    masks: float
    """Attention masks of rows that several sequences share."""


def kept(network: Network, run: TrainingRun, switches: Switches) -> Kept:
    """What a micro-batch keeps on one device."""
    tokens = run.rows * run.sequence_length
    item, stream = item_bytes(run), _stream_bytes(run, switches)
    ways = switches.tensor_parallel
    inputs = tokens * network.layers * network.hidden_size * stream / ways
    layer = tokens * _layer_bytes(network, run, switches) / ways
    everything = {
        Checkpointing.NONE: layer * network.layers,
        Checkpointing.SELECTIVE: (layer - tokens * _attention_bytes(network, run) / ways) * network.layers,
        Checkpointing.FULL: inputs,
    }[run.checkpointing]
    asked = tokens * (1.0 if network.causal else MASKED_SHARE)
    return Kept(
        inputs=inputs,
        layer=layer,
        # Beside the layers there are the embedding's sum and the last norm.
        all=everything + 2 * tokens * network.hidden_size * stream / ways,
        logits=asked * network.vocabulary_size * logit_bytes(run, switches) / ways,
        masks=_masks(network, run) * item,
    )


def item_bytes(run: TrainingRun) -> int:
    """Of one number that goes into a product."""
    return 4 if run.precision in _WIDE else 2


def logit_bytes(run: TrainingRun, switches: Switches) -> float:
    """Bytes of one logit with its gradients, at the worst moment of the loss."""
    item = item_bytes(run)
    if not switches.chunked_loss:
        return _LOSS_COMPILED if switches.compiled and item == 2 else _LOSS
    if switches.compiled:
        return item * (1 + 1 / PARTS_OF_LOSS)
    # Each part keeps its logarithmic softmax for the backward pass.
    return item + 4 + 8 / PARTS_OF_LOSS


def is_masked(network: Network, run: TrainingRun) -> bool:
    """Whether attention is given a mask: rows that several sequences share, and encoders, whose rows have padding."""
    return run.mean_length is not None or not network.causal


def _layer_bytes(network: Network, run: TrainingRun, switches: Switches) -> float:
    """Of one token in one layer."""
    item, stream, width = item_bytes(run), _stream_bytes(run, switches), network.hidden_size
    norm = stream
    if network.gated and not switches.compiled:
        # The normalized number is kept for the gradient of the norm's weight, which an adapter has not.
        norm = _RMS_COPY + (0 if run.adapter is not None else stream)
    # Autocast makes a copy in half precision for each product; where the types are the same all read one number.
    readers = _readers(network) if stream != item and not switches.compiled else 2
    masks = 2 if switches.dropout else 0
    around = width * (2 * norm + readers * item + masks)
    return around + _attention_bytes(network, run) + _feed_forward_bytes(network, run, switches)


def _readers(network: Network) -> int:
    """Products that read the results of the two norms; GPT-2 computes queries, keys and values with one."""
    attention = 3 if network.gated or not network.causal else 1
    return attention + (2 if network.gated else 1)


def _attention_bytes(network: Network, run: TrainingRun) -> float:
    """Queries, keys, values and the result. Beside a mask, grouped keys and values are copied for each head."""
    whole = network.heads * network.head_size
    grouped = whole if is_masked(network, run) else network.kv_heads * network.head_size
    return item_bytes(run) * (2 * whole + 2 * grouped)


def _feed_forward_bytes(network: Network, run: TrainingRun, switches: Switches) -> float:
    kind = "gated" if network.gated else ("gelu of GPT-2" if network.causal else "gelu")
    copies = (_FEED_FORWARD_COMPILED if switches.compiled else _FEED_FORWARD_EAGER)[kind]
    inner = copies * network.intermediate_size
    if not network.experts:
        return item_bytes(run) * inner
    # Each expert reads a copy of the token, and what it answers is kept to be weighed.
    return item_bytes(run) * network.active_experts * (inner + 2 * network.hidden_size)


def _stream_bytes(run: TrainingRun, switches: Switches) -> int:
    """Of one number of the residual stream, which autocast leaves in the type of the weights."""
    held = switches.base if run.adapter is not None and switches.base is not None else switches.held
    return 4 if held is Held.FP32 else item_bytes(run)


def _masks(network: Network, run: TrainingRun) -> float:
    """Positions of masks that are held at once."""
    if not is_masked(network, run):
        return 0
    kinds = 2 if 0 < network.windowed_layers < network.layers else 1
    return kinds * run.rows * run.sequence_length**2
