"""Which files make up a dataset, and the hash that identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from hostler_data.errors import DataError, DataNotFoundError


def files_below(root: Path) -> list[Path]:
    """Regular files in a stable order, without hidden ones: a mounted ConfigMap shows every file twice, once below
    ``..data``. Raises ``DataNotFoundError``."""
    if root.is_file():
        return [root]
    if not root.exists():
        raise DataNotFoundError(file=str(root), message="does not exist: check the path")
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not files:
        raise DataNotFoundError(file=str(root), message="holds no files: put the data's files there")
    return files


def root_of(path: Path) -> Path:
    """The directory that names of files are relative to."""
    return path if path.is_dir() else path.parent


def content_sha256(files: Sequence[Path], *, root: Path) -> str:
    """The dataset's identity. One file is identified by its bytes alone, so that a claim, a URL and a ConfigMap with
    the same bytes are the same data and ``sha256sum`` says the same; several by their names and bytes, because names
    carry labels. Raises ``DataError``."""
    digest = hashlib.sha256()
    for name, file in sorted((name_of(file, root=root), file) for file in files):
        try:
            content = sha256_of(file)
        except OSError as error:
            raise unreadable(error, name=name) from error
        if len(files) == 1:
            return content
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes. Raises ``OSError``."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def name_of(file: Path, *, root: Path) -> str:
    """A file as errors and hashes name it: relative to the data's root."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def unreadable(error: OSError, *, name: str, row: int | None = None) -> DataError:
    """What to say when the system does not hand out a file."""
    if isinstance(error, PermissionError):
        message = "may not be read by the trainer's user: set the volume's permissions"
    elif isinstance(error, FileNotFoundError):
        message = "does not exist: check the path"
    else:
        message = f"cannot be read: {error.strerror or error}"
    return DataError(file=name, row=row, message=message)
