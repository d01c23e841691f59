"""Which files of a repository make the model. Pure.

Texts (configuration, tokenizer, card) are chosen by name; weights by the index beside them, which is one of the texts.
Nothing is chosen that could run code: no pickle, no Python, no format that the servers do not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from hostler_contract.importing import ImportReason
from hostler_runtime.importing.failure import ImportFailure

CONFIGURATION: Final = "config.json"
PIPELINE: Final = "model_index.json"
_TEXTS: Final = frozenset({".json", ".txt", ".jinja", ".model"})
_CARDS: Final = re.compile(r"(README|LICEN[CS]E|NOTICE)(\.(md|txt))?", re.IGNORECASE)
_MODULE: Final = re.compile(r"\d+_[A-Za-z]+/(config\.json|model\.safetensors)")
"""What sentence-transformers puts after the network, such as ``1_Pooling``."""
_WEIGHTS: Final = ("model.safetensors", "diffusion_pytorch_model.safetensors")
_PICKLES: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5"})
_NOT_NEEDED: Final = frozenset({"safety_checker", "feature_extractor"})
"""Parts of a pipeline that no server of ours loads."""
_TRUSTED: Final = frozenset({"diffusers", "transformers", "stable_diffusion"})
"""Libraries whose classes a pipeline may name."""


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file as the hub describes it."""

    name: str
    """Path in the repository."""
    size: int
    """In bytes."""
    sha256: str | None = None
    """Of the content, where the hub keeps it as a large file."""
    git_sha1: str | None = None
    """Of the content as git's object, of every other file."""
    md5: str | None = None
    """Of the content, where a store keeps nothing better."""
    version: str | None = None
    """What a store changes with the content, where it says no digest: its ETag."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A commit of a repository as the hub describes it."""

    name: str
    commit: str
    files: Sequence[HubFile]
    gated: bool = False
    license: str | None = None
    """Name of the licence as the hub writes it, such as ``apache-2.0`` or ``llama3.1``."""
    tags: Sequence[str] = ()
    field: str = "spec.artifacts.source.hf"
    """Where people named it."""


def check_license(repository: Repository, *, accepted: str | None, page: str) -> None:
    """That the licence of a gated repository was accepted by its name. Raises ``ImportFailure``."""
    name = repository.license or "unnamed"
    if accepted is not None and accepted != name:
        text = (
            f"the licence of {repository.name} is {name}, and spec.acceptedLicense names {accepted}: read it at {page} "
            f"and set spec.acceptedLicense to {name} if you accept it"
        )
        raise ImportFailure(ImportReason.LICENSE_NOT_ACCEPTED, text)
    if repository.gated and accepted is None:
        text = (
            f"{repository.name} is given out under the licence {name} only to those who accept it: read it at {page} "
            f"and set spec.acceptedLicense to {name} if you do"
        )
        raise ImportFailure(ImportReason.LICENSE_NOT_ACCEPTED, text)


def below(repository: Repository, path: str) -> dict[str, HubFile]:
    """Files by their name relative to a directory of the repository. Raises ``ImportFailure`` where there are none, or
    where a name leads out of the directory that it is written to."""
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    found = {file.name.removeprefix(prefix): file for file in repository.files if file.name.startswith(prefix)}
    if not found:
        what = f"has no directory {path.strip('/')}" if prefix else "is empty"
        raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, f"{repository.name} {what}: correct {repository.field}")
    check_names(found, what=repository.name)
    return found


