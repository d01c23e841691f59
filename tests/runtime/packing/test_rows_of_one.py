"""Decoders that carry what they have read along a row: each row has one sequence, and the run says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.packing.architectures import CARRYING, CONTEXT, DECODERS, decoder
from runtime.serving import tiny_model
from runtime.training.harness import Train, make_job

from hostler_contract import JobConfig
from hostler_runtime.text.architectures import unpackable
from hostler_runtime.text.attention import block_mask
from hostler_runtime.text.decoder import forward
from hostler_runtime.text.rows import collate

LENGTHS = (17, 5, 23, 9)


def documents() -> list[np.ndarray]:
    """Random tokens; 0 is padding and occurs in none."""
    draw = np.random.default_rng(0)
    return [draw.integers(3, 97, length) for length in LENGTHS]


def alone(model: Any, document: np.ndarray) -> torch.Tensor:
    """Logits of one document through the model's own defaults."""
    logits: torch.Tensor = model(input_ids=torch.from_numpy(document[:-1])[None], use_cache=False).logits[0]
    return logits


@pytest.mark.parametrize("name", [*CARRYING, *DECODERS])
@torch.no_grad()
def test_padding_after_a_document_changes_nothing(name: str) -> None:
    model = decoder(name, attention="eager", mode="eval")
    rows = documents()

    together = forward(model, collate([[(one[:-1], one[1:])] for one in rows], padding=0))

    for row, document in enumerate(rows):
        torch.testing.assert_close(together[row, : len(document) - 1], alone(model, document), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CARRYING)
@torch.no_grad()
def test_a_mask_would_not_keep_documents_apart(name: str) -> None:
    """Why their rows are not shared: with borders in the mask, and with restarted positions, the first document still
    reaches the second one."""
    model = decoder(name, attention="eager", mode="eval")
    first, second = documents()[:2]
    segments = torch.tensor([[1] * len(first) + [2] * len(second)])

    def read(before: np.ndarray) -> torch.Tensor:
        row = torch.from_numpy(np.concatenate([before, second]))[None]
        # A network without any attention takes no mask at all.
        attends = {} if model.config.model_type == "mamba" else {"attention_mask": block_mask(segments, causal=True)}
        found: torch.Tensor = model(input_ids=row, use_cache=False, **attends).logits[0, len(first) :]
        return found

    assert (read(first) - read(first[::-1].copy())).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "settings", "want"),
    [
        pytest.param("llama", {"model_type": "novel"}, "what a novel lets a sequence see", id="unknown"),
        pytest.param("mamba, which only has a state", {}, "its layers of type", id="nothing but a state"),
        pytest.param(
            "granite hybrid, recurrent layers beside attention", {}, "its layers of type", id="layers with a state"
        ),
        pytest.param(
            "qwen3-next, linear attention beside full", {}, "its layers of type linear_attention carry", id="linear"
        ),
        pytest.param(
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "original_max_position_embeddings": 32}},
            "its positions turn otherwise beside a sequence of more than 32 tokens",
            id="positions that depend on the longest sequence of the batch",
        ),
        pytest.param(
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "original_max_position_embeddings": 64}},
            None,
            id="the same, where no sequence is as long",
        ),
        pytest.param("llama", {"sliding_window": 4}, None, id="a window that the architecture does not read"),
    ],
)
def test_why_rows_are_not_shared(name: str, settings: dict[str, Any], want: str | None) -> None:
    config = decoder(name, attention="eager").config
    for field, value in settings.items():
        setattr(config, field, value)

    found = unpackable(config, context_length=CONTEXT)

    assert (found is None) == (want is None)
    assert want is None or (found is not None and found.startswith(want))


def finetuning(tmp_path: Path, name: str, **changes: Any) -> JobConfig:
    """A job that goes on from a tiny model of this architecture."""
    tokenizer, model = tiny_model.make_tokenizer(), decoder(name, attention="eager")
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return make_job(
        tmp_path / "job",
        model={},
        inputs={"base": str(tmp_path / "base")},
        objective={"kind": "finetune"},
        hyperparameters__steps=2,
        evaluation={"samples": 0},
        **changes,
    )


def test_a_job_on_a_hybrid_gives_each_sequence_a_row_and_says_so(tmp_path: Path, train: Train) -> None:
    result = train(finetuning(tmp_path, "qwen3-next, linear attention beside full")).result

    assert result.dataset is not None
    assert result.dataset.packing_factor is None
    assert any(note.startswith("packing is off, each row holds one sequence: its layers of") for note in result.notes)


def test_a_job_on_windows_packs_and_has_nothing_to_say(tmp_path: Path, train: Train) -> None:
    result = train(finetuning(tmp_path, "mistral with a window")).result

    assert result.dataset is not None
    assert result.dataset.packing_factor is not None
    assert not [note for note in result.notes if "packing" in note]
