"""One model on each kind of host that models are imported from, and the same troubles for all of them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.importing.modelhub import ModelHub, Shelf
from runtime.importing.registryserver import IMAGE_LAYER, RegistryServer, digest_of, tar
from runtime.importing.volume import NAME, Volume
from runtime.importing.website import Archived
from runtime.training.s3server import S3Server
from runtime.training.troubles import Troubles

from hostler_contract.importing import ImportReport, ModelSource

WEIGHTS = "model.safetensors"
USER = ("me", "s3cret")
RIGHT, WRONG = "right", "wrong"
"""Credentials that may read, and others."""


class Host(ABC):
    """A host with one model."""

    thing: str
    """What messages call it by."""
    troubles: Troubles

    def __init__(self, files: Mapping[str, bytes], *, locked: bool = False) -> None:
        self.files = dict(files)
        self.locked = locked

    @abstractmethod
    def close(self) -> None:
        """Stop."""

    @abstractmethod
    def source(self) -> ModelSource:
        """As a Model names it."""

    @abstractmethod
    def missing(self) -> ModelSource:
        """Something that is not there."""

    @abstractmethod
    def cut(self, *after: int) -> None:
        """Break the next answers with weights off after so many bytes."""

    @abstractmethod
    def spoil(self) -> None:
        """Give out other weights than the digest says."""

    def proof(self, which: str, directory: Path) -> dict[str, Any]:
        """Credentials, as an import gets them."""
        raise NotImplementedError

    def bring(self, volume: Volume, source: ModelSource | None = None, **config: Any) -> ImportReport:
        """One pod's try."""
        return volume.take(source or self.source(), **config)


class Hub(Host):
    """A repository of a hub."""

    thing = NAME

    def __init__(self, files: Mapping[str, bytes], *, locked: bool = False) -> None:
        super().__init__(files, locked=locked)
        self.server = ModelHub({NAME: Shelf(files=self.files, token=RIGHT if locked else None)})
        self.troubles = self.server.troubles

    def close(self) -> None:
        self.server.close()

    def source(self) -> ModelSource:
        return ModelSource(kind="hf", repository=NAME, endpoint=self.server.url)

    def missing(self) -> ModelSource:
        return ModelSource(kind="hf", repository="acme/nowhere", endpoint=self.server.url)

    def cut(self, *after: int) -> None:
        self.server.cut_after[WEIGHTS] = list(after)

    def spoil(self) -> None:
        self.server.other_bytes[WEIGHTS] = self.files[WEIGHTS][:-1] + b"!"

    def proof(self, which: str, directory: Path) -> dict[str, Any]:
        return {"environ": {"HF_TOKEN": which}, "secret": "keys"}


class Web(Host):
    """An archive of a site."""

    thing = "/tiny.tar"

    def __init__(self, files: Mapping[str, bytes], *, locked: bool = False) -> None:
        super().__init__(files, locked=locked)
        self.body = tar(self.files)
        self.server = Archived(self.body, path="/tiny.tar", status=401 if locked else 200)
        self.troubles = self.server.troubles

    def close(self) -> None:
        self.server.close()

    def source(self) -> ModelSource:
        return ModelSource(kind="http", url=self.server.url, sha256=hashlib.sha256(self.body).hexdigest())

    def missing(self) -> ModelSource:
        return self.source().model_copy(update={"url": f"{self.server.url}.old"})

    def cut(self, *after: int) -> None:
        self.server.cut_after = list(after)

    def spoil(self) -> None:
        self.server.body = self.body[:-1] + b"!"


class Bucket(Host):
    """A prefix of a bucket."""

    thing = "s3://store"

    def __init__(self, files: Mapping[str, bytes], *, locked: bool = False) -> None:
        super().__init__(files, locked=locked)
        objects = {f"store/models/tiny/{name}": content for name, content in self.files.items()}
        self.server = S3Server(objects, access_key=RIGHT if locked else None)
        self.troubles = self.server.troubles

    def close(self) -> None:
        self.server.close()

    def source(self) -> ModelSource:
        return ModelSource(kind="s3", repository="store", path="models/tiny", endpoint=self.server.url)

    def missing(self) -> ModelSource:
        return self.source().model_copy(update={"repository": "nowhere"})

    def cut(self, *after: int) -> None:
        self.server.cut_after[f"store/models/tiny/{WEIGHTS}"] = list(after)

    def spoil(self) -> None:
        self.server.other_bytes[f"store/models/tiny/{WEIGHTS}"] = self.files[WEIGHTS][:-1] + b"!"

    def proof(self, which: str, directory: Path) -> dict[str, Any]:
        return {"environ": {"AWS_ACCESS_KEY_ID": which, "AWS_SECRET_ACCESS_KEY": "secret"}, "secret": "keys"}


class Image(Host):
    """An image of a registry, with one layer."""

    thing = f"/{NAME}:v1"

    def __init__(self, files: Mapping[str, bytes], *, locked: bool = False) -> None:
        super().__init__(files, locked=locked)
        self.server = RegistryServer(user=USER if locked else None)
        self.troubles = self.server.troubles
        self.push()

    def push(self) -> None:
        """The model, and remember where its weights are."""
        self.layer = tar(self.files)
        self.server.image(NAME, "v1", [self.layer])

    def close(self) -> None:
        self.server.close()

    def source(self) -> ModelSource:
        url = f"{self.server.host}/{NAME}:v1"
        return ModelSource(kind="oci", repository=NAME, revision="v1", endpoint=self.server.url, url=url)

    def missing(self) -> ModelSource:
        return self.source().model_copy(update={"revision": "v2"})

    def cut(self, *after: int) -> None:
        self.server.cut_after[digest_of(self.layer)] = list(after)

    def spoil(self) -> None:
        self.server.other_bytes[digest_of(self.layer)] = self.layer[:-1] + b"!"

    def proof(self, which: str, directory: Path) -> dict[str, Any]:
        file = directory / f"{which}.json"
        password = USER[1] if which == RIGHT else "no"
        file.write_text(json.dumps({"auths": {self.server.host: {"username": USER[0], "password": password}}}))
        return {"registry_file": str(file), "secret": "keys"}


class Artifact(Image):
    """An artifact of a registry, with a layer for each file."""

    def push(self) -> None:
        self.layer = self.files.get(WEIGHTS, b"")
        title = "org.opencontainers.image.title"
        self.server.artifact(NAME, "v1", self.files, named=title, media_type=IMAGE_LAYER)


HOSTS: dict[str, type[Host]] = {"hf": Hub, "http": Web, "s3": Bucket, "an image": Image, "an artifact": Artifact}
