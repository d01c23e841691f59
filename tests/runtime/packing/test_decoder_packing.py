"""Packed rows give a decoder exactly what its documents alone would have given it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.packing.architectures import CONTEXT, DECODERS, VOCABULARY, decoder
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from hostler_contract.job import PackingConfig
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.architectures import PACKS
from hostler_runtime.text.attention import block_mask
from hostler_runtime.text.decoder import forward, logits, loss
from hostler_runtime.text.rows import Rows, collate, lay_out
from hostler_runtime.text.sequences import IGNORED, Example, Sequences, write

CAPACITY, PADDING = CONTEXT, 0
LENGTHS = (17, 5, 23, 9)
"""Tokens of the documents that share a row; ten of its positions stay empty."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Sums in a fixed order."""
    torch.set_num_threads(1)


EVERY_DECODER = [
    pytest.param((name, attention), id=f"{name} with {attention} attention")
    for name in DECODERS
    for attention in ("sdpa", "eager")
    # The library has no other attention that caps the logits.
    if (name, attention) != ("gemma2", "sdpa")
]


@pytest.fixture(params=EVERY_DECODER)
def model(request: pytest.FixtureRequest) -> Any:
    """Every architecture that shares rows, each way of computing attention."""
    name, attention = request.param
    return decoder(name, attention=attention)


def test_every_architecture_that_shares_rows_is_tried_here() -> None:
    assert {kind for kind, _ in DECODERS.values()} == PACKS


def make_documents(lengths: Sequence[int] = LENGTHS, *, seed: int = 0) -> list[np.ndarray]:
    """Random tokens; 0 is padding and occurs in none."""
    generator = np.random.default_rng(seed)
    return [generator.integers(1, VOCABULARY, length) for length in lengths]


def pair(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets."""
    return tokens[:-1], tokens[1:]


def packed(documents: Sequence[np.ndarray], *, width: int = CAPACITY) -> Batch:
    """One row that holds all documents and padding, beside a row that one document fills."""
    filling = make_documents([width + 1], seed=9)
    return collate([[pair(one) for one in documents], [pair(filling[0])]], padding=PADDING)


def places(documents: Sequence[np.ndarray]) -> list[slice]:
    """Where each document's positions lie in the row."""
    ends = np.cumsum([len(one) - 1 for one in documents])
    return [slice(end - len(one) + 1, end) for end, one in zip(ends, documents, strict=True)]


def alone(model: Any, document: np.ndarray) -> torch.Tensor:
    """Logits of one document through the model's own defaults."""
    return model(input_ids=torch.from_numpy(document[:-1])[None]).logits[0]


@pytest.mark.parametrize("mode", ["train", "eval"])
@torch.no_grad()
def test_each_document_has_the_logits_that_it_has_alone(model: Any, mode: str) -> None:
    documents = make_documents()
    model.train(mode == "train")

    together = forward(model, packed(documents))[0]

    for document, place in zip(documents, places(documents), strict=True):
        torch.testing.assert_close(together[place], alone(model, document), atol=1e-5, rtol=0)


@torch.no_grad()
def test_documents_written_one_after_the_other_do_not(model: Any) -> None:
    """The control: without blocks and restarted positions the same comparison fails by orders of magnitude."""
    documents = make_documents()
    row = torch.from_numpy(np.concatenate([one[:-1] for one in documents]))[None]

    together = model(input_ids=row).logits[0]

    for document, place in list(zip(documents, places(documents), strict=True))[1:]:
        assert (together[place] - alone(model, document)).abs().max() > 0.1


@torch.no_grad()
def test_restarted_positions_without_our_mask_do_not_either(model: Any) -> None:
    """Why we rely on no detection: with a cache, which is the default, the library attends across the borders."""
    documents = make_documents()
    batch = packed(documents)

    together = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"]).logits[0]

    last = places(documents)[-1]
    assert (together[last] - alone(model, documents[-1])).abs().max() > 0.1


WITH_WINDOWS = [name for name, (_, extra) in DECODERS.items() if extra.get("sliding_window")]


@pytest.mark.parametrize("name", WITH_WINDOWS)
@torch.no_grad()
def test_a_mask_without_the_window_does_not_either(name: str) -> None:
    """A mask that is given is taken as it is: without the window in it, layers look back further than they may."""
    model = decoder(name, attention="eager")
    documents = make_documents()
    batch = packed(documents)
    blind = block_mask(batch["segment_ids"], causal=True)

    together = model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], attention_mask=_for_each_layer(model, blind)
    ).logits[0]

    first = places(documents)[0]
    assert (together[first] - alone(model, documents[0])).abs().max() > 0.1


