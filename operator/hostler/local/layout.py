"""The exported images: one OCI layout in the cache in which images share their layers.

A node gets an image as a tar of the parts that it lacks, made on the fly.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hostler.local.errors import ImageError
from hostler.local.naming import cache_root

Json = dict[str, Any]
_REFERENCE = "org.opencontainers.image.ref.name"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONTAINERD_NAME = "io.containerd.image.name"


def exported() -> Layout:
    """The layout in the cache."""
    return Layout(cache_root() / "images")


@dataclass(frozen=True)
class Layout:
    """An OCI image layout on disk."""

    directory: Path

    def _index(self) -> Json:
        file = self.directory / "index.json"
        if not file.exists():
            return {"manifests": []}
        found: Json = json.loads(file.read_text())
        return found

    def _entry(self, reference: str) -> Json | None:
        for entry in self._index()["manifests"]:
            if entry.get("annotations", {}).get(_REFERENCE) == reference:
                found: Json = entry
                return found
        return None

    def has(self, reference: str) -> bool:
        """Whether an image is here with all of its blobs: a full disk or a killed export may leave parts."""
        entry = self._entry(reference)
        if entry is None or not self._blob(entry["digest"]).exists():
            return False
        return all(self._blob(digest).exists() for digest in self.digests(reference))

    def _blob(self, digest: str) -> Path:
        return self.directory / "blobs" / Path(*digest.split(":", 1))

    def digests(self, reference: str) -> list[str]:
        """Manifest, configuration and layers of an image."""
        manifest = self.manifest(reference)
        parts = [manifest["config"], *manifest["layers"]]
        return [self._required(reference)["digest"], *(part["digest"] for part in parts)]

    def _required(self, reference: str) -> Json:
        entry = self._entry(reference)
        if entry is None:
            raise ImageError(f"image {reference} was not exported", way_out="run `hostler local build`")
        return entry

    def manifest(self, reference: str) -> Json:
        found: Json = json.loads(self._blob(self._required(reference)["digest"]).read_text())
        return found

    def configuration(self, reference: str) -> Json:
        found: Json = json.loads(self._blob(self.manifest(reference)["config"]["digest"]).read_text())
        return found

    def add_file(self, file: Path, *, media_type: str) -> Json:
        """Move a file in as a blob; returns its descriptor."""
        with file.open("rb") as content:
            digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
        size = file.stat().st_size
        file.rename(self._blob(digest))
        return {"mediaType": media_type, "digest": digest, "size": size}

    def add_image(self, reference: str, *, config: Json, layers: Sequence[Json]) -> None:
        """Write configuration and manifest, and name them; replaces an image of the same name."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._add_json(config, media_type="application/vnd.oci.image.config.v1+json"),
            "layers": list(layers),
        }
        entry = self._add_json(manifest, media_type=_MANIFEST)
        entry["annotations"] = {_REFERENCE: reference}
        index = self._index()
        others = [one for one in index["manifests"] if one.get("annotations", {}).get(_REFERENCE) != reference]
        self._write_index({"schemaVersion": 2, **index, "manifests": [*others, entry]})

    def _add_json(self, content: Json, *, media_type: str) -> Json:
        partial = self.directory / "json.partial"
        partial.write_text(json.dumps(content))
        return self.add_file(partial, media_type=media_type)

    def _write_index(self, index: Json) -> None:
        partial = self.directory / "index.json.partial"
        partial.write_text(json.dumps(index))
        partial.rename(self.directory / "index.json")

    def write_archive(self, reference: str, target: IO[bytes], *, without: Collection[str] = ()) -> None:
        """Write the image as a tar stream, leaving out blobs the receiver has already."""
        entry = self._required(reference)
        digests = self.digests(reference)
        named = {**entry, "annotations": {_CONTAINERD_NAME: reference}}
        index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
        with tarfile.open(fileobj=target, mode="w|") as tar:
            _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            _add(tar, "index.json", index)
            for digest in dict.fromkeys(digests):
                # The manifest itself always travels: the import starts from it.
                if digest not in without or digest == entry["digest"]:
                    tar.add(self._blob(digest), arcname=f"blobs/{digest.replace(':', '/')}")

    def references(self) -> list[str]:
        """All images, in the order in which they were added."""
        found = (entry.get("annotations", {}).get(_REFERENCE) for entry in self._index()["manifests"])
        return [reference for reference in found if reference]

    def prune(self, *, keep: int) -> list[str]:
        """Drop all but the newest images of each name, with the blobs that no other image has; returns them."""
        dropped = superseded(self.references(), keep=keep)
        if not dropped:
            return []
        index = self._index()
        index["manifests"] = [
            entry for entry in index["manifests"] if entry.get("annotations", {}).get(_REFERENCE) not in dropped
        ]
        self._write_index(index)
        needed = {digest for reference in self.references() for digest in self.digests(reference)}
        for blob in (self.directory / "blobs" / "sha256").iterdir():
            if f"sha256:{blob.name}" not in needed:
                blob.unlink()
        return dropped


def superseded(references: Sequence[str], *, keep: int) -> list[str]:
    """All but the last `keep` references of each repository."""
    versions: dict[str, list[str]] = {}
    for reference in references:
        versions.setdefault(reference.rpartition(":")[0], []).append(reference)
    return [reference for found in versions.values() for reference in found[:-keep]]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
