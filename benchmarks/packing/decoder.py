"""A Llama of 2 layers on documents: padded, packed by us and, where trl is importable, by its best-fit decreasing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from contenders import PADDING, VOCABULARY, Comparison, Contender, Options, shuffled, texts

from hostler_contract import TransformerConfig
from hostler_contract.job import PackingConfig
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.decoder import fresh_decoder, loss
from hostler_runtime.text.rows import Rows, collate, lay_out
from hostler_runtime.text.sequences import Example, Sequences, write


class _Tokens:
    """What a fresh decoder asks of a tokenizer."""

    bos_token_id = eos_token_id = 1
    pad_token_id = PADDING


def compare(options: Options, scratch: Path) -> Comparison:
    """The trainer's own rows, masks and loss."""
    made: dict[str, Rows] = {}
    for name, mode in (("padded", "off"), ("packed", "auto")):
        directory = scratch / name
        # A document's first token is only read, its last only predicted.
        examples = (Example(tokens=one.tolist()) for one in texts(options, longest=options.context + 1))
        write(examples, directory, context_length=options.context, vocabulary_size=VOCABULARY)
        lay_out(Sequences(directory), directory, capacity=options.context, packing=PackingConfig(mode=mode))
        made[name] = Rows(directory, padding=PADDING)
    layouts = {name: _batches(rows, options) for name, rows in made.items()}
    sequences = made["padded"].sequences
    other = trl_rows(sequences.lengths.tolist(), context=options.context)
    if other is not None:
        layouts["trl-bfd"] = _chosen(sequences, other, options)
    return Comparison(
        model="Llama, 2 layers of 128, next tokens",
        contenders=[_contender(name, batches, options) for name, batches in layouts.items()],
        rows={name: len(rows) for name, rows in made.items()},
    )


def trl_rows(lengths: Sequence[int], *, context: int) -> list[list[int]] | None:
    """Which documents trl's bfd packing puts together; None where trl is not installed."""
    try:
        from datasets import Dataset
        from trl.data_utils import pack_dataset
    except ImportError:
        return None
    numbered = Dataset.from_dict({"input_ids": [[index] * length for index, length in enumerate(lengths)]})
    packed = pack_dataset(numbered, seq_length=context, strategy="bfd")
    return [list(dict.fromkeys(row)) for row in packed["input_ids"]]


def _contender(name: str, batches: Iterator[Batch], options: Options) -> Contender:
    torch.manual_seed(0)
    sizes = TransformerConfig(
        architecture="llama", layers=2, hidden_size=128, heads=4, context_length=options.context,
        vocabulary_size=VOCABULARY,
    )  # fmt: skip
    model = fresh_decoder(sizes, _Tokens(), vocabulary_size=VOCABULARY)
    return Contender(name=name, batches=batches, model=model, loss=loss)


def _batches(rows: Rows, options: Options) -> Iterator[Batch]:
    for chosen in shuffled(len(rows), size=options.rows):
        yield _widened(rows.batch(chosen), width=options.context)


def _chosen(sequences: Sequences, rows: list[list[int]], options: Options) -> Iterator[Batch]:
    pick: Callable[[int], list[tuple[np.ndarray, np.ndarray]]] = lambda row: [sequences[i] for i in rows[row]]  # noqa: E731
    for chosen in shuffled(len(rows), size=options.rows):
        yield _widened(collate([pick(row) for row in chosen], padding=PADDING), width=options.context)


def _widened(batch: Batch, *, width: int) -> Batch:
    """Padding up to ``width`` positions, as an accelerator with fixed shapes sees every batch."""
    filler = {"input_ids": PADDING, "position_ids": 0, "segment_ids": 0, "targets": -100}
    return {
        name: torch.nn.functional.pad(values, (0, width - values.shape[1]), value=filler[name])
        for name, values in batch.items()
    }
