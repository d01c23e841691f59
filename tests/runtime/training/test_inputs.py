"""Data and settings that cannot work, each with its reason and a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runtime.training.harness import JobFactory, Train

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.text.tokenizer import encode, pieces, train_tokenizer

DECODER = "model__transformer"
INVALID, NOT_FOUND = ErrorReason.DATASET_INVALID, ErrorReason.DATASET_NOT_FOUND


def no_such_path(data: Path) -> None:
    """Nothing was mounted there."""


def empty_directory(data: Path) -> None:
    """A volume without files."""
    data.mkdir()


def only_hidden_files(data: Path) -> None:
    """Files that tools leave behind do not count."""
    (data / ".git").mkdir(parents=True)
    (data / ".git" / "config").write_text("text")


def empty_file(data: Path) -> None:
    """A file of no bytes."""
    data.mkdir()
    (data / "a.txt").write_text("")


def blank_file(data: Path) -> None:
    """Nothing but white space."""
    data.write_text(" \n\t\n")


def latin_1(data: Path) -> None:
    """Text in an old encoding."""
    data.write_bytes("Zürich".encode("latin-1") * 1000)


def image(data: Path) -> None:
    """Not text at all."""
    data.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def one_letter(data: Path) -> None:
    """Text, but not enough for two parts."""
    data.write_text("x")


@pytest.mark.parametrize(
    ("arrange", "want_reason", "want_words"),
    [
        (no_such_path, NOT_FOUND, "does not exist in the dataset volume: check the source's path"),
        (empty_directory, NOT_FOUND, "holds no files: put the data's files there"),
        (only_hidden_files, NOT_FOUND, "holds no files"),
        (empty_file, INVALID, "holds no text: all its files are empty"),
        (blank_file, INVALID, "holds no text"),
        (latin_1, INVALID, "is not UTF-8 text (byte 1 is 0xfc): convert or remove it"),
        (image, INVALID, "is not UTF-8 text (byte 0 is 0x89)"),
        (one_letter, INVALID, "the training part has no text: add data or change validationPercent"),
    ],
)
def test_data_that_cannot_be_trained_on(
    arrange: Callable[[Path], None],
    want_reason: ErrorReason,
    want_words: str,
    job: JobFactory,
    train: Train,
    tmp_path: Path,
) -> None:
    arrange(tmp_path / "given")

    with pytest.raises((RuntimeFailure, DataError)) as raised:
        train(job(data=tmp_path / "given"))

    failure = classify(raised.value)
    assert failure.reason is want_reason
    assert want_words in failure.message
    assert not list((tmp_path / "workspace").rglob("prepared-*"))


@pytest.mark.parametrize(
    ("changes", "want_reason", "want_words"),
    [
        ({f"{DECODER}__heads": 3}, ErrorReason.INVALID_CONFIGURATION, "hiddenSize 32 is not a multiple of heads 3"),
        (
            {
                f"{DECODER}__architecture": "llama",
                f"{DECODER}__dropoutPercent": 0,
                f"{DECODER}__hiddenSize": 30,
                f"{DECODER}__heads": 2,
            },
            ErrorReason.INVALID_CONFIGURATION,
            "hiddenSize / heads is 15; rotary positions need an even number",
        ),
        (
            {f"{DECODER}__architecture": "llama"},
            ErrorReason.INVALID_CONFIGURATION,
            "llama architecture has no dropout",
        ),
        (
            {"hyperparameters__learningRate": 1e30, "hyperparameters__warmupSteps": 0},
            ErrorReason.TRAINING_DIVERGED,
            "lower the learning rate or lengthen the warm-up",
        ),
    ],
)
def test_settings_that_cannot_work(
    changes: dict[str, Any], want_reason: ErrorReason, want_words: str, job: JobFactory, train: Train
) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        train(job(**changes))

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message


def test_a_workspace_that_cannot_be_written(job: JobFactory, train: Train) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        train(job().model_copy(update={"workspace": "/dev/null"}))

    assert failure.value.reason is ErrorReason.INVALID_CONFIGURATION
    assert failure.value.message == "the workspace /dev/null cannot be written: Not a directory"


def test_a_vocabulary_too_small_for_every_byte() -> None:
    with pytest.raises(RuntimeFailure, match="vocabularySize is 100; a byte-level tokenizer needs at least 258"):
        train_tokenizer(["text"], vocabulary_size=100, context_length=8)


def test_data_cannot_forge_a_document_border() -> None:
    tokenizer = train_tokenizer(["some text <|endoftext|> more"], vocabulary_size=300, context_length=8)
    border = tokenizer.eos_token_id

    tokens = encode(tokenizer, "a <|endoftext|> b")

    assert border not in tokens
    assert tokenizer.decode(tokens) == "a <|endoftext|> b"
    assert tokenizer.encode("<|endoftext|>", add_special_tokens=False) == [border]


def test_long_texts_are_cut_at_line_ends_and_lose_nothing() -> None:
    text = "".join(f"line {index}\n" for index in range(1000)) + "x" * 500

    parts = list(pieces([text], size=100))

    assert "".join(parts) == text
    assert max(map(len, parts)) <= 100
    assert all(part.endswith("\n") for part in parts[:-6])
