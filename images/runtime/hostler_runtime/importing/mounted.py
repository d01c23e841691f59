"""A model in an OCI image that the kubelet has mounted: looked at where it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from hostler_contract.importing import ImportConfig, ImportReason
from hostler_runtime.importing.choice import HubFile
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.origins import Tools, directory_of
from hostler_runtime.importing.web import prefix_of

_DEEPEST: Final = 5
_CHUNK: Final = 1 << 20


class Mounted:
    """As any other origin; what it brings is there already."""

    def __init__(self, config: ImportConfig, tools: Tools) -> None:
        """Raises ``ImportFailure`` where the image has no such directory."""
        root = Path(config.mount)
        names = {path.relative_to(root).as_posix(): path.stat().st_size for path in _files(root)}
        prefix = directory_of(config.source.path) or prefix_of(names)
        self.what = f"{config.source.url} {config.source.path}".strip()
        self.below = prefix.strip("/")
        self.directory = root / prefix
        self.revision = config.source.revision
        self.tags: Sequence[str] = ()
        self.license: str | None = None
        self.files: Mapping[str, HubFile] = {
            name.removeprefix(prefix): HubFile(name=name.removeprefix(prefix), size=size)
            for name, size in names.items()
            if name.startswith(prefix)
        }
        self._tools = tools
        if not self.files:
            text = f"{config.source.url} has no directory {self.below or '/'}: correct spec.artifacts.source.oci.path"
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)

    def deeper(self, directory: str) -> str:
        """As people name it."""
        return f"set spec.artifacts.source.oci.path to {directory_of(self.below)}{directory}"

    def path(self, file: HubFile) -> Path:
        """In the image."""
        return self.directory / file.name

    def expect(self, files: Sequence[HubFile]) -> None:
        """What there is to read."""
        self._tools.meter.expect(sum(file.size for file in files))

    def bring(self, files: Sequence[HubFile]) -> dict[str, str]:
        """SHA-256 of each file by its name."""
        return {file.name: self._hash(self.path(file)) for file in files}

    def _hash(self, path: Path) -> str:
        digest = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                while block := stream.read(_CHUNK):
                    digest.update(block)
                    self._tools.meter.took(len(block), now=self._tools.clock())
        except PermissionError as error:
            text = (
                f"{path.name} of {self.what} may be read by its owner alone, which no pod of ours is: push an image "
                "whose files everybody may read (chmod -R a+rX)"
            )
            raise ImportFailure(ImportReason.ACCESS_DENIED, text) from error
        return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    """Plain files that are not too deep; links may lead out of the image."""
    for place, folders, names in os.walk(root):
        here = Path(place)
        if len(here.relative_to(root).parts) >= _DEEPEST:
            folders.clear()
        yield from (path for name in names if (path := here / name).is_file() and not path.is_symlink())
