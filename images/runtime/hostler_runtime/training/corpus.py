"""The text of a dataset and its split into training and validation parts. Plain Python, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure


@dataclass(frozen=True)
class Corpus:
    """All documents in the order in which they are split."""

    documents: tuple[str, ...]
    sha256: str
    """Hash over names and contents of the files."""
    size_bytes: int


@dataclass(frozen=True)
class Split:
    """Documents, or pieces of them, for each purpose."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def read_corpus(files: Sequence[Path], *, location: str) -> Corpus:
    """Read text files. Their order is shuffled by name, so that a tail of it is a fair sample."""
    digest = hashlib.sha256()
    documents: dict[str, str] = {}
    size = 0
    for index, file in enumerate(files):
        content = _read(file)
        size += len(content)
        name = f"{index}/{file.name}"
        digest.update(hashlib.sha256(content).digest())
        text = _decode(content, file=file)
        if text.strip():
            documents[hashlib.sha256(name.encode()).hexdigest()] = text
    if not documents:
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"{location} holds no text: all its files are empty")
    return Corpus(
        documents=tuple(documents[key] for key in sorted(documents)), sha256=digest.hexdigest(), size_bytes=size
    )


def split(corpus: Corpus, *, validation_percent: int) -> Split:
    """Keep the tail for validation. At most one document is cut, at the end of a line near the border."""
    total = sum(map(len, corpus.documents))
    border = total * (100 - validation_percent) // 100
    train: list[str] = []
    validation: list[str] = []
    position = 0
    for document in corpus.documents:
        start, position = position, position + len(document)
        if position <= border:
            train.append(document)
        elif start >= border:
            validation.append(document)
        else:
            cut = _line_end(document, near=border - start)
            train.append(document[:cut])
            validation.append(document[cut:])
    return Split(train=_filled(train), validation=_filled(validation))


def _line_end(text: str, *, near: int) -> int:
    newline = text.rfind("\n", 0, near)
    # A text without line ends is cut where it is: half a word in each part does no harm.
    return newline + 1 if newline > near // 2 else near


def _filled(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text.strip())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except PermissionError:
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID, f"{file} may not be read by the trainer's user: set the volume's permissions"
        ) from None


def _decode(content: bytes, *, file: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID,
            f"{file} is not UTF-8 text (byte {error.start} is 0x{content[error.start]:02x}): convert or remove it",
        ) from None