def check_names(names: Iterable[str], *, what: str) -> None:
    """That every file stays in the directory that it is written to. Raises ``ImportFailure``."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            text = f"{what} has a file {name!r}, whose name leads out of the model's directory"
            raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)


def check_layout(names: Iterable[str], *, what: str, deeper: Callable[[str], str]) -> None:
    """That these are the files of a model in safetensors. Raises ``ImportFailure`` with the way out; ``deeper`` says
    how a directory below is named instead."""
    there = list(names)
    safe = [name for name in there if name.endswith(".safetensors")]
    if CONFIGURATION not in there and PIPELINE not in there:
        raise _unsupported(_without_configuration(there, what=what, deeper=deeper))
    if safe:
        return
    if gguf := [name for name in there if name.endswith(".gguf")]:
        raise _unsupported(f"{what} holds its weights as GGUF ({_some(gguf)}), which is not read. {_ELSEWHERE}")
    if pickles := [name for name in there if PurePosixPath(name).suffix in _PICKLES]:
        raise _unsupported(
            f"{what} holds its weights as {_some(pickles)}, a format that can run code when it is loaded, and not in "
            f"safetensors. {_ELSEWHERE}"
        )
    raise _unsupported(f"{what} holds no weights in safetensors. {_ELSEWHERE}")


_ELSEWHERE: Final = (
    "Name a repository or revision with safetensors, or convert it (save_pretrained of transformers) and put the "
    "directory onto a claim"
)


def _without_configuration(names: Sequence[str], *, what: str, deeper: Callable[[str], str]) -> str:
    if "adapter_config.json" in names:
        return (
            f"{what} is an adapter (adapter_config.json) without its base model: merge the two (merge_and_unload of "
            "peft), and import the result"
        )
    if gguf := [name for name in names if name.endswith(".gguf")]:
        return f"{what} holds its weights as GGUF ({_some(gguf)}), which is not read. {_ELSEWHERE}"
    if inside := sorted(name.rsplit("/", 1)[0] for name in names if name.endswith(f"/{CONFIGURATION}")):
        return f"{what} has no {CONFIGURATION}, but its directory {inside[0]} has: {deeper(inside[0])}"
    return f"{what} has neither {CONFIGURATION} nor {PIPELINE}: name one in the layout of transformers or diffusers"


def texts(files: Mapping[str, HubFile]) -> tuple[HubFile, ...]:
    """Everything small that a server may read: needed before anything is known of the weights."""
    return tuple(file for name, file in sorted(files.items()) if _is_text(name))


def _is_text(name: str) -> bool:
    place = PurePosixPath(name)
    if any(part.startswith(".") for part in place.parts) or place.parts[0] in _NOT_NEEDED:
        return False
    if _MODULE.fullmatch(name):
        return place.suffix in _TEXTS
    named = place.suffix in _TEXTS or (len(place.parts) == 1 and bool(_CARDS.fullmatch(name)))
    # Deeper ones are of pipelines; other directories of a transformers repository hold exports for other engines.
    return named and len(place.parts) <= 2 and place.parts[0] not in {"onnx", "openvino", "original", "coreml"}


def weights(files: Mapping[str, HubFile], documents: Mapping[str, Any], *, what: str) -> tuple[HubFile, ...]:
    """The files that hold the weights. ``documents`` are the JSON files among the texts, by name.

    Raises ``ImportFailure`` where the index names files that are not there, or there is no weight file by its usual
    name.
    """
    folders = _parts(documents[PIPELINE], what=what) if PIPELINE in documents else ("",)
    found: dict[str, HubFile] = {}
    for folder in folders:
        for name in _names(folder, files, documents, what=what):
            found[name] = files[name]
    for name, file in files.items():
        if _MODULE.fullmatch(name) and name.endswith(".safetensors"):
            found[name] = file
    if not found:
        others = [name for name in files if name.endswith(".safetensors")]
        raise _unsupported(f"{what} has no {_WEIGHTS[0]}, only {_some(others)}. {_ELSEWHERE}")
    return tuple(found[name] for name in sorted(found))


def _parts(pipeline: Any, *, what: str) -> tuple[str, ...]:
    """Directories of a pipeline, each of which is one part."""
    found = []
    for name, value in pipeline.items():
        if name.startswith("_") or not isinstance(value, list) or not value or value[0] is None:
            continue
        if name in _NOT_NEEDED:
            continue
        if value[0] not in _TRUSTED:
            text = f"{what}: {PIPELINE} has {name} made by code of the repository ({value[0]}), which is never run"
            raise ImportFailure(ImportReason.REMOTE_CODE, f"{text}. Name a pipeline of diffusers' own classes")
        found.append(f"{name}/")
    return tuple(found)


def _names(folder: str, files: Mapping[str, HubFile], documents: Mapping[str, Any], *, what: str) -> list[str]:
    for single in _WEIGHTS:
        index = documents.get(f"{folder}{single}.index.json")
        if index is not None:
            return _indexed(index, f"{folder}{single}.index.json", files, folder=folder, what=what)
        if f"{folder}{single}" in files:
            return [f"{folder}{single}"]
    return []


def _indexed(index: Any, name: str, files: Mapping[str, HubFile], *, folder: str, what: str) -> list[str]:
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise _unsupported(f"{what}: {name} has no weight_map: name a revision that is complete")
    names = sorted({f"{folder}{place}" for place in places.values()})
    if missing := [each for each in names if each not in files or not each.endswith(".safetensors")]:
        raise _unsupported(f"{what} lacks {_some(missing)}, which {name} names: name a revision that is complete")
    return names


def _unsupported(message: str) -> ImportFailure:
    return ImportFailure(ImportReason.UNSUPPORTED_FORMAT, message)


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (" and more" if len(names) > 3 else "")
