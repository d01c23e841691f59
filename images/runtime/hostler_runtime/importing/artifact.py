"""A model in a registry: an image, or an artifact of ORAS, ModelPack or KitOps. Layers that are single files are
fetched as such and only where they are wanted; layers that are archives are fetched whole, and unpacked in part.

Sources: https://github.com/opencontainers/image-spec/blob/main/manifest.md,
https://github.com/modelpack/model-spec/blob/main/docs/annotations.md,
https://kitops.org/docs/modelkit/spec/, https://oras.land/docs/concepts/artifact/.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hostler_contract.importing import ImportConfig, ImportReason
from hostler_runtime.importing import choice
from hostler_runtime.importing.choice import HubFile
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import Fetcher, Place
from hostler_runtime.importing.layers import Layer
from hostler_runtime.importing.origins import Origin, Tools, bytes_below, directory_of, persistently, require_room
from hostler_runtime.importing.registry import INDEXES, SPEC, Document, Registry
from hostler_runtime.importing.web import prefix_of

_IMAGE_CONFIGS: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_IMAGE_LAYERS: Final = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.diff.tar")
_NAMES: Final = ("org.cncf.model.filepath", "org.cnai.model.filepath", "org.opencontainers.image.title")
"""Annotations of a layer that say the path of the file in it."""
_UNPACK: Final = "io.deis.oras.content.unpack"
"""Annotation with which ORAS marks a directory that it has packed."""
_NOT_NEEDED: Final = (".dataset.", ".code.")
"""In media types of layers that are no part of the model."""
_ARCHIVES: Final = (".tar", ".tgz", ".tar.gz", ".tar.zst")
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


class Resolved(Exception):
    """It is known which image or artifact it is, which is all that was asked."""

    def __init__(self, reference: str, *, digest: str, mountable: bool) -> None:
        super().__init__(reference)
        self.reference = reference
        self.digest = digest
        self.mountable = mountable


@dataclass(kw_only=True)
class Contents:
    """The layers of a manifest by what they are."""

    files: dict[str, HubFile] = field(default_factory=dict)
    """Layers that are single files, by path."""
    archives: list[HubFile] = field(default_factory=list)
    """Those that are archives, from the lowest to the highest."""
    image: bool = False
    """Whether it is an image, which pods can mount, and no artifact, which most container runtimes cannot."""


def contents(manifest: Mapping[str, Any], *, what: str) -> Contents:
    """What a manifest consists of. Raises ``ImportFailure``."""
    try:
        layers = [_Described(layer) for layer in manifest["layers"]]
        config = str(manifest["config"].get("mediaType"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"{what} is no manifest of an image or artifact ({type(error).__name__}): name one"
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text) from error
    found = Contents(image=config in _IMAGE_CONFIGS and all(each.of_image for each in layers))
    for each in layers:
        if any(word in each.media_type for word in _NOT_NEEDED):
            continue
        if each.archived:
            found.archives.append(HubFile(name=f"{each.sha256}.layer", size=each.size, sha256=each.sha256))
        elif each.path:
            found.files[each.path] = HubFile(name=each.path, size=each.size, sha256=each.sha256)
    if not found.files and not found.archives:
        text = f"{what} has no layers with files of a model: push one with a file, or an archive, for each layer"
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)
    return found


class _Described:
    """A layer as the manifest describes it."""

    def __init__(self, layer: Mapping[str, Any]) -> None:
        self.media_type = str(layer.get("mediaType") or "")
        algorithm, _, digest = str(layer["digest"]).partition(":")
        if algorithm != "sha256" or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"digest {layer['digest']}")
        self.sha256 = digest
        self.size = int(layer["size"])
        notes = layer.get("annotations") or {}
        self.path = next((str(notes[name]).removeprefix("./") for name in _NAMES if notes.get(name)), "")
        self.of_image = self.media_type.startswith(_IMAGE_LAYERS)
        self.archived = notes.get(_UNPACK) == "true" or (".tar" in self.media_type and not self._single)

    @property
    def _single(self) -> bool:
        """Whether it is a file by its own name: ORAS gives those the media type of an archive, where none is said."""
        return self.of_image and bool(self.path) and not self.path.endswith(_ARCHIVES)


def manifest_of(registry: Registry, reference: str) -> tuple[str, Document]:
    """Digest of what the reference stands for, and the manifest in it: of an index, the one for this machine, or the
    first that is no attestation."""
    found = registry.document(reference)
    if found.media_type not in INDEXES:
        return found.digest, found
    entries = [entry for entry in found.body.get("manifests") or () if isinstance(entry, dict)]
    machine = _MACHINES.get(platform.machine(), platform.machine())

    def rank(entry: Mapping[str, Any]) -> int:
        about = entry.get("platform") or {}
        wanted = about.get("os", "linux") == "linux" and about.get("architecture") == machine
        return 0 if wanted else 2 if about.get("architecture") == "unknown" else 1

    if not entries:
        text = f"{registry.name}@{found.digest} is an index without manifests: name another one"
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)
    return found.digest, registry.document(str(min(entries, key=rank).get("digest")))


@contextmanager
def from_registry(config: ImportConfig, tools: Tools, staging: Path) -> Iterator[Origin]:
    """An image or artifact whose archives are fetched first, and gone afterwards. Raises ``Resolved``,
    ``ImportFailure`` and ``PassingError``."""
    registry = Registry(config, tools.environ)
    digest, manifest = persistently(lambda: manifest_of(registry, config.source.revision), pause=tools.pause)
    what = f"{registry.name}@{digest}"
    found = contents(manifest.body, what=what)
    if config.resolve:
        reference = what.replace("registry-1.docker.io/", "docker.io/")
        raise Resolved(reference, digest=digest, mountable=found.image)
    packed = Place(directory=staging.with_name(f"{staging.name}-layers"), commit=digest)
    packed.directory.mkdir(parents=True, exist_ok=True)
    size = sum(each.size for each in found.archives)
    require_room(config, size, held=bytes_below(packed.directory), volume=packed.directory)
    fetcher = Fetcher(registry, packed, meter=tools.meter, clock=tools.clock, pause=tools.pause)
    fetcher.expect(found.archives)
    fetcher.fetch(found.archives)
    most = max(config.volume_bytes or shutil.disk_usage(packed.directory).total, size)
    layers = [Layer(packed.path(each), what=what, most=most) for each in found.archives]
    yield _FromRegistry(config, registry, tools, _Parts(found, layers, digest=digest, staging=staging, packed=packed))
    shutil.rmtree(packed.directory, ignore_errors=True)


class _Parts:
    """Which file is where."""

    def __init__(self, found: Contents, layers: Sequence[Layer], *, digest: str, staging: Path, packed: Place) -> None:
        self.digest, self.staging, self.packed = digest, staging, packed
        self.archive_bytes = sum(each.size for each in found.archives)
        self.files = dict(found.files)
        self.layers: dict[str, Layer] = {}
        for layer in layers:
            sizes, gone = layer.sizes()
            self._take_away(gone)
            for name, size in sizes.items():
                self.files[name] = HubFile(name=name, size=size)
                self.layers[name] = layer

    def _take_away(self, gone: Iterable[str]) -> None:
        hidden = tuple(each for each in gone if each.endswith("/"))
        for name in [each for each in self.layers if each in gone or each.startswith(hidden or ("\0",))]:
            del self.files[name], self.layers[name]


class _FromRegistry:
    def __init__(self, config: ImportConfig, registry: Registry, tools: Tools, parts: _Parts) -> None:
        choice.check_names(parts.files, what=config.source.url or registry.name)
        sizes = {name: file.size for name, file in parts.files.items()}
        prefix = directory_of(config.source.path) or prefix_of(sizes)
        self.what = f"{config.source.url} {config.source.path}".strip()
        self.revision = parts.digest
        self.tags: Sequence[str] = ()
        self.license: str | None = None
        place = Place(directory=parts.staging, commit=parts.digest, prefix=prefix)
        self._config, self._parts, self._place = config, parts, place
        self._fetcher = Fetcher(registry, place, meter=tools.meter, clock=tools.clock, pause=tools.pause)
        self.files: Mapping[str, HubFile] = {
            name.removeprefix(prefix): file for name, file in parts.files.items() if name.startswith(prefix)
        }
        if not self.files:
            text = f"{config.source.url} has no directory {prefix.strip('/')}: correct {SPEC}.path"
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)

    def deeper(self, directory: str) -> str:
        return f"set {SPEC}.path to {self._place.prefix}{directory}"

    def path(self, file: HubFile) -> Path:
        return self._place.path(file)

    def expect(self, files: Sequence[HubFile]) -> None:
        # Archives are beside what is unpacked until the end.
        packed = self._parts.archive_bytes
        held = bytes_below(self._place.directory) + bytes_below(self._parts.packed.directory)
        wanted = sum(file.size for file in files) + packed
        require_room(self._config, wanted, held=held, volume=self._place.directory)
        self._fetcher.expect([file for file in files if file.sha256], besides=packed)

    def bring(self, files: Sequence[HubFile]) -> dict[str, str]:
        hashes = self._fetcher.fetch([file for file in files if file.sha256])
        for layer in dict.fromkeys(self._parts.layers[file.name] for file in files if not file.sha256):
            there = {file.name: file for file in files if self._parts.layers.get(file.name) is layer}
            unpacked = layer.unpack({name: self._place.path(file) for name, file in there.items()})
            hashes |= {name.removeprefix(self._place.prefix): digest for name, digest in unpacked.items()}
        return hashes
