"""Images in a folder for each label, or beside a ``metadata.jsonl`` with ``file_name`` and any columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hostler_data.errors import DataError
from hostler_data.files import name_of
from hostler_data.readers import Found
from hostler_data.readers.manifest import IMAGE_SUFFIXES, NAMES, described
from hostler_data.record import Record


class ImageFolderReader:
    """Where there is a manifest, its rows are the data; else each image file is a row, labelled by its folder."""

    nothing = "holds no images"

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self._root = root
        self._manifests = [file for file in files if file.name in NAMES]
        self._images = [file for file in files if file.name.lower().endswith(IMAGE_SUFFIXES)]
        if not self._manifests and not self._images:
            raise DataError(file=location, message="holds no image files and no metadata.jsonl: check the format")

    def scan(self) -> Iterator[Found]:
        """``image`` is the file's path; ``label`` the folder's name, where the file is in one."""
        for manifest in self._manifests:
            yield from described(manifest, name=name_of(manifest, root=self._root), role="image")
        if self._manifests:
            return
        for image in self._images:
            name = name_of(image, root=self._root)
            label = {"label": image.parent.name} if "/" in name else {}
            yield Record(file=name, row=1, values={"image": image.name, **label}, folder=image.parent)
