"""Models whose files a Job brings into the namespace, or finds in an image that pods mount: what identifies a source,
and what the model is afterwards."""

from __future__ import annotations

import hashlib
import json

from hostler.api.common import OciSource, PvcSource, Source
from hostler.api.model import (
    IMPORTED_SOURCES,
    Architecture,
    Artifacts,
    MemoryFacts,
    ModelFacts,
    ModelImport,
    ModelSpec,
    ModelStatus,
)
from hostler.families import FamilyName, families, family

_ALIKE = frozenset({FamilyName.CHAT, FamilyName.CODE})
"""Families of which files cannot always tell which one they are."""


class MountedImage(OciSource):
    """An image that pods mount as it is: what a model of a registry becomes once it was looked at."""


Place = PvcSource | MountedImage
"""From where pods can mount the files."""


def place_of(source: Source) -> Place | None:
    """None where the files have to be brought first, or cannot be had at all."""
    return source.oci if isinstance(source.oci, MountedImage) else source.pvc


def is_imported(source: Source) -> bool:
    """Whether a Job brings the files, or looks at them."""
    return source.member in IMPORTED_SOURCES and place_of(source) is None


def named(source: Source) -> str:
    """What is imported, for sentences."""
    if source.s3 is not None:
        return f"s3://{source.s3.bucket}/{source.s3.prefix}".rstrip("/")
    if source.oci is not None:
        return source.oci.reference
    if source.hf is not None:
        return source.hf.repository
    return source.http.url if source.http is not None else ""


def source_hash(source: Source) -> str:
    """What tells one content from another: everything but whose credentials fetch it."""
    found = source.model_dump(mode="json", by_alias=True, exclude_none=True)
    found[source.member].pop("secretRef", None)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


def imported_of(spec: ModelSpec, status: ModelStatus) -> ModelImport | None:
    """What status says of the import of this very source."""
    found = status.imported
    if found is None or not is_imported(spec.artifacts.source) or found.source != source_hash(spec.artifacts.source):
        return None
    return found


def resolved(spec: ModelSpec, status: ModelStatus) -> ModelSpec:
    """The model as jobs and services use it: on its claim or in its image, with the facts of its files where spec says
    none. A model whose files are not there yet stays as it is."""
    imported = imported_of(spec, status)
    if imported is None or not imported.complete:
        return spec
    facts = facts_of(spec, imported)
    artifacts = Artifacts(
        source=_place(spec, imported),
        format=spec.artifacts.format,
        size_bytes=imported.size_bytes or None,
        sha256=imported.sha256,
    )
    return spec.model_copy(
        update={
            "artifacts": artifacts,
            "family": FamilyName(facts.family) if facts.family else None,
            "task": facts.task,
            "license": facts.license or "unknown",
            "architecture": Architecture(
                parameters=facts.parameters,
                context_length=facts.context_length,
                vocabulary_size=facts.vocabulary_size,
                quantization=facts.quantization,
                sizes=facts.sizes,
            ),
            "memory": facts.weights_bytes
            and MemoryFacts(weights_bytes=facts.weights_bytes, kv_bytes_per_token=facts.kv_bytes_per_token),
        }
    )


def _place(spec: ModelSpec, imported: ModelImport) -> Source:
    if imported.claim_name is not None:
        return Source(pvc=PvcSource(claim_name=imported.claim_name, path=imported.path or ""))
    given = spec.artifacts.source.oci
    return Source(
        oci=MountedImage(
            reference=imported.image or "", path=imported.path or "", secret_ref=given.secret_ref if given else None
        )
    )


def facts_of(spec: ModelSpec, imported: ModelImport | None) -> ModelFacts:
    """As spec says, and where it says nothing, as the files do."""
    read = (imported.facts if imported else None) or ModelFacts()
    of_family = family(spec.family.value).task if spec.family else None
    architecture, memory = spec.architecture, spec.memory
    said = {
        "family": spec.family.value if spec.family else None,
        "task": spec.task or (None if read.task else of_family),
        "license": None if spec.license == "unknown" and is_imported(spec.artifacts.source) else spec.license,
        "parameters": architecture.parameters if architecture else None,
        "context_length": architecture.context_length if architecture else None,
        "vocabulary_size": architecture.vocabulary_size if architecture else None,
        "chat_template": architecture.chat_template if architecture else None,
        "quantization": architecture.quantization if architecture else None,
        "sizes": architecture.sizes if architecture else None,
        "weights_bytes": memory.weights_bytes if memory else None,
        "kv_bytes_per_token": memory.kv_bytes_per_token if memory else None,
    }
    facts = read.model_copy(update={name: value for name, value in said.items() if value is not None})
    known = families().get(facts.family or "")
    translates = architecture.translates if architecture else None
    apis = known.apis_of(facts.task, chat_template=facts.chat_template, translates=translates) if known else ()
    return facts.model_copy(update={"apis": apis})


def family_conflict(spec: ModelSpec, found: str) -> str:
    """A sentence where spec names another family than the files are of; empty where the two agree."""
    wanted = spec.family
    if wanted is None or wanted.value == found or (wanted in _ALIKE and found in {each.value for each in _ALIKE}):
        return ""
    return (
        f"spec.family says {wanted}, and the files are of family {found}: leave spec.family out, or name another source"
    )
