"""Sequences that share a row with others give what they give alone: the acceptance figures of packing, for encoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families.encoders import encoder_job, write_rows
from runtime.packing.architectures import ENCODER_NAMES, encoder
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hostler_contract.job import PackingConfig
from hostler_data.records import open_records
from hostler_runtime.families.bert import training
from hostler_runtime.families.bert.losses import logits_of, loss_sum
from hostler_runtime.families.bert.masking import IGNORED
from hostler_runtime.families.bert.network import PackedEncoder
from hostler_runtime.families.bert.packing import Piece, lay_out, pack

CONTEXT = 48
LENGTHS = (7, 19, 12, 30, 5, 23, 11, 9, 28, 16)
VOCABULARY = 300
WORDS = [f"word{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]

HEADS = ("masked-lm", "classification", "question-answering")
EVERY_WAY = pytest.mark.parametrize(
    ("name", "head", "attention", "mode"),
    [
        pytest.param(name, head, attention, mode, id=f"{name}, {head} with {attention} attention while it {doing}")
        for name in ENCODER_NAMES
        for head in HEADS
        for attention in ("sdpa", "eager")
        for mode, doing in (("train", "learns"), ("eval", "answers"))
    ],
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Sums in a fixed order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def sequences() -> list[Piece]:
    """Random tokens; the second half of each is a second text."""
    draw = np.random.default_rng(0)
    return [Piece(draw.integers(5, VOCABULARY - 100, length), second=length // 2) for length in LENGTHS]


def network(head: str, *, name: str = "bert", attention: str = "sdpa", mode: str = "eval") -> PackedEncoder:
    """An encoder whose weights are large enough that what a token sees matters."""
    one = PackedEncoder(encoder(name, head, vocabulary=VOCABULARY, context=CONTEXT), head=head)
    one.model.set_attn_implementation(attention)
    assert one.model.config._attn_implementation == attention
    return one.train(mode == "train")


def batch_of(rows: Sequence[Sequence[Piece]], *, head: str, length: int | None = CONTEXT) -> dict[str, Tensor]:
    """A batch with targets that depend on the sequence alone: every third token, its sum, or a span in the middle."""
    layout = lay_out(rows, length=length, pad_token=0)
    targets, ends = (torch.full_like(layout.input_ids, IGNORED) for _ in range(2))
    for number, row in enumerate(rows):
        start = 0
        for piece in row:
            tokens = torch.as_tensor(np.asarray(piece.tokens))
            if head == "masked-lm":
                targets[number, start : start + len(tokens) : 3] = tokens[::3]
            elif head == "classification":
                targets[number, start] = int(tokens.sum()) % 3
            else:
                targets[number, start], ends[number, start] = start + piece.second, start + len(tokens) - 1
            start += len(tokens)
    batch = {
        "input_ids": layout.input_ids,
        "segments": layout.segments,
        "positions": layout.positions,
        "token_types": layout.token_types,
        "targets": targets,
    }
    return batch | ({"ends": ends} if head == "question-answering" else {})


def packed_rows(pieces: Sequence[Piece]) -> list[list[int]]:
    """Which sequences stand in each row."""
    rows = pack([len(piece.tokens) for piece in pieces], row_length=CONTEXT, settings=PackingConfig())
    assert max(map(len, rows)) >= 3, "a row with several neighbours, or there is nothing to see"
    return rows


def hidden_of(one: PackedEncoder, rows: Sequence[Sequence[Piece]]) -> list[list[Tensor]]:
    """The last layer for each sequence of each row."""
    layout = lay_out(rows, length=CONTEXT, pad_token=0)
    hidden = one.hidden(
        layout.input_ids, segments=layout.segments, positions=layout.positions, token_types=layout.token_types
    )
    return [
        [hidden[row][layout.segments[row] == number] for number in range(1, len(pieces) + 1)]
        for row, pieces in enumerate(rows)
    ]


def answers_of(one: PackedEncoder, rows: Sequence[Sequence[Piece]]) -> list[list[Tensor]]:
    """The head's logits for each sequence of each row: of the sequence for a class, of all tokens otherwise."""
    return [[_answer(one, tokens) for tokens in row] for row in hidden_of(one, rows)]


def _answer(one: PackedEncoder, tokens: Tensor) -> Tensor:
    return one.answer(one.read(tokens, [0] if one.head == "classification" else list(range(len(tokens)))))


