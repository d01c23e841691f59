"""What trainers do that changes how much memory they take and not what they compute.

The defaults are those of the runtime's own trainer: weights that learn in fp32 beside products in half precision
(autocast), AdamW of torch, no checkpointing. Others are for jobs with an image of their own, and for published runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Held(StrEnum):
    """How one weight is stored on the device."""

    FP32 = "fp32"
    BF16 = "bf16"
    """Or fp16."""
    INT8 = "int8"
    NF4 = "nf4"

    @property
    def bytes(self) -> float:
        """Of one weight, with its part of the scales."""
        return _BYTES[self]


_BYTES = {
    Held.FP32: 4.0,
    Held.BF16: 2.0,
    # A scale in fp32 for each row of a matrix (Dettmers et al., LLM.int8(), arXiv 2208.07339), rows of 1,024.
    Held.INT8: 1 + 4 / 1024,
    # A scale of 8 bits for 64 weights, and one of 32 bits for 256 of these (QLoRA, arXiv 2305.14314, section 3).
    Held.NF4: 0.5 + 1 / 64 + 4 / (64 * 256),
}


class Optimizer(StrEnum):
    """What is kept of each weight that learns."""

    ADAMW = "adamw"
    """Two moments in the type of the weight."""
    ADAMW_8BIT = "adamw-8bit"
    """Two moments of 8 bits with a scale in fp32 for each 256 (arXiv 2110.02861)."""
    ADAMW_8BIT_PAGED = "adamw-8bit-paged"
    """The same in memory of the host that the device reads: nothing of it counts."""
    SGD = "sgd"
    """Nothing."""


@dataclass(frozen=True, kw_only=True)
class Switches:
    """Everything is off, or as the runtime's own trainer has it, where nothing is said."""

    held: Held = Held.FP32
    """Weights that learn: fp32 or bf16."""
    base: Held | None = None
    """Weights that do not learn, beside an adapter; None means as ``held``. INT8 and NF4 are of the layers' matrices:
    embeddings and norms are bf16 then."""
    gradients: Held | None = None
    """None means as ``held``; fp32 beside bf16 where gradients are summed in single precision."""
    optimizer: Optimizer = Optimizer.ADAMW
    master: bool = False
    """Whether the optimizer has fp32 copies of bf16 weights, and its moments in fp32 (Megatron, nanotron)."""
    fused: bool = False
    """Whether the optimizer's step needs no temporary copy of all that learns. Torch's AdamW takes one by default on an
    accelerator (``foreach``)."""
    step_in_backward: bool = False
    """Whether each gradient is applied and freed as soon as it is there."""
    sharded_gradients: bool = False
    """ZeRO-2: gradients are shared out as the optimizer's state is."""
    compiled: bool = False
    """torch.compile: element-wise operations keep neither their copies in fp32 nor what is cheap to compute again."""
    chunked_loss: bool = False
    """Whether the loss is computed in parts, so that logits in fp32 and their gradients are there of one part only."""
    offloaded_activations: bool = False
    """Whether what layers keep waits in the host's memory."""
    offloaded_weights: bool = False
    """Whether shards of weights, gradients and optimizer state wait in the host's memory (FSDP's CPU offload)."""
    dropout: bool = False
    tensor_parallel: int = 1
    """Devices that share each layer, norms between them split along the sequence (Korthikanti et al., 2205.05198)."""


OURS = Switches()
"""Those of the runtime's own trainer."""
