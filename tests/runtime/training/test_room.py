"""How long sequences are; rows that cannot fit into memory are refused with the sum, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.packing.architectures import decoder
from runtime.serving import tiny_model
from runtime.training.harness import Train, make_job

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.room import Demand, container_memory, memory_of, require_room
from hostler_runtime.training import run

GIB = 1 << 30
LLAMA_3_1_8B = Demand(
    weights=16 * 8_030_000_000, layers=32, width=4096, vocabulary=128_256, masks=1, item_bytes=2
)  # fmt: skip
SMALL = Demand(weights=GIB, layers=2, width=64, vocabulary=1000, masks=1, item_bytes=4)


@pytest.mark.parametrize(
    ("demand", "rows", "length", "memory", "reason", "words"),
    [
        pytest.param(
            SMALL, 1, 131_072, 8 * GIB, ErrorReason.INVALID_CONFIGURATION,
            ["a row of 131,072 tokens does not fit", "64.00 GiB attention masks", "1.00 GiB weights", "has 8.00 GiB",
             "set training.contextLength to 4"],
            id="a mask that grows with the square of the length",
        ),
        pytest.param(
            SMALL, 4, 32_768, 8 * GIB, ErrorReason.OUT_OF_MEMORY,
            ["4 rows of 32,768 tokens do not fit", "or raise gradientAccumulation"], id="several rows at once",
        ),
        pytest.param(
            SMALL, 4, 131_072, 8 * GIB, ErrorReason.INVALID_CONFIGURATION,
            ["4 rows of 131,072 tokens do not fit"], id="several rows of which one would not fit either",
        ),
        pytest.param(
            LLAMA_3_1_8B, 1, 8192, 80 * GIB, ErrorReason.INVALID_CONFIGURATION,
            ["119.66 GiB weights, gradients and optimizer state", "no length fits: take accelerators with more memory"],
            id="weights alone that are too large",
        ),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused_with_the_sum(
    demand: Demand, rows: int, length: int, memory: int, reason: ErrorReason, words: list[str]
) -> None:
    with pytest.raises(RuntimeFailure) as refused:
        require_room(demand, rows=rows, length=length, memory=memory)

    assert refused.value.reason is reason
    assert [word for word in words if word not in refused.value.message] == []


def test_the_length_that_is_advised_fits_and_a_longer_one_does_not() -> None:
    longest = SMALL.longest(rows=1, limit=131_072, memory=8 * GIB)

    assert longest is not None
    require_room(SMALL, rows=1, length=longest, memory=8 * GIB)
    with pytest.raises(RuntimeFailure, match="does not fit"):
        require_room(SMALL, rows=1, length=longest + 1, memory=8 * GIB)


@pytest.mark.parametrize(
    ("limit", "want"),
    [
        pytest.param("2147483648", 2 * GIB, id="the container's limit"),
        pytest.param("max", 16 * GIB, id="no limit: the machine's memory"),
        pytest.param("9223372036854771712", 16 * GIB, id="a limit beyond the machine, as cgroup v1 says none"),
        pytest.param(None, 16 * GIB, id="no such file"),
    ],
)
def test_the_memory_of_a_container(tmp_path: Path, limit: str | None, want: int) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal:       {16 * GIB // 1024} kB\nMemFree: 1 kB\n")
    if limit is not None:
        (tmp_path / "limit").write_text(f"{limit}\n")

    assert container_memory((tmp_path / "limit",), meminfo=tmp_path / "meminfo") == want


def test_processes_of_a_pod_share_its_memory() -> None:
    alone = memory_of(torch.device("cpu"), environ={})

    assert memory_of(torch.device("cpu"), environ={"LOCAL_WORLD_SIZE": "4"}) == alone // 4


def test_short_data_is_not_refused_for_what_the_base_reads(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are as long as the data makes them; nobody asked for 4,096 tokens."""
    (tmp_path / "short").mkdir()
    for number in range(8):
        (tmp_path / "short" / f"{number}.txt").write_text(f"number {number} is one of eight")
    monkeypatch.setattr(run, "memory_of", lambda device: 16 << 20)

    result = train(finetuning(tmp_path, positions=131_072, data=tmp_path / "short")).result

    assert result.succeeded


def test_long_data_is_refused_once_its_rows_are_known(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "memory_of", lambda device: 16 << 20)

    with pytest.raises(RuntimeFailure, match=r"4,096 tokens do(es)? not fit: .* set training\.contextLength to"):
        train(finetuning(tmp_path, positions=131_072))


def finetuning(tmp_path: Path, *, positions: int, **changes: Any) -> JobConfig:
    """A job on a tiny Llama that was made for so many tokens."""
    tokenizer, model = tiny_model.make_tokenizer(), decoder("llama")
    model.resize_token_embeddings(len(tokenizer))
    model.config.max_position_embeddings = positions
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return make_job(
        tmp_path / "job",
        model={},
        inputs={"base": str(tmp_path / "base")},
        objective={"kind": "finetune"},
        hyperparameters__steps=1,
        evaluation={"samples": 0},
        **changes,
    )


@pytest.mark.parametrize(
    ("positions", "asked", "longest", "notes"),
    [
        pytest.param(
            131_072, None, 4096,
            ["sequences have at most 4,096 of the 131,072 tokens that the base model was made for: set "
             "training.contextLength for longer ones"],
            id="a model of long documents does not ask for rows as long",
        ),
        pytest.param(64, None, 64, [], id="a model of short ones gives the length"),
        pytest.param(131_072, 48, 48, [], id="the job says how long"),
    ],
)  # fmt: skip
def test_how_long_sequences_are(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, positions: int, asked: int | None, longest: int,
    notes: list[str],
) -> None:  # fmt: skip
    seen: list[int] = []
    genuine = run.require_room

    def watched(demand: Demand, *, rows: int, length: int, memory: int) -> None:
        seen.append(length)
        genuine(demand, rows=rows, length=length, memory=memory)

    monkeypatch.setattr(run, "require_room", watched)

    result = train(finetuning(tmp_path, positions=positions, hyperparameters__contextLength=asked)).result

    assert max(seen) == longest
    assert [note for note in result.notes if "tokens" in note] == notes
    assert result.artifact is not None
    # What a server reads is what the base was made for; how long the rows of training were changes nothing there.
    assert result.artifact.context_length == positions


@pytest.mark.parametrize(
    ("positions", "asked", "words"),
    [
        pytest.param(64, 65, ["training.contextLength 65 is more than the 64 tokens"], id="longer than the model"),
        pytest.param(
            1_048_576, 1_048_576, ["a row of 1,048,576 tokens does not fit", "4,096.00 GiB attention masks"],
            id="a mask larger than any machine",
        ),
    ],
)  # fmt: skip
def test_a_length_that_cannot_be_is_refused_before_the_data_is_read(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, positions: int, asked: int, words: list[str]
) -> None:
    monkeypatch.setattr(run, "prepare_data", lambda *_: pytest.fail("the data was prepared"))

    with pytest.raises(RuntimeFailure) as refused:
        train(finetuning(tmp_path, positions=positions, hyperparameters__contextLength=asked))

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION
    assert [word for word in words if word not in refused.value.message] == []