def _for_each_layer(model: Any, mask: torch.Tensor) -> Any:
    kinds = set(getattr(model.config, "layer_types", None) or ())
    return dict.fromkeys(kinds, mask) if kinds else mask


@torch.no_grad()
def test_a_document_is_untouched_by_the_one_before_it(model: Any) -> None:
    documents = make_documents()
    changed = [(documents[0] % (VOCABULARY - 1)) + 1, *documents[1:]]

    before, after = forward(model, packed(documents))[0], forward(model, packed(changed))[0]

    first, *others = places(documents)
    assert (before[first] - after[first]).abs().max() > 0.1
    limit = 0.0 if model.config._attn_implementation == "eager" else 1e-6
    for place in others:
        assert (before[place] - after[place]).abs().max() <= limit


@torch.no_grad()
def test_borders_hold_in_lower_precision_too(model: Any) -> None:
    documents = make_documents()
    changed = [(documents[0] % (VOCABULARY - 1)) + 1, *documents[1:]]

    with torch.autocast("cpu", torch.bfloat16):
        before, after = forward(model, packed(documents))[0], forward(model, packed(changed))[0]

    assert before.isfinite().all()
    for place in places(documents)[1:]:
        assert torch.equal(before[place], after[place])


def gradients(model: Any, batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """Of the mean loss over all targets of all batches."""
    twin = copy.deepcopy(model)
    parts = [loss(twin, batch) for batch in batches]
    (sum(part.total for part in parts) / sum(part.weight for part in parts)).backward()
    return {name: each.grad for name, each in twin.named_parameters() if each.grad is not None}


def test_a_packed_step_has_the_gradients_of_a_padded_one(model: Any) -> None:
    documents = make_documents([17, 5, 23, 9, 31, 8, 12])
    rows = [[pair(one) for one in documents[:4]], [pair(one) for one in documents[4:]]]

    together = gradients(model, [collate(rows, padding=PADDING)])
    padded = gradients(model, [collate([[pair(one)] for one in documents], padding=PADDING)])
    one_by_one = gradients(model, [collate([[pair(one)]], padding=PADDING) for one in documents])

    for other in (padded, one_by_one):
        assert together.keys() == other.keys()
        for name, gradient in together.items():
            assert (gradient - other[name]).norm() <= 1e-4 * other[name].norm() + 1e-9, name


def test_padding_makes_no_gradient_infinite(model: Any) -> None:
    batch = collate([[pair(one) for one in make_documents([3])], [pair(make_documents([60])[0])]], padding=PADDING)

    for name, gradient in gradients(model, [batch]).items():
        assert gradient.isfinite().all(), name


@torch.no_grad()
def test_the_loss_is_that_of_the_documents_one_by_one(model: Any) -> None:
    documents = make_documents()
    batch = collate([[pair(one) for one in documents]], padding=PADDING)

    found = loss(model, batch)

    want = sum(cross_entropy(alone(model, one), torch.from_numpy(one[1:]), reduction="sum") for one in documents)
    assert found.weight == found.units == sum(len(one) - 1 for one in documents)
    assert float(found.total) == pytest.approx(float(want), rel=1e-6)


@torch.no_grad()
def test_the_loss_does_not_depend_on_how_rows_are_shared_out(model: Any) -> None:
    """Processes and micro-batches each see some of the rows; sums over targets make one mean of them."""
    rows = [
        [pair(one) for one in make_documents(lengths, seed=len(lengths))] for lengths in ((17, 5, 23), (40, 9), (31,))
    ]
    whole = loss(model, collate(rows, padding=PADDING))

    parts = [loss(model, collate([row], padding=PADDING)) for row in rows]

    shared = sum(float(part.total) for part in parts) / sum(part.weight for part in parts)
    assert shared == pytest.approx(float(whole.total) / whole.weight, abs=1e-5)
    means = sum(float(part.total) / part.weight for part in parts) / len(parts)
    assert abs(means - shared) > 1e-4, "a mean of means must differ, or the rows are too alike to show anything"


@torch.no_grad()
def test_a_packed_row_costs_less_for_each_token(model: Any) -> None:
    """Operations for each token, of documents of which padding would fill more than half of the rows. (Wall clocks are
    compared in benchmarks/packing, on a machine of its own.)"""
    pairs = [pair(one) for one in make_documents([12, 9, 33, 21, 64, 15, 18, 11, 23, 17, 5, 9])]
    padded = collate([[one] for one in pairs], padding=PADDING)
    together = collate([pairs[:3], pairs[3:4] + pairs[5:7], [pairs[4]], pairs[7:]], padding=PADDING)
    assert float((padded["segment_ids"] > 0).float().mean()) <= 0.5

    assert _operations(model, padded) >= 1.5 * _operations(model, together)


def _operations(model: Any, batch: Batch) -> float:
    with FlopCounterMode(display=False) as counter:
        found = loss(model, batch)
    return float(counter.get_total_flops()) / found.units


@torch.no_grad()
def test_targets_that_teach_nothing_count_for_nothing(model: Any) -> None:
    inputs, targets = pair(make_documents([20])[0])
    masked = np.where(np.arange(19) < 12, IGNORED, targets)

    found = loss(model, collate([[(inputs, masked)]], padding=PADDING))
    chosen, classes = logits(model, collate([[(inputs, masked)]], padding=PADDING))

    assert (found.weight, found.units) == (7, 19)
    assert classes.tolist() == targets[12:].tolist()
    assert float(found.total) == pytest.approx(float(cross_entropy(chosen, classes, reduction="sum")), rel=1e-6)


SKEWED = np.minimum(np.random.default_rng(3).geometric(0.035, size=3000) + 1, 129)
"""Lengths as texts have them: most short, some that fill a row."""


def lay_out_lengths(lengths: Sequence[int], directory: Path, *, packing: PackingConfig, capacity: int = 128) -> Rows:
    """Documents of these lengths through the code that a job runs."""
    examples = [Example(tokens=one.tolist()) for one in make_documents(lengths)]
    write(examples, directory, context_length=capacity, vocabulary_size=VOCABULARY)
    lay_out(Sequences(directory), directory, capacity=capacity, packing=packing)
    return Rows(directory, padding=PADDING)


@pytest.mark.parametrize("strategy", ["best-fit", "spfhp"])
def test_rows_of_mixed_lengths_are_nearly_full(strategy: Any, tmp_path: Path) -> None:
    rows = lay_out_lengths(SKEWED, tmp_path, packing=PackingConfig(strategy=strategy))
    positions = int(rows.sequences.lengths.sum())

    assert positions / (len(SKEWED) * 128) <= 0.5
    assert positions / (len(rows) * 128) >= 0.98
    assert rows.sequences_per_row >= 2
    batch = rows.batch(range(64))
    assert float((batch["segment_ids"] > 0).float().mean()) >= 0.98


def test_without_packing_a_row_holds_one_sequence(tmp_path: Path) -> None:
    rows = lay_out_lengths(SKEWED[:100], tmp_path, packing=PackingConfig(mode="off"))

    assert rows.sequences_per_row == 1
    assert int(rows.batch(range(100))["segment_ids"].max()) == 1


def test_no_row_holds_more_sequences_than_was_asked_for(tmp_path: Path) -> None:
    rows = lay_out_lengths(SKEWED, tmp_path, packing=PackingConfig(max_per_pack=3))

    assert max(len(rows.members(row)) for row in range(len(rows))) == 3


def test_every_token_but_a_documents_first_is_learnt_exactly_once(tmp_path: Path) -> None:
    lengths = [2, 128, 129, 130, 257, 300, 1000, *SKEWED[:200].tolist()]
    rows = lay_out_lengths(lengths, tmp_path, packing=PackingConfig())
    documents = make_documents(lengths)

    assert sorted(index for row in range(len(rows)) for index in rows.members(row)) == list(range(len(rows.sequences)))
    batches = [rows.batch([row]) for row in range(len(rows))]
    targets = np.concatenate([batch["targets"][batch["targets"] != IGNORED].numpy() for batch in batches])
    want = np.concatenate([document[1:] for document in documents])
    assert len(targets) == len(want)
    assert np.array_equal(np.sort(targets), np.sort(want))
    assert all(int(batch["position_ids"].max()) < 128 for batch in batches)


def test_the_pieces_of_a_long_document_join_without_a_gap(tmp_path: Path) -> None:
    (document,) = make_documents([300])
    write([Example(tokens=document.tolist())], tmp_path, context_length=128, vocabulary_size=VOCABULARY)

    sequences = Sequences(tmp_path)
    pieces = [sequences[index] for index in range(len(sequences))]

    assert np.array_equal(np.concatenate([inputs for inputs, _ in pieces]), document[:-1])
    assert np.array_equal(np.concatenate([targets for _, targets in pieces]), document[1:])
