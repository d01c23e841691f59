"""A BERT of 2 layers that learns hidden words: padded and packed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from contenders import PADDING, VOCABULARY, Comparison, Contender, Options, shuffled, texts
from transformers import BertConfig, BertForMaskedLM

from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.losses import loss_sum
from hostler_runtime.families.bert.masking import hide_tokens
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.packing import Piece, lay_out, pack
from hostler_runtime.protocols.training import Batch

MASK = 1


def compare(options: Options, scratch: Path) -> Comparison:
    """The family's own rows, masks and loss. Nothing is written to ``scratch``."""
    pieces = [Piece(tokens=one, second=len(one)) for one in texts(options, longest=options.context)]
    lengths = [len(piece.tokens) for piece in pieces]
    rows = {
        name: pack(lengths, row_length=options.context, settings=PackingConfig(mode=mode))
        for name, mode in (("padded", "off"), ("packed", "auto"))
    }
    return Comparison(
        model="BERT, 2 layers of 128, hidden words",
        contenders=[_contender(name, _batches(pieces, chosen, options), options) for name, chosen in rows.items()],
        rows={name: len(chosen) for name, chosen in rows.items()},
    )


def _contender(name: str, batches: Iterator[Batch], options: Options) -> Contender:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512,
        max_position_embeddings=options.context, pad_token_id=PADDING,
    )  # fmt: skip
    model = PackedEncoder(BertForMaskedLM(config), head="masked-lm")
    return Contender(name=name, batches=batches, model=model, loss=loss_sum)


def _batches(pieces: list[Piece], rows: list[list[int]], options: Options) -> Iterator[Batch]:
    draws = torch.Generator().manual_seed(2)
    for chosen in shuffled(len(rows), size=options.rows):
        layout = lay_out(
            [[pieces[index] for index in rows[row]] for row in chosen], length=options.context, pad_token=PADDING
        )
        inputs, targets = hide_tokens(
            layout.input_ids,
            layout.segments > 0,
            draws=torch.rand(layout.input_ids.shape, generator=draws),
            mask_token=MASK,
            vocabulary_size=VOCABULARY,
        )
        yield {
            "input_ids": inputs,
            "segments": layout.segments,
            "positions": layout.positions,
            "token_types": layout.token_types,
            "targets": targets,
        }
