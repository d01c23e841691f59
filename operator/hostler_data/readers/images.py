"""Images in a folder for each label, with captions beside them, or beside a manifest with ``file_name`` and more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.readers import Found
from hostler_data.readers.manifest import IMAGE_SUFFIXES, NAMES, TABLES, described
from hostler_data.record import Record


class ImageFolderReader:
    """Where there is a manifest, its rows are the data; else each image file is a row, labelled by its folder and
    captioned by the text file of its name."""

    nothing = "holds no images"

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self._root = root
        self._manifests = [file for file in files if file.name in (*NAMES, *TABLES)]
        self.untyped = any(file.name in TABLES for file in self._manifests)
        self._images = [file for file in files if file.name.lower().endswith(IMAGE_SUFFIXES)]
        if not self._manifests and not self._images:
            message = "holds no image files and no metadata.jsonl or metadata.csv: check the format"
            raise DataError(file=location, message=message)
        texts = {file for file in files if file.suffix.lower() in _CAPTION_SUFFIXES}
        beside = {image: text for image in self._images if (text := _beside(image, texts)) is not None}
        self._captions = {} if self._manifests else beside
        self.files: Sequence[Path] = self._manifests or [*self._images, *self._captions.values()]

    def scan(self) -> Iterator[Found]:
        """``image`` is the file's path; ``label`` the folder's name, where the file is in one; ``caption`` the text
        beside it, None where only other images have one."""
        for manifest in self._manifests:
            yield from described(manifest, name=name_of(manifest, root=self._root), role="image")
        if self._manifests:
            return
        for image in self._images:
            name = name_of(image, root=self._root)
            label = {"label": image.parent.name} if "/" in name else {}
            try:
                caption = self._caption(image)
            except DataError as error:
                yield error
                continue
            yield Record(file=name, row=1, values={"image": image.name, **label, **caption}, folder=image.parent)

    def _caption(self, image: Path) -> Mapping[str, Any]:
        if not self._captions:
            return {}
        if (file := self._captions.get(image)) is None:
            return {"caption": None}
        return {"caption": _text(file, name=name_of(file, root=self._root))}


_CAPTION_SUFFIXES = (".txt", ".caption")


def _beside(image: Path, texts: set[Path]) -> Path | None:
    found = (image.with_suffix(suffix) for suffix in _CAPTION_SUFFIXES)
    return next((file for file in found if file in texts), None)


def _text(file: Path, *, name: str) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}): convert or remove it"
        raise DataError(file=name, row=1, message=message) from error
    except OSError as error:
        raise unreadable(error, name=name, row=1) from error