def concatenated(one: PackedEncoder, rows: Sequence[Sequence[Piece]]) -> list[list[Tensor]]:
    """What comes out where nobody says where a sequence ends: one long sequence in each row."""
    joined = [
        [Piece(np.concatenate([np.asarray(piece.tokens) for piece in row]), second=CONTEXT) for row in [row]]
        for row in rows
    ]
    cut = []
    for [whole], row in zip(hidden_of(one, joined), rows, strict=True):
        parts = whole.split([len(piece.tokens) for piece in row])
        cut.append([_answer(one, part) for part in parts])
    return cut


def difference(left: list[list[Tensor]], right: list[list[Tensor]]) -> float:
    """Largest difference between two answers to the same sequences."""
    pairs = zip(chain.from_iterable(left), chain.from_iterable(right), strict=True)
    return max(float((one - other).abs().max()) for one, other in pairs)


@EVERY_WAY
@torch.no_grad()
def test_a_packed_sequence_gets_the_logits_that_it_gets_alone(
    name: str, head: str, attention: str, mode: str, sequences: list[Piece]
) -> None:
    one = network(head, name=name, attention=attention, mode=mode)
    rows = [[sequences[index] for index in row] for row in packed_rows(sequences)]
    alone = [[answers_of(one, [[piece]])[0][0] for piece in row] for row in rows]
    assert difference(answers_of(one, rows), alone) <= 1e-5
    assert difference(concatenated(one, rows), alone) > 0.1, "plain concatenation must show in this test"


@EVERY_WAY
@torch.no_grad()
def test_a_neighbour_that_changes_leaves_the_others_untouched(
    name: str, head: str, attention: str, mode: str, sequences: list[Piece]
) -> None:
    one = network(head, name=name, attention=attention, mode=mode)
    row = max(packed_rows(sequences), key=len)
    before = [sequences[index] for index in row]
    after = [Piece(np.asarray(before[0].tokens)[::-1].copy(), before[0].second), *before[1:]]
    [old], [new] = answers_of(one, [before]), answers_of(one, [after])
    largest = 0.0 if attention == "eager" else 1e-6
    assert difference([old[1:]], [new[1:]]) <= largest
    assert difference([old[:1]], [new[:1]]) > 0.1, "the sequence that changed must show that it did"
    [mixed_old], [mixed_new] = concatenated(one, [before]), concatenated(one, [after])
    assert difference([mixed_old[1:]], [mixed_new[1:]]) > 0.1, "plain concatenation must show in this test"


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_a_packed_step_has_the_gradients_of_a_padded_one(
    name: str, head: str, attention: str, sequences: list[Piece]
) -> None:
    def gradients(batch: dict[str, Tensor]) -> tuple[Tensor, float]:
        one = network(head, name=name, attention=attention, mode="train")
        part = loss_sum(one, batch)
        (part.total / part.weight).backward()
        found = [weights.grad.flatten() for weights in one.parameters() if weights.grad is not None]
        return torch.cat(found), float(part.total.detach()) / part.weight

    rows = [[sequences[index] for index in row] for row in packed_rows(sequences)]
    padded, padded_loss = gradients(batch_of([[piece] for piece in sequences], head=head, length=None))
    packed, packed_loss = gradients(batch_of(rows, head=head))
    assert packed_loss == pytest.approx(padded_loss, abs=1e-5)
    assert float((packed - padded).norm() / padded.norm()) <= 1e-4
    if head == "classification" and name.endswith("means"):
        return  # without borders there is one mean for each row, and no loss
    blind = batch_of(rows, head=head)
    blind["segments"] = torch.ones_like(blind["segments"])
    mixed, _ = gradients(blind)
    assert float((mixed - padded).norm() / padded.norm()) > 0.1, "rows without borders must show in this test"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ENCODER_NAMES)
@torch.no_grad()
def test_the_loss_does_not_depend_on_how_rows_are_shared_out(name: str, head: str, sequences: list[Piece]) -> None:
    one = network(head, name=name)
    rows = [[sequences[index] for index in row] for row in packed_rows(sequences)]
    whole = loss_sum(one, batch_of(rows, head=head))
    portions = [loss_sum(one, batch_of(part, head=head)) for part in (rows[:1], rows[1:3], rows[3:]) if part]
    shared = sum(float(part.total) for part in portions) / sum(part.weight for part in portions)
    assert shared == pytest.approx(float(whole.total) / whole.weight, abs=1e-5)
    means = sum(float(part.total) / part.weight for part in portions) / len(portions)
    assert abs(means - shared) > 1e-4, "a mean of means must differ, or the portions are too alike to show anything"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ENCODER_NAMES)
