"""What every family says of itself: facts as class attributes, formulas as methods that may not know.

The runtime's half of a family stands in ``images/runtime/hostler_runtime/families/<name>``; nothing of it is imported
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from hostler.families.names import FamilyName
from hostler_contract import ModelConfig, Objective, SampleRequest, Supervision
from hostler_contract.architectures import TransformerSizes

FROM_SCRATCH = frozenset({Objective.PRETRAIN, Objective.FINETUNE})
"""What every family can do."""
BYTES_PER_TRAINED_PARAMETER = 16
"""fp32 weights and gradients, and the two moments of AdamW: 4 + 4 + 8."""


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether the bundled runtime does something for a family; the reason is a sentence that users read."""

    available: bool = True
    reason: str = ""


class Family:
    """One family. Formulas reach the containers as numbers; no container holds a second copy of them.

    A formula answers None where the sizes do not decide it, and the trainer counts.
    """

    name: ClassVar[FamilyName]
    """Name in ``spec.family``."""
    task: ClassVar[str]
    """Task in the words of model hubs."""
    apis: ClassVar[tuple[str, ...]]
    """HTTP paths under which a server of this family answers."""
    unit: ClassVar[str] = "tokens"
    """What speed is counted in."""
    block: ClassVar[str] = ""
    """Field of ``ModelConfig`` with the family's sizes; empty where there is none."""
    formats: ClassVar[tuple[str, ...]] = ()
    """Formats of data that it can learn from."""
    objectives: ClassVar[frozenset[Objective]] = FROM_SCRATCH
    lora: ClassVar[bool] = False
    """Whether a low-rank adapter can be trained instead of all weights."""
    supervisions: ClassVar[frozenset[Supervision]] = frozenset()
    """Where its targets come from. What steers the output, such as a caption, is a condition and no target."""
    heads: ClassVar[Mapping[str, frozenset[Supervision]]] = MappingProxyType({})
    """Where the targets of each head come from, for families whose block has a field ``head``."""
    shrinks: ClassVar[bool] = False
    """Whether whole channels of its layers can be pruned, which makes the model smaller."""
    packs: ClassVar[bool] = False
    """Whether it has sequences of which several fit into one row."""
    shards: ClassVar[bool] = True
    """Whether one network at a time learns, so that its weights can be spread over processes."""
    learns_whole: ClassVar[bool] = False
    """Whether a stored model is one network, all of which learns; else only some of its parts do at a time."""
    widened_on_cores: ClassVar[bool] = False
    """Whether servers without an accelerator hold weights in fp32 that are stored in fewer bits."""
    parts: ClassVar[Mapping[str, tuple[FamilyName, ...]]] = MappingProxyType({})
    """Parts that another Model may bring, and the families that have them."""
    adapters: ClassVar[bool] = False
    """Whether a request may choose among low-rank adapters beside the served model."""
    training: ClassVar[Availability] = Availability()
    """Whether the bundled runtime trains it."""
    serving: ClassVar[Availability] = Availability()
    """Whether the bundled runtime serves it."""

    def task_of(self, model: ModelConfig) -> str:
        """Task of a model with these sizes, where they decide it."""
        return self.task

    def apis_of(
        self, task: str | None, *, chat_template: bool | None = None, translates: bool | None = None
    ) -> tuple[str, ...]:
        """HTTP paths under which a server of a model of this task answers usefully. ``chat_template`` and
        ``translates`` are None where nobody knows whether there is a template, and whether speech is translated."""
        return self.apis

    def head_of(self, task: str) -> str | None:
        """The head of a model of this task, in a family whose heads are for different ones."""
        return None

    def parameters(self, model: ModelConfig) -> int | None:
        """Number of weights."""
        return None

    def transformer_sizes(self, model: ModelConfig) -> TransformerSizes | None:
        """Of a network on tokens; None for others."""
        return None

    def training_flops(self, model: ModelConfig) -> float | None:
        """Operations of one forward and backward pass over all weights, for one unit."""
        return None

    def training_bytes(self, model: ModelConfig) -> int | None:
        """Memory that weights, gradients and optimizer state take together, without activations."""
        weights = self.parameters(model)
        return None if weights is None else weights * BYTES_PER_TRAINED_PARAMETER

    def kv_bytes_per_token(self, model: ModelConfig, *, bytes_per_value: int) -> int | None:
        """Key-value cache of one token of context."""
        return None

    def sample_request(self) -> SampleRequest:
        """A request that every model of the family can answer."""
        raise LookupError(f"family {self.name}: {self.serving.reason}")
