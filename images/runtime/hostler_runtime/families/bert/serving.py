"""The serving half of encoders: embeddings from every one, and what its head is for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import torch

from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.artifacts import open_directory
from hostler_runtime.families.bert.inference import PACKED, answer
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.pooling import read_pooling
from hostler_runtime.families.bert.requests import TASKS, Reader, reading
from hostler_runtime.families.bert.tokenizer import SequenceMaker
from hostler_runtime.protocols.serving import LoadOptions
from hostler_runtime.protocols.tasks import BatchReport, EmbeddingRequest, TaskRequest


class EncoderModel:
    """A ``BatchModel``. Requests of all kinds share a batch, because the encoder reads them alike."""

    def __init__(self, network: PackedEncoder, reader: Reader, *, packing: PackingConfig = PACKED) -> None:
        self._network = network
        self._reader = reader
        self._packing = packing
        self.tasks: frozenset[type] = frozenset({EmbeddingRequest, *filter(None, [TASKS.get(network.head)])})

    @property
    def reader(self) -> Reader:
        """How requests become sequences."""
        return self._reader

    @property
    def network(self) -> PackedEncoder:
        """The encoder, in evaluation mode."""
        return self._network

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError`` where the request does not fit the model."""
        reading(request, self._reader)

    def batch_key(self, request: TaskRequest) -> Hashable:
        """One for all."""
        return "text"

    def run_batch(self, requests: Sequence[TaskRequest]) -> BatchReport:
        """Answers in order."""
        readings = [reading(request, self._reader) for request in requests]
        results, padding = answer(self._network, readings, pad_token=self._reader.maker.padding, settings=self._packing)
        return BatchReport(tuple(results), padding=padding)


def load(path: Path, *, options: LoadOptions) -> EncoderModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("bert")
    directory = open_directory(path)
    tokenizer = directory.tokenizer()
    labels = directory.labels if directory.head == "classification" else []
    if torch.cuda.is_available():
        network = directory.network(head=directory.head, labels=labels, dtype="auto").to("cuda")
    else:
        # Narrow types are slower than fp32 on CPUs without matrix units.
        network = directory.network(head=directory.head, labels=labels, dtype=torch.float32)
    pooling = read_pooling(path)
    longest = min(directory.context_length, pooling.longest or directory.context_length)
    maker = SequenceMaker(tokenizer, context_length=longest)
    network.eval().requires_grad_(False)
    width = pooling.width or directory.config.hidden_size
    return EncoderModel(network, Reader(tokenizer, maker, labels, width=width, pooling=pooling))