@torch.no_grad()
def test_a_sequence_alone_gets_what_the_library_makes_of_it(name: str, head: str, sequences: list[Piece]) -> None:
    """The published definition, with the library's own positions and without a mask."""
    one = network(head, name=name)
    for piece in sequences[:3]:
        tokens = torch.as_tensor(np.asarray(piece.tokens))[None]
        types = (torch.arange(len(piece.tokens)) >= piece.second).long()[None]
        known = {"token_type_ids": types} if getattr(one.model.config, "type_vocab_size", 0) > 1 else {}
        found = one.model(input_ids=tokens, **known)
        if head == "question-answering":
            wanted = torch.stack([found.start_logits[0], found.end_logits[0]], dim=-1)
        else:
            wanted = found.logits[0][None] if head == "classification" else found.logits[0]
        torch.testing.assert_close(answers_of(one, [[piece]])[0][0], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ENCODER_NAMES)
@torch.no_grad()
def test_a_packed_row_costs_less_for_each_token(name: str, sequences: list[Piece]) -> None:
    """Operations for each token, where padding would fill more than half of the rows. (Wall clocks are compared in
    benchmarks/packing, on a machine of its own.)"""
    one = network("masked-lm", name=name)
    rows = [[sequences[index] for index in row] for row in packed_rows(sequences)]
    padded = batch_of([[piece] for piece in sequences], head="masked-lm")
    assert float((padded["segments"] > 0).float().mean()) <= 0.5

    assert _operations(one, padded) >= 1.5 * _operations(one, batch_of(rows, head="masked-lm"))


def _operations(one: PackedEncoder, batch: dict[str, Tensor]) -> float:
    with FlopCounterMode(display=False) as counter:
        found = loss_sum(one, batch)
    return float(counter.get_total_flops()) / found.units


@torch.no_grad()
def test_answers_are_sought_among_the_tokens_of_their_own_sequence(sequences: list[Piece]) -> None:
    one = network("question-answering")
    batch = batch_of([[sequences[index] for index in row] for row in packed_rows(sequences)], head="question-answering")
    logits, columns = logits_of(one, batch)
    rows, firsts = (batch["targets"] != IGNORED).nonzero().T
    lengths = (batch["segments"][rows] == batch["segments"][rows, firsts].unsqueeze(1)).sum(1)
    possible = (logits > -1e4).sum(1)
    assert torch.equal(possible, torch.cat([lengths, lengths]))
    assert bool((logits.gather(1, columns.unsqueeze(1)) > -1e4).all())


Prepared = Callable[..., Any]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """A dataset of texts as a job prepares it."""

    def prepare(texts: Sequence[str], *, mode: str) -> Any:
        path = write_rows(tmp_path / "rows.jsonl", [{"text": text} for text in texts])
        job = encoder_job(
            tmp_path, data=path, encoder={"contextLength": CONTEXT, "vocabularySize": 400}, packing={"mode": mode}
        )
        directory = tmp_path / mode
        directory.mkdir()
        training.prepare(job, open_records([path], root=tmp_path, format="jsonl"), directory)
        return training.open_dataset(job, directory)

    return prepare


def texts_of_mixed_lengths(count: int) -> list[str]:
    """Mostly short texts and a few long ones; some are longer than a row."""
    draw = np.random.default_rng(1)
    lengths = np.clip(draw.lognormal(2.2, 0.8, count), 1, 70).astype(int)
    return [" ".join(draw.choice(WORDS, length)) for length in lengths]


def test_packing_halves_the_rows_and_leaves_next_to_no_padding(prepared: Prepared) -> None:
    texts = texts_of_mixed_lengths(1500)
    padded, packed = prepared(texts, mode="off"), prepared(texts, mode="auto")
    tokens = len(packed.train.examples.tokens)
    assert tokens / (padded.train_rows * CONTEXT) <= 0.5, "without much padding there is nothing to gain"
    assert tokens / (packed.train_rows * CONTEXT) >= 0.98
    assert padded.train_rows / packed.train_rows >= 2
    assert packed.facts.packing_factor == pytest.approx(padded.train_rows / packed.train_rows)
    assert padded.facts.packing_factor == 1.0


def test_no_token_is_lost_on_the_way_into_the_rows(prepared: Prepared) -> None:
    texts = texts_of_mixed_lengths(300)
    dataset = prepared(texts, mode="auto")
    found: list[int] = []
    for part in (dataset.train, dataset.validation):
        layout = part.layout(range(len(part.rows)), pad_token=0)
        assert int(layout.segments.max()) > 1, "rows hold several sequences"
        found += layout.input_ids[dataset.ordinary(layout.input_ids)].tolist()
    wanted = [token for text in texts for token in dataset.tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert sorted(found) == sorted(wanted)
    assert dataset.facts.dropped == 0
