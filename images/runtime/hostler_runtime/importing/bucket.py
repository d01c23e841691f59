"""A model below a prefix of a bucket: safetensors and texts, object by object.

Where the service keeps a digest (SHA-256, or an ETag that is an MD5), what arrives is held against it. Of an object
that was uploaded in parts there is none: its ETag says that it is still the same one, and its own SHA-256 goes into
the report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPResponse
from itertools import islice
from pathlib import Path
from typing import Final

from hostler_contract.importing import ImportConfig, ImportReason
from hostler_runtime.importing.choice import HubFile, Repository
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import AT_ONCE, Fetcher, Place
from hostler_runtime.importing.network import PassingError
from hostler_runtime.importing.origins import Fetched, Origin, Tools, directory_of, persistently
from hostler_runtime.remote import s3
from hostler_runtime.remote.identity import keys_of
from hostler_runtime.remote.ways import BundleError

_SPEC: Final = "spec.artifacts.source.s3"
_MOST: Final = 10_000
"""Objects below the prefix of one model."""
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_GONE: Final = frozenset({"NoSuchBucket", "NoSuchKey", "InvalidBucketName"})


def from_bucket(config: ImportConfig, tools: Tools, staging: Path) -> Origin:
    """The objects below the prefix. Raises ``ImportFailure`` and ``PassingError``."""
    store = Store(config, tools)
    repository = persistently(store.describe, pause=tools.pause)
    place = Place(directory=staging, commit=repository.commit, prefix=directory_of(config.source.path))
    fetcher = Fetcher(store, place, meter=tools.meter, clock=tools.clock, pause=tools.pause)
    return Fetched(config, repository, place, fetcher, settle=lambda files: _settled(store, files, tools))


class Store:
    """One bucket, asked for a model. Raises ``ImportFailure`` and ``PassingError`` everywhere."""

    def __init__(self, config: ImportConfig, tools: Tools) -> None:
        source = config.source
        self._config = config
        self._name = f"s3://{source.repository}"
        self._prefix = directory_of(source.path)
        region = source.region or tools.environ.get("AWS_REGION") or tools.environ.get("AWS_DEFAULT_REGION")
        place = s3.Place(bucket=source.repository, endpoint=source.endpoint or None, region=region)
        try:
            self._keys = keys_of(tools.environ, region=region)
            self._bucket = s3.Bucket(place, keys=self._keys, environ=tools.environ)
        except s3.S3Error as error:
            reason = ImportReason.ACCESS_DENIED if error.for_good else ImportReason.SOURCE_UNREACHABLE
            raise ImportFailure(reason, f"{error}: correct the role of spec.importer.serviceAccountName") from error
        except BundleError as error:
            raise ImportFailure(ImportReason.SOURCE_UNREACHABLE, str(error)) from error

    def describe(self) -> Repository:
        """The objects below the prefix, and what identifies them together."""
        try:
            listed = list(islice(self._bucket.entries(self._prefix), _MOST + 1))
        except s3.S3Error as error:
            raise self._refused(error, what=self._name) from error
        where = f"{self._name}/{self._prefix}"
        if len(listed) > _MOST:
            text = f"{where} has more than {_MOST:,} objects: set {_SPEC}.prefix to the one of a model's directory"
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        objects = [entry for entry in listed if not entry.key.endswith("/")]
        if not objects:
            text = f"{where} holds no objects: correct {_SPEC}.bucket and prefix"
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        lines = "".join(f"{entry.key} {entry.size} {entry.etag}\n" for entry in objects)
        return Repository(
            name=self._name,
            commit=hashlib.sha256(lines.encode()).hexdigest(),
            files=[HubFile(name=entry.key, size=entry.size, version=entry.etag) for entry in objects],
            field=_SPEC,
        )

    def settle(self, file: HubFile) -> HubFile:
        """The same object with its digest, where there is one."""
        try:
            found = self._bucket.facts(file.name)
        except s3.S3Error as error:
            raise self._refused(error, what=f"{self._name}/{file.name}") from error
        # Some stores leave the quotation marks out of their listings.
        if found.etag and file.version and found.etag.strip('"') != file.version.strip('"'):
            raise self._changed(file)
        return replace(file, sha256=found.sha256, md5=found.md5, version=found.etag or file.version)

    def open(self, file: HubFile, *, commit: str, offset: int) -> HTTPResponse:
        """The bytes of this very version from ``offset`` on."""
        try:
            return self._bucket.open(file.name, offset=offset, etag=file.version)
        except s3.S3Error as error:
            if error.status == 412:
                raise self._changed(file) from error
            raise self._refused(error, what=f"{self._name}/{file.name}") from error

    def _changed(self, file: HubFile) -> ImportFailure:
        text = f"{self._name}/{file.name} changed while it was fetched; the import begins it anew"
        return ImportFailure(ImportReason.SOURCE_UNREACHABLE, text)

    def _refused(self, error: s3.S3Error, *, what: str) -> Exception:
        config = self._config
        if error.region and (error.code in _ELSEWHERE or error.status in (301, 307)):
            text = f"{what} is in region {error.region}: set {_SPEC}.region to it"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        if error.code in _GONE or error.status == 404:
            text = f"{error}: correct {_SPEC} ({what}), or create what it names"
            return ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        if error.status in (401, 403) or error.code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
            whose = f"the keys of Secret {config.secret}" if config.secret else "the keys of this pod"
            text = (
                f"{whose} may not read {what} ({error}): put others there, or have the bucket's policy allow them to "
                "list and to read"
                if self._keys
                else f"{what} needs credentials ({error}): name a Secret with AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY in {_SPEC}.secretRef"
            )
            return ImportFailure(ImportReason.ACCESS_DENIED, text)
        if not error.for_good:
            return PassingError(str(error))
        reason = ImportReason.SOURCE_NOT_FOUND if error.status else ImportReason.SOURCE_UNREACHABLE
        return ImportFailure(reason, f"{error}: correct {_SPEC}.endpoint, or have imports.proxy set")


def _settled(store: Store, files: Sequence[HubFile], tools: Tools) -> Sequence[HubFile]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda file: persistently(lambda: store.settle(file), pause=tools.pause), files))
