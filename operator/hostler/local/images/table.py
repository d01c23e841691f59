"""Which images there are, and the name of each: a hash over everything that it is made of.

The name is the whole cache key. An image whose reference exists is current; nothing else is asked.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import hostler
from hostler.local import tools
from hostler.local.errors import ImageError
from hostler.local.torchwheel import TorchWheelError, WheelRequest, ensure_wheel

Builder = Literal["buildah", "docker"]

REPOSITORY = "localhost/hostler"
PYTHON = "3.11"
DOCKER_BASE = "docker.io/library/python:3.11-slim-bookworm"
_IGNORED = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")


@dataclass(frozen=True)
class Ingredient:
    """Something an image needs that is not in the repository: a directory that its build sees by a name.

    A Containerfile uses it with `RUN --mount=type=bind,from=<name>,target=/<name>`.
    """

    key: Callable[[], str]
    """Changes whenever the content would."""
    directory: Callable[[], Path]
    """Makes it, which may take minutes."""


@dataclass(frozen=True)
class ImageSpec:
    """One image: a Containerfile, what it copies from the repository, and the image it stands on."""

    name: str
    containerfile: str
    inputs: tuple[str, ...]
    parent: str | None = "base"
    arguments: Mapping[str, str] = field(default_factory=dict)
    ingredients: Mapping[str, Ingredient] = field(default_factory=dict)
    loaded: bool = True
    """Whether nodes run it; an intermediate image is only built."""


def _wheel_request() -> WheelRequest:
    return WheelRequest(python=PYTHON)


def _wheel_directory() -> Path:
    try:
        return ensure_wheel(_wheel_request()).parent
    except TorchWheelError as error:
        raise ImageError(f"the torch wheel cannot be made: {error}") from error


def _programs_directory() -> Path:
    return tools.ensure_binaries(lambda _: None).kubernetes


TORCH_WHEEL = Ingredient(key=lambda: _wheel_request().key, directory=_wheel_directory)
PROGRAMS = Ingredient(key=tools.KUBERNETES.key, directory=_programs_directory)

RUNTIME_CODE = ("images/runtime/hostler_runtime/**/*", "operator/hostler_contract/**/*", "operator/hostler_data/**/*")

IMAGES: dict[str, ImageSpec] = {
    spec.name: spec
    for spec in (
        ImageSpec("base", "images/base/Containerfile", (), parent=None, loaded=False),
        # Libraries apart from code: a change of the code makes one small layer, and three images share the large one.
        ImageSpec("control", "images/operator/Containerfile.libraries", ("requirements/control.lock",), loaded=False),
        ImageSpec("operator", "images/operator/Containerfile", ("operator/**/*",), parent="control"),
        ImageSpec(
            "device-simulator",
            "images/device-simulator/Containerfile",
            ("images/device-simulator/device_simulator/**/*",),
            parent="operator",
        ),
        # The exporter is a module of the operator's package: same layers, another command.
        ImageSpec("accelerator-exporter", "images/accelerator-exporter/Containerfile", (), parent="operator"),
        ImageSpec(
            "runtime",
            "images/runtime/Containerfile",
            ("requirements/runtime.lock",),
            ingredients={"wheels": TORCH_WHEEL},
            loaded=False,
        ),
        ImageSpec(
            "runtime-train",
            "images/runtime/Containerfile.train",
            RUNTIME_CODE,
            parent="runtime",
        ),
        ImageSpec(
            "runtime-serve",
            "images/runtime/Containerfile.serve",
            RUNTIME_CODE,
            parent="runtime",
        ),
        ImageSpec("prometheus", "images/prometheus/Containerfile", (), ingredients={"programs": PROGRAMS}),
    )
}


def source_root() -> Path:
    """The checkout that holds the Containerfiles; an installed package has none."""
    root = Path(hostler.__file__).resolve().parents[2]
    if not (root / "images" / "base" / "Containerfile").exists():
        raise ImageError(
            "images are built from the source tree only", way_out="run this in a checkout of the repository"
        )
    return root


def spec_of(name: str) -> ImageSpec:
    if name not in IMAGES:
        raise ImageError(f"unknown image {name!r}", way_out=f"choose one of {', '.join(IMAGES)}")
    return IMAGES[name]


def lineage(name: str) -> list[ImageSpec]:
    """An image and those it stands on, the lowest first."""
    spec = spec_of(name)
    return [*(lineage(spec.parent) if spec.parent else []), spec]


def input_files(root: Path, patterns: Iterable[str]) -> list[Path]:
    """The files that patterns name, sorted, without what tools leave behind."""
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.suffix != ".pyc" and not set(path.parts) & set(_IGNORED))


def copy_inputs(spec: ImageSpec, *, source: Path, target: Path) -> None:
    """Copy what an image is made of, and nothing else: a build that needs more than it declares fails."""
    for path in input_files(source, (spec.containerfile, *spec.inputs)):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def reference_of(name: str, *, root: Path, builder: Builder, foundation: str) -> str:
    """`localhost/hostler/<name>:<hash>` over the inputs, the ingredients' keys and the parent's reference.

    `foundation` identifies what the lowest image stands on.
    """
    spec = spec_of(name)
    parent = foundation
    if spec.parent:
        parent = reference_of(spec.parent, root=root, builder=builder, foundation=foundation)
    digest = hashlib.sha256()
    for part in _parts(spec, root=root, parent=parent, builder=builder):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"{REPOSITORY}/{name}:{digest.hexdigest()[:12]}"


def _parts(spec: ImageSpec, *, root: Path, parent: str, builder: Builder) -> Iterator[bytes]:
    yield builder.encode()
    yield parent.encode()
    for key, value in sorted(spec.arguments.items()):
        yield f"{key}={value}".encode()
    for key, ingredient in sorted(spec.ingredients.items()):
        yield f"{key}={ingredient.key()}".encode()
    if not (root / spec.containerfile).exists():
        raise ImageError(f"image {spec.name!r} has no {spec.containerfile}")
    for path in input_files(root, (spec.containerfile, *spec.inputs)):
        executable = bool(path.stat().st_mode & 0o100)
        yield f"{path.relative_to(root)} {executable}".encode()
        yield path.read_bytes()
